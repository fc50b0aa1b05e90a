"""Tab-separated tables as BIDS writes them: UTF-8, header line, `n/a` for missing."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats import people
from neuro.io.formats.codes import without_codes
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
    other = next((mark for mark in (",", ";", "\t") if mark in table.columns[0]), None)
    if len(table.columns) == 1 and other:
        names = {",": "commas", ";": "semicolons", "\t": "tabs"}
        raise InputProblem(
            f"{path}: its columns are separated by {names[other]}, expected {names[sep]}; save it "
            "with tabs, as .tsv"
        )
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
    except UnicodeError:
        raise InputProblem(f"{path}: not UTF-8; save it as text in UTF-8") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
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


def read_participants(path, columns=None) -> pd.DataFrame:
    """Read `participants.tsv`: one row per subject, identifiers as text.

    Parameters
    ----------
    path : path-like
    columns : mapping, optional
        Names in the file for standard names, and the values of the diagnosis, e.g.
        `{"dx": "diagnosis", "cases": ["ADHD"], "controls": ["CONTROL"]}`.

    Returns
    -------
    pandas.DataFrame
        `participant_id` is text without `sub-`; `site` is text; `sex` is F, M or O (as BIDS
        equates them, and 1 for M, 2 for F); `age` (years; `89+` is 89), `iq`, `handedness` and
        `mean_fd` are numbers; `dx` is 0 (control), 1 (case) or NaN. Columns that the file lacks
        are added as missing, other columns are kept. `attrs["notes"]` says what was mapped.

    Raises
    ------
    InputProblem
        All problems at once: no `participant_id`, missing or repeated ids, text where a number
        belongs, an impossible age, a sex that is none, a `dx` other than 0 and 1, names of
        `columns` that do not occur.
    """
    table = read_tsv(path, dtype=str)
    columns = columns or {}
    notes: list[str] = []
    standard = (*PARTICIPANT_COLUMNS, *NUMERIC_COLUMNS)
    problems = people.rename(table, path, columns, standard, notes)
    if problems:
        raise InputProblem(problems)
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise InputProblem(f"{path}: column '{twice[0]}' stands there twice; keep one of them")
    if "participant_id" not in table.columns:
        raise InputProblem(
            f"{path}: no column 'participant_id'; found {', '.join(table.columns[:8])}; set "
            "data.columns: {participant_id: NAME}"
        )
    nameless = table.index[table["participant_id"].isna()]
    if len(nameless):
        problems.append(f"{path}: row {nameless[0] + 1} has no participant_id")
    table["participant_id"] = table["participant_id"].map(subject_label)
    repeated = table["participant_id"][table["participant_id"].duplicated()].unique()
    if len(repeated) and not len(nameless):
        problems.append(f"{path}: participant_id repeated: {', '.join(repeated[:5])}")
    for name in PARTICIPANT_COLUMNS:
        if name not in table.columns:
            table[name] = pd.Series(np.nan, index=table.index, dtype=object)
    read = {
        "age": people.ages,
        "sex": people.sexes,
        "handedness": people.hands,
        "dx": lambda column, path, notes: people.diagnoses(column, path, columns, notes),
    }
    for name in (*NUMERIC_COLUMNS, "sex", "dx"):
        if name not in table.columns:
            continue
        text = table[name].astype("str").where(table[name].notna())
        if name in read:
            table[name], notes_of_column = read[name](text, path, notes)
        else:
            table[name] = pd.to_numeric(text, errors="coerce")
            notes_of_column = people.not_numbers(text, table[name], path, name)
            if not notes_of_column:
                # 999 where all others are 70 to 140 was not measured
                measured, said = without_codes(table[[name]].to_numpy(float), [name])
                table[name] = measured[:, 0]
                notes += [f"{path}: {line}" for line in said]
        problems += notes_of_column
    if problems:
        raise InputProblem(problems)
    table.attrs["notes"] = notes
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
    # A spreadsheet drops the zeros before a number.
    bare = {label.lstrip("0"): label for label in sorted(table - data)}

    def hint(label):
        other = bare.get(label.lstrip("0"))
        return f"; did you mean '{label}' by its '{other}'?" if other else ""

    rows = [
        exclusion(
            f"sub-{label}", "participants", "in the participants table, but has no usable run"
        )
        for label in sorted(table - data)
    ]
    rows += [
        exclusion(
            f"sub-{label}",
            "participants",
            f"has data, but is not in the participants table{hint(label)}",
        )
        for label in sorted(data - table)
    ]
    return rows
