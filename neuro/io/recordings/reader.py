"""Simultaneous recordings of many neurons, as laboratories keep them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.io.formats import sampling
from neuro.io.formats.codes import same_columns, twice, without_codes
from neuro.io.formats.text_tables import symmetric_ones
from neuro.io.formats.zarr_folders import is_zarr, types_of
from neuro.io.problems import InputProblem
from neuro.io.recordings.arrays import LONGEST_S, arrays_of, choose
from neuro.io.recordings.atlas import PairKernels, read_assemblies, read_kernels
from neuro.io.recordings.facts import load_text, only_cells, oriented, without_clocks

__all__ = [
    "PairKernels",
    "Recording",
    "read_assemblies",
    "read_kernels",
    "read_recording",
    "recording_problems",
]

TEXT = (".csv", ".tsv", ".txt")
HDF5 = (".hdf5", ".h5")
SUFFIXES = (*TEXT, ".npy", ".npz", ".mat", ".nwb", *HDF5)

RATES_HZ = (1 / LONGEST_S, 2000.0)
"""What a file may state as a sampling rate; in the settings any goes."""


@dataclasses.dataclass(frozen=True)
class Recording:
    """Traces of one animal.

    Attributes
    ----------
    name : str
        The animal; the file's stem, unless stated otherwise.
    traces : ndarray of float32, shape (n_frames, n_neurons)
        NaN where a neuron was not observed.
    fs : float
        Sampling rate in Hz.
    names : list of str or None
        One per neuron. An empty name is a neuron that was not identified.
    frame_mask : ndarray of bool, shape (n_frames,), or None
        False for frames without valid values.
    path : str
    numbers : ndarray of int or None
        Number of each neuron in the file, from 1, where some of the file's were left out.
    notes : tuple of str
        What the reader turned, took out or took for granted.
    """

    name: str
    traces: np.ndarray
    fs: float
    names: list[str] | None = None
    frame_mask: np.ndarray | None = None
    path: str = ""
    numbers: np.ndarray | None = None
    notes: tuple = ()

    @property
    def observed(self) -> np.ndarray:
        """Where each neuron has a value, shape (n_frames, n_neurons)."""
        seen = ~np.isnan(self.traces)
        if self.frame_mask is not None:
            seen &= np.asarray(self.frame_mask, bool)[:, None]
        return seen


def read_recording(path, *, fs=None, variable=None, time_axis=None) -> Recording:
    """Read the traces of one animal.

    Parameters
    ----------
    path : path-like
        Text (one row per frame, a header of neuron names is optional), numpy, MATLAB (v5 to v7
        and v7.3), NWB in HDF5 or Zarr (a `RoiResponseSeries`; names from the table of its
        regions), HDF5 of CaImAn, or a folder of suite2p.
    fs : float, optional
        Sampling rate in Hz, for files that do not state it.
    variable : str, optional
        Name of the array in files that hold several; in NWB with its container, such as
        `Fluorescence/plane0`.
    time_axis : {0, 1}, optional
        Axis of time, where nothing else says it: 0 is one row per frame.

    Returns
    -------
    Recording
        Columns that are clocks or frame numbers, and regions that are marked as no cells, are no
        neurons.

    Raises
    ------
    InputProblem
        All problems at once: unreadable, not two-dimensional, axes that nothing explains or that
        contradict the file, no sampling rate or two that differ, repeated names, infinite values,
        names or mask of another length.
    """
    path = Path(path)
    content = _load(path, variable)
    values = content["values"] = np.asarray(content["values"])
    if values.ndim != 2 or values.dtype.kind not in "fiub":
        raise InputProblem(
            f"{path}: array of shape {values.shape} and type {values.dtype}, expected numbers of "
            "shape (n_frames, n_neurons)"
        )
    values, notes = oriented(path, content, time_axis)
    stated, problem = _stated(path, content, fs)
    problems = [problem] if problem else []
    fs_hz = stated if stated is not None else fs
    values, names, rate, remarks = without_clocks(path, values, content.get("names"), fs_hz)
    notes += [*content.get("notes", []), *remarks]
    if rate is None and not problem:
        problems.append(
            f"{path.name.removesuffix(path.suffix)}: no sampling rate in the file; set "
            "recordings.fs_hz"
        )
    elif rate is not None and not 0 < rate < np.inf:
        problems.append(f"{path}: sampling rate {rate:g} Hz, expected a number > 0")
    elif rate is not None and fs is None and not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        problems.append(
            f"{path}: sampling rate {rate:g} Hz, expected {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz; "
            "it may be an interval, or in another unit; correct it there"
        )
    if symmetric_ones(np.asarray(values, float)):
        problems.append(f"{path}: symmetric with ones on the diagonal: a connectome, no traces")
    mask = content.get("mask")
    if mask is not None:
        mask = np.asarray(mask).ravel() != 0
        if len(mask) != len(values):
            problems.append(f"{path}: frame mask of {len(mask)} values for {len(values)} frames")
            mask = None
    if names is not None and len(names) != values.shape[1]:
        problems.append(f"{path}: {len(names)} neuron names for {values.shape[1]} traces")
        names = None
    values, names, numbers, remarks = only_cells(path, values, names, content.get("cells"))
    values, coded = without_codes(values, names, "neuron")
    traces = np.ascontiguousarray(values, dtype=np.float32)
    remarks = [*remarks, *coded, *twice(same_columns(traces), names, "neurons")]
    problems += [f"{path}: {line}" for line in recording_problems(traces, names, mask)]
    if problems:
        raise InputProblem(problems)
    stem = content.get("name") or path.name.removesuffix(path.suffix)
    return Recording(stem, traces, float(rate), names, mask, str(path), numbers, (*notes, *remarks))


def recording_problems(traces, names=None, frame_mask=None) -> list[str]:
    """What is wrong with traces and names, without the file's name.

    NaN is a neuron that was not observed at that time, which is no problem.

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
    wrong = np.isinf(traces)
    if frame_mask is not None:
        wrong &= np.asarray(frame_mask, bool)[:, None]
    for column in np.flatnonzero(wrong.any(axis=0))[:1]:
        label = names[column] if names and names[column] else str(column + 1)
        problems.append(
            f"infinite values in {int(wrong.any(axis=0).sum())} traces, first in {label}; write "
            "NaN where a neuron was not observed"
        )
    present = ~np.isnan(traces).all(axis=0)
    if present.sum() < 2:
        problems.append(f"{int(present.sum())} neuron with values, expected at least 2")
    return problems


