"""Named arrays of numpy and MATLAB files, and which of them are traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

TRACE_KEYS = ("traces", "series", "data", "calcium", "dff", "F")
NAME_KEYS = (
    "names",
    "neurons",
    "neuron_names",
    "neuronnames",
    "neuron_ids",
    "cell_names",
    "labels",
    "regions",
    "ids",
)
RATE_KEYS = ("fs", "fs_hz", "rate", "fps", "sampling_rate", "framerate", "frame_rate", "fr")
MASK_KEYS = ("frame_mask", "mask", "valid")
TIME_KEYS = ("t", "time", "times", "timestamps", "tv")
GAP = 0.5
"""A step that differs from the median by more than this share is a gap."""
LONGEST_S = 20.0
"""Longer steps between frames are taken for ms (down to 50 Hz) that are not said."""


def arrays_of(path: Path) -> dict:
    """All arrays of a `.npz` or `.mat` file by name."""
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.suffix.lower() == ".mat":
        from neuro.io.recordings.mat import load_mat

        return load_mat(path)
    with readable(path, "not a readable numpy file of plain numbers"):
        content = np.load(path, allow_pickle=False)
        if not hasattr(content, "files"):
            raise InputProblem(f"{path}: holds one bare array, expected a .npz file with names")
        return {key: content[key] for key in content.files}


def bare_array(path):
    with readable(path, "not a readable numpy file of plain numbers"):
        content = np.load(path, allow_pickle=False)
    if hasattr(content, "files"):
        raise InputProblem(f"{path}: holds several arrays, expected one; name it .npz")
    return content


def choose(path, arrays, variable) -> dict:
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
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        what = f"no array '{variable}'" if variable else f"{len(flat)} arrays that may be traces"
        raise InputProblem(f"{path}: {what}; set recordings.variable; found {shapes}")
    rate, mask = _named(arrays, RATE_KEYS, key), _named(arrays, MASK_KEYS, key)
    times, marks = _named(arrays, TIME_KEYS, key), _named(arrays, ("iscell",), key)
    facts = [(mask.size, "the frame mask")] if mask is not None else []
    facts += [(times.size, "the vector of times")] if times is not None else []
    content = {
        "values": arrays[key],
        "names": names_of(arrays),
        "fs": None if rate is None else _one_number(path, rate),
        "mask": mask,
        "n_frames": facts,
    }
    if marks is not None and marks.ndim == 2:
        marks = marks if 2 not in marks.shape or marks.shape[1] == 2 else marks.T
        content["cells"] = (marks[:, 0] if marks.shape[1] == 2 else marks.ravel()) != 0
        content["n_neurons"] = [(len(content["cells"]), "iscell")]
        content["time_axis"] = (1, f"{key} beside iscell, a row per region")
    if rate is None and times is not None and times.size in arrays[key].shape:
        content["fs"] = rate_of_times(path, times)
    return content


def _named(arrays, keys, taken):
    """The first array of one of these names, whatever its case and the structure it is in."""
    lower = {name.rsplit(".", 1)[-1].lower(): value for name, value in arrays.items()}
    lower.pop(taken.rsplit(".", 1)[-1].lower(), None)
    return next(
        (lower[key] for key in keys if key in lower and lower[key].dtype.kind in "fiub"), None
    )


def rate_of_times(path, times) -> float:
    """Sampling rate (Hz) of a vector of times in s.

    Raises
    ------
    InputProblem
        When the times do not increase, or have gaps.
    """
    steps = np.diff(np.ravel(times).astype(float)) if times.dtype.kind in "fiu" else np.zeros(1)
    step = float(np.median(steps)) if steps.size else 0.0
    if not 0 < step < np.inf or (steps <= 0).any():
        raise InputProblem(f"{path}: the times 't' do not increase; correct them, or give fs_hz")
    if np.abs(steps - step).max() > GAP * step:
        raise InputProblem(
            f"{path}: the times are not regular (steps {steps.min():.3g} to {steps.max():.3g} s); "
            "resample the traces"
        )
    too_slow(path, step)
    return 1.0 / step


def too_slow(path, step) -> None:
    """Refuse a step between frames (s) that is hardly one: the times are ms, most likely.

    Raises
    ------
    InputProblem
        When it is longer than :data:`LONGEST_S`.
    """
    if step > LONGEST_S:
        raise InputProblem(
            f"{path}: its times say {step:g} s from frame to frame; write them in s, or, where "
            "they are, leave them out and set recordings.fs_hz"
        )


def _one_number(path, value) -> float:
    value = np.asarray(value)
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise InputProblem(
            f"{path}: sampling rate of shape {value.shape} and type {value.dtype}, expected one "
            "number in Hz"
        )
    return float(value.item())


def names_of(arrays) -> list[str] | None:
    lower = {name.rsplit(".", 1)[-1].lower(): value for name, value in arrays.items()}
    keys = [key for key in NAME_KEYS if key in lower and lower[key].dtype.kind in "USO"]
    return [str(name).strip() for name in lower[keys[0]].ravel()] if keys else None
