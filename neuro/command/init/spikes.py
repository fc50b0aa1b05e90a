"""Spike recordings: files and folders of sorters, laboratories and packages."""

from __future__ import annotations

from pathlib import Path

from neuro.command.init import asked
from neuro.command.init.found import Found, comment, few, quoted

ANSWERS = {
    "set hmmglm.sampling_hz": "sampling_hz: 30000",
    "set hmmglm.time_unit: ms": "time_unit: ms",
    "set mat_key": "mat_key: {choice}",
}


def recognise(places) -> Found:
    """Spike recordings as input of stage hmmglm.

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
    from neuro.io.formats.zarr_folders import types_of
    from neuro.io.spikes.reader import read_spikes

    contents, questions = asked.read_all(places, read_spikes, ANSWERS)
    sets: dict = {}
    for path, data in contents:
        # a sorter numbers its units in every folder anew
        own = data is None or (path.is_dir() and not types_of(path))
        labels = (path,) if own else tuple(data.units["unit"])
        sets.setdefault(labels, []).append(path.as_posix())
    lines, taken = ["  input: [spikes]", "  sets:"], list[str]()
    for members in sets.values():
        taken.append(asked.name_of(Path(members[0]), taken))
        listed = ", ".join(map(quoted, members))
        lines.append(f"    {taken[-1]}: {listed if len(members) == 1 else f'[{listed}]'}")
    joined = [labels for labels, members in sets.items() if len(members) > 1]
    if any(all(str(label).isdigit() for label in labels) for labels in joined):
        text = (
            "In doubt: units of several files are taken for the same ones by their numbers; where "
            "they are not, give every file a set of its own."
        )
        lines.append(comment(text, 4))
    if any(getattr(data, "trials", None) is not None for _, data in contents):
        lines += [
            comment("Trials were found; to make one sequence of each, not of 30 s each:", 2),
            "  # segment_s: null",
        ]
    title = f"{len(contents)} spike recordings, {len(sets)} sets of the same units"
    return Found(
        places[0], asked.about(contents, _describe, title), {"hmmglm": [*lines, *questions]}
    )


def _describe(data):
    from neuro.command.check import spikes
    from neuro.io.spikes.data import CountData

    labels = f"units: {few(data.units['unit'], 4)}"
    more = [name for name in data.units if name != "unit"]
    if more:
        labels += f"; known of each: {', '.join(more)}"
    if isinstance(data, CountData):
        time = f"time: rows are bins of {data.bin_s:g} s; a sequence is a trial"
        doubts = spikes.count_doubts(data)
    else:
        time = f"time: in s, {data.first:g} to {data.last:g}"
        trials = "none" if data.trials is None else f"{len(data.trials)}"
        stated = data.intervals is not None or data.observed is not None
        time += f"; trials: {trials}; observed intervals: {'as stated' if stated else 'not stated'}"
        doubts = spikes.spike_doubts(data)
    return spikes.what(data), [labels, time, *(f"in doubt: {x}" for x in [*data.notes, *doubts])]
