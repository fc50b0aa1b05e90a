"""Fitted models on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from neuro.hmmglm.fisher import Layout
from neuro.io.problems import InputProblem

FORMAT = "neuro.hmmglm.OneHotHMMGLM"
VERSION = 1
_ARRAYS = (
    "theta_",
    "transitions_",
    "occupancy_",
    "order_",
    "history_",
    "basis_",
    "rates_",
)
_OPTIONAL = (
    "basis_posterior_",
    "basis_prior_",
    "covariate_mean_",
    "covariate_scale_",
)
_NUMBERS = ("noise_", "dt_", "n_bins_", "n_covariates_", "log_likelihood_")


def write_model(model, path) -> Path:
    """Write a fitted :class:`neuro.hmmglm.model.OneHotHMMGLM`.

    Parameters
    ----------
    model : OneHotHMMGLM
    path : path-like
        Usually `model.npz`.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: getattr(model, name) for name in _ARRAYS}
    arrays |= {name: getattr(model, name) for name in _OPTIONAL if hasattr(model, name)}
    layout = model.layout_
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "params": model.get_params(),
        "numbers": {name: getattr(model, name) for name in _NUMBERS},
        "starts": model.starts_,
        "layout": [
            layout.n_neurons,
            layout.n_basis,
            layout.n_covariates,
            layout.shared_bias,
            layout.diagonal,
        ],
    }
    with open(path, "wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta, default=_plain, sort_keys=True)), **arrays)
    return path


def _plain(value):
    return value.item() if isinstance(value, np.generic) else list(value)


def read_model(cls, path):
    """Read what :func:`write_model` wrote as an object of `cls`.

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or of another kind or version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
            arrays = {name: file[name] for name in file.files if name != "meta"}
    except FileNotFoundError:
        raise InputProblem(f"{path}: no such file") from None
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        raise InputProblem(f"{path}: not a model file, or cut off; fit it again") from None
    if meta.get("format") != FORMAT or meta.get("version") != VERSION:
        raise InputProblem(
            f"{path}: holds {meta.get('format')} version {meta.get('version')}, expected "
            f"{FORMAT} version {VERSION}"
        )
    params = meta["params"]
    params["alpha"] = tuple(params["alpha"])
    model = cls(**params)
    for name, value in {**arrays, **meta["numbers"]}.items():
        setattr(model, name, value)
    model.layout_ = Layout(*meta["layout"])
    model.starts_ = meta["starts"]
    model.expose()
    return model
