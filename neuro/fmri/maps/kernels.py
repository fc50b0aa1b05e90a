"""Compiled parts of regional homogeneity, for images of usual size."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def rank(values, order, live, ranks, ties):
    """Twice the ranks of each row, so that means of ties are whole numbers; sums of t^3 - t."""
    n = values.shape[1]
    for row in range(len(values)):
        if not live[row]:
            continue
        start = 0
        while start < n:
            stop = start + 1
            first = values[row, order[row, start]]
            while stop < n and values[row, order[row, stop]] == first:
                stop += 1
            for position in range(start, stop):
                ranks[row, order[row, position]] = start + stop + 1
            size = np.int64(stop - start)
            ties[row] += size * size * size - size
            start = stop


@numba.njit(cache=True, nogil=True)
def concordance(ranks, ties, live, neighbours):
    """Kendall's W of each neighbourhood from doubled ranks; sums are whole numbers."""
    n_voxels, n = ranks.shape
    out = np.full(n_voxels, np.nan)
    total = np.empty(n, dtype=np.int32)
    long = np.int64(n)
    for voxel in range(n_voxels):
        if not live[voxel]:
            continue
        total[:] = 0
        members, tied = np.int64(0), np.int64(0)
        for neighbour in range(neighbours.shape[1]):
            other = neighbours[voxel, neighbour]
            if other < 0 or not live[other]:
                continue
            members += 1
            tied += ties[other]
            row = ranks[other]
            for time in range(n):
                total[time] += row[time]
        if members < 2:
            continue
        square = np.int64(0)
        for time in range(n):
            square += np.int64(total[time]) * np.int64(total[time])
        # ranks are doubled: 12 sum R^2 = 3 sum (2 R)^2
        above = 3 * square - 3 * members * members * long * (long + 1) * (long + 1)
        below = members * members * long * (long * long - 1) - members * tied
        out[voxel] = above / below
    return out
