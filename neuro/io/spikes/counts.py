"""Counts that are binned already: `.npz` and `.npy`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.codes import same_columns, twice, without_codes
from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import CountData, SpikeData

LONGEST_S = 20.0
"""Longer bins are taken for ms that are not said."""


def read_counts(path) -> CountData:
    """Read binned counts.

    Parameters
    ----------
    path : path-like
        `.npy` with one array, or `.npz` with one array or arrays `seq_0`, `seq_1`, ... An array
        is (T, N), or (n, T, N). `bin_s` (s) and `unit` (labels) may stand beside them; without
        `bin_s` a bin counts as 1 s. Arrays (N, T) are turned where the labels say so.

    Returns
    -------
    CountData

    Raises
    ------
    InputProblem
        When the file cannot be read without pickle, holds no such array, or one with more
        columns than rows and no labels that say which are the units.
    """
    path = Path(path)
    arrays = _arrays(path)
    width = arrays.pop("bin_s", None)
    labels = arrays.pop("unit", None)
    numbered = {
        int(match[1]): name for name in arrays if (match := re.fullmatch(r"seq_(\d+)", name))
    }
    if numbered:
        sequences = [arrays[numbered[number]] for number in sorted(numbered)]
    else:
        fitting = [name for name, value in arrays.items() if value.ndim in (2, 3)]
        if len(fitting) != 1:
            raise InputProblem(
                f"{path}: expected one array (T, N) or (n, T, N), or seq_0, seq_1, ...; found: "
                f"{', '.join(arrays) or 'nothing'}"
            )
        value = arrays[fitting[0]]
        sequences = list(value) if value.ndim == 3 else [value]
    problems = [
        f"{path}: sequence {number}: shape {sequence.shape}, expected (T, N)"
        for number, sequence in enumerate(sequences)
        if sequence.ndim != 2 or sequence.dtype.kind not in "fiub"
    ]
    if problems or not sequences:
        raise InputProblem(problems or f"{path}: no sequence in the file")
    notes = [] if width is not None else ["no bin_s in the file: a bin counts as 1 s"]
    if labels is None:
        wide = next(
            (sequence.shape for sequence in sequences if sequence.shape[0] < sequence.shape[1]),
            None,
        )
        if wide:
            raise InputProblem(
                f"{path}: shape {wide} has more columns than rows: bins or units? Save it as (T, "
                "N), with an array 'unit' of N labels"
            )
        labels = [str(k + 1) for k in range(sequences[0].shape[1])]
    labels = [str(x) for x in np.ravel(labels)]
    if all(len(labels) == sequence.shape[0] != sequence.shape[1] for sequence in sequences):
        sequences = [sequence.T for sequence in sequences]
        notes.append("units are rows, as the labels say; turned")
    n_units = sequences[0].shape[1]
    if len(labels) != n_units:
        raise InputProblem(f"{path}: {len(labels)} unit labels for {n_units} columns")
    if len(set(labels)) < n_units:
        raise InputProblem(f"{path}: unit labels are repeated; labels must differ")
    width = np.array(1.0) if width is None else np.asarray(width)
    if width.size != 1 or width.dtype.kind not in "fiu" or not 0 < width.item() < np.inf:
        raise InputProblem(
            f"{path}: bin_s {' '.join(str(width).split())[:20]}, expected seconds > 0"
        )
    if width.item() > LONGEST_S:
        raise InputProblem(
            f"{path}: bin_s {width.item():g} s; {width.item() / 1000:g} s may be meant"
        )
    sequences, codes = _seen(sequences, labels)
    units = pd.DataFrame({"unit": labels})
    return CountData(sequences, float(width.item()), units, str(path), notes + codes)


def _seen(sequences, labels):
    """Counts with NaN where a code for missing stood; what is odd in the columns."""
    notes: list[str] = []
    for number, sequence in enumerate(sequences):
        sequences[number], codes = without_codes(sequence, labels, "unit")
        notes += codes
    notes += twice(same_columns(np.concatenate(sequences)), labels, "units")
    return sequences, notes


def read_pynapple(path) -> SpikeData | CountData:
    """Read a `TsGroup`, or a `TsdFrame` of counts, that pynapple saved as `.npz`.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    SpikeData or CountData
        Spikes with the intervals of the time support as recorded time and as trials; counts with
        one sequence per interval. Metadata and names of columns are pickled objects in such
        files and are not read.

    Raises
    ------
    InputProblem
        When the object is of another type, or the samples of a frame are not evenly spaced.
    """
    path = Path(path)
    with readable(path, "not a readable file of pynapple"), np.load(path) as content:
        plain = [name for name in content.files if name not in ("columns", "_metadata")]
        arrays = {name: content[name] for name in plain}
    spans = np.column_stack([arrays["start"], arrays["end"]]).astype(np.float64)
    if "index" in arrays:
        return _group(path, arrays, spans)
    values = arrays.get("d")
    if values is None or values.ndim != 2:
        raise InputProblem(
            f"{path}: holds one series, expected a TsGroup or a TsdFrame of counts; save the group"
        )
    time = arrays["t"].astype(np.float64)
    edges = np.append(np.searchsorted(time, spans[:, 0]), len(time))
    pieces = [np.arange(low, high) for low, high in itertools.pairwise(edges) if high > low]
    steps = np.concatenate([np.diff(time[piece]) for piece in pieces] or [[]])
    step = float(np.median(steps)) if steps.size else 0.0
    if step <= 0 or np.abs(steps - step).max() > 0.01 * step:
        raise InputProblem(f"{path}: samples are not evenly spaced; use its bin_average first")
    labels = [str(k + 1) for k in range(values.shape[1])]
    notes = ["names of columns are pickled and not read: units are numbered from 1"]
    sequences, codes = _seen([values[piece] for piece in pieces], labels)
    units = pd.DataFrame({"unit": labels})
    return CountData(sequences, step, units, str(path), notes + codes)


def _group(path, arrays, spans):
    index = arrays["index"]
    keys = arrays.get("keys", np.unique(index))
    order = np.argsort(index, kind="stable")
    low, high = (np.searchsorted(index[order], keys, side) for side in ("left", "right"))
    times = arrays["t"][order].astype(np.float64)
    trains = [times[first:last] for first, last in zip(low, high)]
    units = pd.DataFrame({"unit": [str(key) for key in keys]})
    trials = pd.DataFrame(spans, columns=["start", "stop"])
    return SpikeData(trains, units, spans, trials, str(path))


def _arrays(path):
    with readable(path, "not a plain .npz or .npy of numbers"):
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"counts": content}
        with content:
            return {name: content[name] for name in content.files}
