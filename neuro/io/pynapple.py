"""To and from pynapple: spike trains, traces, counts, states. Reading needs no pynapple.

What comes in is recognised by its `time_support`; the package itself (extra `pynapple`) is
imported only where an object is made.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from neuro.io.problems import InputProblem

# every fit asks whether its input is pynapple's: what only such input needs is imported for it
if TYPE_CHECKING:
    import pandas as pd

    from neuro.io.recordings.reader import Recording
    from neuro.io.spikes.data import SpikeData

TOUCHING_S = 2e-6
"""pynapple shortens an interval by 1 microsecond where the next one begins at its end."""
UNEVEN = 0.01
"""Share of a step by which samples of a frame may be off."""


def is_pynapple(data) -> bool:
    """Whether something is a time series or a group of pynapple."""
    return hasattr(data, "time_support")


def is_group(data) -> bool:
    """Whether it is a `TsGroup`, that is event times and not samples."""
    return is_pynapple(data) and hasattr(data, "items")


def require():
    """The module pynapple.

    Raises
    ------
    InputProblem
        When it is not installed.
    """
    try:
        import pynapple
    except ImportError:
        raise InputProblem(
            "pynapple is not installed; pip install 'neuro[pynapple]', or work with the arrays"
        ) from None
    return pynapple


def support_of(data) -> np.ndarray:
    """Intervals of the time support (s), shape (n, 2), with the microseconds put back."""
    spans = np.array(data.time_support.values, np.float64).reshape(-1, 2)
    close = spans[1:, 0] - spans[:-1, 1] < TOUCHING_S
    spans[:-1, 1][close] = spans[1:, 0][close]
    return spans


def spikes_from_pynapple(group, label: str = "TsGroup") -> SpikeData:
    """Spike trains of a `TsGroup`, with its metadata as columns of the units.

    Parameters
    ----------
    group : pynapple.TsGroup
    label : str
        For messages.

    Returns
    -------
    SpikeData
        Every interval of the time support is a trial: restrict the group to the epochs that
        you want (`group.restrict(epochs)`).

    Raises
    ------
    InputProblem
        As :func:`neuro.io.spikes.reader.check_spikes`.
    """
    import pandas as pd

    from neuro.io.spikes.reader import SpikeData, check_spikes

    numbers = list(group.index)
    units = pd.DataFrame({"unit": [str(number) for number in numbers]})
    for name in getattr(group, "metadata_columns", ()):
        if name != "rate":
            units[name] = list(group.metadata[name])
    spans = support_of(group)
    trials = pd.DataFrame(spans, columns=["start", "stop"])
    times = [np.asarray(group[number].t, np.float64) for number in numbers]
    data = SpikeData(times, units, spans, trials, label)
    check_spikes(data)
    return data


def spikes_to_pynapple(data: SpikeData):
    """A `TsGroup` of spike trains: unit names and what else is known become its metadata.

    Parameters
    ----------
    data : SpikeData

    Returns
    -------
    pynapple.TsGroup
        Numbered from 0; the time support is the recorded time, where it is known.

    Raises
    ------
    InputProblem
        When pynapple is not installed.
    """
    nap = require()
    support = None
    if data.intervals is not None and len(data.intervals):
        support = nap.IntervalSet(np.clip(data.intervals, *data.span))
    trains = {number: nap.Ts(t=np.asarray(train)) for number, train in enumerate(data.times)}
    columns = {name: np.array(data.units[name]) for name in data.units}
    return nap.TsGroup(trains, time_support=support, metadata=columns)


def frame_step(frame, label: str = "TsdFrame") -> float:
    """Step of an evenly sampled `TsdFrame` (s); gaps between intervals do not count.

    Raises
    ------
    InputProblem
        When there are too few samples, or they are not evenly spaced.
    """
    time, spans = np.asarray(frame.t, np.float64), support_of(frame)
    piece = np.searchsorted(spans[:, 0], time, side="right")
    steps = np.diff(time)[np.diff(piece) == 0]
    if not steps.size:
        raise InputProblem(f"{label}: {len(time)} samples in {len(spans)} intervals give no step")
    step = float(np.median(steps))
    worst = float(np.abs(steps - step).max())
    if worst > UNEVEN * step:
        raise InputProblem(
            f"{label}: samples are {step:g} s apart, but somewhere {step + worst:g} s or less; "
            "use its bin_average first"
        )
    return step


def pieces_of(frame):
    """Start (s) and rows of a `TsdFrame` in every interval of its support that holds any."""
    time, spans = np.asarray(frame.t, np.float64), support_of(frame)
    edges = np.append(np.searchsorted(time, spans[:, 0]), len(time))
    values = np.asarray(frame.values)
    for first, last in itertools.pairwise(edges):
        if last > first:
            yield float(time[first]), values[first:last]


def recording_from_pynapple(frame, name: str = "TsdFrame") -> Recording:
    """Traces of a `TsdFrame`, calcium for example, on one clock.

    Parameters
    ----------
    frame : pynapple.TsdFrame
        Columns are neurons, named unless they are numbers.
    name : str
        The animal.

    Returns
    -------
    Recording
        Frames between intervals of the time support are masked.

    Raises
    ------
    InputProblem
        When the samples are not evenly spaced.
    """
    from neuro.io.recordings.reader import Recording

    step = frame_step(frame, name)
    time = np.asarray(frame.t, np.float64)
    index = np.rint((time - time[0]) / step).astype(int)
    traces = np.zeros((index[-1] + 1, len(frame.columns)), np.float32)
    mask = np.zeros(len(traces), bool)
    traces[index], mask[index] = np.asarray(frame.values), True
    labels = list(frame.columns)
    named = all(isinstance(label, str) for label in labels)
    return Recording(
        name, traces, 1.0 / step, labels if named else None, None if mask.all() else mask, name
    )


def frame_to_pynapple(values, start_s: float, step_s: float, columns=None):
    """A `TsdFrame` of evenly spaced samples, such as traces or the activity of motifs.

    Parameters
    ----------
    values : array, shape (n_samples, n_columns)
    start_s, step_s : float
        Time of the first sample and distance of the samples (s).
    columns : sequence, optional

    Returns
    -------
    pynapple.TsdFrame

    Raises
    ------
    InputProblem
        When pynapple is not installed.
    """
    nap = require()
    time = start_s + np.arange(len(values)) * step_s
    return nap.TsdFrame(t=time, d=np.asarray(values), columns=columns)


def states_to_pynapple(states: pd.DataFrame, bin_s: float):
    """States as pynapple objects, from the table `states.tsv` or :func:`states_table`.

    Parameters
    ----------
    states : pandas.DataFrame
        Columns `sequence`, `time_s` (start of the bin), `state` (from 1; 0 is missing), `p_1` ...
    bin_s : float
        Bin width (s).

    Returns
    -------
    path : pynapple.Tsd
        State of every observed bin, at the centre of the bin.
    probability : pynapple.TsdFrame
        Columns are the states.
    visits : dict of int to pynapple.IntervalSet
        When each state is on.

    Raises
    ------
    InputProblem
        When pynapple is not installed.
    """
    nap = require()
    bins = states[states["state"] > 0].sort_values("time_s", kind="stable")
    start, state = bins["time_s"].to_numpy(float), bins["state"].to_numpy(int)
    # a gap, or the next sequence
    cut = np.diff(start) > 1.5 * bin_s
    cut |= np.diff(bins["sequence"].to_numpy()) != 0

    def intervals(breaks, wanted=None):
        first, last = np.r_[0, breaks + 1], np.r_[breaks, len(start) - 1]
        if wanted is not None:
            first, last = first[state[first] == wanted], last[state[first] == wanted]
        lows, highs = start[first], start[last] + bin_s
        # what touches is one interval: pynapple would shorten it
        joint = np.flatnonzero(np.abs(lows[1:] - highs[:-1]) < TOUCHING_S)
        return nap.IntervalSet(np.delete(lows, joint + 1), np.delete(highs, joint))

    columns = [name for name in states if name.startswith("p_")]
    support = intervals(np.flatnonzero(cut))
    centre = start + bin_s / 2
    path = nap.Tsd(t=centre, d=state, time_support=support)
    probability = nap.TsdFrame(
        t=centre,
        d=bins[columns].to_numpy(float),
        columns=[int(name[2:]) for name in columns],
        time_support=support,
    )
    turns = np.flatnonzero(cut | (np.diff(state) != 0))
    visits = {int(name[2:]): intervals(turns, int(name[2:])) for name in columns}
    return path, probability, visits
