"""Float32 images written volume by volume; the bytes depend on the content only."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

COMPRESSION = 1
"""Level of gzip; higher ones cost minutes and save little on float32 images."""

_OFFSET = 352


def write_stream(
    path, volumes: Iterable, shape, affine, *, tr: float | None = None, code: int = 2
) -> Path:
    """Write an image from its volumes, one after the other.

    Parameters
    ----------
    path : path-like
        `.nii.gz` or `.nii`; parent folders are made.
    volumes : iterable of ndarray, shape (nx * ny * nz,)
        Each in Fortran order of the grid.
    shape : tuple of int
        Three axes, and the number of volumes for a 4D image.
    affine : ndarray, shape (4, 4)
        Voxels to mm.
    tr : float, optional
        Sampling interval in s; an image without one is 3D.
    code : int
        NIfTI code of the space (2 aligned, default; 1 scanner, 4 MNI).

    Returns
    -------
    pathlib.Path
    """
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_qform(affine, code)
    header.set_sform(affine, code)
    zooms = np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)
    header.set_zooms(zooms if tr is None else (*zooms, tr))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = _OFFSET
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        if path.suffix == ".gz":
            stream: Any = gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0)
        else:
            stream = file
        header.write_to(stream)
        stream.write(b"\0" * (_OFFSET - stream.tell()))
        for volume in volumes:
            stream.write(np.ascontiguousarray(volume, dtype="<f4").tobytes())
        if stream is not file:
            stream.close()
    return path


def write_volumes(path, data, affine, tr: float, *, code: int = 2) -> Path:
    """Write a 4D array as float32, without a copy of the whole.

    Parameters
    ----------
    path : path-like
        `.nii.gz` or `.nii`.
    data : ndarray, shape (nx, ny, nz, n_volumes)
    affine : ndarray, shape (4, 4)
    tr : float
        Sampling interval in s.
    code : int
        NIfTI code of the space.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When the array is not 4D or `tr` is no positive number.
    """
    if np.ndim(data) != 4:
        raise ValueError(f"data: shape {np.shape(data)}, expected (nx, ny, nz, n_volumes)")
    if not (np.isfinite(tr) and tr > 0):
        raise ValueError(f"tr: got {tr}, expected seconds > 0")
    volumes = (data[..., t].ravel(order="F") for t in range(data.shape[3]))
    return write_stream(path, volumes, data.shape, affine, tr=float(tr), code=code)


def space_code(img) -> int:
    """NIfTI code of the space that an image's header states, 2 (aligned) where it has none."""
    return int(img.header["sform_code"]) or int(img.header["qform_code"]) or 2
