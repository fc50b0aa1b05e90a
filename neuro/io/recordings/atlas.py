"""Perturbation atlases and published assemblies."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.recordings.arrays import arrays_of, names_of, rate_of_times


@dataclasses.dataclass(frozen=True)
class PairKernels:
    """Responses of every neuron to the stimulation of every neuron, over time.

    Attributes
    ----------
    name : str
    kernels : ndarray of float32, shape (n_responders, n_stimulated, n_samples)
        NaN where a pair was not observed.
    fs : float
        Samples per second.
    names : list of str
    path : str
    """

    name: str
    kernels: np.ndarray
    fs: float
    names: list[str]
    path: str = ""


def read_kernels(path, *, fs=None, variable=None) -> PairKernels:
    """Read response kernels of a perturbation atlas from `.npz`.

    Parameters
    ----------
    path : path-like
        Holds an array responder x stimulated x sample, the neurons' names, and times `t` in s
        where `fs` is not given.
    fs : float, optional
        Samples per second.
    variable : str, optional
        Name of the array; the only three-dimensional one by default.

    Returns
    -------
    PairKernels

    Raises
    ------
    InputProblem
        When the array is missing or not square, names do not fit, or the rate is unknown.
    """
    path = Path(path)
    arrays = arrays_of(path)
    cubes = [key for key, array in arrays.items() if array.ndim == 3]
    key = variable or (cubes[0] if len(cubes) == 1 else None)
    if key not in arrays:
        raise InputProblem(
            f"{path}: no array '{variable}'; found {', '.join(arrays)}"
            if variable
            else f"{path}: {len(cubes)} arrays with three axes; set recordings.variable"
        )
    kernels = arrays[key]
    if kernels.ndim != 3 or kernels.shape[0] != kernels.shape[1]:
        raise InputProblem(
            f"{path}: '{key}' has shape {kernels.shape}, expected responder x stimulated x sample"
        )
    problems = []
    names = names_of(arrays) or []
    if len(names) != len(kernels):
        given_names = f"{len(names)} names" if names else "no names"
        problems.append(f"{path}: {given_names} for {len(kernels)} neurons; add an array 'names'")
    if fs is None and "t" in arrays and arrays["t"].size > 1:
        fs = rate_of_times(path, arrays["t"])
    if fs is None:
        problems.append(f"{path}: no sampling rate in the file; set recordings.fs_hz")
    if problems or fs is None:
        raise InputProblem(problems)
    stem = path.name.removesuffix(path.suffix)
    return PairKernels(stem, kernels.astype(np.float32), float(fs), names, str(path))


def read_assemblies(path) -> list[np.ndarray]:
    """Read published assemblies: one line per assembly, neuron numbers counted from 1.

    Lines may differ in length and assemblies may overlap.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    list of ndarray of int
        Neurons of each assembly, counted from 0.

    Raises
    ------
    InputProblem
        When the file is missing, empty, or holds something else than whole numbers from 1.
    """
    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    assemblies, problems = [], []
    lines = path.read_text("utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.replace("\t", ",").replace(";", ",").split(",")]
        cells = [cell for cell in cells if cell]
        if not cells:
            continue
        if not all(cell.isdecimal() and len(cell) < 10 and int(cell) > 0 for cell in cells):
            problems.append(f"{path}: line {number}: expected neuron numbers from 1")
            continue
        assemblies.append(np.array(cells, dtype=int) - 1)
    if not assemblies and not problems:
        problems.append(f"{path}: no assembly in the file")
    if problems:
        raise InputProblem(problems)
    return assemblies
