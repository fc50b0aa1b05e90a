"""The light path of raw images, from file to file: slice timing, then rigid realignment.

It ends in native space (or, with an affine of the user, in a template's): no susceptibility
correction and no registration of its own. Volumes that are dropped later stay in the image, so
that positions keep their meaning, but take no part in any estimate.
"""

from __future__ import annotations

import dataclasses
import gzip
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from neuro import provenance
from neuro.fmri.censor import FAILED
from neuro.fmri.epi_mask import epi_mask
from neuro.fmri.qc import framewise_displacement
from neuro.fmri.realign import RigidRealign
from neuro.fmri.slice_timing import reference_time, shift_slices
from neuro.io import excluded, nifti, sampling, tables
from neuro.io.confounds import MOTION
from neuro.io.problems import InputProblem
from neuro.io.volumes import COMPRESSION, space_code, write_volumes

REFERENCES = {"half_span": 0.5, "middle_slice": "middle"}
"""Names of the moments that slices are brought to, for :func:`reference_time`."""
MNI_BOX = ((-78.0, -112.0, -70.0), (78.0, 76.0, 86.0))
"""Corners (mm, RAS+) of a box that holds the MNI brain."""
MNI_STEP = 4.0
"""Voxel edge (mm) of the default target grid, that of the Athena pipeline."""


@dataclasses.dataclass(frozen=True)
class RealignFiles:
    """Where the results of a realignment go; all paths."""

    bold: str
    motion: str
    mask: str
    exclusions: str


def mark_excluded(outputs, exclusions, rows) -> None:
    """Leave empty images and tables, and say why in the exclusions table.

    Parameters
    ----------
    outputs : iterable of path-like
    exclusions : path-like
    rows : list of dict
        See :func:`neuro.io.tables.exclusion`.
    """
    excluded.mark(outputs)
    tables.write_exclusions(exclusions, rows)


def earlier_exclusions(path) -> list[dict]:
    """Rows with which an earlier step left the run out; empty without a file.

    Parameters
    ----------
    path : path-like or None

    Returns
    -------
    list of dict
    """
    if not path:
        return []
    return tables.read_tsv(path, dtype=str).to_dict("records")


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
    }
    if not times:
        note = "the sidecar has no SliceTiming: slice timing was skipped"
        _copy(bold, output)
        provenance.sidecar(output, **common, SliceTimingCorrected=False, Notes=[note])
        return note
    data = np.asarray(image.img.dataobj, dtype=np.float32)
    try:
        moved = shift_slices(
            data[..., drop:], image.tr, times, axis=direction, reference=REFERENCES[reference]
        )
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    # Volumes from `drop` on are replaced in place: one copy of the image less.
    if data.flags.writeable:
        data[..., drop:] = moved
    else:
        data = moved if not drop else np.concatenate([data[..., :drop], moved], axis=3)
    del moved
    start = reference_time(times, REFERENCES[reference])
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


def realign_run(
    bold,
    files: RealignFiles,
    *,
    tr=None,
    voxel_size=None,
    drop=0,
    settings=None,
    affine=None,
    target=None,
) -> dict:
    """Realign a run, find its brain mask and write both with the motion table.

    Parameters
    ----------
    bold : path-like
        4D image.
    files : RealignFiles
    tr : float, optional
        Sampling interval (s) where neither sidecar nor header states it.
    voxel_size : sequence of float, optional
        In mm, for headers without one.
    drop : int
        Volumes at the start that take no part; they get the position of the first one that
        does, and `n/a` in the motion table.
    settings : dict, optional
        `reference` (`first` or `mean`), `step`, `fwhm_mm`, `max_iter`; see
        :class:`~neuro.fmri.realign.RigidRealign`.
    affine : path-like, optional
        Text file with a 4x4 matrix from native to template space (mm, RAS+). It is combined
        with the motion, so that every voxel is interpolated once.
    target : path-like, optional
        Image whose grid the result has; default is a 4 mm box around the MNI brain. Needs
        `affine`.
    Returns
    -------
    dict
        `n_failed`, `mean_fd` (mm), `max_fd` (mm), `n_mask`, `space`.

    Raises
    ------
    InputProblem
        When a file cannot be read, nothing in the image can be told from the background, or
        no volume could be aligned.

    References
    ----------
    Power, Barnes, Snyder, Schlaggar, Petersen (2012), NeuroImage 59:2142-2154.
    """
    settings = {"reference": "first", "step": 3, "fwhm_mm": 8.0, "max_iter": 30} | (settings or {})
    image = nifti.load_bold(bold, tr=tr, voxel_size=voxel_size)
    if drop >= image.n_volumes:
        raise InputProblem(f"{bold}: {drop} volumes to drop, the run has {image.n_volumes}")
    grid, world = _grid(affine, target)
    model, whole = _aligned(bold, image, drop, settings)
    try:
        realigned = model.transform(whole, target=grid, world=world)
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    del whole
    moved = np.asarray(realigned.dataobj)
    failed = model.failed_
    mean = np.zeros(moved.shape[:3], dtype=np.float64)
    for t in np.flatnonzero(~failed):
        if t >= drop:
            mean += moved[..., t]
    try:
        mask = epi_mask(mean / max(int((~failed[drop:]).sum()), 1)) & model.always_inside_
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    if not mask.any():
        raise InputProblem(
            f"{bold}: no voxel of the brain mask stays inside the image in all volumes"
        )
    table = motion_table_of(model, drop)
    code = 4 if affine else space_code(image.img)
    write_volumes(files.bold, moved, realigned.affine, image.tr, code=code)
    _save_mask(files.mask, mask, realigned.affine, code)
    tables.write_tsv(files.motion, table)
    tables.write_exclusions(files.exclusions, [])
    space = "template, by the affine of the user" if affine else "native"
    side = {
        "parameters": {**settings, "drop_volumes": drop},
        "inputs": [item for item in (bold, affine, target) if item],
        "packages": ("numpy", "scipy", "nibabel", "numba"),
        "Space": space,
        **_slice_timing(bold),
    }
    motion = {
        "Description": "volume to reference, trans in mm, rot in rad about the mask's centre, "
        "R = Rz Ry Rx; framewise_displacement in mm (radius 50 mm)",
        "CenterOfRotation": model.center_,
        "FailedVolumes": np.flatnonzero(failed),
    }
    provenance.sidecar(files.bold, **side, **motion, RepetitionTime=image.tr)
    provenance.sidecar(files.motion, **side, **motion)
    provenance.sidecar(files.mask, **side, Type="Brain", Method="threshold of the mean image")
    fd = table["framewise_displacement"].to_numpy(dtype=float)
    known = fd[np.isfinite(fd)]
    return {
        "n_failed": int(failed.sum()),
        "mean_fd": float(known.mean()) if known.size else 0.0,
        "max_fd": float(known.max()) if known.size else 0.0,
        "n_mask": int(mask.sum()),
        "space": space,
    }


