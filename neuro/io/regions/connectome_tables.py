"""Connectomes as laboratories keep them: a table of edges, an array of matrices, or our HDF5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.tables import read_tsv
from neuro.io.problems import InputProblem
from neuro.io.regions.connectomes import Connectomes, n_regions, read_connectomes


def read_connectome_table(path, participant_id=()) -> Connectomes:
    """Connectomes of a cohort, whatever file they are in.

    Parameters
    ----------
    path : path-like
        `.tsv` or `.csv`: a column `participant_id`, all others are edges in the order of
        `numpy.triu_indices(n_regions, 1)`. `.npy`, or `.npz` with one array: such edges
        (n_people, n_edges), or matrices (n_people, n_regions, n_regions), whose upper triangle is
        taken. `.h5`: what stage `fmri` writes.
    participant_id : sequence of str
        People of the rows, where the file does not name them.

    Returns
    -------
    Connectomes
        `kind` is 'pearson' where all values lie in [-1, 1], else 'fisher_z'; missing values are
        kept.

    Raises
    ------
    InputProblem
        When the file is of another kind or shape, or holds text.
    """
    path = Path(path)
    if not path.is_file():
        raise InputProblem(f"{path}: no such file")
    if path.suffix in (".h5", ".hdf5"):
        return read_connectomes(path)
    if path.suffix in (".tsv", ".csv"):
        values, names = _text(path)
    elif path.suffix in (".npy", ".npz"):
        values, names = _edges(_array(path), path), [str(name) for name in participant_id]
    else:
        raise InputProblem(f"{path}: expected .tsv, .csv, .npy, .npz, or connectomes in .h5")
    if len(names) != len(values):
        raise InputProblem(
            f"{path}: {len(values)} rows and no names of people, but the participants table has "
            f"{len(names)} rows"
        )
    count = n_regions(values.shape[1])
    if count is None:
        raise InputProblem(
            f"{path}: {values.shape[1]} edges are not the upper triangle of a matrix, R(R-1)/2"
        )
    return Connectomes(
        np.ascontiguousarray(values, dtype=np.float32),
        np.stack(np.triu_indices(count, 1), axis=1),
        names,
        names,
        [f"region_{number + 1}" for number in range(count)],
        "pearson" if np.nanmax(np.abs(values), initial=0) <= 1 else "fisher_z",
    )


def _text(path):
    table = read_tsv(path, dtype={"participant_id": str})
    if "participant_id" not in table:
        raise InputProblem(f"{path}: no column participant_id")
    names = table.pop("participant_id").str.strip().str.removeprefix("sub-").tolist()
    words = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if words:
        raise InputProblem(f"{path}: column '{words[0]}' is not a number in every row")
    return table.to_numpy(float), names


def _array(path):
    try:
        content = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise InputProblem(f"{path}: no readable array ({error})") from None
    if path.suffix == ".npy":
        return content
    if len(content.files) != 1:
        raise InputProblem(f"{path}: holds {len(content.files)} arrays, expected one")
    return content[content.files[0]]


def _edges(values, path):
    if values.dtype.kind not in "fiu":
        raise InputProblem(f"{path}: holds {values.dtype}, expected numbers")
    if values.ndim == 3 and values.shape[1] == values.shape[2]:
        rows, columns = np.triu_indices(values.shape[1], 1)
        return values[:, rows, columns]
    if values.ndim != 2:
        raise InputProblem(
            f"{path}: shape {values.shape}, expected (people, edges) or (people, regions, regions)"
        )
    return values
