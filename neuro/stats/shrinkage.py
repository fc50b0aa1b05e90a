"""Covariance of few samples, shrunk so that it can be inverted."""

from __future__ import annotations

import numpy as np


def ledoit_wolf(values) -> np.ndarray:
    """Covariance shrunk towards a multiple of the identity.

    Parameters
    ----------
    values : array of float64, shape (n_timepoints, n_regions)
        Centred columns.

    Returns
    -------
    ndarray of float64, shape (n_regions, n_regions)
        Denominator n; positive definite unless every column is 0.

    References
    ----------
    Ledoit and Wolf 2004, J. Multivar. Anal. 88:365.
    """
    n, p = values.shape
    sample = values.T @ values / n
    mean = np.trace(sample) / p
    spread = (sample**2).sum() - p * mean**2
    # mean squared distance of the single outer products from the sample covariance
    power = np.einsum("ij,ij->i", values, values)
    error = ((power**2).sum() / n - (sample**2).sum()) / n
    weight = 1.0 if spread <= 0 else min(max(error, 0.0), spread) / spread
    shrunk = (1.0 - weight) * sample
    shrunk[np.diag_indices(p)] += weight * mean
    return shrunk
