"""Spike trains: one type for all formats, checks, and the choice of the reader."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData

KINDS = ("auto", "nwb", "mat", "table", "folder", "counts")


def read_spikes(
    path,
    *,
    kind: str = "auto",
    time_unit: str = "s",
    mat_key: str | None = None,
    unit_filter: str | None = None,
    trial_window=None,
):
    """Read spike trains of any known format.

    Parameters
    ----------
    path : path-like
        `.nwb`, `.mat`, `.npz` or `.npy` with counts, a text table of (time, unit), or a folder
        with `*_SpikeData.dat` and `*_Behavior.dat`.
    kind : {'auto', 'nwb', 'mat', 'table', 'folder', 'counts'}
        'auto' goes by the name.
    time_unit : {'s', 'ms'}
        Of text tables.
    mat_key : str, optional
        Variable of a MAT file, where the known ones are absent.
    unit_filter : str, optional
        Condition on the unit table, e.g. `quality == 'good'`.
    trial_window : (float, float), optional
        Seconds before and after the start of a trial; the trials of a folder take (5, 10).

    Returns
    -------
    SpikeData or CountData

    Raises
    ------
    InputProblem
        When the file is missing, of an unknown kind, or holds no usable spike trains.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file or folder")
    kind = detect(path) if kind == "auto" else kind
    if kind == "nwb":
        from neuro.io.spikes.nwb import read_nwb

        data = read_nwb(path)
    elif kind == "mat":
        from neuro.io.spikes.mat import read_mat

        data = read_mat(path, mat_key)
    elif kind == "folder":
        from neuro.io.spikes.text import read_folder

        data = read_folder(path)
    elif kind == "table":
        from neuro.io.spikes.text import read_table

        data = read_table(path, time_unit)
    elif kind == "counts":
        from neuro.io.spikes.counts import read_counts

        return read_counts(path)
    else:
        raise InputProblem(f"{path}: kind '{kind}', expected one of {', '.join(KINDS)}")
    check_spikes(data)
    if unit_filter:
        data = filter_units(data, unit_filter)
    if trial_window is not None:
        data = around_trials(data, *trial_window)
    return data


def detect(path) -> str:
    """Kind of a spike file or folder by its name.

    Raises
    ------
    InputProblem
        When the name says nothing.
    """
    path = Path(path)
    if path.is_dir():
        if any(path.glob("*_SpikeData.dat")):
            return "folder"
        raise InputProblem(f"{path}: no *_SpikeData.dat in this folder; give one file instead")
    kinds = {".nwb": "nwb", ".mat": "mat", ".npz": "counts", ".npy": "counts"}
    kinds |= dict.fromkeys((".txt", ".tsv", ".csv", ".dat"), "table")
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(kinds)
        raise InputProblem(f"{path}: unknown suffix '{path.suffix}'; expected {known}")
    return kind


def check_spikes(data: SpikeData) -> None:
    """Refuse spike trains that cannot be binned.

    Raises
    ------
    InputProblem
        All problems at once: times that decrease or are not finite, fewer than two units, no
        spike at all, trials that are empty or overlap.
    """
    problems = []
    name = data.path
    for label, train in zip(data.units["unit"], data.times):
        if not np.isfinite(train).all():
            problems.append(f"{name}: unit {label} has times that are not numbers")
            continue
        back = np.flatnonzero(np.diff(train) < 0)
        if back.size:
            problems.append(f"{name}: times of unit {label} decrease at index {back[0] + 1}")
    if len(data.times) < 2:
        problems.append(f"{name}: {len(data.times)} unit; couplings need at least 2")
    elif data.n_spikes == 0:
        problems.append(f"{name}: no unit has a spike")
    problems += _trial_problems(data)
    if problems:
        raise InputProblem(problems)


def _trial_problems(data):
    if data.trials is None:
        return []
    problems = []
    start = data.trials["start"].to_numpy(float)
    stop = data.trials["stop"].to_numpy(float)
    for row in np.flatnonzero(~(stop > start)):
        problems.append(
            f"{data.path}: trial {row} is empty (start {start[row]:g} s, stop {stop[row]:g} s)"
        )
    order = np.argsort(start, kind="stable")
    for a, b in itertools.pairwise(order):
        if start[b] < stop[a] and stop[b] > start[b]:
            problems.append(
                f"{data.path}: trials {a} and {b} overlap ({start[a]:g}-{stop[a]:g} s, "
                f"{start[b]:g}-{stop[b]:g} s)"
            )
    return problems


def around_trials(data: SpikeData, before: float, after: float) -> SpikeData:
    """Replace the trials by windows around their starts.

    Parameters
    ----------
    data : SpikeData
    before, after : float
        Seconds before and after each start.

    Returns
    -------
    SpikeData

    Raises
    ------
    InputProblem
        When there are no trials, or the windows overlap.
    """
    if data.trials is None:
        raise InputProblem(f"{data.path}: no trials; set the trial window to null")
    trials = data.trials.copy()
    trials["onset"] = trials["start"]
    trials["start"], trials["stop"] = trials["onset"] - before, trials["onset"] + after
    data = dataclasses.replace(data, trials=trials)
    problems = _trial_problems(data)
    if problems:
        raise InputProblem([f"{line}; shorten the trial window" for line in problems])
    return data


def filter_units(data: SpikeData, condition: str) -> SpikeData:
    """Keep the units that meet a condition on the unit table.

    Parameters
    ----------
    data : SpikeData
    condition : str
        Comparisons of columns with values, joined by `and` / `or`, e.g.
        `quality == 'good' and depth > 300`.

    Returns
    -------
    SpikeData

    Raises
    ------
    InputProblem
        When the condition cannot be read or no unit meets it.
    """
    from neuro.io.spikes.filter import columns_of, evaluate

    try:
        chosen = evaluate(condition, data.units)
    except ValueError as error:
        raise InputProblem(f'{data.path}: unit_filter "{condition}": {error}') from None
    if not chosen.any():
        seen = []
        for column in columns_of(condition):
            values = sorted({str(value) for value in data.units[column]})
            seen.append(", ".join(values[:6]))
        raise InputProblem(
            f'{data.path}: 0 of {len(chosen)} units pass unit_filter "{condition}"; '
            f"values: {'; '.join(seen)}"
        )
    return data.keep(chosen)
