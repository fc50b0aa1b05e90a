"""Spike trains: one type for all formats, checks, and the choice of the reader."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np

from neuro.io.formats.codes import missing_codes
from neuro.io.formats.zarr_folders import types_of
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData

KINDS = ("auto", "nwb", "mat", "table", "folder", "counts", "phy", "alf", "pynapple")
UNITS = ("s", "ms", "samples")
LONGEST_S = 7 * 86400.0
"""A recording of a week is taken for times in another unit."""
SLOW = (43200.0, 0.01)
"""Also one of more than so many seconds with a median rate below so many Hz."""
FEW = 20
"""So few spikes may be whole numbers by chance."""


def read_spikes(
    path,
    *,
    kind: str = "auto",
    time_unit: str = "s",
    sampling_hz: float | None = None,
    mat_key: str | None = None,
    unit_filter: str | None = None,
    trial_window=None,
):
    """Read spike trains of any known format.

    Parameters
    ----------
    path : path-like
        `.nwb` (HDF5, or a folder of Zarr), `.mat`, `.npz` of pynapple, `.npz` or `.npy` with
        counts, a text table of (time, unit), or a folder: of Kilosort or Phy, of ALF files, or
        with `*_SpikeData.dat` and `*_Behavior.dat`.
    kind : {'auto', 'nwb', 'mat', 'table', 'folder', 'counts', 'phy', 'alf', 'pynapple'}
        'auto' goes by the name.
    time_unit : {'s', 'ms', 'samples'}
        Of the times in the file. Kilosort's are samples and maze folders' ms, whatever is said.
    sampling_hz : float, optional
        Sampling rate of the recording (Hz), for times in samples.
    mat_key : str, optional
        Variable of a MAT file where the known ones are absent, or table of units of an NWB file.
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
    if kind not in KINDS:
        raise InputProblem(f"{path}: kind '{kind}', expected one of {', '.join(KINDS)}")
    factor = _factor(path, time_unit, sampling_hz)
    if kind == "nwb":
        from neuro.io.spikes.nwb import read_nwb

        data = read_nwb(path, mat_key)
    elif kind == "mat":
        from neuro.io.spikes.mat import read_mat

        data = read_mat(path, mat_key)
    elif kind == "folder":
        from neuro.io.spikes.text import read_folder

        data = read_folder(path)
    elif kind == "table":
        from neuro.io.spikes.text import read_table

        data = read_table(path)
    elif kind == "phy":
        from neuro.io.spikes.sorters import read_phy

        data = read_phy(path, sampling_hz)
    elif kind == "alf":
        from neuro.io.spikes.sorters import read_alf

        data = read_alf(path)
    else:
        from neuro.io.spikes.counts import read_counts, read_pynapple

        content = read_pynapple(path) if kind == "pynapple" else read_counts(path)
        if not isinstance(content, SpikeData):
            return content
        data = content
    if factor != 1 and kind not in ("folder", "phy"):
        data = data.seconds(factor)
    data = in_order(without_coded_times(data))
    check_spikes(data)
    if unit_filter:
        data = filter_units(data, unit_filter)
    if trial_window is not None:
        data = around_trials(data, *trial_window)
    return data


FOLDERS = {"spike_times.npy": "phy", "spikes.times*.npy": "alf", "*_SpikeData.dat": "folder"}
"""What tells the folders apart."""


def _is_pynapple(path) -> bool:
    from neuro.io.formats.damaged import readable

    with readable(path, "not a plain .npz or .npy of numbers"), np.load(path) as content:
        return {"t", "start", "end"} <= set(content.files)


def _factor(path, time_unit, sampling_hz) -> float:
    """Seconds of one unit of time."""
    if time_unit not in UNITS:
        raise InputProblem(f"{path}: time_unit '{time_unit}', expected {', '.join(UNITS)}")
    if time_unit == "samples" and not (sampling_hz and 0 < sampling_hz < np.inf):
        raise InputProblem(
            f"{path}: time_unit is 'samples', but no sampling rate; set hmmglm.sampling_hz"
        )
    return {"s": 1.0, "ms": 1e-3}.get(time_unit) or 1 / sampling_hz


