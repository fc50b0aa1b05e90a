"""Fluorescence traces and neuron names of NWB files."""

from __future__ import annotations

import numpy as np

from neuro.io.formats.nwb import open_nwb, tables_of
from neuro.io.problems import InputProblem
from neuro.io.recordings.arrays import rate_of_times

NAME_COLUMNS = (
    "ID_labels",
    "neuropal_ids",
    "NeuroPAL_ID",
    "neuron",
    "neuron_name",
    "name",
    "label",
)
CELL_COLUMNS = ("iscell", "is_cell", "accepted", "Accepted")


def load_nwb(path, variable=None) -> dict:
    """Traces, names and rate of the `RoiResponseSeries` of an NWB file.

    Names come from the table of the series' regions: the first of the columns `ID_labels`,
    `neuropal_ids`, `NeuroPAL_ID`, `neuron`, `neuron_name`, `name`, `label` that is there
    (NeuroPAL data sets name their neurons so). Neurons without an identity have an empty name.

    Parameters
    ----------
    path : path-like
    variable : str, optional
        Name of the series, for files that hold several; with its container where names repeat
        (`Fluorescence/plane0`), or the container alone where it holds one series.

    Returns
    -------
    dict
        `values`, `names` (or None), `fs` in Hz (or None), the number of regions, and which of
        them are cells, where the table of regions says so.

    Raises
    ------
    InputProblem
        When the file is no NWB file, holds no such series or several, or its time stamps are
        not regular.
    """
    with open_nwb(path) as file:
        available = tables_of(file, "RoiResponseSeries")
        chosen = {name: candidate for name, candidate in available.items() if _fits(name, variable)}
        if len(chosen) != 1:
            listed = ", ".join(_shortest(sorted(chosen or available))) or "none"
            raise InputProblem(
                f"{path}: {len(chosen)} RoiResponseSeries fit; set recordings.variable to one of: "
                f"{listed}"
            )
        (series,) = chosen.values()
        values = _array(series.data)
        rows = _array(series.rois.data).astype(int)
        if values.ndim == 2 and len(rows) not in values.shape:
            raise InputProblem(
                f"{path}: '{series.name}' has shape {values.shape}, but {len(rows)} regions; "
                "mend the file"
            )
        content = {
            "values": values,
            "names": _names(series),
            "fs": _rate(path, series),
            "cells": _cells(series.rois.table, rows),
            "n_neurons": [(len(rows), "the table of regions")],
        }
        if series.timestamps is not None:
            content["n_frames"] = [(len(series.timestamps), "the time stamps")]
        if values.ndim == 2 and values.shape[0] == values.shape[1]:
            content["time_axis"] = (0, "NWB, time first")
        return content


def _shortest(names) -> list[str]:
    """Paths without the folders that are not needed to tell them apart."""
    for length in (1, 2):
        short = ["/".join(name.split("/")[-length:]) for name in names]
        if len(set(short)) == len(names):
            return short
    return names


def _fits(name, variable) -> bool:
    """Whether a path such as `ophys/Fluorescence/plane0` is what the user means."""
    if variable is None or variable == name:
        return True
    parts, wanted = name.split("/"), variable.strip("/").removeprefix("processing/").split("/")
    return parts[-len(wanted) :] == wanted or parts[:-1][-len(wanted) :] == wanted


def _cells(table, rows):
    column = next((name for name in CELL_COLUMNS if name in table.colnames), None)
    if column is None:
        return None
    values = np.asarray(table[column][:])
    values = values[:, 0] if values.ndim == 2 else values
    return values[rows] != 0 if values.dtype.kind in "fiub" else None


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
        value = "".join(_label(entry) for entry in value)
    text = (value.decode() if isinstance(value, bytes) else str(value)).strip()
    return "" if text.lower() in _NOT_IDENTIFIED else text


def _rate(path, series) -> float | None:
    if series.rate is not None:
        return float(series.rate)
    if series.timestamps is None or len(series.timestamps) < 2:
        return None
    times = _array(series.timestamps)
    try:
        return rate_of_times(path, times)
    except InputProblem:
        steps = np.diff(times.astype(float))
        raise InputProblem(
            f"{path}: time stamps of '{series.name}' are not regular (steps {steps.min():.3g} to "
            f"{steps.max():.3g} s); resample the traces"
        ) from None
