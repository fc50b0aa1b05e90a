"""Ridge regression of many units: one penalty for all, some units in memory at a time."""

from __future__ import annotations

import numpy as np

from neuro.mds.twin.core import unit_correlation
from neuro.stats.ridge import RidgePath
from neuro.stats.ties import first_best

UNITS = 2000
"""Units that are fitted at a time: recordings of ten thousand need no copy in double precision."""
PENALTIES = tuple(10.0 ** np.arange(-2, 4.5, 0.5))
"""Candidate ridge penalties, times the mean variance of the features."""


def ridge(x, y, x_check, y_check, penalties=PENALTIES):
    """Ridge regression whose penalty predicts the validation part best, refitted on all.

    Parameters
    ----------
    x, y : array, shape (n, n_features), (n, n_units)
    x_check, y_check : array
    penalties : sequence of float

    Returns
    -------
    weights : ndarray, shape (n_features, n_units)
    bias : ndarray, shape (n_units,)
    penalty : float
    seen : ndarray, shape (n_units,)
        Correlation with the validation part of the fit that had not seen it.
    """
    x_all, y_all = np.concatenate([x, x_check]), np.concatenate([y, y_check])
    rows, check = np.arange(len(x)), np.arange(len(x), len(x_all))
    return by_units(x_all, lambda units: y_all[:, units], y_all.shape[1], rows, check, penalties)


def by_units(x, y, n_units, rows, check, penalties=PENALTIES, refit=True):
    """:func:`ridge`, some units at a time: `y` gives the responses of a slice of units.

    One penalty serves all units, so they are seen twice: to choose it, and to fit, without the
    validation part where it is not to be learned from (`refit`).
    """
    levels = np.empty((len(penalties), n_units))
    x_rows, x_check = x[rows], x[check]
    for units in slices(n_units):
        responses = y(units)
        path = RidgePath(x_rows, responses[rows])
        for number, penalty in enumerate(penalties):
            weights, bias = path.solve(penalty * _unit(path, x))
            levels[number, units] = unit_correlation(x_check @ weights + bias, responses[check])
    pick = first_best(levels.mean(axis=1).tolist())
    used = np.concatenate([rows, check]) if refit else rows
    weights, bias = np.empty((x.shape[1], n_units)), np.empty(n_units)
    for units in slices(n_units):
        path = RidgePath(x[used], y(units)[used])
        weights[:, units], bias[units] = path.solve(penalties[pick] * _unit(path, x))
    return weights, bias, float(penalties[pick]), levels[pick]


def slices(n_units) -> list[slice]:
    """Units in parts of :data:`UNITS`."""
    return [slice(first, first + UNITS) for first in range(0, n_units, UNITS)]


def scaled(responses, scale, mean=None):
    """Responses of a slice of units in double precision, less `mean`, over `scale`."""

    def part(units):
        values = np.asarray(responses[:, units], np.float64)
        values = values if mean is None else values - mean[units]
        return values / np.where(scale[units] > 0, scale[units], 1)

    return part


def mean_and_sd(responses, rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every unit over some rows."""
    moments = []
    for units in slices(responses.shape[1]):
        values = np.asarray(responses[:, units], np.float64)[rows]
        moments.append((values.mean(axis=0), values.std(axis=0)))
    mean, sd = (np.concatenate(values) for values in zip(*moments))
    return mean, sd


def correlation_in(x, weights, bias, y, rows) -> np.ndarray:
    """Correlation of every unit with its responses in some rows, some units at a time."""
    seen = x[rows]
    return np.concatenate(
        [unit_correlation(seen @ weights[:, p] + bias[p], y(p)[rows]) for p in slices(len(bias))]
    )


def _unit(path, x) -> float:
    """Mean sum of squares of a feature."""
    return float(path.values.sum()) / x.shape[1] or 1.0
