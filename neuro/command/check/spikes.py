"""Look at every spike recording once before anything runs."""

from __future__ import annotations

import numpy as np

from neuro.io.formats.codes import twice
from neuro.io.problems import InputProblem

MOST = 0.8
"""A unit that holds more of all spikes than this is hardly one unit."""
REFRACTORY_S = 0.002
VIOLATIONS = 0.02
"""Share of intervals between spikes below the refractory time that is worth a line."""
FASTEST_HZ = 300.0
"""Hardly a unit fires faster for a whole recording."""
FEW = 5
"""Fewer spikes may be at the same times by chance, in whole ms."""
PER_CPU_S = 2.5e10
"""Products of the curvature of one-hot edges per CPU second (docs/hmmglm/scale.md)."""
SLOW_S = 60.0
"""CPU seconds of an iteration from which one-hot edges get a line."""
NAMED = 5
"""So many units are named in a line."""


def recordings(section, show=None) -> tuple[list[str], list[str]]:
    """Check the recordings named under `hmmglm.sets`.

    Parameters
    ----------
    section : dict
        Resolved section `hmmglm`.
    show : callable, optional
        Called with the path and content of everything that is read.

    Returns
    -------
    lines : list of str
        One per readable recording: what it holds; below it, what is in doubt.
    problems : list of str
        All problems, one line each.
    """
    if not section["enabled"] or "spikes" not in section["input"]:
        return [], []
    from neuro.config.hmmglm_sets import files
    from neuro.io.spikes.data import CountData
    from neuro.io.spikes.reader import check_trials, read_spikes

    lines, problems = [], []
    for name, value in section["sets"].items():
        n_bins, n_units = 0, 0
        for path in files(value):
            try:
                data = read_spikes(
                    path,
                    kind=section["kind"],
                    time_unit=section["time_unit"],
                    sampling_hz=section["sampling_hz"],
                    mat_key=section["mat_key"],
                    unit_filter=section["unit_filter"],
                    trial_window=section["trial_window"],
                )
                if section["segment_s"] is None and not isinstance(data, CountData):
                    check_trials(data)
            except InputProblem as problem:
                problems += problem.problems
                continue
            n_bins, n_units = n_bins + _bins(section, data), len(data.units)
            more, wrong = beside(section, name, path, data)
            problems += wrong
            if show:
                show(path, data)
            lines.append(f"{name}: {path}: {what(data)}")
            doubts = count_doubts(data) if isinstance(data, CountData) else spike_doubts(data)
            lines += [f"{name}: {path}: note: {line}" for line in [*data.notes, *doubts, *more]]
            if (
                isinstance(data, CountData)
                and no_counts(data)
                and section["emission"] != "gaussian"
            ):
                problems.append(
                    f"{path}: values below 0 or between whole numbers are no counts; write NaN for "
                    "missing bins, or set hmmglm.emission: gaussian"
                )
        lines += [f"{name}: note: {line}" for line in slow_edges(section, n_units, n_bins)]
    return lines, problems


def _bins(section, data) -> int:
    """Bins of a recording, at most."""
    if hasattr(data, "times"):
        return max(int((data.span[1] - data.span[0]) / section["bin_s"]), 1)
    return sum(map(len, data.sequences))


def slow_edges(section, n_units: int, n_bins: int) -> list[str]:
    """What one-hot edges cost where they are made with the curvature of all couplings.

    Parameters
    ----------
    section : dict
        Resolved section `hmmglm`.
    n_units, n_bins : int

    Returns
    -------
    list of str
        A line, or none.
    """
    whole = section["solver"] == "relaxed" or section["newton"] == "full"
    if "onehot" not in section["model"] or section["solver"] == "paper" or not whole:
        return []
    k, columns = max(section["n_states"]), 1 + n_units * section["n_basis"]
    seconds = k * n_units * n_bins * columns**2 / 2 / PER_CPU_S
    if seconds < SLOW_S:
        return []
    return [
        f"one-hot edges of {n_units} units, {n_bins} bins and {k} states take about {seconds:.0f} "
        "CPU s per iteration, a start some dozen iterations; hmmglm.solver: cavi with "
        "hmmglm.newton: auto needs a fraction of it"
    ]


def beside(section, name, path, data) -> tuple[list[str], list[str]]:
    """Look at the covariates of a recording.

    Parameters
    ----------
    section : dict
        Resolved section `hmmglm`.
    name : str
        Of the set.
    path : path-like
    data : SpikeData or CountData

    Returns
    -------
    notes, problems : list of str
        Bins without a value; columns that are not there, times that do not overlap.
    """
    from neuro.config.checks.covariates import of_set
    from neuro.config.hmmglm_sets import files
    from neuro.hmmglm.design import covariates
    from neuro.io.spikes.data import CountData

    wanted = covariates.entries(of_set(section["covariates"], name))
    if not wanted:
        return [], []
    paths = files(section["sets"][name])
    if isinstance(data, CountData):
        starts = [0.0] * len(data.sequences)
        lengths = [len(sequence) for sequence in data.sequences]
        bin_s = data.bin_s
    else:
        bin_s = section["bin_s"]
        starts, lengths = [data.span[0]], [max(int((data.span[1] - data.span[0]) / bin_s), 1)]
    try:
        values = covariates.binned(wanted, paths, paths.index(path), path, starts, lengths, bin_s)
        covariates.expand(wanted, values)
    except InputProblem as problem:
        return [], list(problem.problems)
    notes = [covariates.gaps(values[one.name], one, bin_s) for one in wanted]
    return [note for note in notes if note], []


