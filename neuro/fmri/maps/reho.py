"""Regional homogeneity: Kendall's coefficient of concordance of a voxel and its neighbours."""

from __future__ import annotations

import numpy as np

from neuro.fmri.maps.amplitude import live_columns

NEIGHBOURS = (7, 19, 27)
"""Sizes of a neighbourhood on a grid, the voxel included: faces, edges, corners."""
SMALL = 3e7
"""Voxels x volumes x neighbours up to which numpy is done before numba would be loaded."""
_ROWS = 4096


def grid_neighbours(mask, n_neighbours=27) -> np.ndarray:
    """Neighbourhoods of the voxels of a mask, for :func:`reho`.

    Parameters
    ----------
    mask : ndarray of bool, shape (x, y, z)
    n_neighbours : {27, 19, 7}
        Voxels that share a face (7, the voxel itself included), a face or an edge (19), or also
        a corner (27).

    Returns
    -------
    ndarray of int32, shape (n_voxels, n_neighbours)
        Places among the voxels of the mask in C order, the voxel itself first; -1 where there is
        no voxel.

    Raises
    ------
    ValueError
        When there is no such neighbourhood.
    """
    if n_neighbours not in NEIGHBOURS:
        raise ValueError(f"n_neighbours: got {n_neighbours}, expected one of {NEIGHBOURS}")
    mask = np.asarray(mask, dtype=bool)
    padded = np.full(tuple(size + 2 for size in mask.shape), -1, dtype=np.int32)
    inner = padded[1:-1, 1:-1, 1:-1]
    inner[mask] = np.arange(np.count_nonzero(mask))
    steps = np.array(list(np.ndindex(3, 3, 3))) - 1
    reach = np.abs(steps).sum(axis=1)
    steps = steps[reach <= {7: 1, 19: 2, 27: 3}[n_neighbours]]
    steps = steps[np.argsort(np.abs(steps).sum(axis=1), kind="stable")]
    voxels = np.argwhere(mask) + 1
    return np.stack([padded[tuple((voxels + step).T)] for step in steps], axis=1)


def reho(series, neighbours) -> np.ndarray:
    """Kendall's W of every voxel's neighbourhood, corrected for ties.

    Parameters
    ----------
    series : ndarray, shape (n_timepoints, n_voxels)
        Cleaned, and not smoothed: smoothing makes neighbours alike.
    neighbours : ndarray of int, shape (n_voxels, n_neighbours)
        Members of each neighbourhood, the voxel itself among them; -1 is nobody. From
        :func:`grid_neighbours`, or the vertices around each vertex of a mesh.

    Returns
    -------
    ndarray of float64, shape (n_voxels,)
        Between 0 and 1. Members that are constant or not finite are left out, like those outside
        of the mask; NaN for such voxels themselves and where nobody else is left.

    Raises
    ------
    ValueError
        When sizes do not agree, there are fewer than 3 volumes, or a member does not exist.

    Notes
    -----
    W = (12 sum R^2 - 3 K^2 n (n + 1)^2) / (K^2 n (n^2 - 1) - K sum T), with R the sum of the ranks
    of K members at a time, n times, and T = sum (t^3 - t) over the ties of a member. Unrelated
    series have W = 1 / K on average, so neighbourhoods at the edge of the mask, which have fewer
    members, have larger values.

    References
    ----------
    Zang, Jiang, Lu, He, Tian (2004), NeuroImage 22:394-400. Kendall and Gibbons (1990), Rank
    Correlation Methods, chapter 6.
    """
    series = np.asarray(series)
    neighbours = np.ascontiguousarray(neighbours, dtype=np.int32)
    n, n_voxels = series.shape if series.ndim == 2 else (0, 0)
    if len(neighbours) != n_voxels or neighbours.ndim != 2:
        raise ValueError(f"neighbours: shape {neighbours.shape} for series of {series.shape}")
    if n < 3:
        raise ValueError(f"series: {n} volumes, at least 3 are needed")
    if n_voxels and (neighbours.min() < -1 or neighbours.max() >= n_voxels):
        raise ValueError(f"neighbours: {neighbours.max()} is no voxel, there are {n_voxels}")
    small = n_voxels * n * neighbours.shape[1] <= SMALL
    if not small:
        from neuro.fmri.maps import kernels
    ranks = np.zeros((n_voxels, n), dtype=np.int32)
    ties = np.zeros(n_voxels, dtype=np.int64)
    live = np.zeros(n_voxels, dtype=bool)
    for start in range(0, n_voxels, _ROWS):
        voxels = slice(start, start + _ROWS)
        block = np.ascontiguousarray(series[:, voxels].T)
        live[voxels] = live_columns(block.T)
        rank = _rank if small else kernels.rank
        rank(block, np.argsort(block, axis=1), live[voxels], ranks[voxels], ties[voxels])
    return (_concordance if small else kernels.concordance)(ranks, ties, live, neighbours)


def _rank(values, order, live, ranks, ties) -> None:
    """As :func:`neuro.fmri.maps.kernels.rank`."""
    n = values.shape[1]
    sorted_ = np.take_along_axis(values, order, axis=1)
    other = np.ones(values.shape, dtype=bool)
    other[:, 1:] = sorted_[:, 1:] != sorted_[:, :-1]
    position = np.arange(n)
    start = np.maximum.accumulate(np.where(other, position, 0), axis=1)
    last = np.ones(values.shape, dtype=bool)
    last[:, :-1] = other[:, 1:]
    stop = np.where(last, position + 1, n)
    stop = np.minimum.accumulate(stop[:, ::-1], axis=1)[:, ::-1]
    np.put_along_axis(ranks, order, (start + stop + 1).astype(ranks.dtype), axis=1)
    # each of t equal values brings t^2 - 1
    ties[:] = np.where(live, ((stop - start) ** 2 - 1).sum(axis=1), 0)
    ranks[~live] = 0


def _concordance(ranks, ties, live, neighbours) -> np.ndarray:
    """As :func:`neuro.fmri.maps.kernels.concordance`."""
    n = ranks.shape[1]
    # a last row of zeros stands for nobody, to whom -1 points
    ranks = np.vstack([ranks, np.zeros((1, n), ranks.dtype)]).astype(np.int64)
    ties, padded = np.append(ties, 0), np.append(live, False)
    total = np.zeros((len(neighbours), n), dtype=np.int64)
    for column in neighbours.T:
        total += ranks[column]
    members = padded[neighbours].sum(axis=1)
    tied = ties[neighbours].sum(axis=1)
    above = 3 * (total**2).sum(axis=1) - 3 * members**2 * n * (n + 1) ** 2
    below = members**2 * n * (n**2 - 1) - members * tied
    enough = live & (members > 1)
    return np.where(enough, above / np.where(enough, below, 1), np.nan)
