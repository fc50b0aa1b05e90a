"""How well two partitions of the same items agree: adjusted Rand index, mutual information."""

from __future__ import annotations

import numpy as np


def contingency(first, second) -> np.ndarray:
    """Counts of nodes by group of the first and of the second partition."""
    rows = np.unique(first, return_inverse=True)[1]
    columns = np.unique(second, return_inverse=True)[1]
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


def _entropy(counts) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _information(table) -> float:
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    there = table > 0
    return float((table[there] / n * np.log(table[there] / expected[there])).sum())


def nmi(first, second) -> float:
    """Normalised mutual information of two partitions, arithmetic mean of the entropies.

    It is above 0 by chance where nodes are few; :func:`ami` is not.

    Parameters
    ----------
    first, second : array of int, shape (n_nodes,)

    Returns
    -------
    float
        1 for equal partitions; also 1 where both have one group only.
    """
    table = contingency(first, second)
    mean = (_entropy(table.sum(axis=1)) + _entropy(table.sum(axis=0))) / 2
    return float(min(1.0, max(0.0, _information(table) / mean))) if mean > 0 else 1.0


def ami(first, second) -> float:
    """Mutual information of two partitions, corrected for chance.

    Parameters
    ----------
    first, second : array of int, shape (n_nodes,)

    Returns
    -------
    float
        1 for equal partitions, 0 on average for unrelated ones.

    References
    ----------
    Vinh, Epps and Bailey 2010, J. Machine Learning Research 11:2837.
    """
    table = contingency(first, second)
    a, b, n = table.sum(axis=1), table.sum(axis=0), int(table.sum())
    if len(a) == len(b) == 1 or len(a) == len(b) == n:
        return 1.0
    chance = _chance(a, b, n)
    mean = (_entropy(a) + _entropy(b)) / 2
    return float(min(1.0, (_information(table) - chance) / max(mean - chance, 1e-15)))


def _chance(a, b, n) -> float:
    """Mean information of random partitions with the same group sizes."""
    from scipy.special import gammaln

    total = 0.0
    for x in a:
        for y in b:
            k = np.arange(max(1, x + y - n), min(x, y) + 1)
            if not len(k):
                continue
            log_weight = (
                gammaln(x + 1) + gammaln(y + 1) + gammaln(n - x + 1) + gammaln(n - y + 1)
            ) - (
                gammaln(n + 1)
                + gammaln(k + 1)
                + gammaln(x - k + 1)
                + gammaln(y - k + 1)
                + gammaln(n - x - y + k + 1)
            )
            total += float((np.exp(log_weight) * k / n * np.log(n * k / (x * y))).sum())
    return total
