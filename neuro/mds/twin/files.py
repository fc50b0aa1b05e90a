"""Twins on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.mds.twin.energy import EnergyTwin
from neuro.mds.twin.foreign import CheckpointTwin
from neuro.mds.twin.image import Twin
from neuro.mds.twin.linear import EncoderTwin, TemporalTwin
from neuro.mds.twin.module import ModuleTwin

_TENSORS = {
    "temporal": ("filters_", "bias_", "scale_", "offset", "test_correlation_"),
    "encoder": ("weights_", "bias_", "scale_", "mean_", "offset", "test_correlation_"),
    "conv": ("scale_", "offset", "test_correlation_"),
    "energy": ("weights_", "bias_", "place_", "penalty_", "scale_", "offset", "test_correlation_"),
}
_FACTS = {
    "temporal": ("n_lags", "random_state", "penalty_"),
    "encoder": ("backbone", "random_state", "penalty_", "shape_"),
    "conv": ("epochs", "random_state", "shape_", "history_"),
    "energy": ("random_state", "shape_", "rates_"),
}
_CLASSES = {"temporal": TemporalTwin, "encoder": EncoderTwin, "conv": Twin, "energy": EnergyTwin}


def save(path, twin, **facts) -> Path:
    """Write a twin as plain tensors and values.

    Parameters
    ----------
    path : path-like
    twin : Twin, EnergyTwin, TemporalTwin, EncoderTwin, CheckpointTwin or ModuleTwin
    **facts
        Plain values that belong to it, such as the names of the units.

    Returns
    -------
    pathlib.Path
    """
    import torch

    kind = twin.kind
    base = "conv" if kind in ("checkpoint", "module") else kind
    names = [name for name in _TENSORS[base] if hasattr(twin, name)]
    content = {
        "kind": kind,
        "tensors": {name: torch.as_tensor(np.asarray(getattr(twin, name))) for name in names},
        "facts": {name: getattr(twin, name) for name in _FACTS[base] if hasattr(twin, name)},
        "units": facts,
    }
    if kind in ("conv", "checkpoint"):
        content["state"] = {key: value.detach().cpu() for key, value in twin.state_.items()}
    if kind == "checkpoint":
        content["facts"]["options"] = dataclasses.asdict(twin.options_)
    if kind == "module":
        # The module stays where it is; it is loaded and verified again.
        content["facts"] |= {
            "module": twin.module,
            "kwargs": twin.kwargs,
            "predictions": str(twin.predictions),
        }
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def load(path):
    """Read a twin that :func:`save` wrote.

    Returns
    -------
    twin
    facts : dict

    Raises
    ------
    ValueError
        When the file is no such twin.
    """
    import torch

    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        kind, tensors, facts = content["kind"], content["tensors"], content["facts"]
    except Exception as error:
        reason = str(error).splitlines()[0][:60] if str(error) else type(error).__name__
        raise ValueError(f"{path}: not a twin of this stage ({reason}); train it again") from None
    if kind == "checkpoint":
        options = facts.pop("options")
        twin = CheckpointTwin.from_state(content["state"], facts.pop("shape_"), options)
    elif kind == "module":
        given = {key: facts.pop(key) for key in ("module", "predictions", "kwargs")}
        twin = ModuleTwin(shape=facts.pop("shape_"), **given)
    else:
        twin = _CLASSES[kind]()
        if kind == "conv":
            twin.state_ = content["state"]
    for name, value in tensors.items():
        setattr(twin, name, value.numpy())
    for name, value in facts.items():
        setattr(twin, name, tuple(value) if name == "shape_" else value)
    if kind == "encoder":
        twin._make_backbone(np.empty((1, *twin.shape_)))
    if kind == "energy":
        twin._bank()
    return twin, content["units"]