def _stated(path, content, fs):
    """Sampling rate in Hz that the file states, and a problem line where it is contradicted."""
    stated = content.get("fs")
    beside = provenance.sidecar_path(path)
    if stated is None and beside.exists() and beside != path and not path.is_dir():
        metadata, problem = sampling.read_json(beside)
        if problem:
            return None, problem
        step = sampling.interval(metadata)
        stated = 1 / step if step else None
    if stated is not None and fs is not None and abs(stated - fs) > sampling.TOLERANCE * fs:
        return fs, (
            f"{path}: {stated:g} Hz in the file but {fs:g} Hz in recordings.fs_hz; remove the "
            "wrong one"
        )
    return stated, None


def _load(path: Path, variable) -> dict:
    """Values and whatever the file says about names, rate, mask and axes."""
    from neuro.io.recordings import pipelines

    if path.is_dir():
        if types_of(path):
            from neuro.io.recordings.nwb import load_nwb

            return load_nwb(path, variable)
        if path.suffix == ".zarr" or any(map(is_zarr, (path, *path.glob("*.zarr")))):
            raise InputProblem(
                f"{path}: a Zarr folder (minian), which is not read; save its traces once with "
                "xarray: np.savez('animal.npz', traces=C.T, fs=30.0) with C (unit_id, frame)"
            )
        return pipelines.load_suite2p(path, variable)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputProblem(f"{path}: unknown kind of recording; expected {', '.join(SUFFIXES)}")
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    if suffix in TEXT:
        return load_text(path)
    if suffix == ".npy":
        return pipelines.beside(path)
    if suffix in HDF5:
        return pipelines.load_hdf5(path, variable)
    if suffix == ".nwb":
        from neuro.io.recordings.nwb import load_nwb

        return load_nwb(path, variable)
    return choose(path, arrays_of(path), variable)
