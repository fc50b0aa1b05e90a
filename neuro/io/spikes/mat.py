"""Spike times from MAT files, version 5 and 7.3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData, from_ids

TABLE_KEYS = ("spks",)
CELL_KEYS = ("unit_t", "spikes")


def read_mat(path, mat_key: str | None = None) -> SpikeData:
    """Read spike times from a MAT file.

    Known variables: `spks`, a table of (unit id, seconds); `unit_t`, a cell of time vectors;
    `spikes`, nested cells of structs with a field `time`, or the structure of CellExplorer and
    buzcode with a cell `times`. Any other variable of one of these forms is read when it is named.

    Parameters
    ----------
    path : path-like
    mat_key : str, optional
        Name of the variable.

    Returns
    -------
    SpikeData
        Ids of a table run from 1 to the largest, so that silent units keep their place. Empty
        cells are no units.

    Raises
    ------
    InputProblem
        When the file cannot be read, has no known variable, or the variable holds no times.
    """
    path = Path(path)
    content = _load(path)
    names = [name for name in content if not name.startswith("__")]
    key = mat_key or next((name for name in (*TABLE_KEYS, *CELL_KEYS) if name in content), None)
    if key is None:
        raise InputProblem(f"{path}: no known key; found: {', '.join(names)}; set mat_key")
    if key not in content:
        raise InputProblem(f"{path}: no key '{key}'; found: {', '.join(names)}")
    value = content[key]
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.ndim == 2:
        if 2 in value.shape and value.size > 2:
            return _from_table(path, value if value.shape[1] == 2 else value.T)
        value = [value]
    cells = _fields(value)
    if "times" in cells:
        return _from_cellinfo(path, cells)
    _refuse_matrix(path, key, value)
    trains: list[tuple[str, np.ndarray]] = []
    _collect(value, (), trains)
    if not trains:
        raise InputProblem(
            f"{path}: '{key}' holds no spike times; expected a table of (id, s), a cell of time "
            "vectors, or structs with a field 'time'"
        )
    units = pd.DataFrame({"unit": [name for name, _ in trains]})
    return SpikeData([train for _, train in trains], units, None, None, str(path))


def _refuse_matrix(path, key, value):
    """A matrix of cells with times could be units by trials, or units by electrodes."""
    if not isinstance(value, np.ndarray) or value.dtype != object or value.ndim != 2:
        return
    plain = all(np.asarray(entry).dtype.kind in "fiu" for entry in value.ravel())
    if min(value.shape) > 1 and plain:
        raise InputProblem(
            f"{path}: '{key}' is a cell of {value.shape[0]} x {value.shape[1]} vectors: units by "
            "trials? Give a cell with one vector of times in s per unit, on one clock"
        )


def _fields(value) -> dict:
    """Fields of a structure, whichever of the two formats it comes from."""
    if isinstance(value, dict):
        return value
    if isinstance(value, np.ndarray) and value.dtype.names and value.size == 1:
        return {name: value.ravel()[0][name] for name in value.dtype.names}
    return {}


def _from_cellinfo(path, cells):
    """Units of CellExplorer and buzcode: cells of times (s), silent ones too."""
    times = cells["times"]
    times = times if isinstance(times, list) else list(np.ravel(times))
    trains = [np.asarray(train, np.float64).ravel() for train in times]
    table: dict = {"unit": [str(number + 1) for number in range(len(trains))]}
    for name in ("UID", "region", "shankID", "cluID"):
        values = cells.get(name)
        if values is None:
            continue
        values = [_text(cell) for cell in (values if isinstance(values, list) else values.ravel())]
        if len(values) == len(trains):
            table["unit" if name == "UID" else name] = values
    return SpikeData(trains, pd.DataFrame(table), None, None, str(path))


def _text(value):
    """A cell of text, or a whole number."""
    value = np.ravel(value)
    if value.dtype.kind in "US":
        return "".join(map(str, value))
    if value.dtype.kind == "u" and value.dtype.itemsize == 2:
        return "".join(map(chr, value))
    return f"{value[0]:g}" if value.size and value.dtype.kind in "fiu" else ""


def _from_table(path, table):
    ids, times = table[:, 0], table[:, 1].astype(np.float64)
    if not np.isfinite(ids).all() or not np.array_equal(ids, np.round(ids)) or (ids < 0).any():
        raise InputProblem(f"{path}: the first column must be unit ids (whole numbers >= 0)")
    return from_ids(path, times, ids)


def _collect(value, indices, trains):
    """Depth-first walk through cells and structs; leaves are vectors of times."""
    if isinstance(value, dict):
        if "time" in value:
            _leaf(value["time"], indices, trains)
        return
    if isinstance(value, np.ndarray) and value.dtype.names:
        for number, entry in enumerate(value.ravel()):
            if "time" in value.dtype.names:
                _leaf(entry["time"], indices if value.size == 1 else (*indices, number), trains)
        return
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        items = value if isinstance(value, list) else list(value.ravel())
        # a cell that only wraps another one adds nothing to the name
        for number, entry in enumerate(items):
            _collect(entry, indices if len(items) == 1 else (*indices, number), trains)
        return
    _leaf(value, indices, trains)


def _leaf(value, indices, trains):
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.ravel()[0]
    value = np.asarray(value)
    if value.dtype.kind not in "fiu" or value.size == 0:
        return
    name = ".".join(str(number + 1) for number in indices) or str(len(trains) + 1)
    trains.append((name, value.ravel().astype(np.float64)))


def _load(path):
    """Variables of a MAT file by name."""
    import h5py
    import scipy.io

    if h5py.is_hdf5(path):
        return _load_hdf5(path)
    with readable(path, "not a readable MAT file"):
        return scipy.io.loadmat(path)


def _load_hdf5(path):
    """Variables of a version 7.3 file: cells become lists, structs dicts."""
    import h5py

    with readable(path, "not a readable MAT file; save it again"), h5py.File(path, "r") as file:
        names = [name for name in file if not name.startswith("#")]
        return {name: _decode(file, file[name]) for name in names}


def _decode(file, node):
    import h5py

    if isinstance(node, h5py.Group):
        return {name: _decode(file, node[name]) for name in node}
    if node.attrs.get("MATLAB_empty", 0):
        return np.empty((0, 0))
    value = node[()]
    if node.dtype == h5py.ref_dtype:
        cells = [_decode(file, file[reference]) for reference in np.ravel(value.T)]
        if value.ndim != 2 or min(value.shape) < 2:
            return cells
        matrix = np.empty(len(cells), object)
        matrix[:] = cells
        return matrix.reshape(value.T.shape)
    # MATLAB writes column by column
    return np.asarray(value).T
