"""Fitted classifiers on disk: arrays and JSON in one `.npz`, never a pickle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from neuro.adhd.covariates import CovariateEncoder
from neuro.adhd.scaling import FeatureScaler
from neuro.io.problems import InputProblem

FORMAT = "neuro.adhd.GraphDiagnosis"
VERSION = 1
_ARRAYS = (
    "coef_",
    "pattern_",
    "columns_",
    "region_labels_",
    "region_scores_",
    "region_mask_",
    "inner_accuracy_",
    "classes_",
)
_NUMBERS = ("intercept_", "n_components_", "mask_cut_", "density_", "n_features_in_")
_SCALER_ARRAYS = ("used_", "fill_", "mean_", "scale_")


def write_model(model, path) -> Path:
    """Write a fitted :class:`neuro.adhd.model.GraphDiagnosis`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scaler = model.scaler_
    arrays = {name: getattr(model, name) for name in _ARRAYS}
    arrays |= {f"scaler_{name}": getattr(scaler, name) for name in _SCALER_ARRAYS}
    params = {}
    for name, value in model.get_params(deep=False).items():
        if isinstance(value, np.ndarray):
            arrays[f"param_{name}"] = value.astype(str) if value.dtype == object else value
        else:
            params[name] = value
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "params": params,
        "fitted": {name: getattr(model, name) for name in _NUMBERS},
        "candidates": model.candidates_,
        "sites": sorted(getattr(scaler, "site_", {})),
    }
    for number, site in enumerate(meta["sites"]):
        arrays[f"site_{number}"] = np.stack(scaler.site_[site])
    if hasattr(scaler, "encoder_"):
        arrays["scaler_centre_"], arrays["scaler_slope_"] = scaler.centre_, scaler.slope_
        meta["encoding"] = [
            [name, levels, np.asarray(centre).tolist(), scale]
            for name, levels, centre, scale in scaler.encoder_.encoding_
        ]
    text = json.dumps(meta, default=_plain, sort_keys=True)
    with open(path, "wb") as file:
        np.savez(file, meta=np.array(text), **arrays)
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
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputProblem(f"{path}: not a saved classifier, or damaged") from None
    if meta.get("format") != FORMAT or meta.get("version") != VERSION:
        raise InputProblem(
            f"{path}: is {meta.get('format')} version {meta.get('version')}, expected {FORMAT} "
            f"version {VERSION}; fit the model again"
        )
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
    for name in _ARRAYS:
        setattr(model, name, arrays[name])
    for name, value in meta["fitted"].items():
        setattr(model, name, value)
    model.candidates_ = meta["candidates"]
    scaler = FeatureScaler(
        log1p=model.log1p,
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
    model.scaler_ = scaler
    return model
