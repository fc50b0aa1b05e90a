"""A linear model of many measures, its residuals permuted within blocks (Freedman and Lane)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from neuro.base import seeds
from neuro.stats.permuted.design import Basis, Design, places, places_within

COVERAGE = 0.9
"""Share of the rows that must have a measure (ours, as for the classifier)."""
_MEMORY = 64e6
"""Bytes of a batch of statistics."""
_SAME = 1e-9
"""Relative difference below which two statistics are the same."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Measures that the same rows have, with the basis of these rows."""

    rows: np.ndarray
    measures: np.ndarray
    basis: Basis
    residuals: np.ndarray
    scale: ZScale


class ZScale:
    """From |t| or the root of F to the |z| of the same p.

    Measures with other degrees of freedom, and t and F, then stand on one scale.

    Parameters
    ----------
    n_effects, residual_df : int

    Notes
    -----
    Linear interpolation of a table; error below 2e-6 up to 8, and below 1e-3 beyond. p values
    below 1e-290 count as 1e-290.
    """

    def __init__(self, n_effects: int, residual_df: int):
        from scipy import stats

        self.n_effects, self.residual_df = n_effects, residual_df
        self.root = np.concatenate([np.linspace(0, 12, 6001), np.geomspace(12, 1e7, 3000)[1:]])
        p = np.maximum(self.p(self.root), 1e-290)
        self.z = np.maximum.accumulate(stats.norm.isf(p / 2))

    def __call__(self, root) -> np.ndarray:
        """|z| of each value."""
        return np.interp(root, self.root, self.z)

    def p(self, root) -> np.ndarray:
        """Parametric p of each value: two-sided of t, upper tail of F."""
        from scipy import stats

        if self.n_effects == 1:
            return 2 * stats.t.sf(root, self.residual_df)
        return stats.f.sf(np.square(root), self.n_effects, self.residual_df)


