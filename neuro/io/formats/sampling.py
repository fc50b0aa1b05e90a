"""The sampling interval of a run: where it is written, and what to do when places disagree."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path

RANGE = (0.02, 60.0)
"""Seconds between two volumes that may be meant (ours)."""
TOLERANCE = 0.01
"""Relative difference above which two statements about the interval are a problem."""


def read_json(path) -> tuple[dict, str | None]:
    """Read a JSON object; an unreadable file gives an empty one and a problem line.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    content : dict
    problem : str or None
    """
    try:
        content = json.loads(Path(path).read_text("utf-8-sig") or "{}")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:60]
        return {}, f"{path}: not readable as JSON ({reason}); mend or remove it"
    if not isinstance(content, dict):
        return {}, f"{path}: holds a {type(content).__name__}, expected a JSON object"
    return content, None


def interval(metadata: dict) -> float | None:
    """Sampling interval in s that a sidecar states, or None.

    Parameters
    ----------
    metadata : dict
        `RepetitionTime` (s) counts first, then `SamplingFrequency` (Hz), then the steps of
        `VolumeTiming` (s) where they are equal.

    Returns
    -------
    float or None
    """
    for key, turn in (("RepetitionTime", float), ("SamplingFrequency", lambda rate: 1 / rate)):
        value = metadata.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return turn(value)
    steps = _steps(metadata)
    return steps[0] if steps and max(steps) - min(steps) <= TOLERANCE * steps[0] else None


def _steps(metadata) -> list[float]:
    """Seconds between the volumes of `VolumeTiming`; empty without it."""
    times = metadata.get("VolumeTiming")
    if not isinstance(times, list) or not all(isinstance(time, (int, float)) for time in times):
        return []
    return [float(after) - float(before) for before, after in pairwise(times)]


def irregular(metadata: dict, name) -> str | None:
    """One line where a sidecar says that volumes are not equally far apart."""
    steps = _steps(metadata)
    if not steps or interval(metadata) is not None:
        return None
    return (
        f"{name}: VolumeTiming has steps of {min(steps):g} to {max(steps):g} s; methods here need "
        "volumes at equal distances; leave the run out with data.exclude or data.tasks"
    )


def decide(
    name, *, sidecar=None, header=None, config=None, source="sidecar"
) -> tuple[float, str, str | None]:
    """Sampling interval of a run from up to three statements.

    Parameters
    ----------
    name : str
        File, for the message.
    sidecar, header, config : float or None
        Interval in s that each place states; the first that is known wins.
    source : str
        Word for the first place: `sidecar`, or `inherited` for a sidecar further up.

    Returns
    -------
    tr : float
        In s; NaN where no place states it.
    source : str
        `sidecar`, `inherited`, `header`, `config` or `missing`.
    problem : str or None
        One line when two places differ by more than 1 %, none states it, or no scanner has it.
    """
    places = {source: sidecar, "header": header, "config": config}
    stated = {place: float(value) for place, value in places.items() if value is not None}
    if not stated:
        return (
            math.nan,
            "missing",
            f"{name}: no sampling interval in sidecar or header; set data.tr",
        )
    place, tr = next(iter(stated.items()))
    if not RANGE[0] <= tr <= RANGE[1]:
        seconds = tr / 1000 if tr > RANGE[1] else tr * 1000
        meant = f"; {seconds:g} s may be meant" if RANGE[0] <= seconds <= RANGE[1] else ""
        return (
            tr,
            place,
            (
                f"{name}: sampling interval is {tr:g} s in the {place}, expected {RANGE[0]:g} to "
                f"{RANGE[1]:g} s{meant}; correct it there"
            ),
        )
    for other, value in stated.items():
        if abs(value - tr) > TOLERANCE * tr:
            return (
                tr,
                place,
                (
                    f"{name}: sampling interval is {tr:g} s in the {place} but {value:g} s in the "
                    f"{other}; correct the wrong one"
                ),
            )
    return tr, place, None
