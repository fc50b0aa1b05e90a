"""Look at every file of an image run once: everything that would stop or spoil its job."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from pathlib import Path

import numpy as np

from neuro.base.beside import is_series, is_surface_atlas
from neuro.base.provenance import content_checksum
from neuro.config import kinds
from neuro.io.problems import InputProblem


def check_run(row, config, show=None, few=None):
    """Volumes, sampling interval and problems of one image run.

    Parameters
    ----------
    row : dict
        Of the run table.
    config : dict
        Resolved settings, the kind of data and the confound strategy decided.
    show : callable, optional
        Called with the path and the image, and the path of the mask.
    few : list, optional
        (degrees of freedom, path) of a run that keeps few is added.

    Returns
    -------
    n_volumes : int or str
        Empty where the image cannot be read.
    tr : float or str
        In s.
    problems : list of str
        All problems of the run, one line each.
    """
    kind = config["data"]["kind"]
    bold, problems = _bold(row, config["data"])
    surface = is_series(row["bold"])
    if show and bold is not None and not surface:
        show(row["bold"], bold, row["mask"])
    problems += _mask(row, bold, needed=kind != kinds.NATIVE and not surface)
    if kind == kinds.NATIVE:
        problems += _slice_times(row, bold, config)
        return *_shape(bold, row), problems + _length(row, bold, config["fmri"])
    if kind == kinds.DENOISED:
        return *_shape(bold, row), problems + _xcpd(row, bold, config["fmri"])
    problems += _confounds(row, bold, config, few)
    return *_shape(bold, row), problems


_SAMPLE = 1 << 20


def copies(rows) -> list[str]:
    """One line for images that hold the same bytes under the names of several runs.

    Parameters
    ----------
    rows : list of dict
        Of the run table.

    Returns
    -------
    list of str
    """
    alike: dict = {}
    for row in rows:
        with contextlib.suppress(OSError, EOFError, zlib.error):
            if row["status"] == "ok":
                alike.setdefault(_mark(row["bold"]), {})[str(row["bold"])] = row
    same: dict = {}
    for mark, images in alike.items():
        for path, row in images.items() if len(images) > 1 else []:
            with contextlib.suppress(OSError, EOFError, zlib.error):
                same.setdefault((mark, _content(path)), []).append(row["run_key"])
    return [
        f"{' = '.join(keys)}: the same image, given {len(keys)} times"
        for keys in same.values()
        if len(keys) > 1
    ]


def _mark(path) -> tuple:
    """What equal images have in common, from a few bytes of the file."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        if str(path).endswith(".gz"):
            # checksum and length of what is packed: neither name, time nor level of packing matter
            stream.seek(max(size - 8, 0))
            return ("gz", stream.read(8))
        stream.seek(size // 2)
        return (size, stream.read(4096))


def _content(path) -> str:
    """Checksum of an image, of its first megabyte where it is packed."""
    if not str(path).endswith(".gz"):
        return content_checksum(path)
    with gzip.open(path) as stream:
        return hashlib.sha256(stream.read(_SAMPLE)).hexdigest()


def _bold(row, data):
    from neuro.io.images import grayordinates, nifti

    tr = float(row["tr"]) if row["tr"] else data["tr"]
    try:
        if is_series(row["bold"]):
            return grayordinates.load_series(row["bold"], tr=tr), []
        return nifti.load_bold(row["bold"], tr=tr, voxel_size=data["voxel_size"]), []
    except InputProblem as problem:
        return None, list(problem.problems)


def _shape(bold, row):
    return ("", row["tr"]) if bold is None else (bold.n_volumes, bold.tr)


def _mask(row, bold, needed):
    from neuro.io.images import nifti

    if not row["mask"]:
        return [f"{row['bold']}: no brain mask beside it"] if needed else []
    try:
        nifti.load_mask(row["mask"], like=None if bold is None else bold.img)
    except InputProblem as problem:
        return problem.problems
    return []


def _slice_times(row, bold, config):
    from neuro.fmri.raw.slice_timing import check_slice_times, slice_axis
    from neuro.io.bids import scanner as bids

    root = config["data"]["root"]
    try:
        inside = os.path.relpath(row["bold"], root).replace(os.sep, "/")
        content = bids.metadata(root, inside)
    except InputProblem as problem:
        return problem.problems
    times = content.get("SliceTiming")
    if config["fmri"]["slice_timing"] == "off" or not times or bold is None:
        return []
    try:
        axis, _ = slice_axis(content.get("SliceEncodingDirection"))
        check_slice_times(times, bold.tr, bold.img.shape[axis])
    except ValueError as error:
        return [f"{row['bold']}: {error}"]
    return []


def _length(row, bold, fmri, kept=None):
    """A run that is too short before, or after, volumes are censored."""
    if bold is None:
        return []
    n_used = bold.n_volumes - fmri["drop_volumes"] if kept is None else kept
    seconds = n_used * bold.tr
    if seconds >= fmri["min_seconds"]:
        return []
    left = "" if kept is None else " left after censoring"
    return [
        f"{row['bold']}: {seconds:g} s{left}, less than fmri.min_seconds ({fmri['min_seconds']:g})"
    ]


def _xcpd(row, bold, fmri):
    from neuro.io.bids import xcpd

    if bold is None:
        return []
    try:
        _, rows, _ = xcpd.whole_run(
            bold.n_volumes, row["bold"], row.get("outliers"), row.get("motion")
        )
    except InputProblem as problem:
        return problem.problems
    return _length(row, bold, fmri, kept=rows.size)


def _confounds(row, bold, config, few=None):
    """Columns, numbers of rows, time and degrees of freedom that would be left."""
    from neuro.fmri.clean.confounds import motion_table
    from neuro.io.bids.confounds import read_confounds
    from neuro.io.bids.motion import read_motion

    data, fmri = config["data"], config["fmri"]
    table, meta = None, {}
    try:
        if row["confounds"]:
            table, meta = read_confounds(row["confounds"])
        elif row["motion"]:
            table = motion_table(
                read_motion(row["motion"], data["motion_order"], data["motion_units"])
            )
            table.attrs["path"] = row["motion"]
    except InputProblem as problem:
        return problem.problems
    if table is None and fmri["strategy"] != "none":
        return [f"{row['bold']}: no confounds beside it, but fmri.strategy is '{fmri['strategy']}'"]
    if bold is None:
        return []
    if table is None:
        return _length(row, bold, fmri)
    if len(table) != bold.n_volumes:
        return [
            f"{table.attrs['path']}: {len(table)} rows, but the image has {bold.n_volumes} volumes"
        ]
    return _what_is_left(row, bold, table, meta, fmri, few)


def _what_is_left(row, bold, table, meta, fmri, few=None):
    """Censor and build the regressors as the job will, without reading a voxel."""
    from neuro.fmri.clean.censor import censor, n_steady_state
    from neuro.fmri.clean.confounds import select
    from neuro.fmri.clean.denoiser import FEW_DOF, Denoiser
    from neuro.fmri.quality.measures import framewise_displacement
    from neuro.io.bids.confounds import MOTION

    drop = max(fmri["drop_volumes"], n_steady_state(table))
    if drop >= len(table):
        return [f"{row['bold']}: {drop} volumes to drop, the run has {len(table)}"]
    where = table.attrs["path"]
    table = table.iloc[drop:].reset_index(drop=True)
    table.attrs["path"] = where
    fd = None
    if set(MOTION) <= set(table.columns):
        fd = framewise_displacement(table[list(MOTION)].to_numpy())
    std_dvars = table["std_dvars"].to_numpy(dtype=float) if "std_dvars" in table else None
    if std_dvars is not None and std_dvars.size:
        std_dvars = np.where(np.arange(std_dvars.size) == 0, np.nan, std_dvars)
    left = censor(
        len(table),
        bold.tr,
        fd=fd,
        std_dvars=std_dvars,
        fd_mm=fmri["fd_mm"],
        max_std_dvars=fmri["std_dvars"],
        scrub=fmri["scrub"],
        min_segment=fmri["min_segment"],
        min_seconds=0,
    )
    if left.excluded:
        return [f"{row['bold']}: {left.excluded}; relax fmri.fd_mm or leave the run out"]
    problems = _length(row, bold, fmri, kept=int(left.kept.sum()))
    # Components of the image take the place of up to ten columns; they cannot be known here.
    strategy = "24P" if fmri["strategy"] == "acompcor_lite" else fmri["strategy"]
    if strategy == "none":
        return problems
    low, high = fmri["band"]
    denoiser = Denoiser(
        low=low,
        high=high,
        filter=fmri["filter"],
        sequential=strategy == "athena",
        detrend=strategy != "athena",
        min_segment=fmri["min_segment"] if fmri["scrub"] else 1,
    )
    import warnings

    try:
        chosen = select(table, meta, strategy, tr=bold.tr, columns=fmri["confound_columns"])
        with warnings.catch_warnings():
            # Few degrees of freedom are a warning of the job, not a problem of the input.
            warnings.simplefilter("ignore")
            denoiser.fit(confounds=chosen, tr=bold.tr, keep=left.kept)
        if few is not None and denoiser.dof_left_ < FEW_DOF:
            few.append((float(denoiser.dof_left_), str(row["bold"])))
    except InputProblem as problem:
        lines = [line if str(where) in line else f"{where}: {line}" for line in problem.problems]
        return problems + lines
    return problems


def check_settings(config) -> list[str]:
    """Problems of files that the settings name rather than the data: the atlas.

    Parameters
    ----------
    config : dict

    Returns
    -------
    list of str
    """
    from neuro.fmri.regions.atlases import load_atlas
    from neuro.fmri.regions.surface import SurfaceAtlas

    atlas = config["fmri"]["atlas"]
    if atlas == "simulated" or config["data"]["kind"] in kinds.TABLES:
        return []
    try:
        if is_surface_atlas(atlas):
            SurfaceAtlas(atlas)
            return []
        load_atlas(Path(atlas) if ".nii" in atlas else atlas)
    except InputProblem as problem:
        return problem.problems
    return []
