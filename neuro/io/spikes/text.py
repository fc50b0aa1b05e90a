"""Spike times from text: (time, unit) tables, and the maze folders of rat prefrontal sessions."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.text_tables import text_of, with_points
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData, from_ids

_OTHER_UNIT = re.compile(r"[ _.\[(](min|minutes?|us|µs|usec|micro\w*|h|hours?)\b", re.IGNORECASE)
RULES = {1: "right", 2: "light", 3: "left", 4: "dark"}
SIDES = {0: "left", 1: "right"}
WINDOW = (5.0, 10.0)
"""Seconds before and after the start of a trial of a maze folder (paper-era code)."""


def read_table(path) -> SpikeData:
    """Read a two-column text table: time, unit.

    Parameters
    ----------
    path : path-like
        Columns separated by blanks, tabs or commas; lines that start with `#` and one header line
        are skipped.

    Returns
    -------
    SpikeData
        Units from 1 (or 0, where it occurs) to the largest id; silent ones keep their place.

    Raises
    ------
    InputProblem
        When the table is not of this form.
    """
    table = _numbers(path, 2)
    return _spikes(path, table[:, 0], table[:, 1])


def _spikes(path, times, ids):
    if not np.isfinite(ids).all() or not np.array_equal(ids, np.round(ids)) or (ids < 0).any():
        raise InputProblem(
            f"{path}: column 2 must be unit ids (whole numbers >= 0); are the columns swapped?"
        )
    return from_ids(path, times, ids)


def _numbers(path, n_columns):
    """A numeric text table with at least so many columns."""
    path = Path(path)
    try:
        text, _ = with_points(text_of(path))
    except OSError:
        raise InputProblem(f"{path}: not a readable text file") from None
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "%"))]
    # a comma beside another separator is no separator but part of a number
    mark = next((mark for mark in "\t;," if lines and mark in lines[0]), None)
    table = [[cell.strip().strip('"') for cell in line.split(mark)] for line in lines]
    if table and not _is_number(table[0][0]):
        first = table[0][0]
        unit = _OTHER_UNIT.search(first)
        if unit:
            raise InputProblem(
                f"{path}: the header says '{first}'; write the times in s (or in ms, "
                "with hmmglm.time_unit: ms)"
            )
        table, lines = table[1:], lines[1:]
    if not table:
        raise InputProblem(f"{path}: no rows; expected {n_columns} columns of numbers")
    rows = []
    for number, (cells, line) in enumerate(zip(table, lines, strict=True)):
        if len(cells) < n_columns or not all(map(_is_number, cells[:n_columns])):
            raise InputProblem(
                f"{path}: row {number + 1}: '{line[:40]}', expected {n_columns} numbers"
            )
        rows.append([float(cell) for cell in cells[:n_columns]])
    return np.array(rows)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_folder(path) -> SpikeData:
    """Read a session folder with `*_SpikeData.dat` and `*_Behavior.dat`.

    Spikes are [time in ms, cell]; behaviour is [start, end, rule, correct, choice, light] with
    times in ms from the start of the session.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    SpikeData
        Trials are the windows from 5 s before to 10 s after each start, with the columns
        `onset`, `end`, `rule`, `correct`, `choice`, `light`. Silent cells keep their place.

    Raises
    ------
    InputProblem
        When a file is missing, more than one fits, or a table is not of this form.
    """
    path = Path(path)
    spikes, behaviour = (_only(path, f"*_{name}.dat") for name in ("SpikeData", "Behavior"))
    table = _numbers(spikes, 2)
    data = _spikes(spikes, table[:, 0] * 1e-3, table[:, 1])
    rows = _numbers(behaviour, 6)
    onset = rows[:, 0] * 1e-3
    data.trials = pd.DataFrame(
        {
            "start": onset - WINDOW[0],
            "stop": onset + WINDOW[1],
            "onset": onset,
            "end": rows[:, 1] * 1e-3,
            "rule": [RULES.get(int(code), str(int(code))) for code in rows[:, 2]],
            "correct": rows[:, 3].astype(int),
            "choice": [SIDES.get(int(code), str(int(code))) for code in rows[:, 4]],
            "light": [SIDES.get(int(code), str(int(code))) for code in rows[:, 5]],
        }
    )
    data.path = str(path)
    return data


def _only(folder, pattern):
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        what = ", ".join(file.name for file in files) or "none"
        raise InputProblem(f"{folder}: expected one file {pattern}; found: {what}")
    return files[0]
