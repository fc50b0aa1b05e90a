"""Compiled inner loops: joint runs of derivatives, and row-wise non-negative least squares.

They stand in one file because numba refreshes its cache by the age of the file that holds a
function, not by what the function calls.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LARGEST = 1e15
"""Bound of a factor's entries: where almost nothing was observed they grow without limit, and their
squares would overflow single precision."""


@njit(cache=True, nogil=True)
def joint_runs(d, floor, valid, starts, stops, out):
    """Affinity of all pairs on their joint runs, averaged over bins of frames.

    Parameters
    ----------
    d : float64 array, shape (n_neurons, n_frames)
        Scaled derivatives.
    floor : float
    valid : bool array, shape (n_frames,)
    starts, stops : int64 array, shape (n_bins,)
        Frames of each bin; bins may overlap.
    out : float32 array, shape (n_bins, n_pairs)
        Filled; 0 where a bin holds no valid frame.
    """
    n_neurons, n_frames = d.shape
    total = np.zeros(n_frames + 1)
    kept = np.zeros(n_frames + 1, np.int64)
    for t in range(n_frames):
        kept[t + 1] = kept[t] + (1 if valid[t] else 0)
    run = np.zeros(n_frames)
    pair = 0
    for i in range(n_neurons):
        for j in range(i + 1, n_neurons):
            run[:] = 0.0
            t = 0
            while t < n_frames:
                a, b = d[i, t], d[j, t]
                if not valid[t] or abs(a) < floor or abs(b) < floor:
                    t += 1
                    continue
                rising_a, rising_b = a > 0, b > 0
                first = t
                product = larger = peak_a = peak_b = 0.0
                while t < n_frames and valid[t]:
                    a, b = d[i, t], d[j, t]
                    size_a, size_b = abs(a), abs(b)
                    if size_a < floor or size_b < floor:
                        break
                    if (a > 0) != rising_a or (b > 0) != rising_b:
                        break
                    product += size_a * size_b
                    larger += max(size_a * size_a, size_b * size_b)
                    peak_a = max(peak_a, size_a)
                    peak_b = max(peak_b, size_b)
                    t += 1
                value = product / larger * min(1.0, min(peak_a, peak_b))
                for k in range(first, t):
                    run[k] = value
            for t in range(n_frames):
                total[t + 1] = total[t] + run[t]
            for k in range(len(starts)):
                count = kept[stops[k]] - kept[starts[k]]
                if count > 0:
                    mean = (total[stops[k]] - total[starts[k]]) / count
                    # differences of running sums may miss the range by a rounding error
                    out[k, pair] = min(1.0, max(0.0, mean))
                else:
                    out[k, pair] = 0.0
            pair += 1


@njit(cache=True, nogil=True)
def descend_shared(factor, target, gram, inner):
    """Coordinate descent of all rows that share one Gram matrix, in place.

    Minimises `f' G f - 2 z' f` over `f >= 0` for every row `f` of `factor` with its row `z` of
    `target`. Rows are independent, so this is HALS with all columns of a row in cache.

    Parameters
    ----------
    factor : float32 array, shape (n_rows, n_components)
    target : float32 array, shape (n_rows, n_components)
    gram : float64 array, shape (n_components, n_components)
    inner : int
        Passes over the components.
    """
    n_rows, rank = factor.shape
    f = np.empty(rank)
    for row in range(n_rows):
        for r in range(rank):
            f[r] = factor[row, r]
        for _ in range(inner):
            for r in range(rank):
                if gram[r, r] > 0:
                    gap = float(target[row, r])
                    for s in range(rank):
                        gap -= gram[r, s] * f[s]
                    f[r] = min(LARGEST, max(0.0, f[r] + gap / gram[r, r]))
                else:
                    f[r] = 0.0
        for r in range(rank):
            factor[row, r] = f[r]


@njit(cache=True, nogil=True)
def descend_grouped(factor, target, grams, inner):
    """Coordinate descent of rows with a Gram matrix each, stored as packed upper triangles.

    Parameters
    ----------
    factor, target : float32 array, shape (n_rows, n_components)
    grams : float array, shape (n_rows, n_components * (n_components + 1) / 2)
        Upper triangles row by row.
    inner : int
    """
    n_rows, rank = factor.shape
    f = np.empty(rank)
    gram = np.empty((rank, rank))
    for row in range(n_rows):
        entry = 0
        for r in range(rank):
            f[r] = factor[row, r]
            for s in range(r, rank):
                gram[r, s] = grams[row, entry]
                gram[s, r] = grams[row, entry]
                entry += 1
        for _ in range(inner):
            for r in range(rank):
                if gram[r, r] > 0:
                    gap = float(target[row, r])
                    for s in range(rank):
                        gap -= gram[r, s] * f[s]
                    f[r] = min(LARGEST, max(0.0, f[r] + gap / gram[r, r]))
                else:
                    f[r] = 0.0
        for r in range(rank):
            factor[row, r] = f[r]
