"""Twins on disk, and twins that others trained."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuro.mds.twin.core import CentredTwin, core, layers, readout, unit_correlation
from neuro.mds.twin.image import Regression, Twin, tiers
from neuro.mds.twin.linear import EncoderTwin, TemporalTwin

_TENSORS = {
    "temporal": ("filters_", "bias_", "scale_", "offset", "test_correlation_"),
    "encoder": ("weights_", "bias_", "scale_", "mean_", "offset", "test_correlation_"),
    "conv": ("scale_", "offset", "test_correlation_"),
}
_FACTS = {
    "temporal": ("n_lags", "random_state", "penalty_"),
    "encoder": ("backbone", "random_state", "penalty_", "shape_"),
    "conv": ("epochs", "random_state", "shape_", "history_"),
}
_CLASSES = {"temporal": TemporalTwin, "encoder": EncoderTwin, "conv": Twin}


def save(path, twin, **facts) -> Path:
    """Write a twin as plain tensors and values.

    Parameters
    ----------
    path : path-like
    twin : Twin, TemporalTwin, EncoderTwin or CheckpointTwin
    **facts
        Plain values that belong to it, such as the names of the units.

    Returns
    -------
    pathlib.Path
    """
    import torch

    kind = twin.kind
    base = "conv" if kind == "checkpoint" else kind
    names = [name for name in _TENSORS[base] if hasattr(twin, name)]
    content = {
        "kind": kind,
        "tensors": {name: torch.as_tensor(np.asarray(getattr(twin, name))) for name in names},
        "facts": {name: getattr(twin, name) for name in _FACTS[base] if hasattr(twin, name)},
        "units": facts,
    }
    if base == "conv":
        content["state"] = {key: value.detach().cpu() for key, value in twin.state_.items()}
        content["facts"]["stack"] = getattr(twin, "stack", "last")
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
        twin = CheckpointTwin.from_state(content["state"], facts.pop("shape_"), facts.pop("stack"))
    else:
        twin = _CLASSES[kind]()
        if kind == "conv":
            twin.state_ = content["state"]
        facts.pop("stack", None)
    for name, value in tensors.items():
        setattr(twin, name, value.numpy())
    for name, value in facts.items():
        setattr(twin, name, tuple(value) if name == "shape_" else value)
    if kind == "encoder":
        twin._make_backbone(np.empty((1, *twin.shape_)))
    return twin, content["units"]


class CheckpointTwin(Regression):
    """A twin that was trained elsewhere: stacked core and full Gaussian readout.

    The state dict holds `core.features.layer<k>.conv.weight` (and `.norm.*`), and a readout with
    `_mu` (1, n_units, 1, 2), `_features` (1, c, 1, n_units) and `bias`; names may have a prefix.
    Depth-separable cores, shifters and behaviour are not covered.

    Parameters
    ----------
    path : path-like
        Read with `weights_only=True`: no code in the file is run.
    shape : (int, int, int)
        Channels, height and width of the stimuli.
    n_units : int, optional
        Units of the recording, to compare with the file.

    Raises
    ------
    ValueError
        When the file cannot be read, lacks a part, or has other shapes.
    """

    kind = "checkpoint"

    def __init__(self, path, shape, n_units=None):
        import torch

        self.path, self.shape, self.n_units = path, shape, n_units
        try:
            content = torch.load(path, weights_only=True, map_location="cpu")
        except Exception as error:
            reason = str(error).splitlines()[0][:50] if str(error) else type(error).__name__
            raise ValueError(f"{path}: not a readable checkpoint of tensors ({reason})") from None
        content = content.get("state_dict", content) if isinstance(content, dict) else content
        if not isinstance(content, dict) or not all(
            isinstance(value, torch.Tensor) for value in content.values()
        ):
            raise ValueError(f"{path}: expected a state dict of tensors; save model.state_dict()")
        self._take(standard_state(content, path), shape, path, n_units)

    @classmethod
    def from_state(cls, state, shape, stack):
        """A twin from a state in our own names."""
        twin = cls.__new__(cls)
        twin.path, twin.shape, twin.n_units = None, tuple(shape), None
        twin.state_, twin.shape_, twin.stack = state, tuple(shape), stack
        twin.offset = np.zeros((shape[0], 1, 1), np.float32)
        return twin

    def _take(self, state, shape, path, n_units):
        first = state["core.features.layer0.conv.weight"]
        if first.shape[1] != shape[0]:
            raise ValueError(
                f"{path}: first layer of shape {tuple(first.shape)} takes {first.shape[1]} "
                f"channels, the stimuli have {shape[0]}"
            )
        width, units = state["readout.weights"].shape
        outputs = [len(state[f"core.features.layer{k}.conv.weight"]) for k in range(layers(state))]
        if width not in (outputs[-1], sum(outputs)):
            raise ValueError(
                f"{path}: readout of {width} features, the core's layers give "
                f"{'+'.join(map(str, outputs))}; expected the last or all of them"
            )
        if n_units is not None and units != n_units:
            raise ValueError(f"{path}: readout of {units} units, the recording has {n_units}")
        self.state_, self.shape_ = state, tuple(shape)
        self.stack = "last" if width == outputs[-1] else "all"
        self.offset = np.zeros((shape[0], 1, 1), np.float32)

    def fit(self, stimuli, responses, tier=None, log=None):
        """Nothing is trained; the fit is judged on the tier `test`."""
        tier = tiers(tier, len(responses))
        rows = np.flatnonzero(tier == "test")
        rows = rows if len(rows) else np.arange(len(tier))
        self.scale_ = np.asarray(responses, np.float64)[tier == "train"].std(axis=0)
        guess = self.predict(np.asarray(stimuli[rows]))
        self.test_correlation_ = unit_correlation(guess, np.asarray(responses)[rows])
        return self

    def predict(self, stimuli) -> np.ndarray:
        """Responses (n, n_units) as the checkpoint gives them."""
        import torch

        state = self.state_
        with torch.no_grad():
            parts = [
                readout(
                    core(
                        state,
                        torch.as_tensor(np.asarray(stimuli[k : k + 250], np.float32)),
                        stack=self.stack,
                    ),
                    state["readout.weights"],
                    state["readout.bias"],
                    state["readout.mu"],
                )
                for k in range(0, len(stimuli), 250)
            ]
        return torch.cat(parts).numpy()

    def centred(self, crop=True) -> CentredTwin:
        """The twin with all receptive fields at the centre."""
        return CentredTwin(
            {key: value for key, value in self.state_.items() if key.startswith("core.")},
            self.state_["readout.weights"],
            self.state_["readout.bias"],
            self.shape_,
            stack=self.stack,
            crop=crop,
        )


def standard_state(content, path="checkpoint") -> dict:
    """A state dict in our own names.

    Parameters
    ----------
    content : dict of str to tensor
    path : path-like
        For messages.

    Returns
    -------
    dict
        `core.features.layer<k>...`, `readout.mu` (n_units, 2), `readout.weights` (c, n_units),
        `readout.bias`.

    Raises
    ------
    ValueError
        When a part is missing or unknown.
    """
    state = {}
    for key, value in content.items():
        found = re.search(r"layer(\d+)\.(conv|norm)\.(\w+)$", key)
        if found and not key.endswith("num_batches_tracked"):
            state[f"core.features.layer{found[1]}.{found[2]}.{found[3]}"] = value
        elif key.endswith(("readout.mu", "_mu")) and value.shape[-1] == 2:
            state["readout.mu"] = value.reshape(-1, 2)
        elif key.endswith(("readout.weights",)):
            state["readout.weights"] = value
        elif key.endswith("_features") and value.ndim == 4:
            state["readout.weights"] = value[0, :, 0]
        elif key.endswith("bias") and value.ndim == 1 and "layer" not in key:
            state["readout.bias"] = value
        elif "ds_conv" in key:
            raise ValueError(f"{path}: depth-separable convolutions ({key}) are not covered")
    needed = ("core.features.layer0.conv.weight", "readout.mu", "readout.weights")
    absent = [name for name in needed if name not in state]
    if absent:
        raise ValueError(
            f"{path}: no '{absent[0]}'; expected a stacked core with a full Gaussian readout"
        )
    weights = state["readout.weights"]
    state.setdefault("readout.bias", weights.new_zeros(weights.shape[1]))
    if len(state["readout.mu"]) != weights.shape[1]:
        raise ValueError(
            f"{path}: {len(state['readout.mu'])} positions for {weights.shape[1]} units"
        )
    return state
