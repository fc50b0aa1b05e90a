"""What a file says about its own axes: orientation, clocks, cells; contradictions are refused."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from neuro.io.formats import sampling
from neuro.io.problems import InputProblem
from neuro.io.recordings.arrays import GAP, too_slow

EVEN = 0.01
"""Relative deviation of the steps of an even column."""
ROUNDED = 0.06
"""The same for a long column, whose times may have been rounded when they were written."""
LONG = 20
CLOCK = "clock:"
FASTEST_HZ = 100.0
"""A clock without a unit that is faster is asked for one; such are minutes of 2 Hz and more."""
"""Put before the name of a first column, so that the parser of region tables leaves it to us."""
LOOK = 64
"""So many frames are looked at first, to see which columns may be clocks."""
_TIME = re.compile(r"(time|timestamps?|t|sec|secs|seconds)([ _.\[(].*)?", re.IGNORECASE)
_FRAME = re.compile(r"(frames?|index|volume|tr|sample|unnamed: 0)([ _.\[(#].*)?|", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?[:/.]\d\d[:/.]\d\d")
_MS = re.compile(r"[ _.\[(](ms|msec|milli\w*)\b", re.IGNORECASE)
_UNIT = re.compile(r"[ _.\[(](s|secs?|seconds?|ms|msec|milli\w*|min|minutes?)\b|^sec", re.I)
_MIN = re.compile(r"[ _.\[(](min|minutes?)\b", re.IGNORECASE)


def oriented(path, content, time_axis):
    """Values as (n_frames, n_neurons), by what is known of the axes.

    Parameters
    ----------
    path : path-like
        For the messages.
    content : dict
        `values`, and where known `names`; `time_axis` with its reason, as a pair; `n_neurons`
        and `n_frames`, lists of pairs of a number and where it stands.
    time_axis : {0, 1}, optional
        What the user says.

    Returns
    -------
    values : ndarray, shape (n_frames, n_neurons)
    notes : list of str

    Raises
    ------
    InputProblem
        When facts contradict each other or the user, or when there are none and the array has
        more columns than rows.
    """
    values = content["values"]
    n, m = values.shape
    facts = [content["time_axis"]] if content.get("time_axis") else []
    counts = [(1, *pair) for pair in content.get("n_neurons", [])]
    counts += [(0, *pair) for pair in content.get("n_frames", [])]
    if content.get("names") is not None:
        counts.append((1, len(content["names"]), "the number of names"))
    for axis, count, where in counts:
        if n != m and count in (n, m):
            # the count stands on one axis: time is that axis, or the other one
            facts.append((int(count == m) ^ axis, f"{where} ({count})"))
    said = {axis for axis, _ in facts}
    if len(said) > 1:
        one, other = (next(why for axis, why in facts if axis == k) for k in (0, 1))
        raise InputProblem(
            f"{path}: shape {values.shape}: {one} says a row is a frame, {other} that it is a "
            "neuron; mend or remove the wrong one"
        )
    if said and time_axis is not None and time_axis not in said:
        axis, why = facts[0]
        raise InputProblem(
            f"{path}: recordings.time_axis is {time_axis}, but {why} says that it is {axis} for "
            f"shape {values.shape}; set recordings.time_axis: {axis}"
        )
    if not said and time_axis is None and n < m:
        raise InputProblem(
            f"{path}: shape {values.shape} has more columns than rows, and nothing says which are "
            "frames; set recordings.time_axis: 0 (a row is a frame) or 1 (a row is a neuron)"
        )
    axis = said.pop() if said else time_axis or 0
    notes = [f"a row is a neuron ({facts[0][1]}): turned"] if axis and facts else []
    return (values.T if axis else values), notes


def without_clocks(path, values, names, fs):
    """Take columns that are clocks or frame numbers out of the traces.

    Parameters
    ----------
    path : path-like
        For the messages.
    values : ndarray, shape (n_frames, n_columns)
    names : list of str or None
        Of all columns, or of those that are traces.
    fs : float or None
        Sampling rate that is stated elsewhere (Hz).

    Returns
    -------
    values : ndarray, shape (n_frames, n_neurons)
    names : list of str or None
    fs : float or None
        Rate of a clock, where one was found and none was stated.
    notes : list of str

    Raises
    ------
    InputProblem
        When a clock contradicts the stated rate, does not increase, or has gaps.
    """
    whole = names is not None and len(names) == values.shape[1]
    labels = [name.removeprefix(CLOCK) for name in names] if whole else [None] * values.shape[1]
    clocks = _clocks(path, values, labels)
    if not clocks or len(clocks) >= values.shape[1]:
        return values, labels if whole else names, fs, []
    notes = []
    for column in clocks:
        label = labels[column] or f"column {column + 1}"
        rate = _rate_of(values[:, column].astype(float), labels[column], fs)
        if rate is not None and fs is not None and abs(rate - fs) > sampling.TOLERANCE * fs:
            raise InputProblem(
                f"{path}: '{label}' is a clock of {rate:g} Hz, but {fs:g} Hz is "
                "stated (recordings.fs_hz or the file); remove the wrong one"
            )
        if fs is None and rate is not None:
            too_slow(path, 1 / rate)
            if rate > FASTEST_HZ and not _UNIT.search(labels[column] or ""):
                raise InputProblem(
                    f"{path}: '{label}' says no unit and would be {rate:g} Hz in seconds, faster "
                    "than calcium is imaged; name the column time_s if that is right, time_min if "
                    "it holds minutes"
                )
            fs = rate
        kind = "frame numbers" if rate is None else f"a clock of {rate:g} Hz"
        notes.append(f"'{label}' is {kind}, not a neuron")
    kept = np.setdiff1d(np.arange(values.shape[1]), clocks)
    if whole:
        names = [labels[column] for column in kept]
    return values[:, kept], names, fs, notes


def _clocks(path, values, labels) -> list[int]:
    """Columns that are clocks: by their name, or because they increase evenly."""
    if len(values) < 4:
        return []
    named = [
        k
        for k, name in enumerate(labels)
        if name is not None and (_TIME.fullmatch(name) or (k == 0 and _FRAME.fullmatch(name)))
    ]
    with np.errstate(invalid="ignore"):
        # most columns fall at once, and are never looked at as a whole
        likely = np.flatnonzero((np.diff(values[:LOOK].astype(float), axis=0) > 0).all(axis=0))
    clocks, even = set(), []
    for k in sorted({*named, *likely.tolist()}):
        x = values[:, k].astype(np.float64)
        steps = np.diff(x)
        middle = float(np.median(steps))
        if not (steps > 0).all():
            if k in named and (_FRAME.fullmatch(labels[k]) or labels[k].lower().startswith("time")):
                raise InputProblem(
                    f"{path}: times in '{labels[k]}' do not increase; mend or rename the column"
                )
            continue
        odd = float(np.abs(steps - middle).max()) / middle
        # float32 holds long times roughly: allow what the number format itself cannot tell
        grain = float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0
        loose = (ROUNDED if len(values) >= LONG else EVEN) + 4 * grain * np.abs(x).max() / middle
        if odd <= loose:
            even.append(k)
        if k not in named:
            continue
        if odd > GAP:
            raise InputProblem(
                f"{path}: times in '{labels[k] or 'the index'}' are not regular (steps "
                f"{steps.min():.3g} to {steps.max():.3g}); resample the traces, or add lost frames "
                "as NaN"
            )
        clocks.add(k)
    # a frame number and a time may stand side by side; many even columns are data
    if len(even) <= 2:
        clocks |= set(even)
    return sorted(clocks)


def _rate_of(x, name, fs) -> float | None:
    """Rate of a clock in Hz; None for frame numbers, which say nothing about time."""
    step = float(np.median(np.diff(x)))
    if step == 1 and (x == np.round(x)).all() and not (fs and abs(fs - 1) < sampling.TOLERANCE):
        return None
    if name and _FRAME.fullmatch(name):
        return None
    unit = 1e-3 if name and _MS.search(name) else 60.0 if name and _MIN.search(name) else 1.0
    rate = 1 / (step * unit)
    # ms are not always said
    if fs is not None and unit == 1 and abs(1e3 / step - fs) <= sampling.TOLERANCE * fs:
        return fs
    return rate


def load_text(path: Path) -> dict:
    """Values, names and rate of a text table; comment lines above it are metadata.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    dict
        `values`, `names` and, where rows are labelled, `time_axis`.

    Raises
    ------
    InputProblem
        As :func:`neuro.io.formats.text_tables.parse_table`.
    """
    from neuro.io.formats.text_tables import POINTS, parse_table, text_of, with_points

    text, replaced = with_points(text_of(path))
    lines = text.splitlines()
    lines = [line for line in lines if line.strip()]
    comments = [line for line in lines if line.lstrip().startswith(("#", "%"))]
    body = [line for line in lines if not line.lstrip().startswith(("#", "%"))]
    if not body:
        raise InputProblem(f"{path}: no line of data")
    mark = next((mark for mark in ("\t", ",", ";") if mark in body[0]), None)
    header = _is_header(path, body, mark)
    if header:
        cells = body[0].split(mark)
        if _counts(cells[0], body[1:], mark):
            # quotes around the name would come between the mark and the name
            cells[0] = CLOCK + _cell(cells[0])
            body[0] = (mark or " ").join(cells)
    values, names, turned = parse_table("\n".join(body), path, header)
    if turned and all(map(_DATE.search, names)):
        raise InputProblem(
            f"{path}: the first column holds dates or times of day ('{names[0]}'); write seconds "
            "since the first frame in their place"
        )
    if turned:
        return {
            "values": values.T,
            "names": names,
            "time_axis": (0, "labels of the rows"),
            "notes": [POINTS] if replaced else [],
        }
    if names is None and comments:
        names = _commented(comments[-1], values.shape[1])
    content = {"values": values, "names": names, "notes": [POINTS] if replaced else []}
    if header:
        content["time_axis"] = (0, "the header")
    return content


def _is_header(path, body, mark) -> bool:
    """Text above numbers is a header; so are whole numbers only if they count the columns."""
    cells = [_cell(cell) for cell in body[0].split(mark)]
    below = [_cell(cell) for cell in body[1].split(mark)] if len(body) > 1 else []
    if any(cell and not _is_number(cell) for cell in cells[1:] or cells):
        return True
    if cells[0] and not _is_number(cells[0]):
        return bool(below) and _is_number(below[0])
    if cells[0] == "" and len(cells) > 1:
        return all(cell.isdigit() for cell in cells[1:]) and len(set(cells)) == len(cells)
    counted = [[str(k + first) for k in range(len(cells))] for first in (0, 1)]
    if cells not in counted or len(cells) < 3 or all(re.fullmatch(r"-?\d+", c) for c in below):
        return False
    warnings.warn(
        f"{path}: the first row counts the columns from {cells[0]}: taken as a header, not as data",
        stacklevel=4,
    )
    return True


def _counts(cell, lines, mark) -> bool:
    """Whether the first column is called a clock or an index and holds numbers."""
    cell = _cell(cell)
    named = _TIME.fullmatch(cell) or _FRAME.fullmatch(cell)
    first = [_cell(line.split(mark, 1)[0]) for line in lines[:2]]
    return bool(named and first and all(map(_is_number, first)))


def _commented(line, n_columns):
    """Names from the last comment line, where it has one for each column."""
    text = line.lstrip().lstrip("#% ") if line.count("#") < 2 else line
    mark = next((mark for mark in ("\t", ",", ";") if mark in text), None)
    names = [_cell(cell).lstrip("#").strip() for cell in text.split(mark)]
    return names if len(names) == n_columns and all(names) else None


def _cell(text) -> str:
    return text.strip().strip('"').strip()


def _is_number(text) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return text.lower() in ("n/a", "na")
    return True


def only_cells(path, values, names, cells):
    """Leave out regions that are no cells, as a person or a classifier decided.

    Parameters
    ----------
    path : path-like
    values : ndarray, shape (n_frames, n_neurons)
    names : list of str or None
    cells : ndarray of bool, shape (n_neurons,), or None

    Returns
    -------
    values, names
    numbers : ndarray of int or None
        Number of each kept region in the file, from 1; None where all were kept.
    notes : list of str

    Raises
    ------
    InputProblem
        When lengths differ or nothing is a cell.
    """
    if cells is None:
        return values, names, None, []
    cells = np.asarray(cells, bool)
    if len(cells) != values.shape[1]:
        raise InputProblem(
            f"{path}: {len(cells)} regions are marked as cells or not, for {values.shape[1]} "
            "traces; the files do not belong together"
        )
    if not cells.any():
        raise InputProblem(f"{path}: no region is marked as a cell; look at the classification")
    if cells.all():
        return values, names, None, []
    if names is not None and len(names) == len(cells):
        names = [name for name, use in zip(names, cells) if use]
    note = f"{int((~cells).sum())} of {len(cells)} regions are marked as no cells; left out"
    return values[:, cells], names, np.flatnonzero(cells) + 1, [note]
