"""Columns of a linear model, split into what is tested and what is not, and blocks of exchange."""

from __future__ import annotations

import dataclasses

import numpy as np

_ALONE = 1e-8
"""A column of which a smaller share stands outside the others is a combination of them (ours)."""


@dataclasses.dataclass(frozen=True)
class Basis:
    """Orthonormal columns of one set of rows.

    Attributes
    ----------
    effect : ndarray, shape (n_rows, n_effects)
        Part of the tested columns that nuisance does not explain.
    moving : ndarray, shape (n_rows, n_moving)
        Nuisance that exchanging rows within blocks can change.
    still : ndarray, shape (n_rows, n_still)
        Nuisance that is constant within blocks: exchanging rows leaves it as it is.
    corner : ndarray, shape (n_effects, n_effects)
        Effects are `solve(corner, effect.T @ y)`.
    """

    effect: np.ndarray
    moving: np.ndarray
    still: np.ndarray
    corner: np.ndarray

    @property
    def residual_df(self) -> int:
        """Rows minus columns."""
        rows, columns = self.effect.shape
        return rows - columns - self.moving.shape[1] - self.still.shape[1]


@dataclasses.dataclass(frozen=True)
class Design:
    """What is tested, what is taken out, and which rows may change places.

    Attributes
    ----------
    effect : ndarray, shape (n_rows, n_effects)
        Tested together: a t test of one column, an F test of several.
    nuisance : ndarray, shape (n_rows, n_nuisance)
        Without the constant, which is always there.
    blocks : ndarray of int, shape (n_rows,)
        Rows of one block are exchangeable under the null.
    effect_names, nuisance_names : tuple of str
    """

    effect: np.ndarray
    nuisance: np.ndarray
    blocks: np.ndarray
    effect_names: tuple[str, ...]
    nuisance_names: tuple[str, ...]

    def columns(self) -> tuple[np.ndarray, list[str]]:
        """All columns in the order of the decomposition: still, moving, tested; with names."""
        n = len(self.effect)
        still = np.array([self._still(column) for column in self.nuisance.T], dtype=bool)
        order = [*np.flatnonzero(still), *np.flatnonzero(~still)]
        X = np.column_stack([np.ones(n), self.nuisance[:, order], self.effect])
        names = ["the constant", *(self.nuisance_names[k] for k in order), *self.effect_names]
        return X, names

    def _still(self, column) -> bool:
        return all(np.ptp(column[self.blocks == block]) == 0 for block in np.unique(self.blocks))

    def check(self) -> None:
        """Refuse columns that are combinations of others.

        Raises
        ------
        ValueError
            Names the column and those that make it up.
        """
        X, names = self.columns()
        _, dependent = _decompose(X)
        if not dependent:
            return
        column = dependent[0]
        before = [k for k in range(column) if k not in dependent]
        weights = np.linalg.lstsq(X[:, before], X[:, column], rcond=None)[0]
        share = np.abs(weights) * np.linalg.norm(X[:, before], axis=0)
        size = float(np.linalg.norm(X[:, column]))
        others = [
            names[k]
            for k, explained in zip(before, share)
            if k > 0 and explained > 1e-6 * max(size, 1e-300)
        ]
        what = " and ".join(others) if others else names[0]
        raise ValueError(f"'{names[column]}' is a combination of {what}; remove one of them")

    def basis(self, rows=None) -> Basis | None:
        """Orthonormal columns of some of the rows.

        Nuisance that these rows lack, such as a site without any of them, is dropped.

        Parameters
        ----------
        rows : array of int, optional
            Default all.

        Returns
        -------
        Basis or None
            None where these rows cannot tell an effect.
        """
        rows = np.arange(len(self.effect)) if rows is None else np.asarray(rows)
        X, _ = self.columns()
        X = X[rows]
        n_effects = self.effect.shape[1]
        first = X.shape[1] - n_effects
        _, dependent = _decompose(X)
        if any(column >= first for column in dependent):
            return None
        kept = [column for column in range(X.shape[1]) if column not in dependent]
        Q, R = np.linalg.qr(X[:, kept])
        rows_only = dataclasses.replace(self, blocks=self.blocks[rows])
        n_still = sum(rows_only._still(column) for column in X[:, kept[: len(kept) - n_effects]].T)
        result = Basis(
            effect=Q[:, -n_effects:],
            moving=Q[:, n_still : len(kept) - n_effects],
            still=Q[:, :n_still],
            corner=R[-n_effects:, -n_effects:],
        )
        return result if result.residual_df > 0 else None


def _decompose(X) -> tuple[np.ndarray, list[int]]:
    """Orthonormal columns by Gram-Schmidt, twice for safety, and which columns add nothing."""
    made: list[np.ndarray] = []
    dependent = []
    for number, column in enumerate(X.T):
        size = np.linalg.norm(column)
        rest = column.astype(np.float64)
        for _ in range(2):
            for other in made:
                rest = rest - other * (other @ rest)
        left = np.linalg.norm(rest)
        if left <= _ALONE * size or size == 0:
            dependent.append(number)
        else:
            made.append(rest / left)
    return np.array(made), dependent


def places(blocks, n_permutations: int, rng) -> np.ndarray:
    """Where the residual of each row goes, permutation by permutation.

    Parameters
    ----------
    blocks : array of int, shape (n_rows,)
        Rows change places within their block only.
    n_permutations : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (n_permutations, n_rows)
    """
    blocks = np.asarray(blocks)
    out = np.tile(np.arange(len(blocks)), (n_permutations, 1))
    members = [np.flatnonzero(blocks == block) for block in np.unique(blocks)]
    for one in out:
        for rows in members:
            one[rows] = rng.permutation(rows)
    return out


def places_within(moves, rows) -> np.ndarray:
    """The same moves among some of the rows: a row whose place is missing goes on until one is not.

    The first return of a random permutation to a subset is a random permutation of the subset,
    and the one that differs least from the whole.

    Parameters
    ----------
    moves : ndarray of int, shape (n_permutations, n_rows)
        Of :func:`places`.
    rows : array of int
        Sorted.

    Returns
    -------
    ndarray of int, shape (n_permutations, len(rows))
        Numbers of places among `rows`.
    """
    n = moves.shape[1]
    if len(rows) == n:
        return moves
    number = np.full(n, -1)
    number[rows] = np.arange(len(rows))
    at = moves[:, rows]
    for _ in range(n):
        gone = number[at] < 0
        if not gone.any():
            break
        which, column = np.nonzero(gone)
        at[which, column] = moves[which, at[which, column]]
    return number[at]


def arrangements(effect, blocks) -> float:
    """Logarithm (base e) of the number of different arrangements of the tested rows in blocks."""
    from scipy.special import gammaln

    total = 0.0
    for block in np.unique(blocks):
        in_block = effect[blocks == block]
        _, counts = np.unique(in_block, axis=0, return_counts=True)
        total += gammaln(len(in_block) + 1) - gammaln(counts + 1).sum()
    return float(total)
