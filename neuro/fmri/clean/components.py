"""Noise components from the image itself, where no confounds table brings them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.fmri.clean.filters import detrend
from neuro.stats.ties import facing

HIGH_VARIANCE_SHARE = 0.02
"""Share of voxels with the largest variance that `high_variance` uses (top 2 %)."""


def principal_components(series, n_components, prefix) -> pd.DataFrame:
    """First principal time courses of detrended series of unit variance.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    n_components : int
    prefix : str
        Column names are `<prefix>_00`, `<prefix>_01`, ...

    Returns
    -------
    pandas.DataFrame, shape (n_volumes, <= n_components)
        Orthonormal columns; the sign makes the entry of largest size positive.
    """
    x = detrend(series)
    size = np.linalg.norm(x, axis=0)
    live = np.isfinite(size) & (size > 1e-9 * (1 + np.abs(np.asarray(series)).max(initial=0)))
    x = x[:, live] / size[live]
    values, vectors = np.linalg.eigh(x @ x.T)
    count = min(n_components, int((values > 1e-10 * max(values[-1], 1e-300)).sum()))
    components = vectors[:, ::-1][:, :count]
    components = components * facing(components)
    return pd.DataFrame(components, columns=[f"{prefix}_{k:02d}" for k in range(count)])


def high_variance(series, n_components=5, share=HIGH_VARIANCE_SHARE) -> pd.DataFrame:
    """Components of the voxels with the largest variance.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    n_components : int
        (5, ours)
    share : float
        Share of the voxels that is used (0.02).

    Returns
    -------
    pandas.DataFrame
        Columns `high_variance_00`, ...

    References
    ----------
    Behzadi, Restom, Liau, Liu (2007), NeuroImage 37:90-101 (tCompCor).
    """
    variance = np.empty(series.shape[1])
    for start in range(0, series.shape[1], 4096):
        block = slice(start, start + 4096)
        variance[block] = detrend(series[:, block]).var(axis=0)
    variance = np.where(np.isfinite(variance), variance, 0.0)
    count = min(max(n_components, round(share * variance.size)), variance.size)
    chosen = np.sort(np.argpartition(variance, -count)[-count:])
    return principal_components(series[:, chosen], n_components, "high_variance")


def tissue_components(
    series, mask_img, tissue_masks, n_components=5, erode=1, share=HIGH_VARIANCE_SHARE
) -> pd.DataFrame:
    """Components of eroded tissue masks; high-variance ones where no mask is given.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        In the voxel order of `mask_img`.
    mask_img : nibabel image
        Brain mask.
    tissue_masks : mapping of str to ndarray of bool
        Name (`white_matter`, `csf`) to a volume on the grid of the mask.
    n_components : int
        Per tissue (5, Behzadi et al. 2007).
    erode : int
        Voxels that are taken off the tissue's surface; less where nothing would remain.
    share : float
        See :func:`high_variance`.

    Returns
    -------
    pandas.DataFrame
    """
    if not tissue_masks:
        return high_variance(series, n_components, share)
    from scipy import ndimage

    brain = np.asarray(mask_img.dataobj) > 0
    parts = []
    for name, tissue in tissue_masks.items():
        tissue = np.asarray(tissue) > 0
        if tissue.shape != brain.shape:
            raise ValueError(f"{name}: shape {tissue.shape}, the brain mask has {brain.shape}")
        for depth in range(erode, -1, -1):
            core = ndimage.binary_erosion(tissue, iterations=depth) if depth else tissue
            inside = core[brain]
            if inside.sum() >= n_components:
                break
        else:
            raise ValueError(f"{name}: {int(inside.sum())} voxels inside the brain mask")
        parts.append(principal_components(series[:, inside], n_components, f"{name}_comp"))
    return pd.concat(parts, axis=1)
