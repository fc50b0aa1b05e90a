"""Spike times, trials and unit properties from NWB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.nwb import open_nwb
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData


def read_nwb(path) -> SpikeData:
    """Read the units of an NWB file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    SpikeData
        `intervals` are the times in which all units were observed (`obs_intervals`). `trials` are
        the file's trials, or its epochs where it has none. Columns of the unit table that hold
        one value per unit are kept; `region` is the location of a unit's first electrode.

    Raises
    ------
    InputProblem
        When the file cannot be read or has no units.
    """
    path = Path(path)
    with open_nwb(path) as file:
        return _read(path, file)


def _read(path, nwb):
    if nwb.units is None or "spike_times" not in nwb.units.colnames:
        raise InputProblem(f"{path}: no units table; found: {', '.join(_parts(nwb)) or 'nothing'}")
    units = nwb.units
    times = [np.asarray(units["spike_times"][row], np.float64) for row in range(len(units))]
    return SpikeData(times, _unit_table(units), _observed(units), _trials(nwb), str(path))


def _parts(nwb):
    """Names of what the file holds, for a message."""
    found = [name for name in ("acquisition", "processing", "stimulus") if len(getattr(nwb, name))]
    tables = ("electrodes", "trials", "epochs", "units")
    return found + [name for name in tables if getattr(nwb, name) is not None]


def _unit_table(units):
    table = {"unit": [str(label) for label in units.id[:]]}
    for name in units.colnames:
        if name in ("spike_times", "obs_intervals", "electrodes", "waveform_mean", "waveforms"):
            continue
        column = units[name]
        values = [column[row] for row in range(len(units))]
        if all(np.ndim(value) == 0 for value in values):
            table[name] = values
    if "electrodes" in units.colnames:
        table["region"] = [_region(units, row) for row in range(len(units))]
    return pd.DataFrame(table)


def _region(units, row):
    rows = units["electrodes"][row]
    if "location" not in getattr(rows, "columns", ()) or not len(rows):
        return ""
    return str(rows["location"].iloc[0])


def _observed(units):
    """Intervals in which all units were observed, shape (n, 2)."""
    if "obs_intervals" not in units.colnames:
        return np.empty((0, 2))
    whole = None
    for row in range(len(units)):
        one = np.asarray(units["obs_intervals"][row], np.float64).reshape(-1, 2)
        one = one[np.argsort(one[:, 0])]
        whole = one if whole is None else _common(whole, one)
    return whole


def _common(a, b):
    """Intersection of two sorted lists of intervals."""
    found = [
        (max(x[0], y[0]), min(x[1], y[1]))
        for x in a
        for y in b
        if max(x[0], y[0]) < min(x[1], y[1])
    ]
    return np.array(found).reshape(-1, 2)


def _trials(nwb):
    table = nwb.trials if nwb.trials is not None else nwb.epochs
    if table is None or not len(table):
        return None
    frame = table.to_dataframe().reset_index(drop=True)
    frame = frame.rename(columns={"start_time": "start", "stop_time": "stop"})
    plain = [name for name in frame.columns if all(np.ndim(value) == 0 for value in frame[name])]
    return frame[plain]
