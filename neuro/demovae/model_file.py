"""Fitted models on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.demovae.coding.codec import LinearCodec, NetworkCodec
from neuro.demovae.coding.demographics import ContinuousTerm, DemographicCoder, LevelTerm
from neuro.demovae.coding.row_space import EdgeSpace, RowSpace
from neuro.demovae.coding.schema import Column
from neuro.io.formats.model_files import read_model_file, write_model_file

FORMAT = "neuro.demovae.DemoVAE"
VERSION = 3
_NUMBERS = (
    *("n_features_in_", "n_regions_", "n_epochs_", "converged_", "moment_error_", "device_"),
    *("kind_", "heldout_variance_"),
)
_ARRAYS = (
    *("noise_sd_", "noise_edge_", "latent_mean_", "latent_cov_"),
    *("latent_slope_", "told_mean_", "told_cov_"),
)
_CODECS = {"linear": LinearCodec, "network": NetworkCodec}
_SPACES = {"pc": RowSpace, "edges": EdgeSpace}


def write_model(model, path) -> Path:
    """Write a fitted :class:`neuro.demovae.model.DemoVAE`."""
    arrays = {name: getattr(model, name) for name in _ARRAYS}
    arrays |= {f"codec_{key}": value for key, value in vars(model.codec_).items()}
    space = {}
    for key, value in vars(model.space_).items():
        if isinstance(value, np.ndarray):
            arrays[f"space_{key}"] = value
        else:
            space[key] = value
    arrays["history"] = model.history_.to_numpy(np.float64)
    params = model.get_params(deep=False)
    # a random state object cannot be text; the fit does not need it again
    if not isinstance(params["random_state"], (int, type(None))):
        params["random_state"] = None
    if params["columns"] is not None:
        params["columns"] = [dataclasses.asdict(column) for column in model.columns_]
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "params": params,
        "settings": model.settings_,
        "fitted": {name: getattr(model, name) for name in _NUMBERS},
        "columns": [dataclasses.asdict(column) for column in model.columns_],
        "history": list(model.history_.columns),
        "codec": "linear" if isinstance(model.codec_, LinearCodec) else "network",
        "space": ["pc" if isinstance(model.space_, RowSpace) else "edges", space],
        "coder": _write_coder(model.coder_),
    }
    return write_model_file(path, meta, arrays)


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _write_coder(coder) -> dict:
    terms = {}
    for name, term in coder.terms_.items():
        terms[name] = {"kind": type(term).__name__, "state": vars(term)}
    return {
        "basis": coder.basis,
        "coding": coder.coding,
        "unseen": coder.unseen,
        "min_level_count": coder.min_level_count,
        "terms": terms,
        "names": coder.names_,
        "remove": coder.remove_,
        "removal": None if coder.removal_.ndim == 1 else coder.removal_.tolist(),
    }


def _read_coder(content, columns) -> DemographicCoder:
    coder = DemographicCoder(
        columns,
        content["basis"],
        content["coding"],
        content["unseen"],
        content["min_level_count"],
    )
    coder.terms_ = {}
    for column in coder.columns:
        entry = content["terms"][column.name]
        term = (
            ContinuousTerm(coder.basis)
            if entry["kind"] == "ContinuousTerm"
            else LevelTerm(coder.coding, coder.unseen)
        )
        state = dict(entry["state"])
        if "range_" in state:
            state["range_"] = tuple(state["range_"])
            inner = state["state_"]
            state["state_"] = {
                key: value if key == "knot" else np.array(value, dtype=np.float64)
                for key, value in inner.items()
            }
            if "rotate" in inner:
                shape = (len(state["state_"]["slope"]), -1)
                state["state_"]["rotate"] = state["state_"]["rotate"].reshape(shape)
        else:
            state["frequency_"] = np.array(state["frequency_"], dtype=np.float64)
        vars(term).update(state)
        coder.terms_[column.name] = term
    coder.names_ = list(content["names"])
    coder.remove_ = np.array(content["remove"], dtype=bool)
    shielded = content["removal"]
    coder.removal_ = coder.remove_ if shielded is None else np.array(shielded, np.float64)
    return coder


def read_model(cls, path):
    """Read what :func:`write_model` wrote as an object of `cls`.

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or of another kind or version.
    """
    meta, arrays = read_model_file(path, [FORMAT], VERSION)
    model = cls(**meta["params"])
    for name, value in meta["fitted"].items():
        setattr(model, name, value)
    for name in _ARRAYS:
        setattr(model, name, arrays[name])
    model.settings_ = meta["settings"]
    model.columns_ = tuple(Column(**entry) for entry in meta["columns"])
    model.history_ = pd.DataFrame(arrays["history"], columns=meta["history"])
    if "epoch" in model.history_:
        model.history_["epoch"] = model.history_["epoch"].astype(int)
    model.codec_ = _CODECS[meta["codec"]](
        **{name[6:]: value for name, value in arrays.items() if name.startswith("codec_")}
    )
    kind, numbers = meta["space"]
    parts = {name[6:]: value for name, value in arrays.items() if name.startswith("space_")}
    model.space_ = _SPACES[kind](**parts, **numbers)
    model.coder_ = _read_coder(
        meta["coder"], [column for column in model.columns_ if column.role != "report"]
    )
    return model
