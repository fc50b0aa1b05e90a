"""Runs that XCP-D has denoised: taken as they are, measured, and smoothed for voxel graphs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.fmri.clean.image import RunFiles, write_run
from neuro.fmri.clean.mesh import smooth_run
from neuro.fmri.clean.run import RunResult
from neuro.fmri.clean.settings import settings_of
from neuro.fmri.quality.measures import carpet, dvars
from neuro.fmri.quality.run import CARPET_VOXELS, node_maps, run_qc
from neuro.io.bids import xcpd
from neuro.io.formats.tables import exclusion
from neuro.io.images.runs import load_run, run_series


def accept_image(
    bold,
    mask,
    files: RunFiles,
    *,
    run_key,
    tr=None,
    voxel_size=None,
    outliers=None,
    motion=None,
    settings=None,
    space="",
    surfaces=(),
) -> RunResult:
    """Read a denoised run, measure it and write it in the form of the other kinds.

    Parameters
    ----------
    bold, mask : path-like
        Denoised 4D image and brain mask on the same grid.
    files : RunFiles
    run_key : str
    tr : float, optional
        Sampling interval (s); the sidecar's or header's by default.
    voxel_size : sequence of float, optional
        In mm, for headers without one.
    outliers, motion : path-like, optional
        `*_outliers.tsv` and `*_motion.tsv`.
    settings : dict, optional
        Only `min_seconds`, `smooth_mm`, `fd_mm` and `band` have a meaning here.
    space : str
        For the sidecars.
    surfaces : sequence of path-like
        Meshes of both hemispheres, for series on surfaces.

    Returns
    -------
    RunResult

    Raises
    ------
    InputProblem
        When a file cannot be read or numbers of volumes do not fit together.
    """
    image, mask_img = load_run(bold, mask, tr=tr, voxel_size=voxel_size, surfaces=surfaces)
    kept, rows, fd = xcpd.whole_run(image.n_volumes, bold, outliers, motion)
    series = run_series(image, mask_img)
    if rows.size < len(series):
        series = series[rows]
    result = accept_run(
        series, mask_img, tr=image.tr, kept=kept, fd=fd, run_key=run_key, settings=settings
    )
    write_run(result, image, mask_img, files, [bold, mask, outliers, motion], space=space)
    return result


def accept_run(
    denoised, mask_img, *, tr, kept=None, fd=None, run_key="run", settings=None
) -> RunResult:
    """Measure and smooth a run that was denoised before; its values stay as they are.

    Parameters
    ----------
    denoised : ndarray of float32, shape (n_kept, n_voxels)
    mask_img : nibabel image
    tr : float
        Sampling interval (s).
    kept : ndarray of bool, shape (n_volumes,), optional
        Which volumes of the run the rows are; all by default.
    fd : ndarray, shape (n_volumes,), optional
        Framewise displacement (mm).
    run_key : str
    settings : dict, optional

    Returns
    -------
    RunResult
        With `excluded` set when less than `min_seconds` is left. There is no temporal signal to
        noise, because denoised series have no mean, and no count of degrees of freedom.
    """
    settings = settings_of({**(settings or {}), "strategy": "none", "filter": "none"})
    kept = np.ones(len(denoised), dtype=bool) if kept is None else kept
    first = denoised[0] if len(denoised) else np.zeros(denoised.shape[1], dtype=np.float32)
    constant = (denoised == first).all(axis=0)
    seconds = float(len(denoised) * tr)
    excluded, exclusions = None, []
    if seconds < settings["min_seconds"]:
        excluded = f"{seconds:.0f} s kept, fewer than {settings['min_seconds']:g} s"
        exclusions.append(
            exclusion(
                run_key,
                "censor",
                "too little time kept (s)",
                round(seconds, 3),
                settings["min_seconds"],
            )
        )
    smoothed = None
    notes = ["denoised by XCP-D: neither filtered nor regressed again"]
    if settings["smooth_mm"] > 0 and not excluded:
        smoothed = smooth_run(denoised, mask_img, settings["smooth_mm"], ~constant, notes)
    std_dvars = _std_dvars(denoised, kept)
    fd = np.full(kept.size, np.nan) if fd is None else fd
    qc = run_qc(
        run_key=run_key,
        kept=kept,
        tr=tr,
        fd=fd,
        std_dvars=std_dvars,
        fd_mm=settings["fd_mm"],
        after=denoised,
        band=settings["band"],
        n_constant=int(constant.sum()),
    )
    outliers = pd.DataFrame({"kept": kept.astype(int), "xcpd": (~kept).astype(int)})
    if not np.isfinite(fd).any():
        notes.append("no *_motion.tsv: displacement is not known")
    return RunResult(
        denoised=denoised,
        smoothed=smoothed,
        kept=kept,
        outliers=outliers,
        traces=pd.DataFrame({"framewise_displacement": fd, "std_dvars": std_dvars}),
        confounds=None,
        n_dropped=0,
        constant=constant,
        qc=qc,
        excluded=excluded,
        exclusions=exclusions,
        notes=notes,
        parameters={
            "min_seconds": settings["min_seconds"],
            "smooth_mm": settings["smooth_mm"],
            "steps": "denoised by XCP-D, taken as it is",
            "tr": float(tr),
            "n_volumes": int(kept.size),
            "n_kept": int(kept.sum()),
            "n_constant": int(constant.sum()),
        },
        figures=_figures(denoised, mask_img, kept, fd, std_dvars, tr),
    )


def _std_dvars(denoised, kept) -> np.ndarray:
    """Standardised DVARS in the places of the whole run; unknown where a volume is missing."""
    trace = np.full(kept.size, np.nan)
    trace[kept] = dvars(denoised, scale=False)[1]
    trace[1:][~kept[:-1]] = np.nan
    return trace


def _figures(denoised, mask_img, kept, fd, std_dvars, tr) -> dict:
    """What the page of the run shows: the carpet of denoised series, their spread, the mask."""
    rows = min(CARPET_VOXELS, denoised.shape[1])
    after = np.full((rows, kept.size), np.nan, dtype=np.float16)
    data = {
        "kept": kept,
        "tr": np.float32(tr),
        "fd": np.asarray(fd, dtype=np.float32),
        "std_dvars": std_dvars.astype(np.float32),
        "carpet_after": after,
    }
    if len(denoised) > 1:
        after[:, kept] = carpet(denoised, CARPET_VOXELS, linear=False)
        data.update(node_maps(mask_img, sd=denoised.std(axis=0)))
    return data
