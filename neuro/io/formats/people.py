"""Columns of a participants table as people write them: ages, sexes, hands, diagnoses."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

MAX_AGE = 120.0
"""Years; a larger age is in another unit, or a code."""
_CODES = ("cases", "controls")
_SEXES = {"f": "F", "female": "F", "woman": "F", "girl": "F", "2": "F", "2.0": "F"}
_SEXES |= {"m": "M", "male": "M", "man": "M", "boy": "M", "1": "M", "1.0": "M"}
_SEXES |= {"o": "O", "other": "O"}
_UNKNOWN = {"unknown", "u", "x", "?", "-9", "none", "missing", "not known"}
_HANDS = {"left": 0.0, "l": 0.0, "right": 1.0, "r": 1.0, "ambidextrous": 0.5, "a": 0.5}
_UNITS = {"month": 12.0, "week": 365.25 / 7, "day": 365.25}
_TOP = re.compile(r"(?:[>≥]=?\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*\+)")


def rename(table: pd.DataFrame, path, columns: Mapping, standard, notes: list) -> list[str]:
    """Give the columns that the settings name their standard names, in place.

    Parameters
    ----------
    table : pandas.DataFrame
        Text throughout.
    path : path-like
        For the messages.
    columns : mapping
        Standard name to the name in the file; `cases` and `controls` are lists of values of
        the diagnosis.
    standard : sequence of str
        Standard names; a column that differs from one by case only is taken for it.
    notes : list of str
        What was done is added.

    Returns
    -------
    list of str
        Problems.
    """
    problems = []
    names = {}
    for name, own in columns.items():
        if name in _CODES or own == name:
            continue
        if own not in table.columns:
            problems.append(
                f"{path}: no column '{own}' (data.columns.{name}); found "
                f"{', '.join(table.columns[:8])}{nearest(own, table.columns)}"
            )
        elif name in table.columns:
            # The settings win; what stood there stays readable under another name.
            names[name] = f"{name}_before"
        names[own] = name
    taken = set(table.columns) | set(names.values())
    for name in table.columns:
        plain = name.lower()
        if name not in names and plain in standard and plain not in taken:
            names[name] = plain
            notes.append(f"{path}: column '{name}' was read as '{plain}'")
            taken.add(plain)
    table.rename(columns=names, inplace=True)
    return problems


def nearest(word, known) -> str:
    """`; did you mean ...?` with the nearest of the known words, or nothing."""
    known = [str(name) for name in known]
    near = difflib.get_close_matches(str(word), known, 1, 0.6)
    if not near:
        folded = {name.lower(): name for name in known}
        near = [folded[key] for key in difflib.get_close_matches(str(word).lower(), folded, 1, 0.6)]
    return f"; did you mean '{near[0]}'?" if near else ""


def ages(column: pd.Series, path, notes: list) -> tuple[pd.Series, list[str]]:
    """Ages in years; `89+` (the top that privacy rules ask for) is 89, with a note.

    Parameters
    ----------
    column : pandas.Series of str
    path : path-like
        The table; a JSON file of the same name may state the unit.
    notes : list of str
        What was done is added.

    Returns
    -------
    column : pandas.Series of float
    problems : list of str
    """
    tops = {}
    for cell in column.dropna().unique():
        match = _TOP.fullmatch(cell.strip())
        if match:
            tops[cell] = match[1] or match[2]
    numbers = pd.to_numeric(column.replace(tops), errors="coerce")
    problems = [*not_numbers(column, numbers, path, "age")]
    scale, unit = _unit(path)
    if unit:
        numbers = numbers / scale
        notes.append(f"{path}: column 'age' is in {unit}s (its JSON says so); turned into years")
    wrong = column[~numbers.isna() & ~((numbers >= 0) & (numbers <= MAX_AGE))]
    if len(wrong):
        problems.append(
            f"{path}: column 'age': '{wrong.iloc[0]}' in row {wrong.index[0] + 1}; expected years "
            f"from 0 to {MAX_AGE:g}, or n/a"
        )
    for cell, value in tops.items():
        count = int((column == cell).sum())
        notes.append(f"{path}: column 'age': '{cell}' was read as {value} ({count} rows)")
    return numbers, problems


def _unit(path) -> tuple[float, str]:
    """How many of the unit make a year, and its name; empty for years."""
    path = Path(path)
    try:
        content = json.loads(path.with_suffix(".json").read_text("utf-8-sig"))
        stated = str(content["age"]["Units"]).strip().lower()
    except (OSError, ValueError, KeyError, TypeError):
        return 1.0, ""
    return next(((size, word) for word, size in _UNITS.items() if stated.startswith(word)), (1, ""))


def not_numbers(column, numbers, path, name) -> list[str]:
    """A line for text where a number belongs, or for an infinite one."""
    wrong = column[(numbers.isna() & column.notna()) | np.isinf(numbers)]
    if not len(wrong):
        return []
    return [f"{path}: column '{name}': '{wrong.iloc[0]}' is not a number"]


def sexes(column: pd.Series, path, notes: list) -> tuple[pd.Series, list[str]]:
    """`F`, `M`, `O` or missing, for the spellings that BIDS lists and for 1 and 2.

    Parameters
    ----------
    column : pandas.Series of str
    path : path-like
    notes : list of str
        A table of what was mapped is added.

    Returns
    -------
    column : pandas.Series of str
    problems : list of str
    """
    mapped: dict = {}
    counts = column.value_counts()
    problems = []
    for cell in counts.index:
        plain = str(cell).strip().lower()
        if plain in _SEXES:
            mapped[cell] = _SEXES[plain]
        elif plain in _UNKNOWN:
            mapped[cell] = np.nan
        elif plain in ("0", "0.0"):
            problems.append(
                f"{path}: column 'sex' holds {', '.join(sorted(map(str, counts.index)))}: a 0 does "
                "not say who is female; write F and M"
            )
        else:
            problems.append(
                f"{path}: column 'sex' holds '{cell}' ({counts[cell]} rows); expected F, M, O or "
                f"n/a{nearest(cell, ('F', 'M', 'female', 'male', 'other'))}"
            )
    changed = [cell for cell in sorted(mapped) if mapped[cell] != cell]
    if changed and not problems:
        listed = ", ".join(
            f"{cell} is {mapped[cell] if mapped[cell] == mapped[cell] else 'n/a'} ({counts[cell]})"
            for cell in changed
        )
        notes.append(f"{path}: column 'sex': {listed}")
    return column.map(mapped, na_action="ignore"), problems


def hands(column: pd.Series, path, notes: list) -> tuple[pd.Series, list[str]]:
    """Handedness as a number; left is 0, right is 1 and ambidextrous 0.5 where words stand."""
    words = column.str.strip().str.lower()
    mapped = words.map(_HANDS)
    numbers = pd.to_numeric(column, errors="coerce")
    if mapped.notna().any():
        if numbers.notna().any():
            return numbers, [f"{path}: column 'handedness' holds words and numbers; choose one"]
        notes.append(f"{path}: column 'handedness': left is 0, ambidextrous 0.5, right 1")
        numbers = mapped
    return numbers, not_numbers(column, numbers, path, "handedness")


def diagnoses(column: pd.Series, path, columns: Mapping, notes: list):
    """0 (control), 1 (case) or missing, from numbers or from the words the settings name.

    Parameters
    ----------
    column : pandas.Series of str
    path : path-like
    columns : mapping
        `cases` and `controls`: values of the column; all others are missing.
    notes : list of str
        Values that are neither are added, with their number.

    Returns
    -------
    column : pandas.Series of float
    problems : list of str
    """
    counts = column.str.strip().value_counts()
    if not any(columns.get(name) for name in _CODES):
        return _coded(column, path, counts)
    codes: dict = {}
    problems = []
    for code, name in enumerate(("controls", "cases")):
        wanted = columns.get(name) or []
        if not wanted:
            problems.append(f"data.columns.{name}: missing; name the values that are {name}")
        for value in map(str, [wanted] if isinstance(wanted, str) else wanted):
            if value not in counts:
                listed = ", ".join(sorted(counts.index)[:6])
                problems.append(
                    f"data.columns.{name}: no row of {path} holds '{value}'; found {listed}"
                    f"{nearest(value, counts.index)}"
                )
            elif codes.get(value, code) != code:
                problems.append(f"data.columns: '{value}' stands under cases and under controls")
            codes[value] = code
    others = [f"{value} ({counts[value]})" for value in sorted(counts.index) if value not in codes]
    if others:
        notes.append(f"{path}: neither case nor control: {', '.join(others)}; dx is n/a")
    return column.str.strip().map(codes).astype(float), problems


def _coded(column, path, counts):
    numbers = pd.to_numeric(column, errors="coerce")
    problems = not_numbers(column, numbers, path, "dx")
    if problems:
        listed = ", ".join(f"{value} ({count})" for value, count in sorted(counts.items())[:6])
        return numbers, [
            f"{path}: column 'dx' holds {listed}; expected 0 (control), 1 (case) or n/a; set "
            "data.columns: {cases: [...], controls: [...]} to the words"
        ]
    odd = sorted(set(numbers.dropna()) - {0.0, 1.0})
    if odd:
        problems.append(
            f"{path}: column 'dx' holds {odd[0]:g}; expected 0 (control), 1 (case) or n/a"
        )
    return numbers, problems
