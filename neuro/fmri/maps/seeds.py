"""Seed maps: correlation of every voxel with the mean series of a small sphere."""

from __future__ import annotations

import numpy as np

from neuro.fmri.maps.amplitude import live_columns
from neuro.stats.fisher import fisher_z


def seed_maps(series, coords_mm, seeds, radius_mm=5.0) -> np.ndarray:
    """Fisher z of the correlation of every voxel with each seed.

    Parameters
    ----------
    series : ndarray, shape (n_timepoints, n_voxels)
    coords_mm : ndarray, shape (n_voxels, 3)
        Centres of the voxels, RAS+.
    seeds : mapping of str to sequence of 3 float
        Centres in mm.
    radius_mm : float
        Voxels whose centre lies within it make the seed (5, as for atlases of coordinates).

    Returns
    -------
    ndarray of float64, shape (n_voxels, n_seeds)
        NaN for voxels that are constant or not finite, and throughout for a seed without a voxel
        that has signal.
    """
    series, coords_mm = np.asarray(series), np.asarray(coords_mm, dtype=float)
    live = live_columns(series)
    out = np.full((series.shape[1], len(seeds)), np.nan)
    near = [
        live & (((coords_mm - np.asarray(centre, dtype=float)) ** 2).sum(axis=1) <= radius_mm**2)
        for centre in seeds.values()
    ]
    kept = [number for number, voxels in enumerate(near) if voxels.any()]
    if not kept:
        return out
    seed = np.stack([series[:, near[j]].mean(axis=1, dtype=np.float64) for j in kept], axis=1)
    seed = _unit(seed)
    for start in range(0, series.shape[1], 4096):
        block = np.flatnonzero(live[start : start + 4096]) + start
        r = _unit(np.asarray(series[:, block], dtype=np.float64)).T @ seed
        out[block[:, None], kept] = fisher_z(r)
    return out


def _unit(x):
    """Columns without mean, of length 1."""
    x = x - x.mean(axis=0)
    length = np.sqrt((x**2).sum(axis=0))
    return x / np.where(length > 0, length, 1.0)
