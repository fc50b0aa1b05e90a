"""ComBat: location and scale of sites removed with empirical Bayes, fitted on training rows."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ComBat:
    """What was learned from training rows; :func:`fit_combat` makes it.

    A value is `mean + design @ slope + scale (gamma_site + sqrt(delta_site) e)`; applying it takes
    `gamma` and `delta` out and leaves the rest, the effects of the protected columns included.

    Attributes
    ----------
    mean : ndarray, shape (n_features,)
        Mean over sites, weighted by their rows.
    slope : ndarray, shape (n_columns, n_features)
        Of the protected columns.
    scale : ndarray, shape (n_features,)
        Pooled standard deviation within sites; 0 where nothing varies.
    effects : dict
        Site -> (gamma, delta), each of shape (n_features,).

    References
    ----------
    Johnson, Li, Rabinovic (2007), Biostatistics 8:118. Fortin et al. (2018), NeuroImage 167:104.
    """

    mean: np.ndarray
    slope: np.ndarray
    scale: np.ndarray
    effects: dict

    def apply(self, X, site, design=None, *, transductive: bool = False) -> np.ndarray:
        """Rows without the effect of their site.

        Parameters
        ----------
        X : ndarray, shape (n_rows, n_features)
        site : array of str, shape (n_rows,)
        design : ndarray, shape (n_rows, n_columns), optional
            Protected columns, coded as in the fit.
        transductive : bool, default False
            Whether a site that was not in training is corrected by its own rows: the same
            shrinkage toward its own mean over features, on values standardised by what training
            rows taught. Labels are not looked at.

        Returns
        -------
        ndarray of float64, shape (n_rows, n_features)

        Raises
        ------
        ValueError
            For a site that was not in training, without `transductive`.
        """
        X = np.asarray(X, dtype=np.float64)
        standing = self._standing(len(X), design)
        z = (X - standing) / self._unit
        site = np.asarray(site).astype(str)
        for name in np.unique(site):
            rows = site == name
            if name in self.effects:
                gamma, delta = self.effects[name]
            elif transductive:
                gamma, delta = site_effect(z[rows], self.scale > 0)
            else:
                raise ValueError(
                    f"harmonise: site '{name}' was not in training; set transductive to use its "
                    "unlabelled subjects, or harmonise 'none'"
                )
            z[rows] = (z[rows] - gamma) / np.sqrt(delta)
        return z * self._unit + standing

    @property
    def _unit(self):
        return np.where(self.scale > 0, self.scale, 1.0)

    def _standing(self, n_rows, design):
        if not len(self.slope):
            return np.tile(self.mean, (n_rows, 1))
        return self.mean + np.asarray(design, dtype=np.float64) @ self.slope


def fit_combat(X, site, design=None) -> ComBat:
    """Learn site effects from training rows.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_features)
        Finite.
    site : array of str, shape (n_rows,)
    design : ndarray, shape (n_rows, n_columns), optional
        Columns whose effects stay in: age, sex, never the label that is to be predicted. Shifting
        or scaling a column changes nothing.

    Returns
    -------
    ComBat
    """
    X = np.asarray(X, dtype=np.float64)
    site = np.asarray(site).astype(str)
    names, row = np.unique(site, return_inverse=True)
    hot = (row[:, None] == np.arange(len(names))).astype(float)
    design = np.empty((len(X), 0)) if design is None else np.asarray(design, dtype=np.float64)
    # all sites and no constant; collinear columns share their effect
    weights = np.linalg.lstsq(np.hstack([hot, design]), X, rcond=None)[0]
    mean = hot.mean(axis=0) @ weights[: len(names)]
    slope = weights[len(names) :]
    left = X - np.hstack([hot, design]) @ weights
    scale = np.sqrt((left**2).mean(axis=0))
    # a constant column has only rounding noise left; it teaches the others nothing
    scale = np.where(scale > 1e-9 * np.maximum(np.abs(mean), 1e-3), scale, 0.0)
    found = ComBat(mean, slope, scale, {})
    z = (X - found._standing(len(X), design)) / found._unit
    for place, name in enumerate(names):
        found.effects[name] = site_effect(z[row == place], scale > 0)
    return found


CLOSE = 1e-4
"""Relative change at which the two equations of a site count as solved (Johnson et al. 2007)."""


def site_effect(z, varies=None) -> tuple[np.ndarray, np.ndarray]:
    """Shift and variance of a site, shrunk toward their means over features.

    The shift has a normal prior, the variance an inverse gamma prior, both with moments taken over
    features; the posterior modes of the two are solved in turn.

    Parameters
    ----------
    z : ndarray, shape (n_rows, n_features)
        Standardised rows of one site. The variance of a single row is 1; with one feature, or
        features that all agree, nothing is shrunk.
    varies : ndarray of bool, shape (n_features,), optional
        Features that vary within sites; the others are shifted and no more.

    Returns
    -------
    gamma, delta : ndarray, shape (n_features,)
    """
    if varies is not None and not varies.all():
        gamma, delta = z.mean(axis=0), np.ones(z.shape[1])
        if varies.any():
            gamma[varies], delta[varies] = site_effect(z[:, varies])
        return gamma, delta
    n, n_features = z.shape
    shift = z.mean(axis=0)
    if n < 2:
        return shift, np.ones(n_features)
    spread = z.var(axis=0, ddof=1)
    # what does not vary at a site keeps the scale that all sites share
    flat = spread <= 1e-12
    spread = np.where(flat, 1.0, spread)
    if n_features < 2 or np.ptp(spread) <= 1e-12 or np.ptp(shift) <= 1e-12:
        return shift, spread
    prior, tau = shift.mean(), shift.var(ddof=1)
    centre, wide = spread.mean(), spread.var(ddof=1)
    shape = (2 * wide + centre**2) / wide
    rate = (centre * wide + centre**3) / wide
    gamma, delta = shift, spread
    for _ in range(1000):
        new = (tau * n * shift + delta * prior) / (tau * n + delta)
        power = ((z - new) ** 2).sum(axis=0)
        new_delta = (power / 2 + rate) / (n / 2 + shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = max(
                np.nanmax(np.abs(new - gamma) / gamma),
                np.nanmax(np.abs(new_delta - delta) / delta),
            )
        gamma, delta = new, new_delta
        if moved <= CLOSE:
            break
    return gamma, np.where(flat, 1.0, delta)
