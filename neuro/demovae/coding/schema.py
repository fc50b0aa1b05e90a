"""The columns of the demographics: what each is, and what is to become of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.io.formats.column_kinds import column_kind

TYPES = ("continuous", "categorical")
ROLES = ("remove", "condition", "protect", "report")
DIAGNOSES = ("dx", "diagnosis", "dx_group", "diagnosis_group", "case", "patient")
"""Names, in small letters, of columns that are never removed unless a schema says so."""
IDENTIFIERS = ("participant_id", "subject_id", "session", "run", "run_key")
"""Names of columns that say which row it is."""
POOLED = "(pooled)"
"""Level that stands for all levels with too few subjects."""


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of the demographics.

    Attributes
    ----------
    name : str
    type : {'continuous', 'categorical'}
    role : {'remove', 'condition', 'protect', 'report'}
        'remove' is decorrelated from the latents and told to the decoder, 'condition' is told to
        the decoder only, 'protect' shields what the removed columns share with it, 'report' is
        left alone and only reported.
    reference : float or str or None
        Value for re-expressed connectomes; None is the training mean, or the training frequencies
        of the levels.
    """

    name: str
    type: str
    role: str = "remove"
    reference: object = None


def parse_columns(columns, demographics=None) -> tuple[Column, ...]:
    """Read a column schema.

    Parameters
    ----------
    columns : sequence of Column or mapping, or None
        Mappings have the keys `name`, `type`, `role` and `reference`. None takes every column of
        `demographics` with role 'remove', their types guessed from the values
        (:func:`guessed_type`);
        a diagnosis (see :data:`DIAGNOSES`) has the role 'condition', and columns that name the
        row (:data:`IDENTIFIERS`, or text that hardly ever repeats) are left out.
    demographics : pandas.DataFrame, optional

    Returns
    -------
    tuple of Column

    Raises
    ------
    ValueError
        All problems at once, one line each.
    """
    if columns is None:
        if demographics is None:
            raise ValueError("columns: no schema and no demographics to take it from")
        return tuple(
            Column(str(name), guessed_type(demographics[name]), _guess_role(name))
            for name in demographics.columns
            if not _names_rows(str(name), demographics[name])
        )
    problems, schema = [], []
    for number, entry in enumerate(columns):
        fields = dataclasses.asdict(entry) if isinstance(entry, Column) else dict(entry)
        unknown = sorted(set(fields) - {"name", "type", "role", "reference"})
        name = fields.get("name")
        if unknown:
            problems.append(
                f"columns: item {number} has an unknown key '{unknown[0]}'; expected name, type, "
                "role, reference"
            )
        elif not isinstance(name, str) or not name:
            problems.append(f"columns: item {number} has no name")
        elif fields.get("type") not in TYPES:
            problems.append(
                f"columns: '{name}' has type {fields.get('type')!r}; expected {' or '.join(TYPES)}"
            )
        elif fields.get("role") == "keep":
            problems.append(f"columns: '{name}' has role 'keep'; {KEEP_IS_NOW}")
        elif fields.get("role", "remove") not in ROLES:
            problems.append(
                f"columns: '{name}' has role {fields.get('role')!r}; expected {', '.join(ROLES)}"
            )
        else:
            schema.append(Column(**fields))
    names = [column.name for column in schema]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        problems.append(f"columns: '{repeated[0]}' is given twice")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(schema)


KEEP_IS_NOW = (
    "it is now called 'report' (only reported, not shielded); 'protect' shields a column from "
    "the removal of the others"
)


def _guess_role(name) -> str:
    return "condition" if str(name).lower() in DIAGNOSES else "remove"


def _names_rows(name: str, values) -> bool:
    """Whether a column says which row it is and nothing else."""
    if name.lower() in IDENTIFIERS:
        return True
    text = not pd.api.types.is_numeric_dtype(values)
    return text and len(values) > 10 and values.nunique() > 0.9 * len(values)


def guessed_type(values) -> str:
    """'continuous' or 'categorical', by :func:`neuro.io.formats.column_kinds.column_kind`."""
    return "continuous" if column_kind(values) == "number" else "categorical"


