"""Numbers that stand for a missing value, and columns that are given twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CODES = (-999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0)
"""Numbers that are written where nothing was measured."""
FAR = 2.0
"""A code above the other values of its column lies so many of their ranges away from them."""
OFTEN = 5
"""A code among the other values is doubted where it stands there so often."""
SAMPLE = 64
"""So many rows are compared first."""
NAMED = 3


def missing_codes(values) -> tuple[np.ndarray | None, list[int]]:
    """Cells that hold a code for a missing value, and columns in which one may be a code.

    A number such as -999 is a code where it cannot be a value of its column: below 0 where all
    others are not, or farther from them than they are from each other (for codes above 0 two
    times as far, since peaks rise). Between the other values it is data: a bright neuron may be
    at 999. It is doubted where it is by far the most frequent number.

    Parameters
    ----------
    values : array of numbers, shape (n_rows, n_columns)

    Returns
    -------
    mask : ndarray of bool, shape (n_rows, n_columns), or None
        None where no cell holds a code.
    doubted : list of int
        Columns.
    """
    values = np.asarray(values)
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fiu":
        return None, []
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    mask, doubted = None, []
    for column in np.flatnonzero((low <= -999) | (high >= 999)):
        x = values[:, column].astype(np.float64)
        held = np.isin(x, CODES)
        if not held.any():
            continue
        rest = x[np.isfinite(x) & ~held]
        for code in np.unique(x[held]):
            if _impossible(code, rest):
                mask = np.zeros(values.shape, bool) if mask is None else mask
                mask[:, column] |= x == code
            elif _crowded(x, code):
                doubted.append(int(column))
    return mask, doubted


def _impossible(code, rest) -> bool:
    if not rest.size:
        return True
    low, high = float(rest.min()), float(rest.max())
    span = high - low
    if code < 0:
        return low >= 0 or low - code > span
    return code - high > FAR * span


def _crowded(x, code) -> bool:
    count = int((x == code).sum())
    if count < OFTEN:
        return False
    others = np.unique(x[np.isfinite(x) & (x != code)], return_counts=True)[1]
    return count > 10 * others.max(initial=0)


def without_codes(values, names: Sequence[str] | None = None, what: str = "column"):
    """Values with NaN where a code stood, and what is to be said about it.

    Parameters
    ----------
    values : array of numbers, shape (n_rows, n_columns)
    names : sequence of str, optional
        One per column; numbers from 1 by default.
    what : str
        What a column is.

    Returns
    -------
    values : ndarray
        The same array where nothing was replaced.
    notes : list of str
    """
    values = np.asarray(values)
    mask, doubted = missing_codes(values)
    notes = []
    if mask is not None:
        columns = np.flatnonzero(mask.any(axis=0))
        codes = ", ".join(f"{code:g}" for code in np.unique(values[mask]))
        notes.append(
            f"{codes} read as missing in {int(mask.sum())} values, {what} {_listed(columns, names)}"
        )
        exact = values.dtype if values.dtype.kind == "f" else np.float64
        values = np.where(mask, np.array(np.nan, exact), values.astype(exact, copy=False))
    if doubted:
        notes.append(
            f"999 or -999 is the most frequent number in {what} {_listed(doubted, names)}: write "
            "NaN if it means missing"
        )
    return values, notes


def _listed(columns, names) -> str:
    named = [str(names[k]) if names and names[k] else str(k + 1) for k in columns]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return ", ".join(named[:NAMED]) + more


def same_columns(values) -> list[list[int]]:
    """Groups of columns that hold the same numbers; constant and empty ones do not count.

    Parameters
    ----------
    values : array, shape (n_rows, n_columns)

    Returns
    -------
    list of list of int
    """
    values = np.asarray(values)
    if values.ndim != 2 or len(values) < 2:
        return []
    step = max(1, len(values) // SAMPLE)
    sample = np.ascontiguousarray(values[::step].T)
    alike: dict[bytes, list[int]] = {}
    for column, row in enumerate(sample):
        alike.setdefault(row.tobytes(), []).append(column)
    groups = []
    for columns in alike.values():
        exact: dict[bytes, list[int]] = {}
        for column in columns if len(columns) > 1 else []:
            x = np.ascontiguousarray(values[:, column])
            if (x.dtype.kind == "f" and np.isnan(x).all()) or (x == x[0]).all():
                continue
            exact.setdefault(x.tobytes(), []).append(column)
        groups += [group for group in exact.values() if len(group) > 1]
    return sorted(groups)


def twice(groups, names: Sequence[str] | None = None, what: str = "columns") -> list[str]:
    """A line for columns, or units, that hold the same; empty where there are none.

    Parameters
    ----------
    groups : list of list of int
        See :func:`same_columns`.
    names : sequence of str, optional
    what : str

    Returns
    -------
    list of str
    """
    if not groups:
        return []
    shown = "; ".join(
        " = ".join(_listed([k], names) for k in group[:4]) for group in groups[:NAMED]
    )
    more = f" and {len(groups) - NAMED} more" if len(groups) > NAMED else ""
    return [f"{what} that hold the same values, given twice: {shown}{more}"]
