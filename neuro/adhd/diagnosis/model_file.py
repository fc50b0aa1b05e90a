"""Fitted classifiers on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.io.formats.model_files import read_model_file, write_model_file

VERSION = 1
_LINEAR = ("coef_", "pattern_", "classes_")
_ARRAYS = {
    "GraphDiagnosis": (
        *_LINEAR,
        *("columns_", "region_labels_", "region_scores_", "region_mask_", "inner_accuracy_"),
    ),
    "LinearReference": _LINEAR,
}
_VALUES = {
    "GraphDiagnosis": (
        *("intercept_", "n_components_", "mask_cut_", "density_", "n_features_in_"),
        "candidates_",
    ),
    "LinearReference": ("intercept_", "n_features_in_"),
}
_SCALER_ARRAYS = ("used_", "fill_", "mean_", "scale_")


def write_model(model, path) -> Path:
    """Write a fitted classifier.

    Parameters
    ----------
    model : GraphDiagnosis or LinearReference
    path : path-like

    Returns
    -------
    pathlib.Path
    """
    kind, scaler = type(model).__name__, model.scaler_
    arrays = {name: getattr(model, name) for name in _ARRAYS[kind]}
    arrays |= {f"scaler_{name}": getattr(scaler, name) for name in _SCALER_ARRAYS}
    params = {}
    for name, value in model.get_params(deep=False).items():
        if isinstance(value, np.ndarray):
            arrays[f"param_{name}"] = value.astype(str) if value.dtype == object else value
        else:
            params[name] = value
    sites = sorted(getattr(scaler, "site_", {}))
    meta = {
        "format": f"neuro.adhd.{kind}",
        "version": VERSION,
        "params": params,
        "fitted": {name: getattr(model, name) for name in _VALUES[kind]},
        "sites": sites,
    }
    for number, site in enumerate(sites):
        arrays[f"site_{number}"] = np.stack(scaler.site_[site])
    if hasattr(scaler, "encoder_"):
        arrays["scaler_centre_"], arrays["scaler_slope_"] = scaler.centre_, scaler.slope_
        meta["encoding"] = [
            [name, levels, np.asarray(centre).tolist(), scale]
            for name, levels, centre, scale in scaler.encoder_.encoding_
        ]
    return write_model_file(path, meta, arrays)


def read_model(path, *classes):
    """Read what :func:`write_model` wrote.

    Parameters
    ----------
    path : path-like
    *classes : type
        `GraphDiagnosis`, `LinearReference`: the kinds that are welcome.

    Returns
    -------
    GraphDiagnosis or LinearReference

    Raises
    ------
    InputProblem
        When the file is missing, damaged, or of another kind or version.
    """
    welcome = {f"neuro.adhd.{cls.__name__}": cls for cls in classes}
    meta, arrays = read_model_file(path, list(welcome), VERSION)
    cls = welcome[meta["format"]]
    kind = meta["format"].removeprefix("neuro.adhd.")
    params = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in meta["params"].items()
    }
    params |= {
        name.removeprefix("param_"): value
        for name, value in arrays.items()
        if name.startswith("param_")
    }
    model = cls(**params)
    for name in _ARRAYS[kind]:
        setattr(model, name, arrays[name])
    for name, value in meta["fitted"].items():
        setattr(model, name, value)
    model.scaler_ = _scaler(model, meta, arrays)
    return model


def _scaler(model, meta, arrays) -> FeatureScaler:
    scaler = FeatureScaler(
        coverage=model.coverage,
        harmonise=model.harmonise,
        transductive=model.transductive,
        deconfound=model.deconfound,
    )
    for name in _SCALER_ARRAYS:
        setattr(scaler, name, arrays[f"scaler_{name}"])
    scaler.site_ = {site: tuple(arrays[f"site_{i}"]) for i, site in enumerate(meta["sites"])}
    if "encoding" in meta:
        scaler.encoder_ = CovariateEncoder(list(model.deconfound))
        scaler.encoder_.encoding_ = [
            (name, levels, tuple(centre) if levels is None else np.array(centre), scale)
            for name, levels, centre, scale in meta["encoding"]
        ]
        scaler.centre_, scaler.slope_ = arrays["scaler_centre_"], arrays["scaler_slope_"]
    return scaler
