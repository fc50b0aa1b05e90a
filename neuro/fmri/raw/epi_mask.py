"""A brain mask from the mean of an EPI run, for data that come without one."""

from __future__ import annotations

import numpy as np


def otsu_threshold(values, n_bins=256) -> float:
    """Threshold that separates two classes of values best (largest variance between them).

    Parameters
    ----------
    values : ndarray
    n_bins : int

    Returns
    -------
    float

    References
    ----------
    Otsu (1979), IEEE Transactions on Systems, Man, and Cybernetics 9:62-66.
    """
    values = np.asarray(values, dtype=float).ravel()
    top = np.percentile(values, 99.5)  # a few bright vessels must not stretch the histogram
    count, edges = np.histogram(np.minimum(values, top), bins=n_bins)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(count)
    above = below[-1] - below
    total = np.cumsum(count * middle)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    between = np.where((above > 0) & np.isfinite(between), between, -1.0)
    best = edges[1:][between >= between.max() * (1 - 1e-12)]  # a gap has many equal bests
    return float((best[0] + best[-1]) / 2)


def epi_mask(volume, opening=1) -> np.ndarray:
    """Brain mask of a mean EPI volume: threshold, largest connected part, holes filled.

    Parameters
    ----------
    volume : ndarray, shape (nx, ny, nz)
    opening : int
        Voxels by which thin bridges (to eyes, skull) are cut before the largest part is
        chosen.

    Returns
    -------
    ndarray of bool, shape (nx, ny, nz)

    Raises
    ------
    ValueError
        When the volume is constant or not finite.
    """
    from scipy import ndimage

    volume = np.asarray(volume, dtype=float)
    if not np.isfinite(volume).all() or volume.max() == volume.min():
        raise ValueError("volume: constant or not finite, no brain can be told from background")
    bright = volume > otsu_threshold(volume)
    opened = ndimage.binary_opening(bright, iterations=opening) if opening else bright
    if not opened.any():
        opened = bright
    labels, n_labels = ndimage.label(opened)
    if n_labels > 1:
        sizes = np.bincount(labels.ravel())
        opened = labels == 1 + sizes[1:].argmax()
    if opening:
        opened = ndimage.binary_dilation(opened, iterations=opening) & bright
    return ndimage.binary_fill_holes(opened)
