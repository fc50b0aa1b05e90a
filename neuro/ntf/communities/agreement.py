"""How well two partitions agree, and how well a score tells pairs apart."""

from __future__ import annotations

import numpy as np


def auroc(score, positive) -> float:
    """Probability that a positive item scores higher than a negative one; ties count half.

    Parameters
    ----------
    score : array of float, shape (n_items,)
        NaN items are left out.
    positive : array of bool, shape (n_items,)

    Returns
    -------
    float
        NaN where all items are of one kind.
    """
    from scipy.stats import rankdata

    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    finite = np.isfinite(score)
    score, positive = score[finite], positive[finite]
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(score)[positive].sum()
    return float((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))
