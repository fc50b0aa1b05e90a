"""Spike times, observed times, trials and unit properties from NWB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.nwb import open_nwb, tables_of
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData

_OWN = ("spike_times", "obs_intervals", "electrodes", "waveform_mean", "waveforms", "waveform_sd")


def read_nwb(path, table: str | None = None) -> SpikeData:
    """Read the units of an NWB file.

    Parameters
    ----------
    path : path-like
    table : str, optional
        Name or path of the table of units, e.g. `ecephys/units`, for files that hold several
        besides the main one.

    Returns
    -------
    SpikeData
        `observed` holds the `obs_intervals` of every unit: a unit without any was never
        observed. `intervals` is the time outside of the file's `invalid_times`. `trials` are the
        file's trials, or its epochs where it has none. Columns of the unit table that hold one
        value per unit are kept; `region` is the location of a unit's first electrode.

    Raises
    ------
    InputProblem
        When the file cannot be read, has no units or several tables of them, a unit points to an
        electrode that is not there, or no unit has observed times though the column exists.
    """
    path = Path(path)
    with open_nwb(path) as file:
        return _read(path, file, table)


def _read(path, nwb, wanted):
    choices = tables_of(nwb, "Units")
    if wanted is None and nwb.units is not None:
        choices = {"units": nwb.units}
    chosen = [table for name, table in choices.items() if wanted in (None, name, table.name)]
    if len(chosen) > 1 or (choices and not chosen):
        raise InputProblem(
            f"{path}: {len(chosen)} of {len(choices)} tables of units fit; set mat_key to one of: "
            f"{', '.join(sorted(choices))}"
        )
    if not chosen or "spike_times" not in chosen[0].colnames:
        raise InputProblem(f"{path}: no units table; found: {', '.join(_parts(nwb)) or 'nothing'}")
    units = chosen[0]
    times = [np.asarray(train, np.float64) for train in _ragged(units["spike_times"])]
    trials = _trials(nwb)
    table = _unit_table(path, units)
    return SpikeData(
        times, table, _valid(nwb), trials, str(path), observed=_observed(path, units, times)
    )


def _parts(nwb):
    """Names of what the file holds, for a message."""
    groups = [name for name in ("acquisition", "processing", "stimulus") if len(getattr(nwb, name))]
    tables = ("electrodes", "trials", "epochs", "units")
    return groups + [name for name in tables if getattr(nwb, name) is not None]


def _array(data) -> np.ndarray:
    return np.asarray(data[()] if hasattr(data, "shape") else data)


def _ragged(column) -> list:
    """Rows of an indexed column; read whole, because single rows cost a call each."""
    return np.split(_array(column.target.data), _array(column.data)[:-1])


def _unit_table(path, units):
    table = {"unit": [str(label) for label in _array(units.id.data)]}
    for name in units.colnames:
        column = units[name]
        if name in _OWN or hasattr(column, "target"):
            continue
        values = column[:]
        if all(np.ndim(value) == 0 for value in values):
            table[name] = list(values)
    if "electrodes" in units.colnames and len(units):
        table["region"] = _regions(path, units["electrodes"])
    return pd.DataFrame(table)


def _regions(path, column):
    electrodes = column.target.table
    if "location" not in electrodes.colnames:
        return [""] * len(column.data)
    locations = _array(electrodes["location"].data)
    rows = _ragged(column)
    most = max((int(row.max()) for row in rows if len(row)), default=-1)
    if most >= len(locations):
        raise InputProblem(
            f"{path}: a unit lies on electrode {most}, but the table of electrodes has "
            f"{len(locations)} rows; mend the column 'electrodes'"
        )
    texts = [
        location.decode() if isinstance(location, bytes) else str(location)
        for location in locations
    ]
    return [texts[int(row[0])] if len(row) else "" for row in rows]


def _observed(path, units, times):
    """Observed intervals of every unit, or None where the file does not speak of them."""
    if "obs_intervals" not in units.colnames:
        return None
    spans = [np.asarray(rows, np.float64).reshape(-1, 2) for rows in _ragged_pairs(units)]
    if sum(map(len, times)) and not any(map(len, spans)):
        raise InputProblem(
            f"{path}: obs_intervals is empty for every unit, though they have spikes; fill the "
            "column, or remove it if the units were observed throughout"
        )
    return spans


def _ragged_pairs(units):
    column = units["obs_intervals"]
    whole = _array(column.target.data).reshape(-1, 2)
    return np.split(whole, _array(column.data)[:-1])


def _valid(nwb):
    """Time outside of the table of invalid times, or None where there is none."""
    table = nwb.invalid_times
    if table is None or not len(table):
        return None
    start, stop = (_array(table[name].data).astype(float) for name in ("start_time", "stop_time"))
    stop = np.where(np.isnan(stop), np.inf, stop)
    order = np.argsort(start, kind="stable")
    lows = np.append(-np.inf, np.maximum.accumulate(stop[order]))
    highs = np.append(start[order], np.inf)
    return np.column_stack([lows, highs])[highs > lows]


def _trials(nwb):
    table = nwb.trials if nwb.trials is not None else nwb.epochs
    if table is None or not len(table):
        return None
    columns = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, "target"):
            continue
        values = column[:]
        if all(np.ndim(value) == 0 for value in values):
            columns[name] = list(values)
    return pd.DataFrame(columns).rename(columns={"start_time": "start", "stop_time": "stop"})
