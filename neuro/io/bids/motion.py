"""Head motion parameters of realignment programs, in one order and one set of units."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from neuro.io.formats.text_tables import parse_table
from neuro.io.problems import InputProblem

COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
"""Order of the columns that the reader returns: mm, then rad, in RAS+ axes."""

ORDERS = ("translations_first", "rotations_first", "afni", "fsl", "spm")
UNITS = ("radians", "degrees")
LARGE_MEAN_FD = 1.5
"""Mean framewise displacement in mm above which order or units are doubted (ours)."""

_PRESETS = {"afni": "degrees", "fsl": "radians", "spm": "radians"}
# 3dvolreg writes roll (about z), pitch (about x), yaw (about y), then the displacements in the
# superior, left and posterior directions; left and posterior are negative in RAS+
_AFNI_COLUMNS = (4, 5, 3, 1, 2, 0)
_AFNI_SIGNS = (-1, -1, 1, -1, -1, 1)
_SHORT = {"rad": "radians", "deg": "degrees"}


def read_motion(path, order: str | None = None, units: str | None = None) -> np.ndarray:
    """Read six motion parameters per volume.

    Parameters
    ----------
    path : path-like
        Text without a header in the order and units given, or a table whose header holds
        `trans_x ... rot_z` (mm and rad, as fMRIPrep and XCP-D write it).
    order : {'translations_first', 'rotations_first', 'afni', 'fsl', 'spm'}
        Bare text does not say what it holds, so there is no default. The names of programs
        stand for 3dvolreg (`-1Dfile`, or `-dfile` with 9 columns), mcflirt (`.par`) and
        `rp_*.txt`, and bring their units along.
    units : {'radians', 'degrees'}
        Of the rotations.

    Returns
    -------
    ndarray of float64, shape (n_timepoints, 6)
        Translations in mm, then rotations in rad, see :data:`COLUMNS`.

    Raises
    ------
    InputProblem
        When order or units are not given or contradict a program's, the file is no table of
        six numbers per line, or values are missing.

    Warns
    -----
    UserWarning
        When the mean framewise displacement exceeds 1.5 mm: order or units may be wrong.

    References
    ----------
    Power et al. 2012, NeuroImage 59:2142 (framewise displacement, sphere of 50 mm).
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    values, names, _ = parse_table(path.read_text("utf-8-sig", errors="replace"), path)
    if names is not None and set(COLUMNS) <= set(names):
        motion = values[:, [names.index(name) for name in COLUMNS]]
        _check_values(path, motion)
        return motion
    order, units = _settings(path, order, units)
    if order == "afni" and values.shape[1] == 9:
        values = values[:, 1:7]
    if values.shape[1] != 6:
        raise InputProblem(
            f"{path}: {values.shape[1]} columns, expected 6 (three translations and three "
            "rotations)"
        )
    _check_values(path, values)
    motion = _in_order(values, order, units)
    mean_fd = _mean_fd(motion)
    if mean_fd > LARGE_MEAN_FD:
        warnings.warn(
            f"{path}: mean framewise displacement is {mean_fd:.2f} mm; "
            f"{_better(values, order, units, mean_fd)}",
            stacklevel=2,
        )
    return motion


def _settings(path, order, units) -> tuple[str, str]:
    problems = []
    units = _SHORT.get(units, units)
    if order not in ORDERS:
        got = "is not given" if order is None else f"is '{order}'"
        problems.append(f"{path}: motion_order {got}; expected one of {', '.join(ORDERS)}")
    own = _PRESETS.get(order)
    if units is not None and units not in UNITS:
        problems.append(f"{path}: motion_units is '{units}'; expected radians or degrees")
    elif own and units and units != own:
        problems.append(f"{path}: {order} writes {own} but motion_units is {units}; remove one")
    elif units is None and not own and order in ORDERS:
        problems.append(f"{path}: motion_units is not given; expected radians or degrees")
    if problems:
        raise InputProblem(problems)
    return order, own or units


def _check_values(path, motion):
    if not np.isfinite(motion).all():
        row = int(np.flatnonzero(~np.isfinite(motion).all(axis=1))[0])
        raise InputProblem(
            f"{path}: missing or infinite motion value in volume {row} (counted from 0)"
        )


def _in_order(values, order, units) -> np.ndarray:
    if order == "afni":
        motion = values[:, _AFNI_COLUMNS] * np.array(_AFNI_SIGNS, dtype=float)
    elif order in ("rotations_first", "fsl"):
        motion = values[:, [3, 4, 5, 0, 1, 2]]
    else:
        motion = values.copy()
    if units == "degrees":
        motion[:, 3:] = np.deg2rad(motion[:, 3:])
    return motion


def _mean_fd(motion) -> float:
    if len(motion) < 2:
        return 0.0
    step = np.abs(np.diff(motion, axis=0)).mean(axis=0)
    return float(step[:3].sum() + 50.0 * step[3:].sum())


def _better(values, order, units, mean_fd) -> str:
    """Which other reading gives the smallest displacement, if one is much smaller."""
    tries = {
        (other, unit): _mean_fd(_in_order(values, other, unit))
        for other in ("translations_first", "rotations_first")
        for unit in UNITS
    }
    # degrees always give less than radians, so they are suggested only for the same order
    order_of = {"afni": "rotations_first", "fsl": "rotations_first", "spm": "translations_first"}
    own = order_of.get(order, order)
    swapped = "rotations_first" if own == "translations_first" else "translations_first"
    if tries[swapped, units] < min(LARGE_MEAN_FD, mean_fd / 3):
        return f"{tries[swapped, units]:.2f} mm if motion_order were {swapped}"
    if units == "radians" and tries[own, "degrees"] < min(LARGE_MEAN_FD, mean_fd / 3):
        return f"{tries[own, 'degrees']:.2f} mm if motion_units were degrees"
    return "check motion_order and motion_units"
