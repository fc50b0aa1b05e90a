"""Names of an atlas's regions: look-up tables beside label images, by any name in use."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from neuro.base.beside import LABEL_SUFFIXES, label_stems
from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem

CODES = ("index", "value", "id", "number", "roi", "code", "no.")
"""Columns that hold the values of the image, best first."""
NAMES = ("name", "label", "label_name", "labelname", "roi_name", "structure")
"""Columns that hold names, best first; `label` holds the value where its cells are numbers."""
_LUT = re.compile(r"\s*(\d+)\s+(\S+)\s+\d+\s+\d+\s+\d+(?:\s+\d+)?\s*")


def names_beside(path) -> dict[int, str]:
    """Region names by value, from the table beside a label image.

    Parameters
    ----------
    path : path-like
        Of the image; empty for none.

    Returns
    -------
    dict of int to str
        Empty without a table: the values are the names then. Looked for is the image's name with
        `.tsv`, `.csv`, `.txt`, `.lut`, `_LUT.txt` or `.ctab`, then the same without the entities
        that one table of several images lacks (TemplateFlow has no `res`, BIDS tables no
        `space`).

    Raises
    ------
    InputProblem
        When a table names no regions.
    """
    if not str(path):
        return {}
    path = Path(path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    for candidate in label_stems(stem):
        for suffix in LABEL_SUFFIXES:
            table = path.with_name(candidate + suffix)
            if table.is_file():
                return read_names(table)
    return {}


def read_names(path) -> dict[int, str]:
    """Region names by value from one table.

    Parameters
    ----------
    path : path-like
        A table with a header (TemplateFlow, BIDS, XCP-D, nilearn), or a colour look-up table of
        FreeSurfer (value, name, red, green, blue, alpha).

    Returns
    -------
    dict of int to str

    Raises
    ------
    InputProblem
        When it is neither.
    """
    path = Path(path)
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes), expected names of regions")
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InputProblem(f"{path}: not UTF-8; save the table as UTF-8") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matches = [_LUT.fullmatch(line) for line in lines]
    if lines and all(matches):
        return {int(match[1]): match[2] for match in matches if match}
    bare = [line.split(None, 1) for line in lines]
    if path.suffix == ".txt" and all(len(row) == 2 and row[0].isdigit() for row in bare):
        return {int(code): name.strip() for code, name in bare}
    return names_of(read_tsv(path, dtype=str), path)


def names_of(table: pd.DataFrame, where) -> dict[int, str]:
    """Region names by value from the columns of a table.

    Parameters
    ----------
    table : pandas.DataFrame
    where : path-like or str
        For the messages.

    Returns
    -------
    dict of int to str

    Raises
    ------
    InputProblem
        When there is no column of values or of names, a value is no whole number, or one value
        has two names.
    """
    columns = {str(name).strip().lower(): name for name in reversed(table.columns)}
    names = [name for name in NAMES if name in columns and not _numeric(table[columns[name]])]
    codes = [name for name in (*CODES, "label") if name in columns and name not in names[:1]]
    codes = [name for name in codes if _numeric(table[columns[name]])]
    if not names or not codes:
        lacking = "index" if not codes or "index" not in columns else "name"
        raise InputProblem(
            f"{where}: no column '{lacking}'; found {', '.join(map(str, table.columns[:6]))}; "
            "expected 'index' and 'name' (or 'label')"
        )
    code, name = columns[codes[0]], columns[names[0]]
    used = table[table[code].notna() & table[name].notna()]
    name_of: dict[int, str] = {}
    for value, word in zip(used[code], used[name]):
        number, word = float(value), str(word).strip().replace("\t", " ")
        if number != int(number):
            raise InputProblem(f"{where}: column '{code}': '{value}' is no whole number")
        if name_of.setdefault(int(number), word) != word:
            raise InputProblem(f"{where}: the value {int(number)} has two names; keep one")
    return name_of


def _numeric(column) -> bool:
    values = column.dropna()
    return bool(len(values)) and bool(pd.to_numeric(values, errors="coerce").notna().all())
