"""What was recorded beside spikes: position, stimulus, licks, LFP, from NWB, tables, tracking."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.damaged import readable
from neuro.io.formats.zarr_folders import is_zarr
from neuro.io.problems import InputProblem

TIME = ("time", "time_s", "times", "timestamp", "timestamps", "t", "onset", "start_time")
"""Names of the column with the time of each row (s), the first that is there."""

SHOWN = 8
"""So many names of what is there are listed in a message."""


@dataclasses.dataclass
class Series:
    """Samples in time; of events only the times.

    Attributes
    ----------
    time : ndarray, shape (n,)
        On the recording's own clock (s), not decreasing.
    values : ndarray, shape (n, C)
        Numbers, NaN where missing; or texts, '' where missing.
    names : list of str
        Of the columns.
    path : str
        For messages.
    """

    time: np.ndarray
    values: np.ndarray
    names: list
    path: str


def read_series(path, column=None) -> Series:
    """Read one or several columns of a table, or a time series of an NWB file.

    Parameters
    ----------
    path : path-like
        NWB (HDF5 or a folder of Zarr), `.tsv`, `.csv` or `.txt` with a header and a column of time,
        or `*.videoPositionTracking`.
    column : str or list of str, optional
        Names of columns; of a table all but the time by default. In NWB the path of any
        TimeSeries, such as `behavior/Position/track` or `stimulus/presentation/grating`, the name
        where it is unique, or `trials/<column>`, which holds from the start to the end of a trial.

    Returns
    -------
    Series

    Raises
    ------
    InputProblem
        One line: no such file, column or series (with what is there), times that decrease or are
        no numbers.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    columns = [column] if isinstance(column, str) else list(column or [])
    if path.suffix.lower() == ".nwb" or is_zarr(path):
        series = _read_nwb(path, columns)
    else:
        if path.suffix == ".videoPositionTracking":
            from neuro.io.spikes.position import read_position

            table = read_position(path)
        else:
            table = _read_table(path)
        series = _columns(path, table, columns)
    return _checked(series)


def _read_table(path) -> pd.DataFrame:
    from neuro.io.formats.tables import read_tsv

    if path.suffix.lower() not in (".tsv", ".csv", ".txt"):
        raise InputProblem(
            f"{path}: unknown suffix '{path.suffix}'; covariates come from .nwb, .tsv, .csv, .txt "
            "or .videoPositionTracking"
        )
    return read_tsv(path)


def _columns(path, table, columns) -> Series:
    low = {str(name).lower(): name for name in table.columns}
    time_columns = [low[name] for name in TIME if name in low]
    if not time_columns:
        raise InputProblem(
            f"{path}: no column of time ({', '.join(TIME[:5])}); found: {_listed(table.columns)}"
        )
    columns = columns or [name for name in table.columns if name != time_columns[0]]
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise InputProblem(f"{path}: no column '{absent[0]}'; found: {_listed(table.columns)}")
    time = pd.to_numeric(table[time_columns[0]], errors="coerce").to_numpy(float)
    return Series(time, _values(table[columns]), list(map(str, columns)), str(path))


def _values(table: pd.DataFrame) -> np.ndarray:
    """Numbers where all columns are, else texts."""
    numbers = table.apply(pd.to_numeric, errors="coerce")
    if (numbers.isna() == table.isna()).all(axis=None):
        return numbers.to_numpy(float)
    return table.astype(str).where(table.notna(), "").to_numpy(str)


def _read_nwb(path, columns) -> Series:
    from neuro.io.formats.nwb import open_nwb

    if not columns:
        raise InputProblem(f"{path}: which series? Give its path as 'column'")
    with open_nwb(path) as nwb:
        if all(name.startswith("trials/") for name in columns):
            return _of_trials(path, nwb, [name.removeprefix("trials/") for name in columns])
        series = [_of_series(path, nwb, name) for name in columns]
    first = series[0]
    for other in series[1:]:
        if other.time.shape != first.time.shape or np.abs(other.time - first.time).max() > 1e-6:
            raise InputProblem(
                f"{path}: {columns[0]} and {other.names[0]} have different times; make two "
                "covariates of them"
            )
    names = [name for other in series for name in other.names]
    return Series(first.time, np.concatenate([p.values for p in series], axis=1), names, str(path))


def _of_trials(path, nwb, columns) -> Series:
    table = nwb.trials if nwb.trials is not None else nwb.epochs
    if table is None:
        raise InputProblem(f"{path}: no trials")
    absent = [name for name in columns if name not in table.colnames]
    if absent:
        raise InputProblem(f"{path}: no column '{absent[0]}'; found: {_listed(table.colnames)}")
    with readable(path, "not a readable NWB file"):
        start, stop = (np.asarray(table[name][:], float) for name in ("start_time", "stop_time"))
        values = _values(pd.DataFrame({name: list(table[name][:]) for name in columns}))
    after = np.full(values.shape, np.nan if values.dtype.kind == "f" else "", values.dtype)
    time, both = np.concatenate([stop, start]), np.concatenate([after, values])
    # where a trial begins at the end of another, its value holds
    order = np.argsort(time, kind="stable")
    return Series(time[order], both[order], columns, str(path))


def _series_of(nwb) -> dict:
    """Every object with samples in time, by its path."""
    from neuro.io.formats.nwb import path_of

    objects = nwb.objects.values()
    return {
        path_of(nwb, series): series
        for series in objects
        if hasattr(series, "timestamps") and hasattr(series, "starting_time")
    }


def _of_series(path, nwb, name) -> Series:
    by_path = _series_of(nwb)
    wanted = name.strip("/")
    for outer in ("processing/", "acquisition/", "stimulus/presentation/", "stimulus/"):
        wanted = wanted.removeprefix(outer)
    fits = [key for key in by_path if key == wanted] or [
        key for key in by_path if key.rsplit("/", 1)[-1] == wanted
    ]
    if len(fits) != 1:
        what = f"{len(fits)} series" if fits else "no series"
        raise InputProblem(f"{path}: {what} '{name}'; found: {_listed(by_path)}")
    series = by_path[fits[0]]
    with readable(path, "not a readable NWB file"):
        values = np.asarray(series.data[()] if hasattr(series.data, "shape") else series.data)
        if values.dtype.kind in "OSU":
            texts = [x.decode() if isinstance(x, bytes) else str(x) for x in values.ravel()]
            values = np.array(texts).reshape(values.shape)
        else:
            values = values * float(series.conversion) + float(getattr(series, "offset", 0.0))
        if series.timestamps is not None:
            time = np.asarray(series.timestamps[()], float)
        else:
            time = series.starting_time + np.arange(len(values)) / float(series.rate)
    if values.ndim > 2 or len(values) != len(time):
        raise InputProblem(
            f"{path}: series '{name}' has shape {values.shape} at {len(time)} times, expected one "
            "or two axes, time first"
        )
    values = values[:, None] if values.ndim == 1 else values
    short = fits[0].rsplit("/", 1)[-1]
    names = [short] if values.shape[1] == 1 else [f"{short}_{k}" for k in range(values.shape[1])]
    return Series(time, values, names, str(path))


def _checked(series: Series) -> Series:
    if not len(series.time):
        raise InputProblem(f"{series.path}: no samples")
    if not np.isfinite(series.time).all():
        raise InputProblem(f"{series.path}: times that are not numbers")
    back = np.flatnonzero(np.diff(series.time) < 0)
    if back.size:
        raise InputProblem(f"{series.path}: times decrease at sample {back[0] + 1}; sort the rows")
    return series


def _listed(names) -> str:
    names = [str(name) for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more
