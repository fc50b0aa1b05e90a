"""Connectomes in the tangent space of a group: an estimator for use inside a fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from neuro.fmri.regions.connectome import checked_runs, edge_names, usable_regions
from neuro.stats.tangent import TangentSpace, pack, shrunk_correlation


class TangentConnectome(TangentSpace):
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

    _tags: ClassVar = TangentSpace._tags | {"input_tags.two_d_array": False}

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
        return super().fit(pack(_covariances(series)))

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
        check_is_fitted(self)
        return super().transform(pack(_covariances(series, len(self.mean_))))

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Edges by their regions, such as `0-1`."""
        check_is_fitted(self)
        return edge_names(len(self.mean_))


def _covariances(series, n_regions=None) -> np.ndarray:
    runs = checked_runs(series, n_regions)
    for number, values in enumerate(runs):
        if not usable_regions(values).all():
            region = int(np.flatnonzero(~usable_regions(values))[0])
            raise ValueError(
                f"series[{number}]: region {region} is constant or missing; leave it out of "
                "all runs"
            )
    return np.stack([shrunk_correlation(values) for values in runs])
