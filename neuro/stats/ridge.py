"""Ridge regression: every penalty, and every mixture of penalties, from one decomposition."""

from __future__ import annotations

import numpy as np

_RANK = 1e-12
"""Eigenvalues below this share of the largest are rounding."""


class RidgePath:
    """Least squares with a penalty on the squared weights, for any penalty.

    Decomposes the scatter of features or of rows, whichever is smaller. The intercept is not
    penalised.

    Parameters
    ----------
    X : array, shape (n_rows, n_features)
    Y : array, shape (n_rows, n_targets)
    weight : array, shape (n_rows,), optional
        Say of each row; 1 each by default. Penalties are in its units.

    Attributes
    ----------
    x_mean, y_mean : ndarray, shape (n_features,), (n_targets,)
    basis : ndarray, shape (n_features, rank)
        Orthonormal directions of the centred features.
    values : ndarray, shape (rank,)
        Their sums of squares.
    target : ndarray, shape (rank, n_targets)
        Their products with the centred targets.

    References
    ----------
    Hastie, T., Tibshirani, R., Friedman, J. (2009). The Elements of Statistical Learning, 3.4.1.
    """

    def __init__(self, X, Y, weight=None):
        X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
        weight = np.ones(len(X)) if weight is None else np.asarray(weight, dtype=np.float64)
        self.x_mean, self.y_mean = (weight @ matrix / weight.sum() for matrix in (X, Y))
        root = np.sqrt(weight)[:, None]
        X, Y = (X - self.x_mean) * root, (Y - self.y_mean) * root
        wide = len(X) < X.shape[1]
        values, vectors = np.linalg.eigh(X @ X.T if wide else X.T @ X)
        kept = values > _RANK * max(values[-1], 1e-300)
        self.values, vectors = values[kept], vectors[:, kept]
        if wide:
            self.basis = X.T @ (vectors / np.sqrt(self.values))
            self.target = np.sqrt(self.values)[:, None] * (vectors.T @ Y)
        else:
            self.basis, self.target = vectors, vectors.T @ (X.T @ Y)

    def project(self, X) -> np.ndarray:
        """Rows along the basis, shape (n_rows, rank)."""
        return (np.asarray(X, dtype=np.float64) - self.x_mean) @ self.basis

    def weights(self, penalty) -> np.ndarray:
        """Weights of the basis for one penalty, or one per target; shape (rank, n_targets).

        Penalties of shape (n, 1, 1) give all their weights at once, shape (n, rank, n_targets).
        """
        return self.target / (self.values[:, None] + penalty)

    def leverage(self, scores, penalty) -> np.ndarray:
        """Say of each training row in its own fit, the intercept aside; shape (n_rows,).

        `scores` are the training rows along the basis, `penalty` one number. Rows with a weight
        have this times their weight.
        """
        return scores**2 @ (1 / (self.values + penalty))

    def solve(self, penalty) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (n_features, n_targets) and intercepts (n_targets,)."""
        coef = self.basis @ self.weights(penalty)
        return coef, self.y_mean - self.x_mean @ coef
