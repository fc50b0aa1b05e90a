"""Simultaneous recordings of many neurons, as laboratories keep them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.io.formats import sampling
from neuro.io.formats.damaged import readable
from neuro.io.formats.text_tables import parse_table
from neuro.io.problems import InputProblem

TEXT = (".csv", ".tsv", ".txt")
SUFFIXES = (*TEXT, ".npy", ".npz", ".mat", ".nwb")
TRACE_KEYS = ("traces", "series", "data", "calcium", "dff", "F")
NAME_KEYS = ("names", "neurons", "neuron_names", "labels", "regions", "ids")
RATE_KEYS = ("fs", "fs_hz", "rate", "fps", "sampling_rate")
MASK_KEYS = ("frame_mask", "mask", "valid")


@dataclasses.dataclass(frozen=True)
class Recording:
    """Traces of one animal.

    Attributes
    ----------
    name : str
        The animal; the file's stem, unless stated otherwise.
    traces : ndarray of float32, shape (n_frames, n_neurons)
    fs : float
        Sampling rate in Hz.
    names : list of str or None
        One per neuron. An empty name is a neuron that was not identified.
    frame_mask : ndarray of bool, shape (n_frames,), or None
        False for frames without valid values.
    path : str
    """

    name: str
    traces: np.ndarray
    fs: float
    names: list[str] | None = None
    frame_mask: np.ndarray | None = None
    path: str = ""


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


def read_recording(path, *, fs=None, variable=None, time_axis=None) -> Recording:
    """Read the traces of one animal.

    Parameters
    ----------
    path : path-like
        Text (one row per frame, a header of neuron names is optional), numpy, MATLAB (v5 to v7
        and v7.3) or NWB (a `RoiResponseSeries`; names from the table of its regions).
    fs : float, optional
        Sampling rate in Hz, for files that do not state it.
    variable : str, optional
        Name of the array in `.npz`, `.mat` and `.nwb` files that hold several.
    time_axis : {0, 1}, optional
        Axis of time; default 0 (one row per frame).

    Returns
    -------
    Recording

    Raises
    ------
    InputProblem
        All problems at once: unreadable, not two-dimensional, no sampling rate or two that
        differ, repeated names, NaN in part of a trace, names or mask of another length.
    """
    path = Path(path)
    content = _load(path, variable)
    problems = []
    values = np.asarray(content["values"])
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise InputProblem(
            f"{path}: array of shape {values.shape} and type {values.dtype}, expected numbers of "
            "shape (n_frames, n_neurons)"
        )
    if time_axis == 1 and content.get("time_axis") is None:
        values = values.T
    traces = np.ascontiguousarray(values, dtype=np.float32)
    rate, problem = _rate(path, content, fs)
    problems += [problem] if problem else []
    mask = content.get("mask")
    if mask is not None:
        mask = np.asarray(mask).ravel() != 0
        if len(mask) != len(traces):
            problems.append(f"{path}: frame mask of {len(mask)} values for {len(traces)} frames")
            mask = None
    names = content.get("names")
    if names is not None and len(names) != traces.shape[1]:
        problems.append(
            f"{path}: {len(names)} neuron names for {traces.shape[1]} traces"
            + (" (transposed? set recordings.time_axis)" if len(names) == len(traces) else "")
        )
        names = None
    problems += [f"{path}: {line}" for line in recording_problems(traces, names, mask)]
    if problems:
        raise InputProblem(problems)
    return Recording(path.name.removesuffix(path.suffix), traces, rate, names, mask, str(path))


def recording_problems(traces, names=None, frame_mask=None) -> list[str]:
    """What is wrong with traces and names, without the file's name.

    A trace of NaN throughout is a neuron that is missing, which is no problem.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
    names : sequence of str, optional
    frame_mask : array of bool, shape (n_frames,), optional

    Returns
    -------
    list of str
    """
    problems = []
    names = list(names) if names is not None else None
    if names is not None:
        repeated = [name for name, count in Counter(names).items() if count > 1 and name]
        if repeated:
            problems.append(
                f"neuron name '{repeated[0]}' is repeated ({len(repeated)} such names); names "
                "must differ within a recording"
            )
    wrong = ~np.isfinite(traces)
    if frame_mask is not None:
        wrong &= np.asarray(frame_mask, bool)[:, None]
    part = wrong.any(axis=0) & ~np.isnan(traces).all(axis=0)
    for column in np.flatnonzero(part)[:3]:
        frames = np.flatnonzero(wrong[:, column])
        last = frames[np.flatnonzero(np.diff(frames) > 1)[0]] if _gaps(frames) else frames[-1]
        label = names[column] if names and names[column] else str(column + 1)
        problems.append(f"NaN in trace {label}, frames {frames[0]}-{last}; give a frame mask")
    if part.sum() > 3:
        problems.append(f"NaN in {part.sum() - 3} more traces; give a frame mask")
    present = ~np.isnan(traces).all(axis=0)
    if present.sum() < 2:
        problems.append(f"{int(present.sum())} neuron with values, expected at least 2")
    return problems


def _gaps(frames) -> bool:
    return bool((np.diff(frames) > 1).any())


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
    arrays = _arrays(path)
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
    names = _names(arrays) or []
    if len(names) != len(kernels):
        found = f"{len(names)} names" if names else "no names"
        problems.append(f"{path}: {found} for {len(kernels)} neurons; add an array 'names'")
    if fs is None and "t" in arrays and arrays["t"].size > 1:
        fs = _rate_of_times(path, arrays["t"])
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


def _rate(path, content, fs):
    """Sampling rate in Hz, and a problem line where it is unknown or contradictory."""
    stated = content.get("fs")
    beside = provenance.sidecar_path(path)
    if stated is None and beside.exists() and beside != path:
        metadata, problem = sampling.read_json(beside)
        if problem:
            return np.nan, problem
        step = sampling.interval(metadata)
        stated = 1 / step if step else None
    if stated is None and fs is None:
        return np.nan, (
            f"{path.name.removesuffix(path.suffix)}: no sampling rate in the file; set "
            "recordings.fs_hz"
        )
    if stated is not None and fs is not None and abs(stated - fs) > sampling.TOLERANCE * fs:
        return float(fs), (
            f"{path}: {stated:g} Hz in the file but {fs:g} Hz in recordings.fs_hz; remove the "
            "wrong one"
        )
    rate = float(stated if stated is not None else fs)
    if not np.isfinite(rate) or rate <= 0:
        return rate, f"{path}: sampling rate {rate:g} Hz, expected a number > 0"
    return rate, None


def _load(path: Path, variable) -> dict:
    """Values and whatever the file says about names, rate and mask."""
    if path.suffix not in SUFFIXES:
        raise InputProblem(f"{path}: unknown kind of recording; expected {', '.join(SUFFIXES)}")
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    if path.suffix in TEXT:
        values, names, turned = parse_table(path.read_text("utf-8-sig", errors="replace"), path)
        content = {"values": values.T if turned else values, "names": names}
        return content | ({"time_axis": 0} if turned else {})
    if path.suffix == ".npy":
        return {"values": _numpy(path)}
    if path.suffix == ".nwb":
        from neuro.io.recordings.nwb import load_nwb

        return load_nwb(path, variable)
    arrays = _arrays(path)
    return _choose(path, arrays, variable)


def _arrays(path: Path) -> dict:
    """All arrays of a `.npz` or `.mat` file by name."""
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.suffix == ".mat":
        from neuro.io.recordings.mat import load_mat

        return load_mat(path)
    with readable(path, "not a readable numpy file of plain numbers"):
        content = np.load(path, allow_pickle=False)
        if not hasattr(content, "files"):
            raise InputProblem(f"{path}: holds one bare array, expected a .npz file with names")
        return {key: content[key] for key in content.files}


def _numpy(path):
    with readable(path, "not a readable numpy file of plain numbers"):
        content = np.load(path, allow_pickle=False)
    if hasattr(content, "files"):
        raise InputProblem(f"{path}: holds several arrays, expected one; name it .npz")
    return content


def _choose(path, arrays, variable) -> dict:
    """Pick traces, names, rate and mask out of named arrays."""
    flat = [
        key
        for key, array in arrays.items()
        if array.ndim == 2 and array.dtype.kind in "fiu" and min(array.shape) > 1
    ]
    key = variable or next((key for key in TRACE_KEYS if key in flat), None)
    if key is None and len(flat) == 1:
        key = flat[0]
    if key is None or key not in arrays:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        what = f"no array '{variable}'" if variable else f"{len(flat)} arrays that may be traces"
        raise InputProblem(f"{path}: {what}; set recordings.variable; found {found}")
    rate = next((arrays[name] for name in RATE_KEYS if name in arrays), None)
    return {
        "values": arrays[key],
        "names": _names(arrays),
        "fs": None if rate is None else _one_number(path, rate),
        "mask": next((arrays[name] for name in MASK_KEYS if name in arrays), None),
    }


def _rate_of_times(path, times) -> float:
    step = np.median(np.diff(np.ravel(times).astype(float))) if times.dtype.kind in "fiu" else 0
    if not 0 < step < np.inf:
        raise InputProblem(f"{path}: the times 't' do not increase; correct them, or give fs_hz")
    return 1.0 / float(step)


def _one_number(path, value) -> float:
    value = np.asarray(value)
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise InputProblem(
            f"{path}: sampling rate of shape {value.shape} and type {value.dtype}, expected one "
            "number in Hz"
        )
    return float(value.item())


def _names(arrays) -> list[str] | None:
    label = next((name for name in NAME_KEYS if name in arrays), None)
    if label is None or arrays[label].dtype.kind not in "USO":
        return None
    return [str(name).strip() for name in arrays[label].ravel()]