def without_coded_times(data: SpikeData) -> SpikeData:
    """The same spikes without times that say that there was none, such as -999 in a padded table.

    Such a number is a time where the others of the recording surround it.
    """
    every = np.concatenate([np.empty(0), *data.times])
    mask, _ = missing_codes(every[:, None])
    if mask is None:
        return data
    codes = np.unique(every[mask[:, 0]])
    times = [train[~np.isin(train, codes)] for train in data.times]
    listed = ", ".join(f"{code:g}" for code in codes)
    note = f"{int(mask.sum())} spike times are {listed}: no times, left out"
    return dataclasses.replace(data, times=times, notes=[*data.notes, note])


def in_order(data: SpikeData) -> SpikeData:
    """The same spikes with the times of every unit in order, and a note where they were not."""
    late = [number for number, train in enumerate(data.times) if (np.diff(train) < 0).any()]
    if not late:
        return data
    named = ", ".join(str(data.units["unit"][number]) for number in late[:3])
    more = f" and {len(late) - 3} more" if len(late) > 3 else ""
    note = f"times of unit {named}{more} were not in order; sorted"
    times = [np.sort(train, kind="stable") for train in data.times]
    return dataclasses.replace(data, times=times, notes=[*data.notes, note])


def detect(path) -> str:
    """Kind of a spike file or folder by its name.

    Raises
    ------
    InputProblem
        When the name says nothing.
    """
    path = Path(path)
    if path.is_dir():
        if types_of(path):
            return "nwb"
        for pattern, kind in FOLDERS.items():
            if any(path.glob(pattern)):
                return kind
        raise InputProblem(f"{path}: no {', '.join(FOLDERS)} in this folder; give one file instead")
    if path.suffix.lower() == ".npz" and _is_pynapple(path):
        return "pynapple"
    kinds = {".nwb": "nwb", ".mat": "mat", ".npz": "counts", ".npy": "counts"}
    kinds |= dict.fromkeys((".txt", ".tsv", ".csv", ".dat"), "table")
    if path.suffix.lower() not in kinds:
        suffixes = ", ".join(kinds)
        raise InputProblem(f"{path}: unknown suffix '{path.suffix}'; expected {suffixes}")
    return kinds[path.suffix.lower()]


def check_spikes(data: SpikeData) -> None:
    """Refuse spike trains that cannot be binned.

    Raises
    ------
    InputProblem
        All problems at once: times that decrease or are not finite, repeated names, fewer than
        two units, no spike at all, times that cannot be seconds.
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
    elif not problems:
        problems += _time_problems(data)
    repeated = data.units["unit"][data.units["unit"].duplicated()]
    if len(repeated):
        problems.append(
            f"{name}: unit '{repeated.iloc[0]}' is repeated ({repeated.nunique()} such names); "
            "names must differ within a recording"
        )
    if problems:
        raise InputProblem(problems)


def _time_problems(data):
    """Times that are no seconds: whole numbers, or a recording of weeks."""
    advice = "set hmmglm.time_unit: ms, or samples with hmmglm.sampling_hz"
    span = data.last - data.first
    seen = f"{data.path}: spike times from {data.first:g} to {data.last:g}"
    if data.n_spikes >= FEW and all((train == np.round(train)).all() for train in data.times):
        return [f"{seen} are all whole numbers, so hardly seconds; {advice}"]
    slow = span > SLOW[0] and np.median([len(t) for t in data.times if len(t)]) < SLOW[1] * span
    if span > LONGEST_S or slow:
        return [f"{seen} s are {span / 86400:.1f} days, not plausible; {advice}"]
    return []


def check_trials(data: SpikeData) -> None:
    """Refuse trials that cannot be sequences; asked only where they are used.

    Raises
    ------
    InputProblem
        Trials that are empty, without an end, or overlap, all at once.
    """
    problems = _trial_problems(data)
    if problems:
        raise InputProblem([f"{line}; or set hmmglm.segment_s" for line in problems])


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
