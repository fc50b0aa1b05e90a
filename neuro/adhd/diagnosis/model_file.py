"""Fitted classifiers on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.scaling import FeatureScaler
from neuro.io.formats.model_files import read_model_file, write_model_file
from neuro.stats.combat import ComBat, SiteEffect
from neuro.stats.covariate_code import CovariateCode

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
_STEPS = {"TangentSpace": ("mean_", "whitening_", "n_iter_", "n_features_in_")}
"""Steps in front of a classifier that can be written, and what they have learned."""
_COMBAT = ("level_", "slope_", "scale_", "varies_")
_SCALER_ARRAYS = ("used_", "fill_", "mean_", "scale_")


def write_model(model, path) -> Path:
    """Write a fitted classifier.

    Parameters
    ----------
    model : GraphDiagnosis, LinearReference, or FoldPipeline of a TangentSpace and the latter
    path : path-like

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        For a pipeline with another step.
    """
    if not hasattr(model, "transformer_"):
        return write_model_file(path, *_content(model))
    step = model.transformer_
    kind = type(step).__name__
    if kind not in _STEPS:
        raise ValueError(f"save: got a pipeline with {kind}, expected {', '.join(_STEPS)}")
    meta, arrays = _content(model.classifier_)
    arrays |= {f"step_{name}": np.asarray(getattr(step, name)) for name in _STEPS[kind]}
    meta |= {
        "format": "neuro.adhd.FoldPipeline",
        "classifier": type(model.classifier_).__name__,
        "step": kind,
        "step_params": step.get_params(deep=False),
        "n_features_in": model.n_features_in_,
    }
    return write_model_file(path, meta, arrays)


def _encoding(encoder):
    """What an encoder of covariates has learned, for JSON; None without one."""
    if encoder is None:
        return None
    return [
        [name, levels, np.asarray(centre).tolist(), scale]
        for name, levels, centre, scale in encoder.encoding_
    ]


def _encoder(columns, encoding) -> CovariateEncoder:
    encoder = CovariateEncoder(list(columns))
    encoder.encoding_ = [
        (name, levels, tuple(centre) if levels is None else np.array(centre), scale)
        for name, levels, centre, scale in encoding
    ]
    return encoder


def _content(model) -> tuple[dict, dict]:
    """Settings and numbers of a classifier."""
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
    if hasattr(scaler, "combat_"):
        combat = scaler.combat_
        arrays |= {f"combat_{name}": getattr(combat, name) for name in _COMBAT}
        arrays["combat_covariates"] = combat.covariates_.mean_
        for number, effect in enumerate(combat.sites_.values()):
            arrays[f"combat_site_{number}"] = np.stack([effect.offset, effect.spread])
        meta["combat"] = {name: effect.n_rows for name, effect in combat.sites_.items()}
        meta["protected"] = _encoding(scaler.protected_)
        if scaler.protected_ is not None:
            arrays["combat_apart"] = scaler.apart_
    if hasattr(scaler, "encoder_"):
        arrays["scaler_centre_"], arrays["scaler_slope_"] = scaler.centre_, scaler.slope_
        meta["encoding"] = _encoding(scaler.encoder_)
    return meta, arrays


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
    return _classifier(welcome[meta["format"]], meta, arrays)


def read_pipeline(path, cls, step_class, classifier_class):
    """Read a pipeline that :func:`write_model` wrote.

    Parameters
    ----------
    path : path-like
    cls, step_class, classifier_class : type
        FoldPipeline, TangentSpace and LinearReference.

    Returns
    -------
    FoldPipeline

    Raises
    ------
    InputProblem
        As :func:`read_model`.
    """
    meta, arrays = read_model_file(path, ["neuro.adhd.FoldPipeline"], VERSION)
    step = step_class(**meta["step_params"])
    for name in _STEPS[meta["step"]]:
        value = arrays[f"step_{name}"]
        setattr(step, name, value if value.ndim else value.item())
    classifier = _classifier(classifier_class, meta, arrays)
    model = cls(step_class(**meta["step_params"]), classifier_class(**classifier.get_params()))
    model.transformer_, model.classifier_ = step, classifier
    model.classes_, model.pattern_ = classifier.classes_, classifier.pattern_
    model.n_features_in_ = meta["n_features_in"]
    return model


def _classifier(cls, meta, arrays):
    kind = cls.__name__
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
        protect=model.protect,
    )
    for name in _SCALER_ARRAYS:
        setattr(scaler, name, arrays[f"scaler_{name}"])
    scaler.site_ = {site: tuple(arrays[f"site_{i}"]) for i, site in enumerate(meta["sites"])}
    if "protected" in meta:
        scaler.combat_ = _combat(model, meta, arrays)
        if "combat_apart" in arrays:
            scaler.apart_ = arrays["combat_apart"]
        kept = meta["protected"]
        scaler.protected_ = None if kept is None else _encoder(model.protect, kept)
    if "encoding" in meta:
        scaler.encoder_ = _encoder(model.deconfound, meta["encoding"])
        scaler.centre_, scaler.slope_ = arrays["scaler_centre_"], arrays["scaler_slope_"]
    return scaler


def _combat(model, meta, arrays) -> ComBat:
    combat = ComBat(unseen="estimate" if model.transductive else "error")
    for name in _COMBAT:
        setattr(combat, name, arrays[f"combat_{name}"])
    combat.sites_ = {
        name: SiteEffect(
            arrays[f"combat_site_{number}"][0], arrays[f"combat_site_{number}"][1], n_rows
        )
        for number, (name, n_rows) in enumerate(meta["combat"].items())
    }
    code, mean = CovariateCode(), arrays["combat_covariates"]
    code.columns_, code.levels_, code.mean_ = list(range(len(mean))), {}, mean
    code.names_ = [str(number) for number in code.columns_]
    combat.covariates_, combat.n_features_in_ = code, len(combat.scale_)
    return combat
