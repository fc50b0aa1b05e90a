"""False discovery rate of many tests at once."""

from __future__ import annotations

import numpy as np


def adjusted_p(p) -> np.ndarray:
    """Benjamini-Hochberg adjusted p values.

    Parameters
    ----------
    p : array
        Any shape; NaN marks a test that could not be done.

    Returns
    -------
    ndarray of float64, same shape
        Smallest false discovery rate at which each test passes; NaN stays NaN and does not count
        as a test.

    References
    ----------
    Benjamini, Y., Hochberg, Y. (1995). Controlling the false discovery rate. J. R. Stat. Soc. B
    57, 289-300.
    """
    p = np.asarray(p, dtype=np.float64)
    flat, out = p.ravel(), np.full(p.size, np.nan)
    finite = np.flatnonzero(np.isfinite(flat))
    order = finite[np.argsort(flat[finite])]
    scaled = flat[order] * len(order) / np.arange(1, len(order) + 1)
    out[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return out.reshape(p.shape)
