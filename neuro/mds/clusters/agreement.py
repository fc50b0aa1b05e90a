"""How well clusterings agree with types and with each other."""

from __future__ import annotations

import numpy as np

from neuro.stats.agreement import adjusted_rand, contingency


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
