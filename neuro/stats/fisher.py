"""Fisher's z of correlations."""

from __future__ import annotations

import numpy as np

LIMIT = 1.0 - 1e-7
"""Larger correlations count as this large: one of exactly 1 has no finite z."""


def fisher_z(r) -> np.ndarray:
    """Inverse hyperbolic tangent of correlations, kept finite; NaN stays NaN.

    Parameters
    ----------
    r : array

    Returns
    -------
    ndarray
        Between -8.4 and 8.4.
    """
    return np.arctanh(np.clip(r, -LIMIT, LIMIT))
