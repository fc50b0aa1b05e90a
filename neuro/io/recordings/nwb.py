"""Fluorescence traces and neuron names of NWB files."""

from __future__ import annotations

import numpy as np

from neuro.io.formats.nwb import open_nwb
from neuro.io.problems import InputProblem

NAME_COLUMNS = (
    "ID_labels",
    "neuropal_ids",
    "NeuroPAL_ID",
    "neuron",
    "neuron_name",
    "name",
    "label",
)
IRREGULAR_STEP = 0.5
"""A step that differs from the median by more than this share is a gap."""


def load_nwb(path, variable=None) -> dict:
    """Traces, names and rate of the `RoiResponseSeries` of an NWB file.

    Names come from the table of the series' regions: the first of the columns `ID_labels`,
    `neuropal_ids`, `NeuroPAL_ID`, `neuron`, `neuron_name`, `name`, `label` that is there
    (NeuroPAL data sets name their neurons so). Neurons without an identity have an empty name.

    Parameters
    ----------
    path : path-like
    variable : str, optional
        Name of the series, for files that hold several.

    Returns
    -------
    dict
        `values`, `names` (or None) and `fs` in Hz (or None).

    Raises
    ------
    InputProblem
        When the file is no NWB file, holds no such series or several, or its time stamps are
        not regular.
    """
    with open_nwb(path) as file:
        found = [
            item
            for item in file.objects.values()
            if getattr(item, "neurodata_type", None) in _SERIES
        ]
        chosen = [item for item in found if variable in (None, item.name)]
        if len(chosen) != 1:
            listed = ", ".join(sorted(item.name for item in found)) or "none"
            raise InputProblem(
                f"{path}: {len(chosen)} RoiResponseSeries fit; set recordings.variable to one of: "
                f"{listed}"
            )
        series = chosen[0]
        return {
            "values": np.asarray(series.data[()] if hasattr(series.data, "shape") else series.data),
            "names": _names(series),
            "fs": _rate(path, series),
        }


_SERIES = ("RoiResponseSeries",)
_NOT_IDENTIFIED = ("", "nan", "none", "n/a", "?")


def _array(data) -> np.ndarray:
    """Values of a data set that is open in a file, or of a list."""
    return np.asarray(data[()] if hasattr(data, "shape") else data)


def _names(series) -> list[str] | None:
    table = series.rois.table
    column = next((name for name in NAME_COLUMNS if name in table.colnames), None)
    if column is None:
        return None
    names = [_label(table[column][int(row)]) for row in _array(series.rois.data)]
    return names if any(names) else None


def _label(value) -> str:
    if isinstance(value, (list, tuple, np.ndarray)):
        value = "".join(_label(item) for item in value)
    text = (value.decode() if isinstance(value, bytes) else str(value)).strip()
    return "" if text.lower() in _NOT_IDENTIFIED else text


def _rate(path, series) -> float | None:
    if series.rate is not None:
        return float(series.rate)
    if series.timestamps is None or len(series.timestamps) < 2:
        return None
    steps = np.diff(_array(series.timestamps).astype(float))
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > IRREGULAR_STEP * step:
        raise InputProblem(
            f"{path}: time stamps of '{series.name}' are not regular (steps {steps.min():.3g} to "
            f"{steps.max():.3g} s); resample the traces"
        )
    return 1.0 / step
