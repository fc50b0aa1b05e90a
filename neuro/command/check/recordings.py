"""Look at every recording of traces once before anything runs."""

from __future__ import annotations

import hashlib

import numpy as np

from neuro.io.problems import InputProblem


def recordings(section, show=None) -> tuple[list[str], list[str]]:
    """Check the recordings named under `ntf.recordings`, and the events against them.

    Parameters
    ----------
    section : dict
        Resolved section `ntf`.
    show : callable, optional
        Called with the path and content of everything that is read.

    Returns
    -------
    lines : list of str
        One per readable recording: what was taken for time, neurons and sampling; below it, what
        the reader turned or took out and what is in doubt.
    problems : list of str
        All problems, one line each.
    """
    if not section["enabled"] or "recordings" not in section["sources"]:
        return [], []
    from neuro.config.ntf_sets import recording_files
    from neuro.io.recordings.reader import PairKernels
    from neuro.ntf.affinity.alignment import read_events
    from neuro.ntf.affinity.prepare import check_events, check_recordings, present, unobserved
    from neuro.ntf.stage import load, tensor_options
    from neuro.ntf.states import read_groups

    given = section["recordings"]
    lines, problems, items = [], [], []
    for path in recording_files(section):
        try:
            items += load("recordings", [path], given)
        except InputProblem as problem:
            problems += problem.problems
            continue
        if show:
            show(path, items[-1])
        lines.append(f"{path}: {what(items[-1])}")
        if not isinstance(items[-1], PairKernels):
            doubts = [*items[-1].notes, *_doubts(items[-1], unobserved(items[-1]))]
            lines += [f"{path}: note: {line}" for line in doubts]
    recorded = [recording for recording in items if not isinstance(recording, PairKernels)]
    lines += [
        f"note: the same traces are given {len(group)} times: "
        f"{', '.join(str(recorded[k].path) for k in group)}"
        for group in _same([recording.traces for recording in recorded])
    ]
    if problems or not items:
        return lines, problems
    identity = tensor_options("recordings", section, items)["identity"]
    kept = [present(recording) for recording in items]
    try:
        for stack in [kept] if given["stack"] else [[recording] for recording in kept]:
            check_recordings(stack, given["resample_hz"], identity)
            notes, limits = _searches(section["communities"], stack, identity)
            lines += [line for line in notes if line not in lines]
            problems += [line for line in limits if line not in problems]
        if given["groups"]:
            read_groups(given["groups"], [recording.name for recording in kept])
        if given["events"]:
            check_events(kept, read_events(given["events"], [recording.name for recording in kept]))
    except InputProblem as problem:
        problems += problem.problems
    return lines, problems


def _searches(settings, stack, identity) -> tuple[list[str], list[str]]:
    """What the searches for communities cannot do with so many neurons: notes and problems."""
    from neuro.ntf.affinity.identity import match_names
    from neuro.ntf.affinity.prepare import labels
    from neuro.ntf.stage import backends

    names = [
        list(recording.names) if not hasattr(recording, "traces") else labels(recording)
        for recording in stack
    ]
    try:
        _, notices = backends(settings, len(match_names(names, identity)[0]))
    except InputProblem as problem:
        return [], problem.problems
    return [f"note: communities: {line}" for line in notices], []


def _same(arrays) -> list[list[int]]:
    """Groups of recordings that hold the same numbers."""
    alike: dict = {}
    for number, values in enumerate(arrays):
        key = (values.shape, hashlib.sha256(values.tobytes()).digest())
        alike.setdefault(key, []).append(number)
    return [group for group in alike.values() if len(group) > 1]


def what(recording):
    if not hasattr(recording, "traces"):
        return f"kernels of {len(recording.names)} neurons, {recording.kernels.shape[2]} samples"
    n_frames, n_neurons = recording.traces.shape
    named = (
        "without names" if recording.names is None else f"first {', '.join(recording.names[:3])}"
    )
    seconds = n_frames / recording.fs
    return (
        f"{n_neurons} neurons ({named}), {n_frames} frames at {recording.fs:g} Hz: {seconds:.1f} s"
    )


def _doubts(recording, gaps):
    lines = [
        f"{name} has values in {share:.0%} of the frames; left out" for name, share in gaps.items()
    ]
    missing = 1 - recording.observed.mean() if recording.observed.size else 0
    if missing:
        lines.append(f"{missing:.1%} of all values are missing")
    flat = (np.ptp(np.nan_to_num(recording.traces), axis=0) == 0).sum()
    if flat:
        lines.append(f"{flat} traces are constant or empty")
    return lines
