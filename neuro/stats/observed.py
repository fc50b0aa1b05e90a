"""Which series to keep so that as much as possible was observed at the same time."""

from __future__ import annotations

import numpy as np


def common_block(observed) -> np.ndarray:
    """Columns whose common rows make the largest block without a gap.

    Methods that need every series in every row can use only rows that all kept series share: a
    series that was observed rarely costs the others their rows. Series enter one after the other,
    always the one that leaves the most rows in common; the largest block on that way is kept.

    Parameters
    ----------
    observed : array of bool, shape (n_rows, n_columns)

    Returns
    -------
    ndarray of bool, shape (n_columns,)
        Every column where all were observed alike; none of those that were never observed.
    """
    observed = np.asarray(observed, bool)
    patterns, member = np.unique(np.packbits(observed, axis=0), axis=1, return_inverse=True)
    member = np.ravel(member)
    weight = np.bincount(member, minlength=patterns.shape[1])
    columns = np.unpackbits(patterns, axis=0, count=len(observed)).astype(bool)
    rows = np.ones(len(observed), bool)
    left = list(range(columns.shape[1]))
    taken: list[int] = []
    best, size, best_size = 0, 0, 0
    while left:
        shared = [int((rows & columns[:, k]).sum()) for k in left]
        # of equal patterns the one that more series have
        pick = max(range(len(left)), key=lambda i: (shared[i], weight[left[i]]))
        if not shared[pick]:
            break
        rows &= columns[:, left[pick]]
        size += weight[left[pick]]
        taken.append(left.pop(pick))
        if size * shared[pick] >= best_size:
            best, best_size = len(taken), size * shared[pick]
    return np.isin(member, taken[:best])


def usable_block(dead, limit: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows to keep so that nothing is missing and few rows are lost.

    A row in which most columns are dead is a bad row and costs no column. A column that is dead
    in more than `limit` of the other rows goes; then, as long as more than `limit` of them would
    be lost, the one that is dead in most of the rows that are incomplete.

    Parameters
    ----------
    dead : array of bool, shape (n_rows, n_columns)
        For example runs and regions.
    limit : float, default 0.05 (ours)

    Returns
    -------
    columns : ndarray of bool, shape (n_columns,)
    rows : ndarray of bool, shape (n_rows,)
    """
    dead = np.asarray(dead, bool)
    good = dead.mean(axis=1) <= 0.5
    flagged = dead[good]
    columns = flagged.mean(axis=0) <= limit if len(flagged) else np.ones(dead.shape[1], bool)
    while len(flagged):
        incomplete = flagged[:, columns].any(axis=1)
        if incomplete.mean() <= limit:
            break
        columns[np.flatnonzero(columns)[flagged[:, columns].sum(axis=0).argmax()]] = False
    return columns, good & ~dead[:, columns].any(axis=1)
