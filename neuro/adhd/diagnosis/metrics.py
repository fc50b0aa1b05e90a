"""Scores of a two-class decision, for many label vectors, and their bootstrap intervals."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds

METRICS = ("balanced_accuracy", "auc", "sensitivity", "specificity", "youden_j", "accuracy")


def score_metrics(y, decision) -> dict[str, np.ndarray]:
    """Metrics of each column.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,) or (n, n_labels)
        1 is a case.
    decision : array, shape (n,) or (n, n_labels)
        Above 0 means case.

    Returns
    -------
    dict of ndarray, shape (n_labels,)
        NaN where a class is absent (`accuracy` excepted).
    """
    from scipy.stats import rankdata

    decision = np.asarray(decision, dtype=float)
    decision = decision[:, None] if decision.ndim == 1 else decision
    y = np.asarray(y).astype(bool)
    y = np.broadcast_to(y[:, None] if y.ndim == 1 else y, decision.shape)
    case = decision > 0
    n1 = y.sum(axis=0).astype(float)
    n0 = len(y) - n1
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = (case & y).sum(axis=0) / n1
        specificity = (~case & ~y).sum(axis=0) / n0
        ranks = rankdata(decision, axis=0)
        auc = ((ranks * y).sum(axis=0) - n1 * (n1 + 1) / 2) / (n1 * n0)
    return {
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "auc": auc,
        "sensitivity": sensitivity,
        "specificity": specificity,
        "youden_j": sensitivity + specificity - 1,
        "accuracy": (case == y).mean(axis=0),
    }


def bootstrap_metrics(y, decision, groups, n_resamples: int = 2000, random_state: int = 0):
    """Metrics of bootstrap samples of subjects.

    Subjects are drawn with replacement; all rows of a subject (its runs and, one column each,
    the repeats of the cross-validation) go together. With several columns the metric is the
    mean over them.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,)
    decision : array, shape (n,) or (n, n_repeats)
    groups : array of str, shape (n,)
    n_resamples : int, default 2000
    random_state : int, default 0

    Returns
    -------
    dict of ndarray, shape (n_resamples,)
        NaN for a sample that lacks a class.
    """
    decision = np.asarray(decision, dtype=float)
    decision = decision[:, None] if decision.ndim == 1 else decision
    y = np.asarray(y).astype(bool)
    subjects, row = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    rng = seeds.generator(random_state, "bootstrap of subjects")
    drawn = rng.multinomial(
        len(subjects), np.full(len(subjects), 1 / len(subjects)), size=n_resamples
    )
    weight = drawn[:, row].astype(float)
    n1, n0 = weight @ y, weight @ ~y
    totals = {name: np.zeros(n_resamples) for name in METRICS}
    with np.errstate(invalid="ignore", divide="ignore"):
        for column in decision.T:
            case = column > 0
            sensitivity = (weight @ (case & y)) / n1
            specificity = (weight @ (~case & ~y)) / n0
            totals["sensitivity"] += sensitivity
            totals["specificity"] += specificity
            totals["balanced_accuracy"] += (sensitivity + specificity) / 2
            totals["youden_j"] += sensitivity + specificity - 1
            totals["accuracy"] += (weight @ (case == y)) / weight.sum(axis=1)
            totals["auc"] += _weighted_auc(y, column, weight) / (n1 * n0)
        for name in METRICS:
            totals[name] /= decision.shape[1]
            if name != "accuracy":
                totals[name][(n1 == 0) | (n0 == 0)] = np.nan
    return totals


def _weighted_auc(y, decision, weight):
    """Weight of pairs (case, control) in the right order, ties counted half."""
    order = np.argsort(decision, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(decision[order]) > 0])
    case = np.add.reduceat(weight[:, order] * y[order], starts, axis=1)
    control = np.add.reduceat(weight[:, order] * ~y[order], starts, axis=1)
    below = np.cumsum(control, axis=1) - control
    return (case * (below + control / 2)).sum(axis=1)


def interval(samples, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval; NaN when no sample is usable."""
    samples = samples[np.isfinite(samples)]
    if len(samples) == 0:
        return np.nan, np.nan
    tail = (1 - level) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
