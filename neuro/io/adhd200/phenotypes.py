"""Phenotypic and motion tables of the ADHD-200 sites, with their many spellings."""

from __future__ import annotations

import csv
import dataclasses
import io
import re

import numpy as np
import pandas as pd

MISSING = {"", "-999", "-999.0", "N/A", "NA", "n/a", "NaN", "nan", "pending", "withheld"}
ID_COLUMNS = ("ScanDir ID", "ScanDirID")
COLUMNS = (
    "participant_id",
    "site",
    "age",
    "sex",
    "dx",
    "subtype",
    "handedness",
    "iq",
    "adhd_index",
)

_QUALITY = re.compile(r"QC_(?:S(\d+)_)?Rest_(\d+)")
_MOTION_KEY = re.compile(r"(?:rp_)?(\d+)_session_(\d+)_rest_(\d+)\.1D")


@dataclasses.dataclass(frozen=True)
class Phenotypes:
    """The phenotypic table of one site.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns :data:`COLUMNS`; `n/a` is NaN.
    quality : dict
        (participant, session, run) -> 1 passed, 0 questionable.
    notes, problems : list of str
    """

    table: pd.DataFrame
    quality: dict
    notes: list[str]
    problems: list[str]


def _rows(text: str) -> list[dict]:
    reader = csv.reader(io.StringIO(text))
    lines = [line for line in reader if any(cell.strip() for cell in line)]
    if not lines:
        return []
    names = [cell.strip() for cell in lines[0]]
    return [dict(zip(names, (cell.strip() for cell in line))) for line in lines[1:]]


def _number(cell) -> float:
    cell = "" if cell is None else cell
    if cell in MISSING:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan


def read_phenotypes(site: str, texts: dict[str, str]) -> Phenotypes:
    """Read the phenotypic table among the text files of a site.

    Parameters
    ----------
    site : str
    texts : dict
        Name of the file -> content.

    Returns
    -------
    Phenotypes
        An empty table with a note where the site has none.
    """
    notes: list[str] = []
    problems: list[str] = []
    rows: list[dict] = []
    quality: dict = {}
    wanted = [name for name in sorted(texts) if name.endswith("_phenotypic.csv")]
    if not wanted:
        notes.append(f"{site}: no *_phenotypic.csv; age, sex and dx are not known")
    for file in wanted:
        lines = _rows(texts[file])
        column = next((name for name in ID_COLUMNS if lines and name in lines[0]), None)
        if column is None:
            problems.append(f"{file}: no column '{ID_COLUMNS[0]}' or '{ID_COLUMNS[1]}'")
            continue
        if column != ID_COLUMNS[0]:
            notes.append(f"{file}: the ids stand in '{column}', elsewhere in '{ID_COLUMNS[0]}'")
        bad = [line[column] for line in lines if not line[column].isdigit()]
        if bad:
            problems.append(f"{file}: id '{bad[0]}' is not a number")
            continue
        short = sum(len(line[column]) < 7 for line in lines)
        if short:
            notes.append(f"{file}: {short} ids have fewer than 7 digits; zeros were added")
        coded = sum(cell in MISSING - {""} for line in lines for cell in line.values())
        if coded:
            notes.append(f"{file}: {coded} cells hold -999, N/A or the like; read as missing")
        for line in lines:
            subject = line[column].zfill(7)
            rows.append(_person(subject, site, line))
            quality.update(_quality(subject, line))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    repeated = table["participant_id"][table["participant_id"].duplicated()].unique()
    if len(repeated):
        problems.append(f"{site}: id {repeated[0]} stands in two rows of the phenotypic table")
    return Phenotypes(table, quality, notes, problems)


def _person(subject: str, site: str, line: dict) -> dict:
    code = _number(line.get("DX"))
    iq = _number(line.get("Full4 IQ"))
    if np.isnan(iq):
        iq = _number(line.get("Full2 IQ"))
    return {
        "participant_id": subject,
        "site": site,
        "age": _number(line.get("Age")),
        "sex": {0.0: "F", 1.0: "M"}.get(_number(line.get("Gender")), np.nan),
        "dx": np.nan if np.isnan(code) else float(code > 0),
        "subtype": code,
        "handedness": _number(line.get("Handedness")),
        "iq": iq,
        "adhd_index": _number(line.get("ADHD Index")),
    }


def _quality(subject: str, line: dict) -> dict:
    flags = {}
    for name, cell in line.items():
        column = _QUALITY.fullmatch(name)
        if column and cell not in MISSING:
            flags[subject, column[1] or "1", column[2]] = _number(cell)
    return flags


def read_motion_maxima(texts: dict[str, str]) -> dict:
    """Largest displacement and rotation of each run, where a site publishes them.

    Parameters
    ----------
    texts : dict
        Name of the file -> content.

    Returns
    -------
    dict
        (participant, session, run) -> (mm, degrees). Maxima over the run only, so framewise
        displacement cannot be computed from them.
    """
    maxima = {}
    for name, text in texts.items():
        if not name.endswith("_motion.csv"):
            continue
        for line in _rows(text):
            key = _MOTION_KEY.fullmatch(line.get("File", ""))
            if key:
                maxima[key[1].zfill(7), key[2], key[3]] = (
                    _number(line.get("Max Motion (mm)")),
                    _number(line.get("Max Rotation (degree)")),
                )
    return maxima
