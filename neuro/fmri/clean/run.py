"""Clean one run: the parts of this package in their right order.

Order: volumes at the start go first; motion and intensity decide which of the rest are
censored; regressors, differences among them, are built on the uncensored run; filter and
regression happen together; smoothing is last, so that region series can be taken before it.
"""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd

from neuro.fmri.clean.censor import FAILED, Censoring, censor, n_steady_state
from neuro.fmri.clean.confounds import Confounds, motion_table, select
from neuro.fmri.clean.denoiser import Denoiser, NoDegreesOfFreedom
from neuro.fmri.clean.mesh import smooth_run
from neuro.fmri.clean.settings import PRESETS, settings_of
from neuro.fmri.quality.measures import dvars, framewise_displacement, sample_voxels, tsnr
from neuro.fmri.quality.run import CARPET_VOXELS, figure_data, mean_in_band, run_qc
from neuro.io.bids.confounds import MOTION
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem

__all__ = ["PRESETS", "RunResult", "denoise_run", "settings_of"]

ALREADY_FILTERED = 0.95
"""Share of power inside the band above which the input counts as filtered before."""


@dataclasses.dataclass
class RunResult:
    """A cleaned run and everything that is to be said about it.

    Attributes
    ----------
    denoised : ndarray, shape (n_kept, n_voxels), float32
        Cleaned series of kept volumes only, as XCP-D writes them; `kept` tells which volumes
        of the input they are. No rows when nothing is left.
    smoothed : ndarray or None
        The same after smoothing; None without a mask or with a width of 0. Region series
        are taken from `denoised`, voxel graphs from this.
    kept : ndarray of bool, shape (n_volumes,)
        Of the whole input run.
    outliers : pandas.DataFrame
        One row per volume of the input: kept, and which rule took it out.
    traces : pandas.DataFrame
        `framewise_displacement` (mm) and `std_dvars` per volume of the input.
    confounds : Confounds or None
        Regressors of the volumes after `n_dropped`.
    n_dropped : int
        Volumes removed at the start.
    constant : ndarray of bool, shape (n_voxels,)
        Voxels without signal; 0 in the output.
    qc : dict
        Row of `group_qc.tsv`.
    excluded : str or None
        Why the run must not be used further.
    exclusions : list of dict
    notes : list of str
    parameters : dict
        Every setting and what came of it, for the sidecar.
    figures : dict of ndarray
        See :func:`neuro.fmri.quality.run.figure_data`.
    """

    denoised: np.ndarray
    smoothed: np.ndarray | None
    kept: np.ndarray
    outliers: pd.DataFrame
    traces: pd.DataFrame
    confounds: Confounds | None
    n_dropped: int
    constant: np.ndarray
    qc: dict
    excluded: str | None
    exclusions: list
    notes: list
    parameters: dict
    figures: dict


