"""How well two partitions agree: adjusted Rand index, homogeneity, completeness."""

from __future__ import annotations

import numpy as np


def contingency(a, b) -> np.ndarray:
    """Counts of items by group of `a` (rows) and of `b` (columns)."""
    _, rows = np.unique(np.asarray(a), return_inverse=True)
    _, columns = np.unique(np.asarray(b), return_inverse=True)
    table = np.zeros((rows.max() + 1, columns.max() + 1), np.int64)
    np.add.at(table, (rows, columns), 1)
    return table


def adjusted_rand(a, b) -> float:
    """Adjusted Rand index of two partitions of the same items.

    Parameters
    ----------
    a, b : array-like of length n_items
        Group of each item.

    Returns
    -------
    float
        1 for equal partitions, 0 on average for independent ones. Two partitions with one group
        each are equal.

    Raises
    ------
    ValueError
        When the lengths differ or there is no item.

    References
    ----------
    Hubert, L. & Arabie, P. (1985). Comparing partitions. Journal of Classification 2.
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"partitions of {len(a)} and {len(b)} items; expected the same items")
    table = contingency(a, b)

    def pairs(counts):
        return float((counts * (counts - 1) / 2).sum())

    total = len(a) * (len(a) - 1) / 2
    if total == 0:
        return 1.0
    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected, most = rows * columns / total, (rows + columns) / 2
    if most == expected:
        return 1.0
    return (pairs(table) - expected) / (most - expected)


def homogeneity_completeness(truth, labels) -> tuple[float, float]:
    """Whether clusters hold one type only, and whether types stay in one cluster.

    Parameters
    ----------
    truth, labels : array-like of length n_items

    Returns
    -------
    homogeneity, completeness : float
        1 where a conditional entropy is zero.

    References
    ----------
    Rosenberg, A. & Hirschberg, J. (2007). V-measure. EMNLP.
    """
    table = contingency(truth, labels) / len(truth)

    def entropy(p):
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    types, clusters, both = (entropy(p) for p in (table.sum(axis=1), table.sum(axis=0), table))
    return (
        1.0 if types == 0 else 1 - (both - clusters) / types,
        1.0 if clusters == 0 else 1 - (both - types) / clusters,
    )


def agreement_matrix(partitions) -> np.ndarray:
    """Adjusted Rand index of every pair of partitions, (n, n) with ones on the diagonal."""
    n = len(partitions)
    matrix = np.eye(n)
    for i in range(n):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = adjusted_rand(partitions[i], partitions[j])
    return matrix


def mean_pairwise(matrix) -> float:
    """Mean of a square matrix above its diagonal; NaN for one partition."""
    rows, columns = np.triu_indices(len(matrix), 1)
    return float(matrix[rows, columns].mean()) if len(rows) else float("nan")


def co_assignment(partitions) -> np.ndarray:
    """Share of partitions in which two items are in one group, (n_items, n_items) float32."""
    together = np.zeros((len(partitions[0]),) * 2, np.float32)
    for labels in partitions:
        labels = np.asarray(labels)
        together += labels[:, None] == labels[None, :]
    return together / np.float32(len(partitions))
