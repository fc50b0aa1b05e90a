"""Which region a voxel belongs to, for pictures and for masks of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from neuro.fmri.regions.parcellate import Parcellator


def region_of_voxel(parcellator: Parcellator) -> np.ndarray:
    """Region of each mask voxel of a fitted parcellation.

    Parameters
    ----------
    parcellator : Parcellator

    Returns
    -------
    ndarray of int64, shape (n_voxels,)
        Position in `labels_`, -1 where no region is. Where maps overlap, the one with the largest
        weight in size has the voxel, the first of equals.
    """
    owner = np.full(parcellator._weights.shape[1], -1, dtype=np.int64)
    placed = parcellator._weights.tocoo()
    region, voxel = placed.coords
    # the last that is written stays: by rising weight, and of equals the first region last
    order = np.lexsort((-region, np.abs(placed.data)))
    owner[voxel[order]] = region[order]
    return owner
