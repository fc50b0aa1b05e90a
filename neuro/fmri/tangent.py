"""Connectomes in the tangent space of a group: an estimator for use inside a fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro.fmri.connectome import checked_runs, ledoit_wolf, usable_regions
from neuro.params import Params


class TangentConnectome(Params):
    """Deviation of each run's covariance from the mean of the training runs.

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
    Covariances are those of the standardised series, shrunk by Ledoit and Wolf. The mean is
    learned from the runs given to `fit`, so it must be fitted on training runs only; nothing of
    it is ever stored as a file of the stage. Edges leave out the diagonal.

    References
    ----------
    Varoquaux et al. 2010, MICCAI 13:200. Ledoit and Wolf 2004, J. Multivar. Anal. 88:365.
    """

    def __init__(self, max_iter: int = 50, tol: float = 1e-7):
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, series: Sequence, y=None) -> TangentConnectome:
        """Find the mean covariance of the training runs.

        Parameters
        ----------
        series : sequence of arrays, each (n_timepoints, n_regions)
        y
            Ignored.

        Returns
        -------
        TangentConnectome

        Raises
        ------
        ValueError
            When a region is constant or missing in a run, or the numbers of regions differ.
        """
        if self.max_iter < 1:
            raise ValueError(f"max_iter: got {self.max_iter}, expected a whole number >= 1")
        stack = _covariances(series)
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

    def transform(self, series: Sequence) -> np.ndarray:
        """Edges of each run in the tangent space.

        Parameters
        ----------
        series : sequence of arrays, each (n_timepoints, n_regions)

        Returns
        -------
        ndarray of float32, shape (n_runs, n_edges)

        Raises
        ------
        ValueError
            When `fit` was not called, or the regions do not fit.
        """
        if not hasattr(self, "whitening_"):
            raise ValueError("TangentConnectome: call fit with the training runs first")
        stack = _covariances(series)
        if stack.shape[1] != len(self.whitening_):
            raise ValueError(
                f"series: {stack.shape[1]} regions, fitted with {len(self.whitening_)}"
            )
        matrices = _spectral(self.whitening_ @ stack @ self.whitening_, np.log)
        row, column = np.triu_indices(stack.shape[1], 1)
        return matrices[:, row, column].astype(np.float32)

    def fit_transform(self, series: Sequence, y=None) -> np.ndarray:
        """Fit and transform the same runs.

        Parameters
        ----------
        series : sequence of arrays, each (n_timepoints, n_regions)
        y
            Ignored.

        Returns
        -------
        ndarray of float32, shape (n_runs, n_edges)
        """
        return self.fit(series).transform(series)


def _covariances(series) -> np.ndarray:
    runs = checked_runs(series)
    stack = np.empty((len(runs), runs[0].shape[1], runs[0].shape[1]))
    for number, values in enumerate(runs):
        if not usable_regions(values).all():
            place = int(np.flatnonzero(~usable_regions(values))[0])
            raise ValueError(
                f"series[{number}]: region {place} is constant or missing; leave it out of all runs"
            )
        values = values.astype(np.float64)
        stack[number] = ledoit_wolf((values - values.mean(axis=0)) / values.std(axis=0))
    return stack


def _spectral(matrices, function) -> np.ndarray:
    """Apply a function to the eigenvalues of symmetric matrices."""
    matrices = (matrices + np.swapaxes(matrices, -1, -2)) / 2
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * function(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2)
