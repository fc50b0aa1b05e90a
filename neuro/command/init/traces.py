"""Recordings of traces: calcium pipelines, arrays, tables, NWB."""

from __future__ import annotations

from neuro.command.init import asked, glance
from neuro.command.init.found import Found, comment, quoted
from neuro.io.problems import InputProblem

ANSWERS = {
    "set recordings.fs_hz": "fs_hz: 10.0",
    "set recordings.time_axis": "time_axis: 0",
    "set recordings.variable": "variable: {choice}",
}


def recognise(places) -> Found:
    """Recordings of traces as input of stage ntf.

    Parameters
    ----------
    places : sequence of pathlib.Path

    Returns
    -------
    Found

    Raises
    ------
    InputProblem
        When none can be read.
    """
    from neuro.io.recordings.reader import read_recording

    contents, questions = asked.read_all(places, read_recording, ANSWERS)
    readable = [data for _, data in contents if data is not None]
    lines = ["files:"] + [f"  - {quoted(_literal(path))}" for path, _ in contents]
    if len(contents) > 1 and any(data.names is None for data in readable):
        text = "without names neurons cannot be matched across animals: a set per file"
        lines += [comment(text), "stack: false"]
    rates = sorted({round(data.fs, 3) for data in readable})
    if len(rates) > 1:
        text = f"sampling rates differ ({', '.join(f'{rate:g}' for rate in rates)} Hz):"
        lines += [comment(text), f"# resample_hz: {rates[0]:g}"]
    if all(path.suffix.lower() in glance.TEXT for path, _ in contents) and not any(
        data.names for data in readable
    ):
        text = "numbers without names: if they are regions of brains (volumes x regions) and not "
        lines += [comment(f"{text}calcium traces, use: neuro init --table {contents[0][0].parent}")]
    lines += _events(contents)
    lines += [line[2:] for line in questions]
    title = f"{len(contents)} recordings of traces, one per animal"
    section = ["  sources: [recordings]", "  recordings:", *(f"    {line}" for line in lines)]
    return Found(places[0], asked.about(contents, _describe, title), {"ntf": section})


def _events(contents) -> list[str]:
    """A table of events beside the recordings, where it fits them; else why it does not."""
    from neuro.ntf.affinity.alignment import read_events

    names = [data.name for _, data in contents if data is not None]
    beside = sorted({path.parent for path, _ in contents})
    for path in (folder / f"events{end}" for folder in beside for end in (".tsv", ".csv")):
        if path.is_file():
            try:
                read_events(path, names)
            except InputProblem as problem:
                return [comment(f"not used: {problem.problems[0]}")]
            return [f"events: {quoted(path.as_posix())}"]
    return []


def _literal(path) -> str:
    """A path as a pattern that fits this path only."""
    import glob

    return glob.escape(path.as_posix())


def _describe(data):
    from neuro.command.check import recordings

    missing = 1 - data.observed.mean()
    time = f"time: a row is a frame, {1 / data.fs:g} s apart; animal: {data.name}"
    time += f"; label: {'the names of the neurons' if data.names else 'none, numbers'}"
    notes = [*data.notes, *([f"{missing:.1%} of all values are missing"] if missing else [])]
    return recordings.what(data), [time, *(f"in doubt: {note}" for note in notes)]
