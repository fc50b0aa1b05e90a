"""The space that training rows span: everything a fit can learn about edges lies in it."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.stats.ties import facing

_BLOCK = 4096
"""Columns that are held in double precision at a time."""

_RANK = 1e-5
"""Singular values below this share of the largest one are rounding."""


@dataclasses.dataclass(frozen=True)
class RowSpace:
    """Principal axes of centred training rows.

    Attributes
    ----------
    mean : ndarray of float32, shape (n_edges,)
    axes : ndarray of float32, shape (n_edges, k)
        Orthonormal columns, the strongest first.
    singular : ndarray of float64, shape (k,)
    outside : float
        Mean square per entry of the training rows that the axes leave out; 0 when k is the rank.
    """

    mean: np.ndarray
    axes: np.ndarray
    singular: np.ndarray
    outside: float

    @property
    def n_edges(self) -> int:
        return self.axes.shape[0]

    @property
    def n_columns(self) -> int:
        return self.axes.shape[1]

    def project(self, X) -> np.ndarray:
        """Coordinates of rows, float32, shape (n_rows, k)."""
        X = np.asarray(X, dtype=np.float32)
        return X @ self.axes - self.mean @ self.axes

    def back(self, P) -> np.ndarray:
        """Edges of coordinates, float32, shape (n_rows, n_edges)."""
        return np.asarray(P, dtype=np.float32) @ self.axes.T + self.mean

    def outside_energy(self, X, P) -> np.ndarray:
        """Sum of squares of each row outside the axes, float64, shape (n_rows,)."""
        total = np.array([_square_distance(row, self.mean) for row in X])
        return np.maximum(total - (np.asarray(P, dtype=np.float64) ** 2).sum(axis=1), 0.0)


@dataclasses.dataclass(frozen=True)
class EdgeSpace:
    """The edges themselves, with the interface of :class:`RowSpace`."""

    n_edges: int
    outside: float = 0.0

    @property
    def n_columns(self) -> int:
        return self.n_edges

    def project(self, X) -> np.ndarray:
        return np.asarray(X, dtype=np.float32)

    def back(self, P) -> np.ndarray:
        return np.asarray(P, dtype=np.float32)

    def outside_energy(self, X, P) -> np.ndarray:
        return np.zeros(len(X))


def _square_distance(row, mean) -> float:
    difference = np.asarray(row, dtype=np.float64) - mean
    return float(difference @ difference)


def row_space(X, n_components: int | None = None) -> tuple[RowSpace, np.ndarray]:
    """Principal axes of rows, from the eigenvectors of their Gram matrix.

    Parameters
    ----------
    X : array, shape (n_rows, n_edges)
    n_components : int, optional
        Number of axes; default the rank, which is `n_rows - 1` at most.

    Returns
    -------
    space : RowSpace
    P : ndarray of float32, shape (n_rows, k)
        Coordinates of `X`.

    Raises
    ------
    ValueError
        When all rows are equal.

    Notes
    -----
    The cost is that of an n_rows x n_rows Gram matrix, never of an n_edges x n_edges one.
    """
    from scipy.linalg import eigh

    X = np.asarray(X)
    n, n_edges = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    gram = np.zeros((n, n))
    for start in range(0, n_edges, _BLOCK):
        block = X[:, start : start + _BLOCK] - mean[start : start + _BLOCK]
        gram += block @ block.T
    wanted = n - 1 if n_components is None else min(int(n_components), n - 1)
    values, vectors = eigh(gram, subset_by_index=[n - max(wanted, 1), n - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > (_RANK**2) * max(values[0], 0.0)
    if not kept.any() or values[0] <= 1e-12 * n_edges:
        raise ValueError("X: all rows are equal; there is nothing to learn")
    singular, vectors = np.sqrt(values[kept]), vectors[:, kept]
    # the random start of a network means another thing on axes of the opposite sign
    vectors = vectors * facing(vectors)
    axes = np.empty((n_edges, len(singular)), dtype=np.float32)
    weights = (vectors / singular).astype(np.float32)
    mean = mean.astype(np.float32)
    for start in range(0, n_edges, _BLOCK):
        block = np.asarray(X[:, start : start + _BLOCK], dtype=np.float32)
        axes[start : start + _BLOCK] = (block - mean[start : start + _BLOCK]).T @ weights
    left = float(np.trace(gram) - (singular**2).sum()) / (n * n_edges)
    space = RowSpace(mean, axes, singular, left if left > 1e-9 * values[0] / (n * n_edges) else 0.0)
    return space, (vectors * singular).astype(np.float32)
