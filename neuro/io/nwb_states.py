"""States as intervals of an NWB file, for whoever reads spikes from one."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

if TYPE_CHECKING:
    import pandas as pd

NAME = "states"


def visits_table(states: pd.DataFrame, bin_s: float) -> pd.DataFrame:
    """Visits to states: `start_time`, `stop_time`, `state`, `probability`, `sequence`.

    Parameters
    ----------
    states : pandas.DataFrame
        As `states.tsv`: `sequence`, `time_s` (start of the bin), `state` (from 1; 0 is missing),
        `p_1` ...
    bin_s : float
        Bin width (s).

    Returns
    -------
    pandas.DataFrame
        In the order of time; `probability` is the mean over the visit.
    """
    import pandas as pd

    bins = states[states["state"] > 0].sort_values(["sequence", "time_s"], kind="stable")
    start, state = bins["time_s"].to_numpy(float), bins["state"].to_numpy(int)
    sequence = bins["sequence"].to_numpy(int)
    columns = bins[[name for name in states if name.startswith("p_")]].to_numpy(float)
    sure = columns[np.arange(len(bins)), state - 1]
    turn = (np.diff(state) != 0) | (np.diff(sequence) != 0) | (np.diff(start) > 1.5 * bin_s)
    first = np.r_[0, np.flatnonzero(turn) + 1] if len(bins) else np.empty(0, int)
    last = np.r_[first[1:] - 1, len(bins) - 1] if len(bins) else first
    table = pd.DataFrame(
        {
            "start_time": start[first],
            "stop_time": start[last] + bin_s,
            "state": state[first],
            "probability": [sure[a : b + 1].mean() for a, b in zip(first, last)],
            "sequence": sequence[first],
        }
    )
    return table.sort_values(["start_time", "sequence"], kind="stable", ignore_index=True)


def states_to_nwb(states: pd.DataFrame, bin_s: float, path, recording=None) -> Path:
    """Write the visits to states as a table of intervals, `intervals/states`.

    Parameters
    ----------
    states : pandas.DataFrame
        See :func:`visits_table`.
    bin_s : float
        Bin width (s).
    path : path-like
        Written; ends in `.nwb`.
    recording : path-like, optional
        NWB file that the spikes came from: the new file is its copy with the table added. Without
        one, a file that holds the states alone; its start of the session is 0 on the recording's
        clock, at an unknown date (1970).

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputProblem
        When pynwb is not installed, the recording cannot be read or has such a table, there is no
        observed bin, or recordings of several clocks are in the table.
    """
    path, table = Path(path), visits_table(states, bin_s)
    if not len(table):
        raise InputProblem("states: no observed bin")
    if (table["start_time"].to_numpy()[1:] < table["stop_time"].to_numpy()[:-1] - bin_s / 2).any():
        raise InputProblem(
            "states: sequences overlap in time, so they are of several recordings; write one file "
            "of each"
        )
    try:
        import pynwb
    except ImportError:
        raise InputProblem(f"{path}: NWB files need pynwb; install it") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    if recording is None:
        start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        file = pynwb.NWBFile(
            "States of a network from spike trains", "states", start, keywords=["states"]
        )
        file.add_time_intervals(_intervals(pynwb, table))
        with pynwb.NWBHDF5IO(path, "w") as io:
            io.write(file)
        return path
    if not Path(recording).is_file():
        raise InputProblem(f"{recording}: no such file")
    with readable(recording, "not a readable NWB file"):
        shutil.copyfile(recording, path)
        with pynwb.NWBHDF5IO(path, "a", load_namespaces=True) as io:
            file = io.read()
            there = NAME in (file.intervals or {})
            if not there:
                file.add_time_intervals(_intervals(pynwb, table))
                io.write(file)
    if there:
        path.unlink()
        raise InputProblem(f"{recording}: has intervals '{NAME}' already")
    return path


def _intervals(pynwb, table):
    words = {
        "state": "Number of the state, from 1; the most frequent is 1.",
        "probability": "Mean probability of the state over the visit.",
        "sequence": "Segment or trial that was fitted as one sequence, from 0.",
    }
    made = pynwb.epoch.TimeIntervals(
        name=NAME,
        description="Visits to the hidden states of a switching GLM (most probable path).",
    )
    for name, text in words.items():
        made.add_column(name=name, description=text)
    for row in table.to_dict("records"):
        made.add_interval(**row)
    return made