def denoise_run(
    series,
    mask_img=None,
    *,
    tr,
    confounds=None,
    motion=None,
    meta=None,
    settings=None,
    tissue_masks=None,
    run_key="run",
    participant_id=None,
    site=None,
    realign_failed=None,
) -> RunResult:
    """Censor, clean and smooth one run, and measure its quality.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        Voxels inside the mask in C order, or regions of a table. float32 is best; the input
        is not changed.
    mask_img : nibabel image or GraySpace, optional
        Brain mask, or the place of grayordinates; without it (region tables) nothing is smoothed
        and DVARS is not computed.
    tr : float
        Sampling interval (s).
    confounds : pandas.DataFrame, optional
        As :func:`neuro.io.bids.confounds.read_confounds` returns it.
    motion : ndarray, shape (n_volumes, 6), optional
        Translations (mm), then rotations (rad); used where there is no table.
    meta : dict, optional
        Description of the table's columns.
    settings : dict, optional
        Overrides of :data:`PRESETS`; `preset` picks the base (default robust). Keys that
        belong to other steps are passed over.
    tissue_masks : mapping of str to ndarray, optional
        For strategy `acompcor_lite`, see :func:`neuro.fmri.clean.components.tissue_components`.
    run_key : str
    participant_id, site : str, optional
        For the row of the quality table.
    realign_failed : bool or int, optional
        For the quality table; by default the number of volumes that the column
        `realign_failed` of the table marks. Those are never kept.

    Returns
    -------
    RunResult
        With `excluded` set for a run with too little time, which is cleaned all the same, or
        with no degrees of freedom left, which gives no series.

    Raises
    ------
    InputProblem
        When tables do not fit the image, columns are missing, or a strategy needs confounds
        and there are none.
    """
    settings, n_volumes = settings_of(settings), len(series)
    table = _table(confounds, motion, settings["strategy"], n_volumes, run_key)
    drop = max(settings["drop_volumes"], 0 if table is None else n_steady_state(table))
    if drop >= n_volumes:
        raise InputProblem(f"{run_key}: {drop} volumes to drop, the run has {n_volumes}")
    before = series[drop:]
    notes = [f"{drop} volumes at the start removed"] if drop else []
    table = _without(table, drop, run_key)
    fd, std_dvars, sources = _traces(before, table, mask_img is not None)
    if fd is None and settings["scrub"]:
        notes.append("no head motion given: volumes are not censored for displacement")
    failed, n_failed = _failed(table, notes)
    limits = {name: settings[name] for name in ("fd_mm", "scrub", "min_segment", "min_seconds")}
    limits["max_std_dvars"] = settings["std_dvars"]
    traces = {"fd": fd, "std_dvars": std_dvars, "failed": failed}
    censoring = censor(len(before), tr, **traces, **limits, what=run_key)
    chosen = _select(table, meta, settings, tr, before, mask_img, tissue_masks)
    notes += chosen.notes if chosen is not None else ()
    notes += _filtered_before(before, settings, tr, run_key)
    denoiser = _denoiser(settings)
    denoised, constant, why = _cleaned(denoiser, before, chosen, tr, censoring.kept)
    dof, exclusions = getattr(denoiser, "dof_left_", None), list(censoring.rows)
    if why and censoring.kept.any():
        exclusions.append(exclusion(run_key, "clean", "no degrees of freedom left", dof, 0))
    notes += [] if why else denoiser.notes_
    smoothed = smooth_run(denoised, mask_img, settings["smooth_mm"], ~constant, notes)
    kept = np.r_[np.zeros(drop, dtype=bool), getattr(denoiser, "kept_", censoring.kept)]
    fd, std_dvars = (_whole_run(trace, drop, n_volumes) for trace in (fd, std_dvars))
    ratio = tsnr(before) if mask_img is not None else None
    qc = run_qc(
        run_key=run_key,
        participant_id=participant_id,
        site=site,
        kept=kept,
        tr=tr,
        fd=fd,
        std_dvars=std_dvars,
        fd_mm=settings["fd_mm"],
        tsnr_map=ratio,
        after=denoised,
        band=settings["band"],
        dof_left=dof,
        n_constant=int(constant.sum()),
        realign_failed=n_failed if realign_failed is None else realign_failed,
    )
    return RunResult(
        denoised=denoised,
        smoothed=smoothed,
        kept=kept,
        outliers=_outliers(kept, censoring, drop),
        traces=pd.DataFrame({"framewise_displacement": fd, "std_dvars": std_dvars}),
        confounds=chosen,
        n_dropped=int(drop),
        constant=constant,
        qc=qc,
        excluded=why or censoring.excluded,
        exclusions=exclusions,
        notes=notes,
        parameters=_parameters(settings, tr, kept, drop, sources, denoiser, constant),
        figures=figure_data(
            before, denoised, fd, std_dvars, kept, mask_img, tr, drop=drop, tsnr_map=ratio
        ),
    )


def _without(table, drop, run_key):
    """The table without the volumes at the start; it keeps its path."""
    if table is None:
        return None
    kept = table.iloc[drop:].reset_index(drop=True)
    kept.attrs["path"] = table.attrs.get("path", run_key)
    return kept


def _failed(table, notes):
    """Volumes that could not be realigned (None where nobody knows) and how many, for `notes`."""
    if table is None or FAILED not in table.columns:
        return None, 0
    failed = table[FAILED].to_numpy(dtype=float) > 0
    if failed.any():
        notes.append(f"{int(failed.sum())} volumes could not be realigned and are left out")
    return failed, int(failed.sum())


def _cleaned(denoiser, series, confounds, tr, keep):
    """Clean series, which of them are constant, and why there are none at all."""
    try:
        denoised = denoiser.fit_transform(series, confounds=confounds, tr=tr, keep=keep)
    except NoDegreesOfFreedom as problem:
        nothing = np.empty((0, series.shape[1]), dtype=np.float32)
        return nothing, np.zeros(series.shape[1], dtype=bool), problem.problems[0]
    return denoised, denoiser.constant_series_, ""


def _denoiser(settings) -> Denoiser:
    athena = settings["strategy"] == "athena"
    return Denoiser(
        low=settings["band"][0],
        high=settings["band"][1],
        filter=settings["filter"],
        order=settings["order"],
        sequential=athena,
        detrend=not athena,
        min_segment=settings["min_segment"] if settings["scrub"] else 1,
    )


