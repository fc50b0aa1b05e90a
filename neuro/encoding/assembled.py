"""Encoders of parts that exist already: a backbone, weights, names."""

from __future__ import annotations

import numpy as np

from neuro.encoding.encoder import VoxelEncoder
from neuro.io.problems import InputProblem


def as_encoder(path, backbone, weight, bias, unit=None, roi=None) -> VoxelEncoder:
    """An encoder of its parts, after a look at their shapes."""
    import torch

    weight, bias = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
    n = len(weight)
    if weight.ndim != 2 or bias.shape != (n,):
        raise InputProblem(f"{path}: weight of shape {weight.shape}, bias of shape {bias.shape}")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise InputProblem(f"{path}: weights that are not finite")
    unit = [f"v{k:05d}" for k in range(n)] if unit is None else [str(name) for name in unit]
    roi = ["all"] * n if roi is None else [str(name) for name in roi]
    for key, values in (("unit", unit), ("roi", roi)):
        if len(values) != n:
            raise InputProblem(f"{path}: {len(values)} names in '{key}', {n} voxels in the weights")
    if len(set(unit)) < n:
        raise InputProblem(f"{path}: two voxels of one name in 'unit'")
    channels = len(backbone.mean) if backbone.name != "gabor" else 3
    with torch.no_grad():
        width = backbone.features(torch.zeros(1, channels, backbone.size, backbone.size)).shape[1]
    if width != weight.shape[1]:
        raise InputProblem(
            f"{path}: weights for {weight.shape[1]} features, {backbone.name} gives {width}"
        )
    encoder = VoxelEncoder(backbone.name, antialias=backbone.antialias)
    encoder.backbone_, encoder.coef_, encoder.intercept_ = backbone, weight, bias
    encoder.alpha_ = encoder.r2_cv_ = encoder.r_cv_ = np.full(n, np.nan)
    encoder.unit_, encoder.roi_, encoder.channels_ = unit, roi, channels
    return encoder


def keep(encoder, rows) -> VoxelEncoder:
    """The encoder with some of its voxels.

    Parameters
    ----------
    encoder : VoxelEncoder
        Changed in place.
    rows : array of int
    """
    rows = np.asarray(rows, int)
    for name in ("coef_", "intercept_", "alpha_", "r2_cv_", "r_cv_"):
        setattr(encoder, name, np.ascontiguousarray(getattr(encoder, name)[rows]))
    encoder.unit_ = [encoder.unit_[k] for k in rows]
    encoder.roi_ = [encoder.roi_[k] for k in rows]
    return encoder
