"""Covariances in the tangent space of a group: an estimator for use inside a fold."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.base.estimator import Tagged
from neuro.stats.shrinkage import ledoit_wolf


def shrunk_correlation(series) -> np.ndarray:
    """Covariance of standardised series, shrunk by Ledoit and Wolf.

    Parameters
    ----------
    series : ndarray, shape (n_timepoints, n_regions)
        Finite, without constant columns.

    Returns
    -------
    ndarray of float64, shape (n_regions, n_regions)
        Positive definite.
    """
    values = np.asarray(series, dtype=np.float64)
    return ledoit_wolf((values - values.mean(axis=0)) / values.std(axis=0))


def pack(matrices) -> np.ndarray:
    """Upper triangles with the diagonal, one matrix per row."""
    row, column = np.triu_indices(np.shape(matrices)[-1])
    return np.asarray(matrices)[..., row, column]


def pairs(n_values: int) -> np.ndarray:
    """Which values that :func:`pack` gave are not of the diagonal, bool of shape (n_values,)."""
    size = int((np.sqrt(8 * n_values + 1) - 1) / 2)
    row, column = np.triu_indices(size)
    return row != column


def unpack(rows) -> np.ndarray:
    """Symmetric matrices from what :func:`pack` gave, float64.

    Raises
    ------
    ValueError
        When the rows are no upper triangles.
    """
    rows = np.asarray(rows, dtype=np.float64)
    size = int((np.sqrt(8 * rows.shape[-1] + 1) - 1) / 2)
    if size * (size + 1) // 2 != rows.shape[-1]:
        raise ValueError(f"rows: {rows.shape[-1]} values, no upper triangle with its diagonal")
    row, column = np.triu_indices(size)
    out = np.empty((*rows.shape[:-1], size, size))
    out[..., row, column] = rows
    out[..., column, row] = rows
    return out


class TangentSpace(Tagged, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Deviation of each covariance from the mean of the training rows.

    Parameters
    ----------
    max_iter : int
        Steps of the search for the mean (default 50, ours).
    tol : float
        Norm of the mean deviation per region at which it stops (default 1e-7, ours).

    Attributes
    ----------
    mean_ : ndarray of float64, shape (n_regions, n_regions)
        Mean for the affine-invariant distance.
    whitening_ : ndarray of float64, shape (n_regions, n_regions)
        Its inverse square root.
    n_iter_ : int

    Notes
    -----
    The mean is learned from the rows given to `fit`: fit it on training rows only. It sees no
    labels.

    References
    ----------
    Varoquaux et al. 2010, MICCAI 13:200.
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": []}

    def __init__(self, max_iter: int = 50, tol: float = 1e-7):
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X, y=None) -> TangentSpace:
        """Find the mean covariance of the training rows.

        Parameters
        ----------
        X : ndarray, shape (n_rows, n_regions * (n_regions + 1) / 2)
            Positive definite matrices, see :func:`pack`.
        y
            Ignored.

        Returns
        -------
        TangentSpace

        Raises
        ------
        ValueError
            When a matrix is not positive definite.
        """
        if self.max_iter < 1:
            raise ValueError(f"max_iter: got {self.max_iter}, expected a whole number >= 1")
        stack = _positive(validate_data(self, X))
        n_regions = stack.shape[1]
        # the mean of the logarithms is close to the wanted mean and cheap
        mean = _spectral(_spectral(stack, np.log).mean(axis=0), np.exp)
        step, last = 1.0, np.inf
        for iteration in range(1, self.max_iter + 1):  # noqa: B007
            root, inverse = _spectral(mean, np.sqrt), _spectral(mean, lambda w: 1 / np.sqrt(w))
            away = _spectral(inverse @ stack @ inverse, np.log).mean(axis=0)
            norm = np.linalg.norm(away) / n_regions
            if norm < self.tol:
                break
            # a step that led further away was too long
            step = step / 2 if norm > last else min(1.0, step * 1.2)
            last = norm
            mean = root @ _spectral(step * away, np.exp) @ root
            mean = (mean + mean.T) / 2
        self.n_iter_ = iteration
        self.mean_ = mean
        self.whitening_ = _spectral(mean, lambda w: 1 / np.sqrt(w))
        return self

    def transform(self, X) -> np.ndarray:
        """Edges of each row in the tangent space; the diagonal is left out.

        Parameters
        ----------
        X : ndarray, shape (n_rows, n_regions * (n_regions + 1) / 2)

        Returns
        -------
        ndarray of float32, shape (n_rows, n_regions * (n_regions - 1) / 2)

        Raises
        ------
        ValueError
            When `fit` was not called, or the regions do not fit.
        """
        check_is_fitted(self)
        stack = _positive(validate_data(self, X, reset=False))
        matrices = _spectral(self.whitening_ @ stack @ self.whitening_, np.log)
        row, column = np.triu_indices(stack.shape[1], 1)
        return matrices[:, row, column].astype(np.float32)

    @property
    def _n_features_out(self) -> int:
        return len(self.mean_) * (len(self.mean_) - 1) // 2


def _positive(X) -> np.ndarray:
    stack = unpack(X)
    if not (np.linalg.eigvalsh(stack)[:, 0] > 0).all():
        raise ValueError("X: a matrix is not positive definite; give shrunk covariances")
    return stack


def _spectral(matrices, function) -> np.ndarray:
    """Apply a function to the eigenvalues of symmetric matrices."""
    matrices = (matrices + np.swapaxes(matrices, -1, -2)) / 2
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * function(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
