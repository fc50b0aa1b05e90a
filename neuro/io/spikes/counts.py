"""Counts that are binned already: `.npz` and `.npy`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import CountData


def read_counts(path) -> CountData:
    """Read binned counts.

    Parameters
    ----------
    path : path-like
        `.npy` with one array, or `.npz` with one array or arrays `seq_0`, `seq_1`, ... An array
        is (T, N), or (n, T, N). `bin_s` (s) and `unit` (labels) may stand beside them; without
        `bin_s` a bin counts as 1 s.

    Returns
    -------
    CountData

    Raises
    ------
    InputProblem
        When the file cannot be read without pickle, or holds no such array.
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
        f"{path}: sequence {number}: shape {item.shape}, expected (T, N)"
        for number, item in enumerate(sequences)
        if item.ndim != 2 or item.dtype.kind not in "fiub"
    ]
    if problems or not sequences:
        raise InputProblem(problems or f"{path}: no sequence in the file")
    n_units = sequences[0].shape[1]
    labels = (
        [str(k + 1) for k in range(n_units)]
        if labels is None
        else [str(x) for x in np.ravel(labels)]
    )
    if len(labels) != n_units:
        raise InputProblem(f"{path}: {len(labels)} unit labels for {n_units} columns")
    width = np.array(1.0) if width is None else np.asarray(width)
    if width.size != 1 or width.dtype.kind not in "fiu" or not 0 < width.item() < np.inf:
        raise InputProblem(
            f"{path}: bin_s {' '.join(str(width).split())[:20]}, expected seconds > 0"
        )
    return CountData(sequences, float(width.item()), pd.DataFrame({"unit": labels}), str(path))


def _arrays(path):
    with readable(path, "not a plain .npz or .npy of numbers"):
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"counts": content}
        with content:
            return {name: content[name] for name in content.files}
