"""All maps of one run, as voxels and as means of regions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.fmri.clean.denoiser import Denoiser
from neuro.fmri.maps.amplitude import alff, falff
from neuro.fmri.maps.seeds import seed_maps
from neuro.io.bids.confounds import read_confounds
from neuro.io.formats import tables
from neuro.io.images import nifti
from neuro.io.problems import InputProblem

MAPS = ("alff", "falff", "reho", "seed")
"""Maps that a run can have; `seed` holds one volume per seed."""
RELATIVE = ("alff", "falff", "reho")
"""Maps that are compared between people as z-scores inside their mask."""


def run_maps(
    denoised,
    mask_img,
    names,
    *,
    tr,
    kept=None,
    band=(0.01, 0.08),
    n_neighbours=27,
    seeds=None,
    radius_mm=5.0,
    unfiltered=None,
) -> dict:
    """Maps of one run.

    Parameters
    ----------
    denoised : ndarray, shape (n_kept, n_voxels)
        Cleaned series, not smoothed.
    mask_img : nibabel image
        Mask whose voxels they are, C order.
    names : sequence of str
        Some of :data:`MAPS`.
    tr : float
        Sampling interval (s).
    kept : ndarray of bool, shape (n_volumes,), optional
        Which volumes the rows are.
    band : pair of float
        In Hz.
    n_neighbours : {27, 19, 7}
    seeds : mapping of str to sequence of 3 float, optional
        Centres in mm.
    radius_mm : float
        Of the seeds.
    unfiltered : ndarray, shape (n_kept, n_voxels), optional
        For `falff`, see :func:`unfiltered_series`.

    Returns
    -------
    dict of str to ndarray of float64
        `(n_voxels,)`, `seed` `(n_voxels, n_seeds)`; NaN where there is no signal.

    Raises
    ------
    ValueError
        When a map is unknown, or `falff` is asked for without unfiltered series.
    """
    unknown = [name for name in names if name not in MAPS]
    if unknown:
        raise ValueError(f"maps: got '{unknown[0]}', expected some of {', '.join(MAPS)}")
    maps = {}
    if "alff" in names:
        maps["alff"] = alff(denoised, tr, band, kept)
    if "falff" in names:
        if unfiltered is None:
            raise ValueError("maps: 'falff' needs series that were not filtered")
        maps["falff"] = falff(unfiltered, tr, band, kept)
    if "reho" in names:
        from neuro.fmri.maps.reho import grid_neighbours, reho

        inside = np.asarray(mask_img.dataobj) > 0
        maps["reho"] = reho(denoised, grid_neighbours(inside, n_neighbours))
    if "seed" in names:
        coords = nifti.mask_coords_mm(mask_img)
        maps["seed"] = seed_maps(denoised, coords, seeds or {}, radius_mm)
    return {name: maps[name] for name in names}


def unfiltered_series(series, confounds, kept, tr, *, polynomials=False) -> np.ndarray:
    """Series from which the confounds are regressed, without a filter, on kept volumes.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        Before cleaning, without the volumes dropped at the start.
    confounds : pandas.DataFrame or None
        Regressors as the cleaning used them; a row per volume.
    kept : ndarray of bool, shape (n_volumes,)
    tr : float
        Sampling interval (s).
    polynomials : bool
        Whether the regressors hold a line already (strategy athena).

    Returns
    -------
    ndarray of float32, shape (n_kept, n_voxels)
    """
    denoiser = Denoiser(filter="none", low=None, high=None, detrend=not polynomials, min_segment=1)
    values = None if confounds is None else confounds.to_numpy(float)
    names = None if confounds is None else list(confounds.columns)
    return denoiser.fit_transform(series, tr=tr, confounds=values, names=names, keep=kept)


def kept_volumes(outliers):
    """Which volumes of a run are kept, and how many were dropped at its start.

    Parameters
    ----------
    outliers : path-like
        Table as the cleaning writes it.

    Returns
    -------
    kept : ndarray of bool
        Of the volumes after those that were dropped.
    dropped : int
    """
    table = tables.read_tsv(outliers)
    dropped = int(table["dropped"].sum()) if "dropped" in table else 0
    return table["kept"].to_numpy()[dropped:] > 0, dropped


def maps_of_files(
    denoised, mask, outliers, names, settings, *, preproc=None, confounds=None, tr=None, voxels=None
):
    """The maps of a run whose files the cleaning wrote.

    Parameters
    ----------
    denoised, mask, outliers : path-like
    names : sequence of str
    settings : dict
        Section `fmri`: `band`, `reho_neighbours`, `seeds`, `sphere_mm`, `strategy`.
    preproc, confounds : path-like, optional
        Image before the cleaning and the regressors that it used, for `falff`.
    tr : float, optional
        Sampling interval (s) of `preproc`; the sidecar's or header's by default.
    voxels : sequence of float, optional
        Voxel size (mm) of `preproc`, for headers without one.

    Returns
    -------
    maps : dict of str to ndarray
        See :func:`run_maps`.
    mask_img : nibabel image

    Raises
    ------
    InputProblem
        When files do not fit together.
    """
    image = nifti.load_bold(denoised)
    mask_img = nifti.load_mask(mask, like=image.img)
    kept, dropped = kept_volumes(outliers)
    if int(kept.sum()) != image.n_volumes:
        raise InputProblem(
            f"{outliers}: {int(kept.sum())} volumes kept, {denoised} has {image.n_volumes}"
        )
    unfiltered = None
    if "falff" in names:
        before = nifti.load_bold(preproc, tr=tr, voxel_size=voxels)
        table = read_confounds(confounds)[0] if _has_columns(confounds) else None
        unfiltered = unfiltered_series(
            nifti.masked_series(before.img, mask_img)[dropped:],
            table,
            kept,
            image.tr,
            polynomials=settings["strategy"] == "athena",
        )
    maps = run_maps(
        nifti.masked_series(image.img, mask_img),
        mask_img,
        names,
        tr=image.tr,
        kept=kept,
        band=settings["band"],
        n_neighbours=settings["reho_neighbours"],
        seeds=settings["seeds"],
        radius_mm=settings["sphere_mm"],
        unfiltered=unfiltered,
    )
    return maps, mask_img


def _has_columns(path) -> bool:
    """Whether the table of regressors holds any; strategy none leaves a header without rows."""
    return bool(path) and len(tables.read_tsv(path)) > 0


def region_means(maps, parcels) -> dict:
    """Means of the regions of each map.

    Parameters
    ----------
    maps : dict of str to ndarray
        See :func:`run_maps`.
    parcels : neuro.fmri.regions.parcellate.Parcellator

    Returns
    -------
    dict of str to pandas.DataFrame
        A column per region, a row per volume of the map; regions with too little coverage are NaN.
    """
    by_map = {}
    for name, values in maps.items():
        rows = values[None] if values.ndim == 1 else values.T
        # seed by seed: a seed without signal would leave no voxel to the others
        means = np.concatenate([parcels.transform(row[None]) for row in rows])
        by_map[name] = pd.DataFrame(means, columns=parcels.labels_)
    return by_map
