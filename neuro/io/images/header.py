"""What the header of a NIfTI file says, and whether the file is complete."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}


def header_tr(path) -> float | None:
    """Sampling interval in s from the header of a NIfTI file, read without nibabel.

    Parameters
    ----------
    path : path-like
        `.nii` or `.nii.gz`, NIfTI-1 or NIfTI-2.

    Returns
    -------
    float or None
        None where the header says 0, 1 without a unit (what programs write when they do not
        know), or is not readable. Values above 100 without a unit, or in s, are taken as ms.
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    try:
        with opener(path, "rb") as stream:
            head = stream.read(540)
    except (OSError, EOFError, zlib.error):
        return None
    for order in "<>":
        if len(head) >= 348 and struct.unpack(order + "i", head[:4])[0] == 348:
            step, unit = struct.unpack(order + "f", head[92:96])[0], head[123]
            return interval_of_header(step, unit & 0x38)
        if len(head) >= 540 and struct.unpack(order + "i", head[:4])[0] == 540:
            step = struct.unpack(order + "d", head[136:144])[0]
            return interval_of_header(step, struct.unpack(order + "i", head[500:504])[0] & 0x38)
    return None


def n_volumes(path) -> int | None:
    """Number of volumes that the header of a NIfTI file announces, read without nibabel.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    int or None
        None where the header is not readable; 1 for a 3D image.
    """
    opener = gzip.open if str(path).endswith(".gz") else open
    try:
        with opener(path, "rb") as stream:
            head = stream.read(540)
    except (OSError, EOFError, zlib.error):
        return None
    for order in "<>":
        for size, offset, letter in ((348, 40, "h"), (540, 16, "q")):
            if len(head) >= size and struct.unpack(order + "i", head[:4])[0] == size:
                dim = struct.unpack_from(f"{order}8{letter}", head, offset)
                # four axes of length 1 come first in CIFTI
                axis = 5 if dim[0] == 6 else 4
                return int(dim[axis]) if dim[0] >= 4 else 1
    return None


def interval_of_header(step: float, unit: int) -> float | None:
    """Seconds for a header's fourth voxel edge and its NIfTI unit code (0, 8, 16, 24)."""
    step = float(step)
    if not math.isfinite(step) or step <= 0 or (step == 1 and unit not in _SECONDS_PER_UNIT):
        return None
    seconds = step * _SECONDS_PER_UNIT.get(unit, 1.0)
    return seconds / 1000 if seconds > 100 else seconds


def open_image(path):
    """Open a NIfTI image without reading a voxel, and make sure that the file is complete.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    nibabel.Nifti1Image or nibabel.Nifti2Image

    Raises
    ------
    InputProblem
        When the file is missing, empty, cut off, not NIfTI, or holds colours or complex numbers.
    """
    import nibabel

    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    with readable(path, "not a readable NIfTI image"):
        img = nibabel.load(path)
        shape = tuple(img.shape)
    if not isinstance(img, nibabel.Nifti1Image):
        raise InputProblem(f"{path}: {type(img).__name__}, expected NIfTI (.nii or .nii.gz)")
    kind = img.get_data_dtype()
    if kind.kind not in "biuf":
        what = "colours" if kind.names else f"type {kind}"
        raise InputProblem(f"{path}: voxels hold {what}, expected one real number each")
    if not shape or min(shape) < 1:
        raise InputProblem(f"{path}: image of shape {shape} holds no voxel; write it again")
    if not np.isfinite(img.affine).all() or np.linalg.matrix_rank(img.affine) < 4:
        raise InputProblem(
            f"{path}: the affine of the header places no voxel (singular or not finite); mend it"
        )
    if (problem := _cut_off(path, img)) is not None:
        raise InputProblem(problem)
    return img


def _cut_off(path: Path, img) -> str | None:
    """Compare the stored length with what the header needs, without reading the voxels."""
    if not hasattr(img.dataobj, "offset"):
        return None
    data = img.dataobj
    needed = int(data.offset) + math.prod(map(int, data.shape)) * data.dtype.itemsize
    if path.suffix != ".gz":
        n_bytes = path.stat().st_size
        short = n_bytes < needed
    else:
        with open(path, "rb") as stream:
            stream.seek(-4, os.SEEK_END)
            tail = struct.unpack("<I", stream.read(4))[0]
        if tail == needed % (1 << 32):
            return None
        # several members or padding also end like this: count the bytes to be sure
        n_bytes = _decoded_length(path)
        short = n_bytes < needed
    if short:
        return (
            f"{path}: the file is cut off: {n_bytes} bytes, the header announces {needed}; copy it "
            "again"
        )
    return None


def _decoded_length(path) -> int:
    length = 0
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                length += len(block)
    except (OSError, EOFError, zlib.error):
        pass
    return length


def has_no_voxel_size(img) -> bool:
    """Whether the header says nothing about the grid: edges of 1 and no placed affine."""
    header = img.header
    coded = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
    unit = np.array_equal(np.abs(img.affine[:3, :3]), np.eye(3))
    placed = coded and np.any(img.affine[:3, 3] != 0)
    return bool(unit and not placed and np.all(header["pixdim"][1:4] == 1))
