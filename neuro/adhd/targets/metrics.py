"""How good predictions of a number, or of one of several classes, are."""

from __future__ import annotations

import numpy as np

NUMBERS = ("r_within_site", "r", "r2", "mae")
"""Correlation within sites first: it is the one that sites cannot make."""
CLASSES = ("balanced_accuracy", "accuracy")
CALIBRATED = ("r_within_site", *CLASSES)
"""Metrics whose spread over samples is about that of their null, so that it makes an interval. The
others live on the values and sites of the sample, which permuting leaves as they are."""
SMALLER = ("mae",)
"""Metrics of which less is better."""


def score_numbers(y, predicted, site) -> dict[str, np.ndarray]:
    """Metrics of each column.

    Parameters
    ----------
    y : array, shape (n,) or (n, n_vectors)
    predicted : array, shape (n, n_vectors)
    site : array of str, shape (n,)

    Returns
    -------
    dict of ndarray, shape (n_vectors,)
        `r_within_site` correlates what is left of both when the means of sites are taken out; `r2`
        is 1 minus the squared error over that of the mean of all test values; NaN where a side
        does not vary.
    """
    predicted = np.asarray(predicted, dtype=float)
    y = np.asarray(y, dtype=float)
    y = np.broadcast_to(y[:, None] if y.ndim == 1 else y, predicted.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = ((y - predicted) ** 2).sum(axis=0)
        return {
            "r_within_site": _correlation(*(_within(vector, site) for vector in (y, predicted))),
            "r": _correlation(y - y.mean(axis=0), predicted - predicted.mean(axis=0)),
            "r2": 1 - wrong / ((y - y.mean(axis=0)) ** 2).sum(axis=0),
            "mae": np.abs(y - predicted).mean(axis=0),
        }


def _within(values, site):
    _, row = np.unique(np.asarray(site).astype(str), return_inverse=True)
    hot = (row[:, None] == np.arange(row.max() + 1)).astype(float)
    return values - hot @ ((hot.T @ values) / hot.sum(axis=0)[:, None])


def _correlation(a, b):
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.where(size > 1e-12 * len(a), (a * b).sum(axis=0) / size, np.nan)


def score_classes(y, predicted, site=None) -> dict[str, np.ndarray]:
    """Metrics of each column; `y` and `predicted` are codes of classes.

    Parameters
    ----------
    y : array, shape (n,) or (n, n_vectors)
    predicted : array, shape (n, n_vectors)
    site
        Not used.

    Returns
    -------
    dict of ndarray, shape (n_vectors,)
        `balanced_accuracy` is the mean over classes of the share that was recognised.
    """
    predicted = np.asarray(predicted)
    y = np.asarray(y)
    y = np.broadcast_to(y[:, None] if y.ndim == 1 else y, predicted.shape)
    right = y == predicted
    shares = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for code in np.unique(y):
            of_class = y == code
            shares.append((right & of_class).sum(axis=0) / of_class.sum(axis=0))
        return {
            "balanced_accuracy": np.nanmean(shares, axis=0),
            "accuracy": right.mean(axis=0),
        }


def sampling_half_width(metric: str, value: float, y, predicted, site) -> float:
    """Half width of a 95 % interval for given predictions, people being drawn.

    Permuted values can leave a learner with nothing to say, and its score then hardly varies; an
    interval is not narrower than this.

    Parameters
    ----------
    metric : str
        One of :data:`CALIBRATED`.
    value : float
    y, predicted : ndarray, shape (n,)
        Of classes: codes.
    site : array of str, shape (n,)

    Returns
    -------
    float
        Of a correlation (1 - r^2) / sqrt(n - sites - 1), of shares their binomial errors, times
        1.96.
    """
    n = len(y)
    if metric == "r_within_site":
        error = (1 - value**2) / np.sqrt(max(n - len(np.unique(site)) - 1, 1))
    elif metric == "accuracy":
        error = np.sqrt(value * (1 - value) / n)
    else:
        shares = [(predicted[y == code] == code) for code in np.unique(y)]
        error = np.sqrt(
            sum(correct.mean() * (1 - correct.mean()) / len(correct) for correct in shares)
        )
        error /= len(shares)
    return float(1.96 * error)
