"""Comparing states and graphs: matching, agreement, edge scores."""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.2
"""Couplings of models without one-hot edges count as edges above this size; fixed in advance."""


def confusion(z_a, z_b, n_a: int | None = None, n_b: int | None = None) -> np.ndarray:
    """How often each pair of labels occurs together, shape (n_a, n_b)."""
    z_a, z_b = (np.concatenate([np.ravel(states) for states in _parts(z)]) for z in (z_a, z_b))
    n_a = int(z_a.max()) + 1 if n_a is None else n_a
    n_b = int(z_b.max()) + 1 if n_b is None else n_b
    return np.bincount(z_a * n_b + z_b, minlength=n_a * n_b).reshape(n_a, n_b)


def _parts(z):
    return z if isinstance(z, (list, tuple)) else [np.asarray(z)]


def match_states(z_a, z_b, n_a: int | None = None, n_b: int | None = None):
    """Match the states of two labellings over all their bins.

    Parameters
    ----------
    z_a, z_b : ndarray of int, or list of such
        Labels from 0; all sequences are used together.
    n_a, n_b : int, optional
        Number of states; taken from the labels by default. They may differ.

    Returns
    -------
    pairs : ndarray of int, shape (min(n_a, n_b), 2)
        Matched labels, sorted by the first.
    accuracy : float
        Share of bins whose labels agree after matching.
    """
    from scipy.optimize import linear_sum_assignment

    table = confusion(z_a, z_b, n_a, n_b)
    rows, columns = linear_sum_assignment(-table)
    return np.column_stack([rows, columns]), float(table[rows, columns].sum() / table.sum())


def edge_scores(adjacency, truth, weights=None) -> dict:
    """How well signed edges are recovered.

    Parameters
    ----------
    adjacency : ndarray of int, shape (...)
        Found edges: -1, 0, +1.
    truth : ndarray of int, same shape
    weights : ndarray, same shape, optional
        With them a curve over thresholds of their size is computed as well.

    Returns
    -------
    dict
        `accuracy`, `balanced` (mean recall of the three classes), `macro_f1`, and `curve`: rows
        of threshold, accuracy, balanced and macro-F1 of thresholded weights (empty without).
    """
    scores = dict(zip(("accuracy", "balanced", "macro_f1"), _three(adjacency, truth)))
    rows = []
    if weights is not None:
        for threshold in np.arange(0.0, 1.01, 0.05):
            signs = np.sign(weights) * (np.abs(weights) > threshold)
            rows.append((threshold, *_three(signs, truth)))
    return {**scores, "curve": np.array(rows).reshape(-1, 4)}


def _three(ours, truth):
    ours, truth = np.ravel(ours).astype(int), np.ravel(truth).astype(int)
    recall, f1 = [], []
    for label in (-1, 0, 1):
        both = np.sum((ours == label) & (truth == label))
        is_true, is_found = np.sum(truth == label), np.sum(ours == label)
        if is_true:
            recall.append(both / is_true)
        if is_true + is_found:
            f1.append(2 * both / (is_true + is_found))
    return float(np.mean(ours == truth)), float(np.mean(recall)), float(np.mean(f1))
