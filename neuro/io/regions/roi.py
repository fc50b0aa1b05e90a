"""Region series as laboratories keep them: `.1D`, `.tsv`, `.csv`, `.txt`, `.npy`, `.npz`."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.io.bids.names import DERIVED_ENTITIES
from neuro.io.formats import sampling
from neuro.io.formats.codes import same_columns, twice, without_codes
from neuro.io.formats.damaged import readable
from neuro.io.formats.text_tables import SUFFIXES, parse_table, symmetric_ones, text_of
from neuro.io.problems import InputProblem
from neuro.io.regions.cifti import read_parcels
from neuro.io.regions.region_series import RegionSeries
from neuro.io.regions.roi_scan import scan_roi_tables

__all__ = [
    "check_tables",
    "constant_columns",
    "looks_transposed",
    "read_roi_table",
    "scan_roi_tables",
    "series_problems",
]

SERIES_KEYS = ("series", "timeseries", "time_series", "data")
LABEL_KEYS = ("regions", "region", "labels")
MIN_VOLUMES = 20
"""Shorter tables are refused (ours)."""


def read_roi_table(
    path,
    tr: float | None = None,
    *,
    min_volumes: int = MIN_VOLUMES,
    time_axis: int | None = None,
    constant: str = "nan",
    header: bool | None = None,
) -> RegionSeries:
    """Read the region series of one run.

    Parameters
    ----------
    path : path-like
        Text (`.1D`, `.tsv`, `.csv`, `.txt`; a header of region labels is optional and may stand
        in a comment line, as AFNI, C-PAC and PCP write it) or numpy (`.npy`; `.npz` with one of
        `series`, `timeseries`, `data` or a single 2-D array, and optionally `regions` and `tr`).
        The columns `File` and `Sub-brick` of AFNI's 3dROIstats and a leading counter column are
        left out.
    tr : float, optional
        Sampling interval in s, for tables without a JSON sidecar beside them.
    min_volumes : int
        Shorter tables are a problem (default 20, ours).
    time_axis : {None, 0, 1}
        0: rows are volumes; 1: columns are volumes; None: rows, and a table without labels that
        looks turned round is a problem.
    constant : {'nan', 'raise', 'keep'}
        What a constant region is: a missing region (default), a problem, or data.
    header : bool, optional
        Whether the first line holds labels; found out by default.

    Returns
    -------
    RegionSeries
        A column of NaN is a region without coverage and stays in place.

    Raises
    ------
    InputProblem
        All problems at once: unreadable, NaN or infinite values in part of a column, constant
        regions, too short, transposed, repeated labels, no sampling interval or two that differ.
    """
    if constant not in ("raise", "nan", "keep"):
        raise ValueError(f"constant: got '{constant}', expected 'raise', 'nan' or 'keep'")
    path = Path(path)
    values, names, own_tr = _load(path, time_axis, header)
    problems = []
    if time_axis is None and names is None and looks_transposed(values):
        problems.append(
            f"{path}: {values.shape[0]} x {values.shape[1]} looks transposed (smooth along rows, "
            "not along columns); expected one row per volume; turn it or set time_axis"
        )
    if symmetric_ones(values):
        raise InputProblem(f"{path}: symmetric with ones on the diagonal: a connectome, no series")
    regions = names or [str(number) for number in range(1, values.shape[1] + 1)]
    notes: list[str] = []
    if constant != "keep":
        whole = len(regions) == values.shape[1]
        values, notes = without_codes(values, regions if whole else None, "region")
    wrong = series_problems(values, regions, min_volumes)
    # what was read as missing explains a gap
    problems += [f"{path}: {line}" for line in wrong + (notes if wrong else [])]
    flat = constant_columns(values)
    if constant == "raise" and flat.any():
        listed = _few([name for name, bad in zip(regions, flat) if bad])
        problems.append(
            f"{path}: constant region {listed}; set fmri.constant_regions: missing, or leave the "
            "run out"
        )
    elif constant == "nan":
        values[:, flat] = np.nan
        if flat.any() and np.isnan(values).all():
            problems.append(f"{path}: no region varies")
    metadata: dict = {}
    sidecar = provenance.sidecar_path(str(path).replace(".ptseries.nii", ".tsv"))
    if sidecar.exists():
        metadata, problem = sampling.read_json(sidecar)
        problems += [problem] if problem else []
    stated = sampling.interval(metadata)
    tr, _, problem = sampling.decide(path, sidecar=own_tr if stated is None else stated, config=tr)
    problems += [problem] if problem else []
    if problems:
        raise InputProblem(problems)
    if constant != "keep":
        notes += twice(same_columns(values), regions, "regions")
    for line in notes:
        warnings.warn(f"{path}: {line}", stacklevel=2)
    key, participant = _key(path)
    return RegionSeries(
        run_key=key,
        series=values.astype(np.float32),
        regions=regions,
        tr=tr,
        participant_id=participant,
        path=str(path),
    )


def _key(path: Path) -> tuple[str, str]:
    """Run key and participant of a BIDS-like name; else the stem for both."""
    stem = path.name.removesuffix(".ptseries.nii").removesuffix(path.suffix)
    entities = [
        entity for entity in stem.split("_") if re.fullmatch(r"[a-z]+-[A-Za-z0-9]+", entity)
    ]
    if entities and entities[0].startswith("sub-"):
        kept = [entity for entity in entities if entity.partition("-")[0] not in DERIVED_ENTITIES]
        return "_".join(kept), entities[0].removeprefix("sub-")
    return stem, stem


def constant_columns(values) -> np.ndarray:
    """Which columns hold one value only; NaN columns do not count.

    Parameters
    ----------
    values : array, shape (n_timepoints, n_regions)

    Returns
    -------
    ndarray of bool, shape (n_regions,)
    """
    if not len(values):
        return np.zeros(values.shape[1], dtype=bool)
    return (values == values[0]).all(axis=0)


def series_problems(values, regions: Sequence[str], min_volumes: int = MIN_VOLUMES) -> list[str]:
    """What is wrong with the series of one run, apart from constant regions.

    Parameters
    ----------
    values : array, shape (n_timepoints, n_regions)
    regions : sequence of str
    min_volumes : int

    Returns
    -------
    list of str
        Lines without the file name.
    """
    problems = []
    if len(values) < min_volumes:
        problems.append(f"{len(values)} volumes, expected at least {min_volumes}")
    if len(regions) != values.shape[1]:
        problems.append(f"{len(regions)} labels for {values.shape[1]} columns")
    repeated = sorted(name for name, count in Counter(regions).items() if count > 1)
    if repeated:
        problems.append(f"label {_few(repeated)} is repeated; labels must differ")
    wrong = ~np.isfinite(values)
    in_part = wrong.any(axis=0) & ~np.isnan(values).all(axis=0)
    if in_part.any():
        listed = _few([name for name, bad in zip(regions, in_part) if bad])
        row = int(np.flatnonzero(wrong[:, in_part].any(axis=1))[0])
        problems.append(
            f"missing or infinite values in region {listed}, first in volume {row} (counted "
            "from 0); a region may be missing throughout, not in part"
        )
    if np.isnan(values).all():
        problems.append("every value is missing")
    return problems


def _few(names: Sequence[str], limit: int = 3) -> str:
    listed = ", ".join(f"'{name}'" for name in names[:limit])
    return listed + (f" and {len(names) - limit} more" if len(names) > limit else "")


def looks_transposed(values, margin: float = 0.25) -> bool:
    """Whether a table is much smoother along its rows than along its columns.

    Filtered BOLD series are correlated from volume to volume (about .85 at a lag of one), more
    than one column is with the next (about .4). Unfiltered series are not, so a turned table of
    those is found by its number of columns only, see :func:`check_tables`.

    Parameters
    ----------
    values : array, shape (n_timepoints, n_regions)
    margin : float
        Difference of the mean lag-1 correlations that counts (default 0.25, ours: 895 real
        tables the right way round stay below 0.18).

    Returns
    -------
    bool
    """
    return _lag_one(values.T) - _lag_one(values) > margin


def _lag_one(values) -> float:
    """Mean correlation of the columns with themselves one row later."""
    kept = np.isfinite(values).all(axis=0)
    values = values[:, kept]
    if values.shape[0] < 8 or not values.shape[1]:
        return 0.0
    centred = values - values.mean(axis=0)
    power = (centred**2).sum(axis=0)
    moving = power > 0
    product = (centred[1:] * centred[:-1]).sum(axis=0)
    return float((product[moving] / power[moving]).mean()) if moving.any() else 0.0


def check_tables(tables: Sequence[RegionSeries]) -> list[str]:
    """Compare the tables of a cohort with each other.

    Parameters
    ----------
    tables : sequence of RegionSeries

    Returns
    -------
    list of str
        One line per table whose number of regions, labels or order differ from the majority,
        and per repeated run key. Empty when all fit.
    """
    if not tables:
        return ["no region table was found"]
    problems = []
    usual = Counter(tuple(table.regions) for table in tables).most_common(1)[0][0]
    for table in tables:
        if len(table.regions) != len(usual):
            turned = " (transposed?)" if table.series.shape[0] == len(usual) else ""
            problems.append(
                f"{table.path or table.run_key}: {len(table.regions)} regions, most tables have "
                f"{len(usual)}{turned}"
            )
        elif tuple(table.regions) != usual:
            column = next(i for i, name in enumerate(usual) if table.regions[i] != name)
            problems.append(
                f"{table.path or table.run_key}: column {column + 1} is '{table.regions[column]}', "
                f"in most tables it is '{usual[column]}'; all need the same order"
            )
    for key, count in Counter(table.run_key for table in tables).items():
        if count > 1:
            problems.append(f"{key}: {count} tables have this run key; keys must differ")
    return problems


def _load(path: Path, time_axis, header):
    """Values (float64, time first), labels or None, sampling interval or None."""
    if not path.name.endswith(SUFFIXES):
        raise InputProblem(f"{path}: unknown kind of table; expected {', '.join(SUFFIXES)}")
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    names = tr = None
    if path.name.endswith(".ptseries.nii"):
        return read_parcels(path)
    if path.suffix in (".npy", ".npz"):
        values, names, tr = _load_numpy(path)
    else:
        text = text_of(path)
        values, names, turned = parse_table(text, path, header)
        if turned and time_axis != 1:
            raise InputProblem(
                f"{path}: looks transposed (the first column holds region names); expected one "
                "row per volume; turn it or set time_axis"
            )
        if time_axis == 1 and not turned:
            names = None
    if time_axis == 1:
        values = np.ascontiguousarray(values.T)
    return values, names, tr


def _load_numpy(path: Path):
    with readable(path, "not a readable numpy file of plain numbers"):
        content = np.load(path, allow_pickle=False)
        bare = not hasattr(content, "files")
        arrays = {} if bare else {key: content[key] for key in content.files}
    names = tr = None
    if bare:
        values = content
    else:
        flat = [key for key, array in arrays.items() if array.ndim == 2]
        key = next((key for key in SERIES_KEYS if key in arrays), None)
        if key is None and len(flat) == 1:
            key = flat[0]
        if key is None:
            raise InputProblem(
                f"{path}: holds {', '.join(arrays) or 'nothing'}; expected the series under "
                f"one of {', '.join(SERIES_KEYS)}"
            )
        label = next((label for label in LABEL_KEYS if label in arrays), None)
        names = [str(name) for name in arrays[label].ravel()] if label else None
        if "tr" in arrays:
            tr = arrays["tr"]
            if tr.size != 1 or tr.dtype.kind not in "fiu":
                raise InputProblem(f"{path}: tr of shape {tr.shape}, expected one number in s")
            tr = float(tr.item())
        values = arrays[key]
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise InputProblem(
            f"{path}: array of shape {values.shape} and type {values.dtype}, expected numbers "
            "of shape (n_timepoints, n_regions)"
        )
    return values.astype(np.float64), names, tr
