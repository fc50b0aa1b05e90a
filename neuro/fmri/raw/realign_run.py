"""Realignment of a raw run, from file to file.

It ends in native space (or, with an affine of the user, in a template's): no susceptibility
correction and no registration of its own. Volumes that are dropped later stay in the image, so
that positions keep their meaning, but take no part in any estimate.
"""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.base import provenance
from neuro.fmri.clean.censor import FAILED
from neuro.fmri.quality.measures import framewise_displacement
from neuro.fmri.raw.epi_mask import epi_mask
from neuro.fmri.raw.realign import RigidRealign
from neuro.io.bids.confounds import MOTION
from neuro.io.formats import sampling, tables
from neuro.io.images import nifti
from neuro.io.images.masks import save_mask
from neuro.io.images.volumes import space_code, write_stream
from neuro.io.problems import InputProblem

MNI_BOX = ((-78.0, -112.0, -70.0), (78.0, 76.0, 86.0))
"""Corners (mm, RAS+) of a box that holds the MNI brain."""
MNI_STEP = 4.0
"""Voxel edge (mm) of the default target grid, that of the Athena pipeline."""
CHUNK = 8
"""Volumes that are resliced at once."""


@dataclasses.dataclass(frozen=True)
class RealignFiles:
    """Where the results of a realignment go; all paths."""

    bold: str
    motion: str
    mask: str
    exclusions: str


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
        :class:`~neuro.fmri.raw.realign.RigidRealign`.
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
    code = 4 if affine else space_code(image.img)
    try:
        mean, inside, affine_out = _reslice(model, whole, drop, files.bold, grid, world, code)
        mask = epi_mask(mean) & inside
    except ValueError as error:
        raise InputProblem(f"{bold}: {error}") from None
    if not mask.any():
        raise InputProblem(
            f"{bold}: no voxel of the brain mask stays inside the image in all volumes"
        )
    table = motion_table_of(model, drop)
    tables.write_tsv(files.motion, table)
    tables.write_exclusions(files.exclusions, [])
    space = "template, by the affine of the user" if affine else "native"
    side = {
        "parameters": {**settings, "drop_volumes": drop},
        "inputs": [source for source in (bold, affine, target) if source],
        "packages": ("numpy", "scipy", "nibabel", "numba"),
        "Space": space,
        **_slice_timing(bold),
    }
    motion = {
        "Description": "volume to reference, trans in mm, rot in rad about the mask's centre, "
        "R = Rz Ry Rx; framewise_displacement in mm (radius 50 mm)",
        "CenterOfRotation": model.center_,
        "FailedVolumes": np.flatnonzero(model.failed_),
    }
    provenance.sidecar(files.bold, **side, **motion, RepetitionTime=image.tr, SkullStripped=False)
    provenance.sidecar(files.motion, **side, **motion)
    method = {"reference": files.bold, "Method": "threshold of the mean image"}
    save_mask(files.mask, mask, affine_out, code, **method, **side)
    fd = table["framewise_displacement"].to_numpy(dtype=float)
    finite = fd[np.isfinite(fd)]
    return {
        "n_failed": int(model.failed_.sum()),
        "mean_fd": float(finite.mean()) if finite.size else 0.0,
        "max_fd": float(finite.max()) if finite.size else 0.0,
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


def _reslice(model, whole, drop, path, grid, world, code):
    """Write the realigned run a few volumes at a time, so that there is no second image.

    Returns
    -------
    mean : ndarray, shape (nx, ny, nz)
        Of the volumes that take part and could be aligned.
    inside : ndarray of bool, shape (nx, ny, nz)
        Voxels that no volume leaves without data.
    affine : ndarray, shape (4, 4)
    """
    import nibabel

    data, n_volumes = np.asarray(whole.dataobj), whole.shape[3]
    shape, affine = (whole.shape[:3], whole.affine) if grid is None else grid
    mean = np.zeros(shape, dtype=np.float64)
    inside = np.ones(shape, dtype=bool)
    good = ~model.failed_ & (np.arange(n_volumes) >= drop)

    def volumes():
        nonlocal inside
        for first in range(0, n_volumes, CHUNK):
            resliced = copy.copy(model)
            resliced.matrices_ = model.matrices_[first : first + CHUNK]
            some = nibabel.Nifti1Image(data[..., first : first + CHUNK], whole.affine)
            moved = np.asarray(resliced.transform(some, target=grid, world=world).dataobj)
            inside &= resliced.always_inside_
            for t in range(moved.shape[3]):
                if good[first + t]:
                    mean[...] += moved[..., t]
                yield moved[..., t].ravel(order="F")

    tr = float(whole.header.get_zooms()[3])
    write_stream(path, volumes(), (*shape, n_volumes), affine, tr=tr, code=code)
    return mean / max(int(good.sum()), 1), inside, affine


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
        from neuro.io.images.header import open_image

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
