"""nilearn's region maskers, handed in by the user: their values, and what they hold."""

from __future__ import annotations

import numpy as np

from neuro.io.images.nifti import check_grid
from neuro.io.problems import InputProblem

_HOLDS = ("labels_img", "maps_img", "seeds")


def is_masker(atlas) -> bool:
    """Whether an object is one of nilearn's region maskers, without importing nilearn."""
    return hasattr(atlas, "transform_single_imgs") and any(hasattr(atlas, key) for key in _HOLDS)


def fitted(masker):
    """The masker itself where it is fitted, else a fitted clone; the given one is not changed."""
    if masker.__sklearn_is_fitted__():
        return masker
    from sklearn.base import clone

    return clone(masker).fit()


def parts(masker, labels=None) -> tuple:
    """Image or centres of a masker, and its region names.

    Parameters
    ----------
    masker : nilearn masker
    labels : pandas.DataFrame or sequence of str, optional
        Go before the masker's own.

    Returns
    -------
    atlas, labels
        As :func:`neuro.fmri.load_atlas` takes them.
    """
    if labels is None:
        labels = getattr(masker, "lut", None)
    if labels is None:
        labels = getattr(masker, "labels", None)
    return next(getattr(masker, key) for key in _HOLDS if hasattr(masker, key)), labels


def radius_mm(masker, mask_img) -> float:
    """Radius (mm) of a masker's spheres; without one, what reaches one voxel for sure."""
    radius = getattr(masker, "radius", None)
    size = np.linalg.norm(mask_img.affine[:3, :3], axis=0)
    return float(radius or np.linalg.norm(size) / 2)


def series(masker, X, mask_img, codes) -> np.ndarray:
    """What a masker gives, each region in its place.

    Parameters
    ----------
    masker : fitted nilearn masker
    X : array, shape (n_timepoints, n_voxels), or nibabel image
    mask_img : nibabel image
        Where the voxels of an array belong.
    codes : ndarray of int64, shape (n_regions,)

    Returns
    -------
    ndarray of float32, shape (n_timepoints, n_regions)
        NaN where the masker gives no column.

    Raises
    ------
    InputProblem
        When the image is on another grid than the mask, or the masker gives other regions.
    ValueError
        When the number of voxels is not that of the mask.
    """
    import nibabel

    if hasattr(X, "dataobj") or hasattr(X, "img"):
        X = getattr(X, "img", X)
        check_grid(mask_img, X, names=("mask", "the image"))
    else:
        inside = np.asarray(mask_img.dataobj) > 0
        n_voxels = int(np.count_nonzero(inside))
        if np.ndim(X) != 2 or np.shape(X)[1] != n_voxels:
            raise ValueError(f"series: shape {np.shape(X)}, expected (n_timepoints, {n_voxels})")
        data = np.zeros((*inside.shape, len(X)), dtype=np.float32)
        data[inside] = np.asarray(X).T
        X = nibabel.Nifti1Image(data, mask_img.affine)
    found = masker.transform(X)
    if hasattr(masker, "region_ids_"):
        given = [int(code) for key, code in masker.region_ids_.items() if key != "background"]
    else:
        given = list(codes)
    if len(given) != found.shape[1]:
        raise InputProblem(
            f"atlas: {type(masker).__name__} gives {found.shape[1]} columns for {len(codes)} "
            "regions; let it keep the regions that its mask leaves empty"
        )
    out = np.full((len(found), len(codes)), np.nan, dtype=np.float32)
    out[:, np.searchsorted(codes, given)] = found
    return out
