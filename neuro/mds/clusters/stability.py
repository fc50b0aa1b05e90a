"""Are the clusters types? What restarts agree on, and the verdict."""

from __future__ import annotations

import numpy as np

from neuro.mds.clusters.agreement import agreement_matrix, mean_pairwise

STABLE = 0.8
"""Mean pairwise adjusted Rand index of restarts from which clusters count as types (ours)."""
SATURATED = 0.95
"""exp(J)/K above which the temperature no longer limits the number of clusters (ours)."""
VERDICTS = ("single type", "no stable types", "saturated", "stable types")


def verdict(n_clusters, restart_ari, saturation) -> str:
    """One of :data:`VERDICTS`, checked in that order.

    A clean response matrix is no evidence: stimuli are made to give one.

    Parameters
    ----------
    n_clusters : int
    restart_ari : float
        NaN (one restart) counts as not stable.
    saturation : float
        exp(J)/K.

    Returns
    -------
    str
    """
    if n_clusters == 1:
        return "single type"
    if not restart_ari >= STABLE:
        return "no stable types"
    return "saturated" if saturation > SATURATED else "stable types"


def stability(partitions, n_clusters, objective) -> dict:
    """Agreement of all restarts, saturation and verdict.

    Parameters
    ----------
    partitions : list of array
        Labels of every restart, all of them, over the same units.
    n_clusters : int
        Of the restart that was kept.
    objective : float
        Of the restart that was kept.

    Returns
    -------
    dict
        `restart_ari`, `restart_ari_min`, `restart_ari_max`, `ari` (matrix), `saturation`,
        `verdict`.

    Raises
    ------
    ValueError
        With fewer than two restarts.
    """
    if len(partitions) < 2:
        raise ValueError(
            f"n_restarts: got {len(partitions)}, stability needs at least 2; set n_restarts: 4"
        )
    matrix = agreement_matrix(partitions)
    rows, columns = np.triu_indices(len(matrix), 1)
    pairs = matrix[rows, columns]
    saturation = float(np.exp(objective) / n_clusters)
    mean = mean_pairwise(matrix)
    return {
        "restart_ari": mean,
        "restart_ari_min": float(pairs.min()),
        "restart_ari_max": float(pairs.max()),
        "ari": matrix,
        "saturation": saturation,
        "verdict": verdict(n_clusters, mean, saturation),
    }


def response_matrix(responses, labels, n_clusters=None) -> np.ndarray:
    """Mean response of every cluster to every stimulus, columns over their diagonal.

    Parameters
    ----------
    responses : array, shape (K, n_units)
        Responses to the K stimuli.
    labels : array of int, shape (n_units,)
        -1 marks units that are left out.
    n_clusters : int, optional

    Returns
    -------
    ndarray, shape (K, K)
        Row: cluster of the units; column: stimulus. Ones on the diagonal; NaN for a cluster
        without units.
    """
    k = len(responses) if n_clusters is None else n_clusters
    labels = np.asarray(labels)
    matrix = np.full((k, k), np.nan)
    for cluster in range(k):
        if (labels == cluster).any():
            matrix[cluster] = responses[:, labels == cluster].mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return matrix / np.diag(matrix)[None, :]


def average_link_order(matrix) -> np.ndarray:
    """Order of the clusters that puts similar rows beside each other.

    Parameters
    ----------
    matrix : array, shape (K, K)

    Returns
    -------
    ndarray of int, shape (K,)
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return np.arange(len(matrix))
    return leaves_list(linkage(np.nan_to_num(matrix), "average"))