class PermutedModel:
    """Tests of one design in many measures.

    Residuals of the nuisance columns are permuted within blocks and fitted by the whole model
    again; all measures are permuted together, so that the largest statistic of each permutation
    gives family-wise p values. Measures that the same rows have share one decomposition, and the
    statistics of a batch of permutations are one matrix product. Measures with gaps are tested in
    the rows that have them: the permutation goes on over missing rows (see
    :func:`neuro.stats.permuted.design.places_within`).

    Parameters
    ----------
    Y : array, shape (n_rows, n_measures)
        NaN where a row lacks a measure.
    design : Design
    n_permutations : int
    random_state : int

    Attributes
    ----------
    tested : ndarray of bool, shape (n_measures,)
        Measures that :data:`COVERAGE` of the rows have, that vary, and whose rows tell an effect.
    n : ndarray of int, shape (n_measures,)
        Rows with the measure.
    df : ndarray of int, shape (n_measures,)
        Residual degrees of freedom; 0 where not tested.
    statistic : ndarray, shape (n_measures,)
        t of one tested column, F of several.
    z : ndarray, shape (n_measures,)
        The same as z, signed for one tested column.
    p : ndarray, shape (n_measures,)
        Parametric.
    effect : ndarray, shape (n_measures, n_effects)
        Coefficients.
    explained : ndarray, shape (n_measures,)
        Share of the variance left by nuisance that the effect explains (partial R squared).

    References
    ----------
    Freedman, D., Lane, D. (1983). A nonstochastic interpretation of reported significance levels.
    J. Bus. Econ. Stat. 1, 292-298.
    Winkler, A. M., Ridgway, G. R., Webster, M. A., Smith, S. M., Nichols, T. E. (2014). Permutation
    inference for the general linear model. NeuroImage 92, 381-397.
    """

    def __init__(self, Y, design: Design, n_permutations: int = 1000, random_state: int = 0):
        Y = np.asarray(Y, dtype=np.float64)
        self.design, self.n_permutations = design, n_permutations
        rng = seeds.generator(random_state, "permuted residuals")
        self.moves = places(design.blocks, n_permutations, rng)
        n_measures = Y.shape[1]
        self.n = np.isfinite(Y).sum(axis=0)
        self.tested = np.zeros(n_measures, dtype=bool)
        self.df = np.zeros(n_measures, dtype=int)
        self.effect = np.full((n_measures, design.effect.shape[1]), np.nan)
        self.statistic, self.z, self.p, self.explained = np.full((4, n_measures), np.nan)
        self.groups: list[Group] = []
        finite = np.isfinite(Y)
        patterns, member = np.unique(finite, axis=1, return_inverse=True)
        for number, pattern in enumerate(patterns.T):
            if pattern.mean() < COVERAGE:
                continue
            self._add(Y, np.flatnonzero(pattern), np.flatnonzero(np.ravel(member) == number))

    def _add(self, Y, rows, measures) -> None:
        """The observed statistics of measures that the same rows have."""
        basis = self.design.basis(rows)
        if basis is None:
            return
        values = Y[np.ix_(rows, measures)]
        spread = values - values.mean(axis=0)
        nuisance = np.column_stack([basis.still, basis.moving])
        residuals = spread - nuisance @ (nuisance.T @ spread)
        residuals -= nuisance @ (nuisance.T @ residuals)
        total = (residuals**2).sum(axis=0)
        varies = total > 1e-18 * np.maximum((values**2).sum(axis=0), 1e-300)
        measures, residuals = measures[varies], residuals[:, varies]
        if not len(measures):
            return
        scale = ZScale(basis.effect.shape[1], basis.residual_df)
        group = Group(rows, measures, basis, residuals, scale)
        self.groups.append(group)
        projected = basis.effect.T @ residuals
        root, signed = self._roots(group, projected[None], np.zeros((1, 0, len(measures))))
        self.tested[measures] = True
        self.df[measures] = basis.residual_df
        self.effect[measures] = np.linalg.solve(basis.corner, projected).T
        self.statistic[measures] = signed[0] if basis.effect.shape[1] == 1 else root[0] ** 2
        self.z[measures] = np.sign(signed[0]) * scale(root[0])
        self.p[measures] = scale.p(root[0])
        self.explained[measures] = (projected**2).sum(axis=0) / total[varies]

    @staticmethod
    def _roots(group, projected, taken):
        """|t| or root of F, and the same with its sign, shape (n_permutations, n_measures).

        `projected` (n_permutations, n_effects, n_measures) on the effect, `taken` on nuisance.
        """
        total = (group.residuals**2).sum(axis=0)
        explained = (projected**2).sum(axis=1)
        left = total - (taken**2).sum(axis=1) - explained
        n_effects, df = group.basis.effect.shape[1], group.basis.residual_df
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt(explained / n_effects / (np.maximum(left, 0) / df))
        root = np.where(np.isfinite(root), root, np.where(explained > 0, 1e7, 0.0))
        if n_effects > 1:
            return root, root
        return root, root * np.sign(projected[:, 0]) * np.sign(group.basis.corner[0, 0])

    def batches(self) -> Iterator[np.ndarray]:
        """z of permuted residuals, shape (n_in_batch, n_measures); 0 where not tested.

        Yields
        ------
        ndarray
            All batches together are `n_permutations` rows.
        """
        n_measures = len(self.tested)
        columns = self.design.effect.shape[1] + self.design.nuisance.shape[1]
        size = max(1, int(_MEMORY / (8 * max(n_measures, 1) * columns)))
        for low in range(0, self.n_permutations, size):
            moves = self.moves[low : low + size]
            out = np.zeros((len(moves), n_measures))
            for group in self.groups:
                out[:, group.measures] = self._permuted(group, places_within(moves, group.rows))
            yield out

    def _permuted(self, group, moves) -> np.ndarray:
        """z of one group of measures, shape (n_permutations, n_measures)."""
        both = np.column_stack([group.basis.effect, group.basis.moving])
        n_effects = group.basis.effect.shape[1]
        # a residual meets the row of the basis at the place where it goes
        turned = both[moves].transpose(0, 2, 1).reshape(-1, len(group.rows))
        coefficients = (turned @ group.residuals).reshape(len(moves), both.shape[1], -1)
        root, signed = self._roots(group, coefficients[:, :n_effects], coefficients[:, n_effects:])
        return np.sign(signed) * group.scale(root)


def permuted_p(observed, null) -> np.ndarray:
    """Share of a null that reaches each value, the observed one counted in.

    Parameters
    ----------
    observed : array
        Larger is more; NaN stays NaN.
    null : array, shape (n_permutations,)
        One value per permutation, such as the largest of all measures.

    Returns
    -------
    ndarray
        (b + 1) / (m + 1).
    """
    observed = np.asarray(observed, dtype=np.float64)
    null = np.sort(np.asarray(null, dtype=np.float64))
    beyond = len(null) - np.searchsorted(null, observed - _SAME * np.abs(observed), side="left")
    return np.where(np.isfinite(observed), (beyond + 1) / (len(null) + 1), np.nan)
