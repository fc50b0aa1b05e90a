"""Confound tables of fMRIPrep, whatever their age, under today's column names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from neuro.io.formats.tables import MISSING, parse_csv
from neuro.io.problems import InputProblem

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
"""Head motion in the order used everywhere: translations (mm), then rotations (rad)."""

_LEGACY = {
    "X": "trans_x",
    "Y": "trans_y",
    "Z": "trans_z",
    "RotX": "rot_x",
    "RotY": "rot_y",
    "RotZ": "rot_z",
    "CSF": "csf",
    "WhiteMatter": "white_matter",
    "GlobalSignal": "global_signal",
    "FramewiseDisplacement": "framewise_displacement",
    "stdDVARS": "std_dvars",
    "non-stdDVARS": "dvars",
    "vx-wisestdDVARS": "vx_wise_std_dvars",
}
_LEGACY_NUMBERED = (
    ("tCompCor", "t_comp_cor_"),
    ("aCompCor", "a_comp_cor_"),
    ("Cosine", "cosine"),
    ("NonSteadyStateOutlier", "non_steady_state_outlier"),
    ("AROMAAggrComp", "aroma_motion_"),
)


def canonical_name(name: str) -> str:
    """Today's name of a column (fMRIPrep 1.2 and later) for an older one.

    Names that are current already, or unknown, come back unchanged.
    """
    name = str(name).strip()
    if name in _LEGACY:
        return _LEGACY[name]
    for old, new in _LEGACY_NUMBERED:
        match = re.fullmatch(rf"{old}(\d+)", name)
        if match:
            return new + match.group(1)
    return name


def metadata_path(path) -> Path:
    """Where the JSON beside a confounds table should be."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".tsv") + ".json")


def read_confounds(path, json_path=None) -> tuple[pd.DataFrame, dict]:
    """Read a confounds table and the JSON that describes its columns.

    Parameters
    ----------
    path : path-like
        `*_desc-confounds_timeseries.tsv`, or the older `*_desc-confounds_regressors.tsv` and
        `*_confounds.tsv`.
    json_path : path-like, optional
        Default is the file of the same name with suffix `.json`; it may be missing.

    Returns
    -------
    table : pandas.DataFrame
        One row per volume, numbers only, names as of :func:`canonical_name`; missing values
        are NaN. `table.attrs["path"]` holds the path for messages.
    meta : dict
        Column name to description (`Method`, `Mask`, `Retained`, ...); empty without a JSON.

    Raises
    ------
    InputProblem
        All problems at once: file missing or empty, not a table, text where a number belongs,
        two columns that mean the same, unreadable JSON.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes), expected a confounds table")
    missing = [text for text in MISSING if not text.startswith("-999")]
    table = parse_csv(path, sep="\t", na_values=missing)
    problems = []
    table.columns = [canonical_name(name) for name in table.columns]
    repeated = sorted(set(table.columns[table.columns.duplicated()]))
    if repeated:
        problems.append(f"{path}: column '{repeated[0]}' occurs twice; keep one of them")
        table = table.loc[:, ~table.columns.duplicated()]
    if len(table) == 0:
        problems.append(f"{path}: no rows below the header, expected one per volume")
    for name in table.columns:
        if table[name].dtype.kind in "fiu":
            continue
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = table[name][numbers.isna() & table[name].notna()]
        if len(wrong):
            problems.append(
                f"{path}: column '{name}', row {wrong.index[0] + 1}: '{wrong.iloc[0]}' "
                "is not a number"
            )
        table[name] = numbers
    meta = {}
    beside = Path(json_path) if json_path is not None else metadata_path(path)
    if json_path is not None and not beside.exists():
        problems.append(f"{beside}: no such file")
    elif beside.exists() and beside.stat().st_size:
        try:
            meta = json.loads(beside.read_text("utf-8"))
        except ValueError as error:
            problems.append(f"{beside}: not readable as JSON ({str(error)[:60]})")
        else:
            if not isinstance(meta, dict):
                problems.append(f"{beside}: expected an object with one entry per column")
                meta = {}
    if problems:
        raise InputProblem(problems)
    table = table.astype(float)
    table.attrs["path"] = str(path)
    return table, {canonical_name(name): entry for name, entry in meta.items()}
