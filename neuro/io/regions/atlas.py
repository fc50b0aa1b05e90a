"""Label images: which regions they hold, and where."""

from __future__ import annotations

import numpy as np


def label_centroids_mm(label_img) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels of a 3D label image with their centroids.

    Parameters
    ----------
    label_img : nibabel image
        Whole numbers, 0 is background.

    Returns
    -------
    labels : ndarray of int64, shape (n_regions,)
        Ascending.
    coords_mm : ndarray of float64, shape (n_regions, 3)
        Mean of the voxel centres, RAS+.
    n_voxels : ndarray of int64, shape (n_regions,)
    """
    data = np.asarray(label_img.dataobj)
    index = np.argwhere(data != 0)
    labels, owner, count = np.unique(
        data[tuple(index.T)].astype(np.int64), return_inverse=True, return_counts=True
    )
    centre = np.column_stack(
        [np.bincount(owner.ravel(), weights=index[:, axis]) / count for axis in range(3)]
    )
    return labels, centre @ label_img.affine[:3, :3].T + label_img.affine[:3, 3], count