def _table(confounds, motion, strategy, n_volumes, run_key):
    if confounds is None and motion is not None:
        confounds = motion_table(motion)
        confounds.attrs["path"] = run_key
    if confounds is None:
        if strategy != "none":
            raise InputProblem(
                f"{run_key}: strategy '{strategy}' needs a confounds table or motion parameters, "
                "none was found; give one or set the strategy to 'none'"
            )
        return None
    if len(confounds) != n_volumes:
        raise InputProblem(
            f"{confounds.attrs.get('path', run_key)}: {len(confounds)} rows for an image of "
            f"{n_volumes} volumes"
        )
    return confounds


def _traces(before, table, is_image):
    """FD and standardised DVARS of the volumes that were not dropped, and where from."""
    fd = std_dvars = None
    sources = dict.fromkeys(("framewise_displacement", "std_dvars"))
    if table is not None and all(name in table.columns for name in MOTION):
        fd = framewise_displacement(table[list(MOTION)].to_numpy())
        sources["framewise_displacement"] = "motion parameters, Power 2012, radius 50 mm"
    elif table is not None and "framewise_displacement" in table.columns:
        fd = table["framewise_displacement"].to_numpy(dtype=float)
        sources["framewise_displacement"] = "confounds table"
    if table is not None and "std_dvars" in table.columns:
        std_dvars = table["std_dvars"].to_numpy(dtype=float)
        sources["std_dvars"] = "confounds table"
    elif is_image:
        std_dvars = dvars(before)[1]
        sources["std_dvars"] = "series inside the mask"
    return _without_first(fd), _without_first(std_dvars), sources


def _without_first(trace):
    """The first volume has no predecessor: its value is not known."""
    if trace is None or not trace.size:
        return trace
    return np.concatenate([[np.nan], trace[1:]])


def _select(table, meta, settings, tr, before, mask_img, tissue_masks):
    if table is None or settings["strategy"] == "none":
        return None
    components = None
    if settings["strategy"] == "acompcor_lite":
        from neuro.fmri.clean.components import tissue_components

        components = tissue_components(before, mask_img, tissue_masks or {})
    return select(
        table,
        meta,
        settings["strategy"],
        tr=tr,
        columns=settings["confound_columns"],
        components=components,
        n_volumes=len(before),
    )


def _filtered_before(before, settings, tr, run_key):
    """A note when the input looks filtered already and a filter is set."""
    if settings["filter"] == "none" or len(before) < 3:
        return []
    sampled = before[:, sample_voxels(before.shape[1], CARPET_VOXELS)]
    sampled = sampled[:, np.isfinite(sampled).all(axis=0)]
    share = mean_in_band(sampled, tr, settings["band"]) if sampled.size else None
    if share is None or share <= ALREADY_FILTERED:
        return []
    note = (
        f"{run_key}: {share:.0%} of the input's power lies in {settings['band'][0]:g}-"
        f"{settings['band'][1]:g} Hz already; it seems filtered, set the filter to 'none'"
    )
    warnings.warn(note, UserWarning, stacklevel=3)
    return [note]


def _whole_run(trace, drop, n_volumes) -> np.ndarray:
    """A trace on the time axis of the input: NaN for dropped volumes and unknown values."""
    whole = np.full(n_volumes, np.nan)
    if trace is not None:
        whole[drop:] = trace
    return whole


def _outliers(kept, censoring: Censoring, drop):
    """One row per volume of the input: kept, and which rule took it out."""
    table = pd.DataFrame({"kept": kept.astype(int)})
    table["dropped"] = (np.arange(kept.size) < drop).astype(int)
    names = ("fd", "std_dvars", "short_segment")
    for name in (*names, FAILED) if FAILED in censoring.reasons else names:
        flags = np.zeros(kept.size, dtype=int)
        flags[drop:] = censoring.reasons.get(name, 0)
        table[name] = flags
    return table


def _parameters(settings, tr, kept, drop, sources, denoiser, constant) -> dict:
    """Every setting and what came of it."""
    parameters = {
        **settings,
        "tr": float(tr),
        "n_volumes": int(kept.size),
        "n_dropped": int(drop),
        "n_kept": int(kept.sum()),
        "n_constant": int(constant.sum()),
        "steps": "regress, then filter" if denoiser.sequential else "filter and regress jointly",
        "traces_from": sources,
        "dof_left": getattr(denoiser, "dof_left_", None),
        "rank": getattr(denoiser, "rank_", None),
    }
    for group in ("used", "constant", "empty", "collinear"):
        parameters[f"{group}_columns"] = list(getattr(denoiser, f"{group}_columns_", ()))
    return parameters
