"""Values of one map relative to its own mean and spread."""

from __future__ import annotations

import numpy as np


def map_z(values) -> np.ndarray:
    """z-scores over the known values of one map; a map without spread is 0.

    Parameters
    ----------
    values : array
        NaN where nothing is known.

    Returns
    -------
    ndarray of float64
        NaN stays NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    out = np.full(values.shape, np.nan)
    if finite.any():
        spread = values[finite].std()
        out[finite] = (values[finite] - values[finite].mean()) / (spread if spread > 0 else 1.0)
    return out
