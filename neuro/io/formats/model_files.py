"""Fitted models on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem


def write_model_file(path, meta: dict, arrays: dict) -> Path:
    """Write a model's numbers.

    Parameters
    ----------
    path : path-like
        Written under exactly this name; its folder is made.
    meta : dict
        What JSON can hold, numpy scalars and arrays included; with `format` and `version`.
    arrays : dict
        Name to array.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(meta, default=_plain, sort_keys=True)
    # An open file: numpy would add a suffix to a name without one.
    with open(path, "wb") as file:
        np.savez(file, meta=np.array(text), **arrays)
    return path


def _plain(value):
    return value.item() if isinstance(value, np.generic) else list(value)


def read_model_file(path, formats: Collection[str], version: int) -> tuple[dict, dict]:
    """Read what :func:`write_model_file` wrote.

    Parameters
    ----------
    path : path-like
    formats : collection of str
        Values of `format` that are accepted.
    version : int

    Returns
    -------
    meta : dict
    arrays : dict

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or of another kind or version.
    """
    if not Path(path).exists():
        raise InputProblem(f"{path}: no such file")
    with (
        readable(path, "not a saved model, or damaged"),
        np.load(path, allow_pickle=False) as file,
    ):
        meta = dict(json.loads(str(file["meta"])))
        arrays = {name: file[name] for name in file.files if name != "meta"}
    if meta.get("format") not in formats or meta.get("version") != version:
        raise InputProblem(
            f"{path}: is {meta.get('format')} version {meta.get('version')}, expected "
            f"{' or '.join(formats)} version {version}; fit the model again"
        )
    return meta, arrays
