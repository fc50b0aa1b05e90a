"""Which volumes XCP-D left out of a run, and how the head moved in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.io.bids.confounds import MOTION
from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem

OUTLIER_COLUMNS = ("interpolation", "denoising", "framewise_displacement")
"""Columns that mark volumes left out of the results; the first that a table holds counts.
Versions up to 0.10 write the last one only."""


def read_outliers(path) -> np.ndarray:
    """Volumes that are absent from (or made up in) the denoised image.

    Parameters
    ----------
    path : path-like
        `*_outliers.tsv`: one row per volume, 1 marks an outlier.

    Returns
    -------
    ndarray of bool, shape (n_volumes,)

    Raises
    ------
    InputProblem
        When the table has none of the columns, or other values than 0 and 1.
    """
    table = read_tsv(path)
    name = next((column for column in OUTLIER_COLUMNS if column in table.columns), None)
    if name is None:
        raise InputProblem(
            f"{path}: no column 'framewise_displacement'; found {', '.join(table.columns[:6])}"
        )
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
    if not np.isin(values, (0.0, 1.0)).all():
        raise InputProblem(f"{path}: column '{name}' holds other values than 0 and 1")
    return values == 1


def read_displacement(path) -> np.ndarray:
    """Framewise displacement of every volume.

    Parameters
    ----------
    path : path-like
        `*_motion.tsv`.

    Returns
    -------
    ndarray of float64, shape (n_volumes,)
        In mm; NaN where it is not known, as for the first volume. The column
        `framewise_displacement` counts before the six parameters, from which it is computed
        otherwise (radius 50 mm).

    Raises
    ------
    InputProblem
        When the table has neither.

    References
    ----------
    Power, Barnes, Snyder, Schlaggar, Petersen (2012), NeuroImage 59:2142-2154.
    """
    table = read_tsv(path)
    if "framewise_displacement" in table.columns:
        fd = pd.to_numeric(table["framewise_displacement"], errors="coerce").to_numpy(
            float, copy=True
        )
    elif set(MOTION) <= set(table.columns):
        motion = table[list(MOTION)].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
        step = np.abs(np.diff(motion, axis=0))
        fd = np.concatenate([[np.nan], step[:, :3].sum(axis=1) + 50.0 * step[:, 3:].sum(axis=1)])
    else:
        raise InputProblem(
            f"{path}: no column 'framewise_displacement' and no six motion parameters; found "
            f"{', '.join(table.columns[:6])}"
        )
    if len(fd):
        fd[0] = np.nan
    return fd


def whole_run(n_found, path, outliers=None, motion=None):
    """Place the volumes of a denoised image or table in the run they come from.

    Parameters
    ----------
    n_found : int
        Volumes of the image or table.
    path : path-like
        Of the image or table, for messages.
    outliers, motion : path-like, optional
        `*_outliers.tsv`, `*_motion.tsv`.

    Returns
    -------
    kept : ndarray of bool, shape (n_volumes,)
        Of the whole run.
    rows : ndarray of int, shape (n_kept,)
        Volumes of the image that are real measurements: all of them, or (versions before 0.4
        filled outliers in) those that are no outliers.
    fd : ndarray of float64, shape (n_volumes,), or None
        In mm.

    Raises
    ------
    InputProblem
        When the numbers of volumes do not fit together.
    """
    kept = np.ones(n_found, dtype=bool)
    rows = np.arange(n_found)
    if outliers:
        kept = ~read_outliers(outliers)
        if n_found == kept.size:
            rows = np.flatnonzero(kept)
        elif n_found != kept.sum():
            raise InputProblem(
                f"{outliers}: {kept.size} volumes, {int(kept.sum())} of them kept, but {path} has "
                f"{n_found}; expected one of the two"
            )
    fd = read_displacement(motion) if motion else None
    if fd is not None and fd.size != kept.size:
        if outliers:
            raise InputProblem(f"{motion}: {fd.size} rows, {outliers} has {kept.size}")
        raise InputProblem(
            f"{motion}: {fd.size} rows for {n_found} volumes of {path}; the *_outliers.tsv that "
            "tells which were left out is missing"
        )
    return kept, rows, fd
