"""What rounding must not decide: the sign of a direction, the best of values that are equal."""

from __future__ import annotations

import numpy as np

TIE = 1e-6
"""Relative difference below which two sizes are equal: far above the rounding of double precision,
which differs between processors, and far below any difference that matters."""


def facing(columns) -> np.ndarray:
    """Signs that turn directions the same way on every processor.

    An eigenvector is as right as its negative, and which of them comes out depends on the linear
    algebra kernels of the machine.

    Parameters
    ----------
    columns : array, shape (n, k)
        One direction per column.

    Returns
    -------
    ndarray of float64, shape (k,)
        1 or -1: what a column is to be multiplied with for its largest entry to be positive; of
        entries of equal size the first counts.
    """
    size = np.abs(columns)
    if not size.size:
        return np.ones(size.shape[1])
    lead = (size >= (1 - TIE) * size.max(axis=0)).argmax(axis=0)
    return np.where(np.asarray(columns)[lead, np.arange(size.shape[1])] < 0, -1.0, 1.0)


def first_best(scores, tolerance: float = TIE):
    """Place of the first value that is as good as the largest.

    Parameters
    ----------
    scores : array, shape (n, ...)
        Larger is better; NaN never wins.
    tolerance : float
        Share of the largest value's magnitude within which values are equal.

    Returns
    -------
    ndarray of int, shape (...)
        Along the first axis, as `argmax`; 0 where no value is a number.
    """
    scores = np.asarray(scores)
    filled = np.where(np.isnan(scores), -np.inf, scores)
    best = filled.max(axis=0)
    slack = tolerance * np.abs(np.where(np.isfinite(best), best, 0))
    return (filled >= best - slack).argmax(axis=0)
