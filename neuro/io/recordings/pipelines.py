"""What calcium pipelines write: suite2p's folders and files, CaImAn's HDF5."""

from __future__ import annotations

import pickletools
import re
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.recordings.arrays import bare_array

KINDS = ("F", "Fneu", "spks")
"""Arrays of suite2p, a row per region; the first is the default."""


def load_suite2p(path, variable=None) -> dict:
    """Traces of a suite2p folder, of one plane or of several side by side.

    Parameters
    ----------
    path : path-like
        A folder with `F.npy`, or with `plane0`, `plane1`, ... or `suite2p` in it.
    variable : {'F', 'Fneu', 'spks'}, optional
        Which array; fluorescence by default.

    Returns
    -------
    dict
        `values` (n_regions, n_frames), `time_axis`, `cells`, `fs` where `ops.npy` states it.

    Raises
    ------
    InputProblem
        When this is no such folder, or planes differ in frames or rate.
    """
    path = Path(path)
    name = variable or KINDS[0]
    if name not in KINDS:
        raise InputProblem(
            f"{path}: no array '{variable}'; set recordings.variable to one of: {', '.join(KINDS)}"
        )
    top = path / "suite2p" if (path / "suite2p").is_dir() else path
    planes = sorted(
        (folder for folder in top.glob("plane*") if (folder / f"{name}.npy").exists()),
        key=lambda folder: (len(folder.name), folder.name),
    )
    planes = planes or [top]
    if not (planes[0] / f"{name}.npy").exists():
        raise InputProblem(
            f"{path}: no {name}.npy and no planes in this folder; give a suite2p folder or a file"
        )
    parts = [beside(folder / f"{name}.npy") for folder in planes]
    frames = sorted({content["values"].shape[1] for content in parts})
    rates = sorted({content["fs"] for content in parts if content["fs"]})
    if len(frames) > 1 or len(rates) > 1:
        what = f"{frames[0]} to {frames[-1]} frames" if len(frames) > 1 else f"rates {rates} Hz"
        raise InputProblem(f"{path}: planes have {what}; give one plane, e.g. {planes[0]}")
    cells = [
        np.ones(len(content["values"]), bool) if content["cells"] is None else content["cells"]
        for content in parts
    ]
    whole = {**parts[0], "values": np.concatenate([content["values"] for content in parts])}
    return whole | {"cells": np.concatenate(cells), "n_neurons": []}


def beside(path) -> dict:
    """An array of suite2p with what lies beside it: which regions are cells, and the rate.

    Parameters
    ----------
    path : path-like
        A `.npy` file.

    Returns
    -------
    dict
        `values`, and `time_axis`, `n_neurons`, `cells`, `fs` as far as they are known.

    Raises
    ------
    InputProblem
        When `iscell.npy` is of another length than the array.
    """
    path = Path(path)
    values = bare_array(path)
    marks, ops = path.with_name("iscell.npy"), path.with_name("ops.npy")
    content: dict = {"values": values, "cells": None, "fs": None}
    if values.ndim != 2 or not (marks.exists() or ops.exists()):
        return content
    if marks.exists():
        table = bare_array(marks)
        content["cells"] = (table[:, 0] if table.ndim == 2 else table) != 0
        if len(table) not in values.shape:
            raise InputProblem(
                f"{path}: shape {values.shape}, but {marks.name} beside it has {len(table)} rows; "
                "the files do not belong together"
            )
        content["n_neurons"] = [(len(table), marks.name)]
    if path.stem in KINDS and not (marks.exists() and len(table) != len(values)):
        content["time_axis"] = (1, f"{path.name} of suite2p, a row per region")
    content["fs"] = stated_rate(ops) if ops.exists() else None
    if path.stem in KINDS:
        content["name"] = animal_of(path)
    return content


def animal_of(path) -> str:
    """Name of the animal of suite2p's files: the first folder above that suite2p did not name."""
    folders = [folder for folder in Path(path).resolve().parts if folder != "suite2p"]
    named = [
        folder for folder in folders if not re.fullmatch(r"plane\d+|combined|.*\.npy|/", folder)
    ]
    return named[-1] if named else Path(path).stem


def stated_rate(path) -> float | None:
    """The sampling rate in a pickled `ops.npy`, found without ever loading the pickle.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    float or None
        Value of the key `fs` (Hz), where a plain number follows it.
    """
    content = Path(path).read_bytes()
    start = content.find(b"\x80", 10)
    if not content.startswith(b"\x93NUMPY") or start < 0:
        return None
    wanted = False
    try:
        for code, value, _ in pickletools.genops(content[start:]):
            if code.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                continue
            if wanted:
                if isinstance(value, (int, float)) and not code.name.endswith("GET"):
                    return float(value) if value > 0 else None
                return None
            wanted = value == "fs" and "UNICODE" in code.name
    except ValueError:
        return None
    return None


def load_hdf5(path, variable=None) -> dict:
    """Traces of CaImAn's HDF5, or a named array of any HDF5 file.

    Parameters
    ----------
    path : path-like
    variable : str, optional
        `C` (default), `F_dff`, `S`, or the path of an array in the file.

    Returns
    -------
    dict
        `values`, and for CaImAn `time_axis`, `cells` (`idx_components`) and `fs`.

    Raises
    ------
    InputProblem
        When the file is not HDF5 or has no such array.
    """
    import h5py

    with readable(path, "not a readable HDF5 file"), h5py.File(path, "r") as file:
        group = file.get("estimates")
        arrays: dict = {}
        file.visititems(lambda name, node: arrays.update({name: node}) if _flat(node) else None)
        estimates = isinstance(group, h5py.Group)
        name = f"estimates/{variable or 'C'}" if estimates else variable
        name = variable if variable in arrays else name
        if name is None and len(arrays) == 1:
            name = next(iter(arrays))
        if name not in arrays:
            what = f"no array '{variable or name}'" if name else f"{len(arrays)} arrays"
            listed = ", ".join(sorted(key.removeprefix("estimates/") for key in arrays)[:8])
            raise InputProblem(f"{path}: {what}; set recordings.variable to one of: {listed}")
        content: dict = {"values": arrays[name][()], "cells": None, "fs": None}
        if not estimates:
            return content
        content["time_axis"] = (1, "a row per component in CaImAn's files")
        good = group.get("idx_components")
        if isinstance(good, h5py.Dataset) and good.shape and good.dtype.kind in "iu":
            content["cells"] = np.isin(np.arange(len(content["values"])), good[()])
        rate = file.get("params/data/fr")
        if isinstance(rate, h5py.Dataset) and rate.size == 1:
            content["fs"] = float(np.ravel(rate[()])[0])
        return content


def _flat(node) -> bool:
    shape = getattr(node, "shape", None) or ()
    return len(shape) == 2 and min(shape) > 1 and node.dtype.kind in "fiu"
