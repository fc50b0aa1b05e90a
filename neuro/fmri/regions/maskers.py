"""nilearn's region maskers, handed in by the user: their values, and what they hold."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem


def fitted(atlas):
    """One of nilearn's region maskers, as it is or as a fitted clone; None for anything else.

    A masker that is handed in is never changed, and nilearn is not imported to know it.
    """
    if not hasattr(atlas, "transform_single_imgs"):
        return None
    if atlas.__sklearn_is_fitted__():
        return atlas
    from sklearn.base import clone

    return clone(atlas).fit()


def parts(atlas, labels=None) -> tuple:
    """What a masker holds, and its region names; anything else comes back as it is.

    Parameters
    ----------
    atlas : nilearn masker or object
    labels : pandas.DataFrame or sequence of str, optional
        Go before the masker's own.

    Returns
    -------
    atlas, labels
        As :func:`neuro.fmri.load_atlas` takes them.
    """
    for key in ("labels_img", "maps_img", "seeds"):
        if hasattr(atlas, "transform_single_imgs") and hasattr(atlas, key):
            given = (labels, getattr(atlas, "lut", None), getattr(atlas, "labels", None))
            return getattr(atlas, key), next((names for names in given if names is not None), None)
    return atlas, labels


def radius_mm(masker, mask_img) -> float | None:
    """Radius (mm) of a masker's spheres; without one, what reaches one voxel for sure."""
    if masker is None:
        return None
    size = np.linalg.norm(mask_img.affine[:3, :3], axis=0)
    return float(getattr(masker, "radius", None) or np.linalg.norm(size) / 2)


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
        When the masker gives other regions.
    """
    import nibabel

    X = getattr(X, "img", X)
    if not hasattr(X, "dataobj"):
        inside = np.asarray(mask_img.dataobj) > 0
        data = np.zeros((*inside.shape, len(X)), dtype=np.float32)
        data[inside] = np.asarray(X).T
        X = nibabel.Nifti1Image(data, mask_img.affine)
    values = masker.transform(X)
    if hasattr(masker, "region_ids_"):
        given = [int(code) for key, code in masker.region_ids_.items() if key != "background"]
    else:
        given = list(codes)
    if len(given) != values.shape[1]:
        raise InputProblem(
            f"atlas: {type(masker).__name__} gives {values.shape[1]} columns for {len(codes)} "
            "regions; let it keep the regions that its mask leaves empty"
        )
    out = np.full((len(values), len(codes)), np.nan, dtype=np.float32)
    out[:, np.searchsorted(codes, given)] = values
    return out
