"""One run under several strategies, cleaned as region series.

Cleaning is one matrix along time, the means of regions one along space, so their order does not
matter: means of cleaned voxels are cleaned means of voxels, whatever is censored, interpolated,
filtered and regressed. Only voxels without signal must be left out before, as they are after.
"""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd

from neuro.fmri.clean.confounds import motion_table
from neuro.fmri.clean.run import denoise_run
from neuro.fmri.maps.amplitude import live_columns
from neuro.fmri.regions.connectome import Connectome
from neuro.io.bids.confounds import read_confounds
from neuro.io.bids.motion import read_motion
from neuro.io.formats import tables
from neuro.io.images import nifti
from neuro.io.problems import InputProblem

ROW_COLUMNS = (
    *("run_key", "strategy", "status", "reason", "n_volumes", "n_kept", "mean_fd"),
    *("n_parameters", "dof_left", "dof_lost"),
)
USED, LOST = "used", "lost"


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """One run under one strategy.

    Attributes
    ----------
    strategy : str
    series : ndarray, shape (n_kept, n_regions), or None
        None where the run is lost.
    row : dict
        Keys :data:`ROW_COLUMNS`. `n_parameters` is the rank of the regressors, `dof_lost` the
        volumes of the run less the degrees of freedom that are left: censoring, filter and
        regressors together.
    """

    strategy: str
    series: np.ndarray | None
    row: dict


def cleaned(
    series, tr, strategies, settings, *, run_key="run", confounds=None, meta=None, std_dvars=None
) -> list[Cleaned]:
    """Clean the region series of one run with each strategy, everything else alike.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_regions)
        Before cleaning.
    tr : float
        Sampling interval (s).
    strategies : sequence of str
        See :func:`neuro.fmri.clean.confounds.select`.
    settings : dict
        Section `fmri`: everything but the strategy.
    run_key : str
    confounds : pandas.DataFrame, optional
        As :func:`neuro.io.bids.confounds.read_confounds` returns it.
    meta : dict, optional
        Description of its columns.
    std_dvars : ndarray, shape (n_volumes,), optional
        Of the voxels, so that the same volumes are censored.

    Returns
    -------
    list of Cleaned
        A strategy whose columns are missing, or that leaves too little, loses the run.
    """
    table = confounds
    if table is not None and std_dvars is not None and "std_dvars" not in table:
        table = table.assign(std_dvars=std_dvars)
        table.attrs.update(confounds.attrs)
    results = []
    for strategy in strategies:
        row = dict.fromkeys(ROW_COLUMNS) | {"run_key": run_key, "strategy": strategy}
        row |= {"status": LOST, "n_volumes": len(series)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # said by the run itself
                result = denoise_run(
                    series,
                    tr=tr,
                    confounds=table,
                    meta=meta,
                    settings={**settings, "strategy": strategy, "smooth_mm": 0},
                    run_key=run_key,
                )
        except InputProblem as problem:
            results.append(Cleaned(strategy, None, row | {"reason": problem.problems[0]}))
            continue
        dof = result.parameters["dof_left"]
        row |= {"n_kept": int(result.kept.sum()), "mean_fd": result.qc["mean_fd"]}
        row |= {"n_parameters": result.parameters["rank"], "dof_left": dof}
        row["dof_lost"] = None if dof is None else len(series) - result.n_dropped - dof
        if result.excluded:
            results.append(Cleaned(strategy, None, row | {"reason": result.excluded}))
        else:
            out = result.denoised.copy()
            out[:, result.constant] = np.nan
            results.append(Cleaned(strategy, out, row | {"status": USED}))
    return results


def region_series(series, kept, parcels) -> np.ndarray:
    """Region series before cleaning, of the voxels that have signal in the kept volumes.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    kept : ndarray of bool, shape (n_volumes,)
    parcels : neuro.fmri.regions.parcellate.Parcellator

    Returns
    -------
    ndarray, shape (n_volumes, n_regions)
        Around 0: each voxel's mean is taken out before. NaN for regions with too little coverage.
    """
    rows = series[kept] if kept.any() else series
    live = live_columns(rows)
    # Cleaning takes the level out; without it single precision is enough for the means.
    level = np.where(live, rows.mean(axis=0, dtype=np.float64), 0).astype(np.float32)
    return parcels.transform(np.where(live, series - level, np.float32(0)))


def compare_files(
    bold,
    mask,
    outliers,
    parcellate,
    strategies,
    settings,
    *,
    run_key,
    kind,
    tr=None,
    voxel_size=None,
    confounds=None,
    motion=None,
    motion_order=None,
    motion_units=None,
):
    """Edges and numbers of one run under several strategies.

    Parameters
    ----------
    bold, mask, outliers : path-like
        Image before cleaning, brain mask, and the cleaning's table of volumes.
    parcellate : callable
        Gets the mask image, returns a fitted Parcellator.
    strategies : sequence of str
    settings : dict
        Section `fmri`.
    run_key : str
    kind : str
        Of connectome.
    tr, voxel_size, confounds, motion, motion_order, motion_units
        As :func:`neuro.fmri.clean.image.clean_image` has them.

    Returns
    -------
    edges : ndarray of float32, shape (n_strategies, n_edges)
        NaN where a strategy loses the run.
    rows : pandas.DataFrame
        Columns :data:`ROW_COLUMNS`.
    regions : list of str
    """
    image = nifti.load_bold(bold, tr=tr, voxel_size=voxel_size)
    mask_img = nifti.load_mask(mask, like=image.img)
    flags = tables.read_tsv(outliers)
    parcels = parcellate(mask_img)
    series = region_series(
        nifti.masked_series(image.img, mask_img), flags["kept"].to_numpy() > 0, parcels
    )
    table, meta = read_confounds(confounds) if confounds else (None, None)
    if table is None and motion:
        table = motion_table(read_motion(motion, motion_order, motion_units))
        table.attrs["path"] = str(motion)
    results = cleaned(
        series,
        image.tr,
        strategies,
        settings,
        run_key=run_key,
        confounds=table,
        meta=meta,
        std_dvars=flags["std_dvars"].to_numpy(float),
    )
    n_regions = series.shape[1]
    edges = np.full((len(results), n_regions * (n_regions - 1) // 2), np.nan, dtype=np.float32)
    for number, result in enumerate(results):
        if result.series is not None:
            edges[number] = Connectome(kind).transform([result.series])[0]
    rows = pd.DataFrame([result.row for result in results], columns=list(ROW_COLUMNS))
    return edges, rows, list(parcels.labels_)


def lost_everywhere(run_key, strategies, reason) -> pd.DataFrame:
    """Rows of a run that cannot be read."""
    row = dict.fromkeys(ROW_COLUMNS) | {"run_key": run_key, "status": LOST, "reason": reason}
    return pd.DataFrame(
        [row | {"strategy": strategy} for strategy in strategies], columns=list(ROW_COLUMNS)
    )
