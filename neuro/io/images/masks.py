"""Brain masks on the disk, with what BIDS wants to know of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.base import provenance


def save_mask(path, inside, affine, code: int, *, reference, **sidecar) -> Path:
    """Write a brain mask as an image of 0 and 1, with its sidecar.

    Parameters
    ----------
    path : path-like
    inside : ndarray of bool, shape (nx, ny, nz)
    affine : ndarray, shape (4, 4)
        Voxels to mm.
    code : int
        NIfTI code of the space.
    reference : path-like
        Image whose grid and space the mask has.
    **sidecar
        Passed to :func:`neuro.base.provenance.sidecar`.

    Returns
    -------
    pathlib.Path
    """
    import nibabel

    image = nibabel.Nifti1Image(np.asarray(inside).astype(np.uint8), affine)
    image.set_qform(affine, code)
    image.set_sform(affine, code)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    fields = {
        "Type": "Brain",
        "Description": "Brain mask: 1 inside, 0 outside",
        "SpatialReference": provenance.bids_uri(reference, path),
    }
    provenance.sidecar(path, **{**fields, **sidecar})
    return Path(path)
