"""Slice timing of a raw run, from file to file."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.fmri.raw.slice_timing import check_slice_times, reference_time, shift_matrix, slice_axis
from neuro.io.images import nifti
from neuro.io.images.volumes import COMPRESSION, space_code, write_volumes
from neuro.io.problems import InputProblem

REFERENCES = {"half_span": 0.5, "middle_slice": "middle"}
"""Names of the moments that slices are brought to, for :func:`reference_time`."""


def shift_run(
    bold, output, *, metadata, tr=None, voxel_size=None, drop=0, reference="half_span"
) -> str:
    """Bring the slices of a run to one moment; without slice times the image is copied.

    Parameters
    ----------
    bold : path-like
        4D image.
    output : path-like
        `.nii.gz`; its sidecar says what was done.
    metadata : dict
        The image's sidecar with all that it inherits: `SliceTiming` (s) and
        `SliceEncodingDirection`.
    tr : float, optional
        Sampling interval (s) where neither sidecar nor header states it.
    voxel_size : sequence of float, optional
        In mm, for headers without one.
    drop : int
        Volumes at the start that are left as they are, because magnetisation is not steady.
    reference : {"half_span", "middle_slice"}
        Half of the acquisition span (fMRIPrep), or the middle slice (Athena).

    Returns
    -------
    str
        One line for log and report.

    Raises
    ------
    InputProblem
        When the image cannot be read or the slice times do not fit it.
    """
    image = nifti.load_bold(bold, tr=tr, voxel_size=voxel_size)
    times = metadata.get("SliceTiming")
    direction = metadata.get("SliceEncodingDirection") or "k"
    common = {
        "parameters": {"slice_reference": reference, "drop_volumes": drop},
        "inputs": [bold],
        "packages": ("numpy", "nibabel"),
        "RepetitionTime": image.tr,
        "SkullStripped": False,
        "Description": "Raw series, slices brought to one moment where their times are known",
    }
    if not times:
        note = "the sidecar has no SliceTiming: slice timing was skipped"
        _copy(bold, output)
        provenance.sidecar(output, **common, SliceTimingCorrected=False, Notes=[note])
        return note
    data = np.asarray(image.img.dataobj, dtype=np.float32)
    if not data.flags.writeable:
        data = data.copy(order="F")
    try:
        axis, _ = slice_axis(direction)
        check_slice_times(times, image.tr, data.shape[axis])
        start = shift_in_place(data[..., drop:], image.tr, times, direction, REFERENCES[reference])
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    write_volumes(output, data, image.img.affine, image.tr, code=space_code(image.img))
    note = f"{len(times)} slices along {direction} brought to {start:.4g} s of each volume"
    provenance.sidecar(
        output,
        **common,
        SliceTimingCorrected=True,
        StartTime=start,
        SliceEncodingDirection=direction,
        Notes=[note],
    )
    return note


def shift_in_place(data, tr, slice_times, direction="k", reference=0.5) -> float:
    """What :func:`~neuro.fmri.raw.slice_timing.shift_slices` does, without a second image.

    Parameters
    ----------
    data : ndarray of float32, shape (nx, ny, nz, n_volumes)
        Is changed. Voxels that never change stay as they are.
    tr : float
        Sampling interval (s).
    slice_times : sequence of float
        In s.
    direction : str
        BIDS `SliceEncodingDirection`.
    reference : float or "middle"
        See :func:`~neuro.fmri.raw.slice_timing.reference_time`.

    Returns
    -------
    float
        The moment (s) that all slices were brought to.

    Raises
    ------
    ValueError
        When there are fewer than 3 volumes, or the direction is unknown.
    """
    n = data.shape[3]
    if n < 3:
        raise ValueError(f"data: {n} volumes, at least 3 are needed to shift slices in time")
    axis, reverse = slice_axis(direction)
    times = np.asarray(slice_times, dtype=float)
    times = times[::-1] if reverse else times
    target = reference_time(times, reference)
    matrices = {}
    for k, time in enumerate(times):
        shift = round((target - time) / tr, 9)
        if shift == 0:
            continue
        if shift not in matrices:
            matrices[shift] = shift_matrix(n, shift).T.copy()
        one = np.moveaxis(data, axis, 0)[k]
        moving = (one != one[..., :1]).any(axis=2)
        one[moving] = one[moving].astype(np.float64) @ matrices[shift]
    return target


def _copy(source, target):
    """The same image as `.nii.gz`."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    if str(source).endswith(".gz"):
        shutil.copyfile(source, target)
        return
    with (
        open(source, "rb") as before,
        open(target, "wb") as after,
        gzip.GzipFile("", "wb", COMPRESSION, after, mtime=0) as stream,
    ):
        shutil.copyfileobj(before, stream)
