"""Fitted models on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

from pathlib import Path

from neuro.hmmglm.em.fisher import Layout
from neuro.io.formats.model_files import read_model_file, write_model_file

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
    "fill_",
    "basis_posterior_",
    "basis_prior_",
    "covariate_mean_",
    "covariate_scale_",
    "drive_",
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
    arrays = {name: getattr(model, name) for name in _ARRAYS}
    arrays |= {name: getattr(model, name) for name in _OPTIONAL if _has(model, name)}
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
            layout.shared_covariates,
        ],
    }
    return write_model_file(path, meta, arrays)


def _has(model, name) -> bool:
    return getattr(model, name, None) is not None


def read_model(cls, path):
    """Read what :func:`write_model` wrote as an object of `cls`.

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or of another kind or version.
    """
    meta, arrays = read_model_file(path, [FORMAT], VERSION)
    params = meta["params"]
    for name in ("alpha", "emission_covariates", "transition_covariates"):
        if isinstance(params.get(name), list):
            params[name] = tuple(params[name])
    model = cls(**params)
    for name, value in {**arrays, **meta["numbers"]}.items():
        setattr(model, name, value)
    model.drive_ = arrays.get("drive_")
    if not hasattr(model, "fill_"):
        model.fill_ = model.rates_
    model.layout_ = Layout(*meta["layout"])
    model.starts_ = meta["starts"]
    model.expose()
    return model