def level_names(values) -> np.ndarray:
    """Levels as text: 1, 1.0 and '1' are one level; missing values are the empty text.

    Parameters
    ----------
    values : array-like
        Text, whole numbers, booleans or a mixture.

    Returns
    -------
    ndarray of object (str)
    """
    out = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        if value is None or value is pd.NA or (isinstance(value, float) and value != value):
            out[place] = ""
        elif isinstance(value, (bool, np.bool_)):
            out[place] = str(bool(value))
        elif isinstance(value, (int, float, np.number)) and float(value).is_integer():
            out[place] = str(int(value))
        else:
            out[place] = str(value).strip()
    return out


def numbers(values) -> np.ndarray:
    """Values as float64; text that is no number becomes NaN."""
    return pd.to_numeric(pd.Series(np.asarray(values)), errors="coerce").to_numpy(np.float64)


def missing_rows(demographics: pd.DataFrame, columns) -> np.ndarray:
    """Which rows miss a value in any of the columns, shape (n_rows,)."""
    out = np.zeros(len(demographics), dtype=bool)
    for column in columns:
        out |= missing(demographics[column.name], column.type)
    return out


def missing(values, kind: str) -> np.ndarray:
    """Which values of one column are missing."""
    return level_names(values) == "" if kind == "categorical" else ~np.isfinite(numbers(values))


def check_demographics(demographics, columns, *, missing_rule="error", constant=True) -> list[str]:
    """Problems of a demographics table, one line each; empty when all is well.

    Parameters
    ----------
    demographics : pandas.DataFrame
    columns : sequence of Column
    missing_rule : {'error', 'drop', 'impute'}
    constant : bool, default True
        Whether a column with one value is a problem (it is for a fit).
    """
    problems = []
    for column in columns:
        if column.name not in demographics.columns:
            problems.append(
                f"demographics: no column '{column.name}'; found "
                f"{', '.join(map(str, demographics.columns[:8]))}"
            )
            continue
        values = demographics[column.name]
        gone = missing(values, column.type)
        if gone.any() and missing_rule == "error":
            rows = ", ".join(map(str, demographics.index[gone][:5]))
            rows += ", ..." if gone.sum() > 5 else ""
            problems.append(
                f"demographics: column '{column.name}' has {int(gone.sum())} missing values "
                f"(rows: {rows}); set missing='impute' or 'drop'"
            )
        if gone.all():
            if missing_rule != "error":
                problems.append(f"demographics: column '{column.name}' has no value at all")
            continue
        known = (level_names if column.type == "categorical" else numbers)(values)[~gone]
        if constant and column.role != "report" and len(set(known.tolist())) < 2:
            problems.append(f"columns: '{column.name}' is constant ({known[0]})")
    return problems


def check_target(y, demographics, columns) -> list[str]:
    """A problem line when a column to be removed is the prediction target itself.

    Parameters
    ----------
    y : array, shape (n_rows,), or None
    demographics : pandas.DataFrame
    columns : sequence of Column
    """
    if y is None or getattr(y, "ndim", 1) != 1 or len(y) != len(demographics):
        return []
    target = level_names(np.asarray(y))
    problems = []
    for column in columns:
        if column.role != "remove" or column.name not in demographics.columns:
            continue
        pairs = set(zip(level_names(demographics[column.name]), target))
        one_to_one = len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
        if one_to_one and len(pairs) > 1:
            problems.append(
                f"columns: '{column.name}' is the prediction target and cannot have role remove"
            )
    return problems


def match_rows(X, demographics) -> pd.DataFrame:
    """Bring demographics into the order of the rows of `X`.

    Rows are matched by index when `X` is a table; otherwise the lengths must agree.

    Parameters
    ----------
    X : pandas.DataFrame or array
    demographics : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ValueError
        When demographics are no table, rows have no match, or the lengths differ.
    """
    if not isinstance(demographics, pd.DataFrame):
        raise ValueError(
            f"demographics: got {type(demographics).__name__}, expected a pandas.DataFrame with "
            "one row per row of X"
        )
    if isinstance(X, pd.DataFrame) and not X.index.equals(demographics.index):
        if not demographics.index.is_unique or not X.index.is_unique:
            raise ValueError(
                "demographics: index labels repeat, so rows cannot be matched; give both tables "
                "the same index"
            )
        absent = X.index.difference(demographics.index, sort=False)
        if len(absent):
            raise ValueError(
                f"demographics: no row for {len(absent)} of {len(X)} rows of X, first "
                f"'{absent[0]}'; the index of both tables must agree"
            )
        return demographics.loc[X.index]
    if len(X) != len(demographics):
        raise ValueError(
            f"demographics: {len(demographics)} rows for {len(X)} rows of X; they must agree"
        )
    return demographics
