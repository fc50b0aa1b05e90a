"""Connectomes in the tangent space of a group: an estimator for use inside a fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro.base.estimator import Params
from neuro.fmri.regions.connectome import checked_runs, usable_regions
from neuro.stats.tangent import TangentSpace, pack, shrunk_correlation


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
        space = TangentSpace(self.max_iter, self.tol).fit(pack(_covariances(series)))
        self.mean_, self.whitening_, self.n_iter_ = space.mean_, space.whitening_, space.n_iter_
        self.space_ = space
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
        if not hasattr(self, "space_"):
            raise ValueError("TangentConnectome: call fit with the training runs first")
        stack = _covariances(series)
        if stack.shape[1] != len(self.whitening_):
            raise ValueError(
                f"series: {stack.shape[1]} regions, fitted with {len(self.whitening_)}"
            )
        return self.space_.transform(pack(stack))

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
    for number, values in enumerate(runs):
        if not usable_regions(values).all():
            place = int(np.flatnonzero(~usable_regions(values))[0])
            raise ValueError(
                f"series[{number}]: region {place} is constant or missing; leave it out of all runs"
            )
    return np.stack([shrunk_correlation(values) for values in runs])
