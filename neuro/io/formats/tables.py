"""Tab-separated tables as BIDS writes them: UTF-8, header line, `n/a` for missing."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.damaged import reason
from neuro.io.problems import InputProblem

MISSING = ("n/a", "N/A", "NA", "NaN", "nan", "", "-999", "-999.0")
"""Spellings of a missing value that the readers accept."""

PARTICIPANT_COLUMNS = ("participant_id", "site", "age", "sex", "dx")
NUMERIC_COLUMNS = ("age", "iq", "mean_fd", "handedness")


def read_tsv(path, *, dtype=None) -> pd.DataFrame:
    """Read a tab- or comma-separated table; missing values become NaN.

    Parameters
    ----------
    path : path-like
        A file that ends in `.csv` is read with commas, everything else with tabs.
    dtype : mapping, optional
        Passed to :func:`pandas.read_csv`; identifiers should be read as `str`.

    Returns
    -------
    pandas.DataFrame
        Column names are stripped of blanks.

    Raises
    ------
    InputProblem
        When the file is missing, empty or no table.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    sep = "," if path.suffix == ".csv" else "\t"
    table = parse_csv(path, sep=sep, dtype=dtype, na_values=list(MISSING))
    table.columns = [str(name).strip() for name in table.columns]
    return table


def parse_csv(path, **options) -> pd.DataFrame:
    """:func:`pandas.read_csv`, with one line for what is wrong.

    Raises
    ------
    InputProblem
        When the text is no table, or its rows are longer than the header, of which pandas would
        make row names and shift every column.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, index_col=False, keep_default_na=False, **options)
    except pd.errors.ParserWarning:
        raise InputProblem(
            f"{path}: rows hold more values than the header has names; give every column a name"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputProblem(f"{path}: not a readable table ({reason(error)})") from None


def write_tsv(path, table: pd.DataFrame, *, float_format: str | None = "%.9g") -> Path:
    """Write a table with tabs, `n/a` for missing values and no index.

    Parameters
    ----------
    path : path-like
        Parent folders are made.
    table : pandas.DataFrame
    float_format : str or None
        Format of floating point columns; None writes every digit.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format=float_format)
    return path


def subject_label(value) -> str:
    """A participant label without the `sub-` prefix and surrounding blanks."""
    return str(value).strip().removeprefix("sub-")


def read_participants(path) -> pd.DataFrame:
    """Read `participants.tsv`: one row per subject, identifiers as text.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pandas.DataFrame
        `participant_id` is text without `sub-`; `site` and `sex` are text; `age`, `iq`,
        `handedness` and `mean_fd` are numbers; `dx` is 0 (control), 1 (case) or NaN.
        Columns that the file lacks are added as missing, other columns are kept.

    Raises
    ------
    InputProblem
        All problems at once: no `participant_id`, repeated ids, text where a number
        belongs, a `dx` other than 0 and 1.
    """
    table = read_tsv(path, dtype=str)
    if "participant_id" not in table.columns:
        raise InputProblem(
            f"{path}: no column 'participant_id'; found {', '.join(table.columns[:8])}"
        )
    problems = []
    table["participant_id"] = table["participant_id"].map(subject_label)
    repeated = table["participant_id"][table["participant_id"].duplicated()].unique()
    if len(repeated):
        problems.append(f"{path}: participant_id repeated: {', '.join(repeated[:5])}")
    for name in PARTICIPANT_COLUMNS:
        if name not in table.columns:
            table[name] = np.nan
    for name in (*NUMERIC_COLUMNS, "dx"):
        if name in table.columns:
            numbers = pd.to_numeric(table[name], errors="coerce")
            wrong = table[name][numbers.isna() & table[name].notna()].unique()
            if len(wrong):
                problems.append(f"{path}: column '{name}': '{wrong[0]}' is not a number")
            table[name] = numbers
    odd = sorted(set(table["dx"].dropna()) - {0.0, 1.0})
    if odd:
        problems.append(
            f"{path}: column 'dx' holds {odd[0]:g}; expected 0 (control), 1 (case) or n/a"
        )
    if problems:
        raise InputProblem(problems)
    return table


EXCLUSION_COLUMNS = ("what", "step", "reason", "value", "threshold")


def exclusion(what, step, reason, value=None, threshold=None) -> dict:
    """One row of an exclusions table: what was left out, where, and why."""
    return dict(zip(EXCLUSION_COLUMNS, (what, step, reason, value, threshold)))


def write_exclusions(path, rows) -> Path:
    """Write `exclusions.tsv`; an empty list still writes the header."""
    return write_tsv(path, pd.DataFrame(list(rows), columns=list(EXCLUSION_COLUMNS)))


def unmatched(participants: pd.DataFrame, runs) -> list[dict]:
    """Exclusion rows of subjects that only one of table and data knows.

    Parameters
    ----------
    participants : pandas.DataFrame
        With `participant_id`.
    runs : iterable of dict
        Usable runs with `participant_id`.

    Returns
    -------
    list of dict
    """
    table = set(participants["participant_id"])
    data = {run["participant_id"] for run in runs}
    rows = [
        exclusion(
            f"sub-{label}", "participants", "in the participants table, but has no usable run"
        )
        for label in sorted(table - data)
    ]
    rows += [
        exclusion(f"sub-{label}", "participants", "has data, but is not in the participants table")
        for label in sorted(data - table)
    ]
    return rows
