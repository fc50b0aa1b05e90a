"""Site and motion taken out of a few directions, biology left in: the protecting closed form."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from neuro.base.estimator import Tagged
from neuro.demovae.coding import schema
from neuro.demovae.coding.training_rows import edge_rows
from neuro.demovae.training.linear import rank_problem
from neuro.stats.ties import facing


@dataclasses.dataclass(frozen=True)
class SiteTerm:
    """What a site does to the components: `offset` and `spread`, each of shape (n_latents,)."""

    offset: np.ndarray
    spread: np.ndarray
    n_rows: int


class ProtectedLatents(Tagged, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Components without mean and scale of the sites and without motion; biology stays.

    Model of a row: `x = m + B b + f phi + g_site + d_site e`, one least-squares fit on training
    rows, with b the biology that must stay and f the nuisance numbers. Components are the leading
    right singular vectors of `e / d + B b`; along each, offsets of sites and deviations of their
    scales are shrunk by how much they differ beyond chance. New rows need their site and nuisance
    numbers, not their biology.

    Parameters
    ----------
    latent_dim : int, default 60
    site : str, default 'site'
    protect : sequence of Column or mapping
        Biology that stays. A number enters as itself and as the square of its values below the
        mean. The diagnosis may be among them; new rows never need it.
    nuisance : sequence of str, default ()
        Numbers that go, such as the logarithm of head motion.

    Attributes
    ----------
    sites_ : dict of str to SiteTerm
    tau2_, noise_ : ndarray, shape (n_latents,)
        Variance of offsets between sites, and of rows within them.
    axes_ : ndarray, shape (n_edges, n_latents)
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": ["float32"]}
    __metadata_request__fit: ClassVar = {"demographics": True, "groups": False}
    __metadata_request__transform: ClassVar = {"demographics": True}

    def __init__(self, latent_dim=60, site="site", protect=(), nuisance=()):
        self.latent_dim = latent_dim
        self.site = site
        self.protect = protect
        self.nuisance = nuisance

    def fit(self, X, y=None, *, demographics=None, groups=None):
        """Fit on training rows.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        y, groups : optional
            Never used.
        demographics : pandas.DataFrame
            Site, biology and nuisance numbers of the same rows, without gaps.

        Raises
        ------
        ValueError
            All problems of the demographics at once, or more latents than directions.
        """
        table = schema.match_rows(X, demographics)
        self.protect_ = schema.parse_columns([*self.protect])
        needed = [*self.protect_, *self._always()]
        problems = schema.check_demographics(table, needed)
        if problems:
            raise ValueError("\n".join(problems))
        rows = edge_rows(self, X, reset=True).astype(np.float64)
        names = schema.level_names(table[self.site]).astype(str)
        levels, place, count = np.unique(names, return_inverse=True, return_counts=True)
        self.levels_ = {
            column.name: sorted(set(schema.level_names(table[column.name])))
            for column in self.protect_
            if column.type == "categorical"
        }
        self.middle_ = {
            column.name: float(schema.numbers(table[column.name]).mean())
            for column in self.protect_
            if column.type == "continuous"
        }
        b, f = self._biology(table), self._nuisance(table)
        self.biology_mean_, self.nuisance_mean_ = b.mean(axis=0), f.mean(axis=0)
        b, f = b - self.biology_mean_, f - self.nuisance_mean_
        hot = np.eye(len(levels))[place]
        coefficients = np.linalg.lstsq(np.column_stack([hot, b, f]), rows, rcond=1e-8)[0]
        level, B = coefficients[: len(levels)], coefficients[len(levels) : len(levels) + b.shape[1]]
        phi = coefficients[len(levels) + b.shape[1] :]
        self.mean_ = count / len(rows) @ level
        e = rows - hot @ level - b @ B - f @ phi
        own = np.array([np.sqrt((e[place == k] ** 2).mean()) for k in range(len(levels))])
        scale = own / np.sqrt((e**2).mean())
        self._components(e / scale[place, None] + b @ B)
        self.biology_, self.phi_ = B @ self.axes_, phi @ self.axes_
        offset = (level - self.mean_) @ self.axes_
        self._shrink(offset, e @ self.axes_, scale, levels, place, count)
        means = np.array([b[place == k].mean(axis=0) for k in range(len(levels))])
        self.between_ = np.atleast_2d(np.cov((means @ self.biology_).T, bias=True))
        return self

    def _always(self):
        return [
            schema.Column(self.site, "categorical"),
            *(schema.Column(name, "continuous") for name in self.nuisance),
        ]

    def _components(self, rows):
        size = int(self.latent_dim)
        values, left = np.linalg.eigh(rows @ rows.T)
        rank = int((values > 1e-10 * values[-1]).sum())
        if size > rank:
            raise ValueError(rank_problem(size, rank))
        values, left = values[::-1][:size], left[:, ::-1][:, :size]
        axes = rows.T @ (left / np.sqrt(values))
        self.axes_ = axes * facing(axes)

    def _shrink(self, offset, e, scale, levels, place, count):
        within = e / scale[place, None]
        noise = (within**2).mean(axis=0)
        # variance of each site's offset: that of its rows
        error = scale[:, None] ** 2 * noise / count[:, None]
        self.tau2_ = np.maximum((offset**2 - error).mean(axis=0), 0)
        self.noise_ = noise
        share = self.tau2_ / np.maximum(self.tau2_ + error, 1e-300)
        doubt = 1 / (2 * np.maximum(count - 1, 1))
        deviation = np.zeros_like(offset)
        for k in range(len(levels)):
            if count[k] > 2:
                deviation[k] = 0.5 * np.log((within[place == k] ** 2).mean(axis=0) / noise)
        between = np.maximum((deviation**2 - doubt[:, None]).mean(axis=0), 0)
        factor = between / (between + doubt[:, None])
        self.sites_ = {
            str(name): SiteTerm(
                share[k] * offset[k], scale[k] * np.exp(factor[k] * deviation[k]), int(count[k])
            )
            for k, name in enumerate(levels)
        }

    def _biology(self, table) -> np.ndarray:
        blocks = [np.empty((len(table), 0))]
        for column in self.protect_:
            values = table[column.name]
            if column.type == "continuous":
                away = schema.numbers(values) - self.middle_[column.name]
                blocks.append(np.column_stack([away, np.minimum(away, 0) ** 2]))
            else:
                names = schema.level_names(values)
                others = self.levels_[column.name][1:]
                blocks.append(np.array([[name == k for k in others] for name in names], float))
        return np.hstack(blocks)

    def _nuisance(self, table) -> np.ndarray:
        parts = [schema.numbers(table[name])[:, None] for name in self.nuisance]
        return np.hstack([np.empty((len(table), 0)), *parts])

    def _seen(self, X, demographics):
        """Components without nuisance, and the sites, of rows."""
        check_is_fitted(self)
        table = schema.match_rows(X, demographics)
        problems = schema.check_demographics(table, self._always(), constant=False)
        if problems:
            raise ValueError("\n".join(problems))
        u = (edge_rows(self, X, reset=False) - self.mean_) @ self.axes_
        u -= (self._nuisance(table) - self.nuisance_mean_) @ self.phi_
        return u, schema.level_names(table[self.site]).astype(str), table

    def transform(self, X, *, demographics=None) -> np.ndarray:
        """Components of rows without site and nuisance.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        demographics : pandas.DataFrame
            Site and nuisance numbers.

        Returns
        -------
        ndarray of float32, shape (n_rows, latent_dim)

        Raises
        ------
        ValueError
            When a site is neither of the fit nor adapted to.
        """
        u, names, _ = self._seen(X, demographics)
        new = sorted(set(names) - set(self.sites_))
        if new:
            raise ValueError(
                f"site: {', '.join(new)} not in the fit (known: {', '.join(self.sites_)}); "
                "call adapt(X, demographics=...) with some of its scans"
            )
        for name in set(names):
            here, term = names == name, self.sites_[name]
            u[here] = (u[here] - term.offset) / term.spread
        return u.astype(np.float32)

    def fit_transform(self, X, y=None, *, demographics=None, groups=None) -> np.ndarray:
        """Fit and transform the same rows; arguments as in `fit`."""
        return self.fit(X, demographics=demographics).transform(X, demographics=demographics)

    def adapt(self, X, *, demographics):
        """Learn a site from scans without labels: a new one, or more of a known one.

        Where the protected columns of these rows are known they are taken into account; otherwise
        the site's offset is drawn towards 0 by how much biology differs between sites.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
            Some scans of the site; 20 are enough for most of the gain.
        demographics : pandas.DataFrame
            Site and nuisance numbers; of a known site the protected columns as well.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            When a known site comes without its biology.
        """
        u, names, table = self._seen(X, demographics)
        gaps = schema.check_demographics(table, self.protect_, constant=False)
        known = not gaps and bool(self.protect_)
        if known:
            u = u - (self._biology(table) - self.biology_mean_) @ self.biology_
        for name in sorted(set(names)):
            here = u[names == name]
            old = self.sites_.get(name)
            if old is not None and not known:
                raise ValueError(f"site: {name} is of the fit; its biology is needed to refine it")
            term = self._refined(here, old) if old is not None else self._fresh(here, known)
            self.sites_[name] = term
        return self

    def _refined(self, u, old) -> SiteTerm:
        error = self.noise_ * old.spread**2 / old.n_rows
        left = self.tau2_ * error / np.maximum(self.tau2_ + error, 1e-300)
        gain = left / np.maximum(left + self.noise_ * old.spread**2 / len(u), 1e-300)
        offset = old.offset + gain * (u.mean(axis=0) - old.offset)
        return SiteTerm(offset, old.spread, old.n_rows + len(u))

    def _fresh(self, u, known) -> SiteTerm:
        n, mean = len(u), u.mean(axis=0)
        if known:
            offset = self.tau2_ / np.maximum(self.tau2_ + self.noise_ / n, 1e-300) * mean
        else:
            total = np.diag(self.tau2_ + self.noise_ / n + 1e-12) + self.between_
            offset = self.tau2_ * np.linalg.solve(total, mean)
        away = u - (offset if n < 3 else mean)
        spread = np.sqrt((away**2).sum() / max(n - 1, 1) / self.noise_.sum())
        return SiteTerm(offset, np.full(len(mean), spread if n > 2 else 1.0), n)

    @property
    def _n_features_out(self) -> int:
        return self.axes_.shape[1]