def what(data):
    if not hasattr(data, "times"):
        n_bins = sum(len(sequence) for sequence in data.sequences)
        what = f"{len(data.sequences)} sequences, {n_bins} bins of {data.bin_s:g} s"
        return f"{len(data.units)} units, {what}"
    trials = "" if data.trials is None else f", {len(data.trials)} trials"
    stated = data.intervals is not None or data.observed is not None
    return (
        f"{len(data.times)} units, {data.n_spikes} spikes, {data.first:.1f} to "
        f"{data.last:.1f} s{trials}, observed time {'in the file' if stated else 'not stated'}"
    )


def spike_doubts(data) -> list[str]:
    """What spike trains make one doubt, one line each.

    Parameters
    ----------
    data : neuro.io.spikes.data.SpikeData

    Returns
    -------
    list of str
        Dead units, one that holds most spikes, refractory violations, units that were never
        observed, spikes outside of the observed time.
    """
    labels = list(data.units["unit"])
    close = []
    for train in data.times:
        gaps = np.diff(train)
        close.append(gaps.size >= 20 and (gaps < REFRACTORY_S).mean() > VIOLATIONS)
    lines = _sizes(labels, [len(train) for train in data.times])
    if any(close):
        lines.append(
            f"more than {VIOLATIONS:.0%} of the intervals are below {1000 * REFRACTORY_S:g} ms "
            f"(refractory) in {_named(labels, close)}"
        )
    lines += twice(same_trains(data.times), labels, "units")
    if data.observed is not None:
        never = [not len(intervals) for intervals in data.observed]
        if any(never):
            lines.append(f"no observed time in {_named(labels, never)}: left out")
    outside = _outside(data)
    if outside:
        lines.append(f"{outside} spikes lie outside of the observed time and do not count")
    return lines


def same_trains(times) -> list[list[int]]:
    """Groups of units whose spikes are at the same times, all of them."""
    alike: dict[bytes, list[int]] = {}
    for number, train in enumerate(times):
        if len(train) >= FEW:
            alike.setdefault(np.asarray(train, np.float64).tobytes(), []).append(number)
    return [group for group in alike.values() if len(group) > 1]


def count_doubts(data) -> list[str]:
    """The same of counts: dead units, one that holds most of all, values that are no counts."""
    arrays = _arrays(data)
    if no_counts(data):
        return ["values below 0 or between whole numbers are no counts: emission gaussian only"]
    labels = list(data.units["unit"])
    total = sum(array.sum(axis=0) for array in arrays)
    rate = total / (sum(map(len, arrays)) * data.bin_s)
    lines = _sizes(labels, total)
    if (rate > FASTEST_HZ).any():
        lines.append(
            f"{rate.max():.0f} spikes per s in {_named(labels, rate > FASTEST_HZ)}: are these "
            f"counts in bins of {data.bin_s:g} s, or traces?"
        )
    return lines


def _arrays(data):
    return [np.nan_to_num(np.asarray(sequence, float)) for sequence in data.sequences]


def no_counts(data) -> bool:
    """Whether binned values are below 0 or between whole numbers."""
    return any((counts < 0).any() or (counts != np.round(counts)).any() for counts in _arrays(data))


def _sizes(labels, sizes):
    sizes = np.asarray(sizes)
    lines = []
    if (sizes == 0).any():
        lines.append(f"no spike in {_named(labels, sizes == 0)}")
    share = sizes.max(initial=0) / max(sizes.sum(), 1)
    if len(sizes) > 2 and share > MOST:
        lines.append(f"unit {labels[int(sizes.argmax())]} holds {share:.0%} of all spikes")
    return lines


def _outside(data) -> int:
    from neuro.io.spikes.data import merged

    def missed(train, intervals):
        spans = merged(intervals)
        if not len(spans):
            return len(train)
        span = np.searchsorted(spans[:, 0], train, side="right") - 1
        return int(((span < 0) | (train > spans[span, 1])).sum())

    whole = [] if data.intervals is None else [data.intervals] * len(data.times)
    return sum(missed(train, spans) for train, spans in zip(data.times, data.observed or whole))


def _named(labels, flags) -> str:
    named = [label for label, flag in zip(labels, flags) if flag]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f"unit {', '.join(named[:NAMED])}{more}"
