"""Bins of the distance between nodes, without a matrix of distances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

TOLERANCE_MM = 1e-4
"""A distance this close below a bin edge counts as on it: coordinates often pass through float32,
and five steps of 4 mm must fall into [20, 40)."""

MAX_TABLE = 1 << 24
"""Largest look-up table (entries, one byte each); sparser grids use the coordinates directly."""


@dataclass(frozen=True)
class DistanceBins:
    """Half-open bins [low, high) in mm and what the kernels need to find them.

    Parameters
    ----------
    n_bins : int
        0 where there are no coordinates.
    places : ndarray, int32, (n_nodes, 3)
        Grid index of each node; empty where the coordinates have no grid.
    table : ndarray, uint8, (nx, ny, nz)
        Bin of a pair by its absolute index differences; 0 is below the first edge, n_bins + 1
        beyond the last. Empty where the coordinates have no grid.
    coords : ndarray, float64, (n_nodes, 3)
    cuts : ndarray, float64, (n_bins + 1,)
        Squared edges.
    """

    n_bins: int = 0
    places: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.int32))
    table: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))
    coords: np.ndarray = field(default_factory=lambda: np.empty((0, 3), np.float64))
    cuts: np.ndarray = field(default_factory=lambda: np.empty(0, np.float64))

    @property
    def kernel_arguments(self) -> tuple:
        return self.places, self.table, self.coords, self.cuts


def check_edges(edges) -> np.ndarray:
    """Bin edges as float64.

    Raises
    ------
    ValueError
        When there are fewer than two or more than 250, when they do not increase, or when one is
        negative or missing.
    """
    values = np.asarray(edges, dtype=np.float64).ravel()
    if not 2 <= values.size <= 250:
        raise ValueError(f"distance_bins: got {values.size} edges, expected 2 to 250 in mm")
    if values[0] < 0 or not np.all(values[1:] > values[:-1]):
        raise ValueError(
            f"distance_bins: got {values.tolist()}, expected increasing edges >= 0 in mm"
        )
    return values


def bins_of(coords_mm, edges) -> DistanceBins:
    """Prepare the distance bins of nodes.

    Parameters
    ----------
    coords_mm : ndarray, (n_nodes, 3)
        World coordinates in mm, i.e. the affine applied to the voxel index. Where they fill an
        axis-aligned grid, possibly anisotropic, pairs are binned by integer index differences;
        anything else (an oblique affine, region centres) by the coordinates.
    edges : ndarray, (n_bins + 1,)
        Checked bin edges in mm.

    Returns
    -------
    DistanceBins
    """
    coords = np.ascontiguousarray(coords_mm, dtype=np.float64)
    # an edge at 0 keeps pairs at distance 0; every other edge gets the tolerance
    cuts = np.where(edges > 0, np.maximum(edges - TOLERANCE_MM, 0.0) ** 2, -1.0)
    n_bins = len(edges) - 1
    grid = _grid(coords)
    if grid is None:
        return DistanceBins(n_bins, coords=coords, cuts=cuts)
    places, steps = grid
    axes = [(np.arange(n) * s) ** 2 for n, s in zip(places.max(axis=0) + 1, steps)]
    squared = axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None, :]
    table = np.searchsorted(cuts, squared, side="right").astype(np.uint8)
    return DistanceBins(n_bins, places=places, table=table, coords=coords, cuts=cuts)


def _grid(coords: np.ndarray):
    """Grid index (n, 3) and step (3,) of axis-aligned grid coordinates, or None."""
    if not len(coords):
        return None
    places = np.empty(coords.shape, np.int32)
    steps = np.ones(3)
    for axis in range(3):
        levels = np.unique(coords[:, axis])
        gaps = np.diff(levels)
        gaps = gaps[gaps > TOLERANCE_MM]
        extent = levels[-1] - levels[0]
        if gaps.size:
            n_steps = np.round(extent / gaps.min())
            if n_steps >= MAX_TABLE:
                return None
            steps[axis] = extent / n_steps
        index = (coords[:, axis] - levels[0]) / steps[axis]
        places[:, axis] = np.round(index)
        # a tenth of the tolerance leaves room for the sum over three axes
        if np.abs(index - places[:, axis]).max() * steps[axis] > TOLERANCE_MM / 10:
            return None
    if np.prod(places.max(axis=0).astype(np.float64) + 1) > MAX_TABLE:
        return None
    return places, steps