def _slice_timing(bold) -> dict:
    """What the sidecar of the image says about slice timing, to be handed on."""
    before, _ = sampling.read_json(provenance.sidecar_path(bold))
    if "SliceTimingCorrected" not in before:
        return {"SliceTimingCorrected": False, "Notes": ["slice timing is switched off"]}
    return {
        key: before[key] for key in ("SliceTimingCorrected", "StartTime", "Notes") if key in before
    }


def _aligned(bold, image, drop, settings):
    """A fitted model on the whole run; the first `drop` volumes copy the next one's position."""
    import nibabel

    data = np.asarray(image.img.dataobj, dtype=np.float32)
    whole = nibabel.Nifti1Image(data, image.img.affine)
    whole.header.set_zooms((*whole.header.get_zooms()[:3], image.tr))
    whole.header.set_xyzt_units("mm", "sec")
    used = whole if not drop else nibabel.Nifti1Image(data[..., drop:], image.img.affine)
    model = RigidRealign(
        reference="mean" if settings["reference"] == "mean" else 0,
        step=settings["step"],
        fwhm=settings["fwhm_mm"],
        max_iter=settings["max_iter"],
    )
    try:
        model.fit(used)
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    if model.failed_.all():
        raise InputProblem(f"{bold}: not one of {image.n_volumes - drop} volumes could be aligned")
    if drop:
        model.matrices_ = np.concatenate(
            [model.matrices_[:1].repeat(drop, axis=0), model.matrices_]
        )
        model.failed_ = np.concatenate([np.zeros(drop, dtype=bool), model.failed_])
    return model, whole


def motion_table_of(model, drop=0) -> pd.DataFrame:
    """Motion parameters in fMRIPrep's column names, with displacement and failed volumes.

    Parameters
    ----------
    model : RigidRealign
        Fitted.
    drop : int
        Volumes at the start whose rows hold `n/a`.

    Returns
    -------
    pandas.DataFrame
        `trans_x` ... `rot_z` (mm, rad), `framewise_displacement` (mm), `realign_failed` (0, 1).
        A failed volume has its predecessor's parameters.
    """
    motion = model.filled_params()
    fd = np.full(len(motion), np.nan)
    fd[drop:] = framewise_displacement(motion[drop:])
    fd[drop] = np.nan
    motion[:drop] = np.nan
    table = pd.DataFrame(motion, columns=list(MOTION))
    table["framewise_displacement"] = fd
    table[FAILED] = model.failed_.astype(int)
    return table


def _grid(affine, target):
    """Target grid and the map from its world to the native one; None, None in native space."""
    if not affine:
        return None, None
    world = np.linalg.inv(read_affine(affine))
    if target:
        from neuro.io.nifti_header import open_image

        img = open_image(target)
        return (tuple(img.shape[:3]), np.asarray(img.affine, dtype=float)), world
    low, high = (np.array(corner) for corner in MNI_BOX)
    grid = np.diag([MNI_STEP, MNI_STEP, MNI_STEP, 1.0])
    grid[:3, 3] = low
    return (tuple(int(n) for n in (high - low) // MNI_STEP + 1), grid), world


def read_affine(path) -> np.ndarray:
    """Read a 4x4 matrix from native to template space.

    Parameters
    ----------
    path : path-like
        Four lines of four numbers, mm to mm in RAS+ axes.

    Returns
    -------
    ndarray, shape (4, 4)

    Raises
    ------
    InputProblem
        When the file is missing or holds no invertible affine matrix.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file; fmri.normalise.affine names it")
    try:
        matrix = np.loadtxt(path, ndmin=2)
    except (ValueError, UnicodeDecodeError):
        matrix = np.empty((0, 0))
    if matrix.shape != (4, 4) or not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise InputProblem(
            f"{path}: shape {matrix.shape}, expected a 4x4 affine matrix with the last line 0 0 0 1"
        )
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-3:
        raise InputProblem(f"{path}: the matrix cannot be inverted; expected mm to mm")
    return matrix


def _save_mask(path, mask, affine, code):
    import nibabel

    image = nibabel.Nifti1Image(mask.astype(np.uint8), affine)
    image.set_qform(affine, code)
    image.set_sform(affine, code)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
