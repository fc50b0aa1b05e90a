"""Image networks of transformers from local folders: which kinds, what counts as their weights.

A folder is only accepted when its `config.json` names the kind asked for and when every tensor
that the kind needs is there: what is missing would be filled with random numbers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from neuro.encoding.network import Network
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
LAYOUT = "a folder with config.json and model.safetensors (transformers layout)"
VOLATILE = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "architectures")
"""Entries of `config.json` that do not change what a network computes."""


@dataclasses.dataclass(frozen=True)
class Tower:
    """A kind of image network.

    Attributes
    ----------
    types : tuple of str
        `model_type` of its folders; the first is a folder of the whole model with its text half.
    model : str
        Class of transformers.
    output : str
        What of its output are the features.
    mean, std : tuple of float
        Statistics of the channels, where the folder has no `preprocessor_config.json`.
    beside : tuple of str
        Names that belong to the text half and are left out.
    """

    types: tuple
    model: str
    output: str = "pooler_output"
    mean: tuple = IMAGENET_MEAN
    std: tuple = IMAGENET_STD
    beside: tuple = ()


TEXT = ("text_model.", "text_projection", "logit_scale", "logit_bias")
TOWERS = {
    "clip": Tower(
        ("clip", "clip_vision_model"),
        "CLIPVisionModelWithProjection",
        "image_embeds",
        CLIP_MEAN,
        CLIP_STD,
        TEXT,
    ),
    "dinov2": Tower(("dinov2",), "Dinov2Model", beside=("classifier.",)),
    "siglip": Tower(
        ("siglip", "siglip_vision_model"), "SiglipVisionModel", mean=HALF, std=HALF, beside=TEXT
    ),
    "convnext": Tower(("convnext",), "ConvNextModel", beside=("classifier.",)),
}
"""By the name of the backbone."""


def pretrained(folder) -> tuple[Path | None, dict]:
    """Weights of a transformers folder, and what `from_pretrained` must be told to find them.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    weights : pathlib.Path or None
        The full-precision file before the half-precision one (`model.fp16.safetensors`).
    keywords : dict
        `variant` where only the latter is there.
    """
    for variant in (None, "fp16"):
        middle = f".{variant}" if variant else ""
        for name in (f"model{middle}.safetensors", f"pytorch_model{middle}.bin"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name, {"variant": variant} if variant else {}
    return None, {}


def config_of(kind, path) -> dict:
    """Settings of a folder that holds the kind asked for; reads `config.json` only.

    Parameters
    ----------
    kind : {'clip', 'dinov2', 'siglip', 'convnext'}
    path : path-like

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When the folder, its weights or its settings are missing, or it holds another kind.
    """
    name = {"clip": "CLIP"}.get(kind, kind)
    if path is None:
        raise InputProblem(f"backbone {kind}: no path given; expected {LAYOUT}")
    path = snapshot(path)
    if not path.is_dir() or pretrained(path)[0] is None or not (path / "config.json").is_file():
        if list(path.glob("open_clip_*")):
            raise InputProblem(
                f"{path}: weights of open_clip; convert them with transformers' "
                "convert_clip_original_pytorch_to_hf, or take a copy in its layout"
            )
        raise InputProblem(f"{path}: no {name} weights there; expected {LAYOUT}")
    try:
        config = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise InputProblem(f"{path}/config.json: not a readable JSON file") from None
    model_type = config.get("model_type") if isinstance(config, dict) else None
    if model_type not in TOWERS[kind].types:
        other = [own for own, tower in TOWERS.items() if model_type in tower.types]
        advice = f"; set the backbone to {other[0]}" if other else ""
        raise InputProblem(
            f"{path}: not a {name} model (model_type '{model_type}', expected "
            f"{' or '.join(TOWERS[kind].types)}{advice})"
        )
    return config


def load(kind, path, *, antialias=True) -> Network:
    """An image network from a local folder; nothing is downloaded.

    Parameters
    ----------
    kind : {'clip', 'dinov2', 'siglip', 'convnext'}
    path : path-like
        Folder in the layout of transformers: `config.json`, `model.safetensors`.
    antialias : bool

    Returns
    -------
    Network

    Raises
    ------
    InputProblem
        When the folder is of another kind, or a tensor is missing, of another shape, or unknown.
    """
    config, folder, tower = config_of(kind, path), Path(path).name, TOWERS[kind]
    path = snapshot(path)
    import torch
    import transformers

    name = {"clip": "CLIP"}.get(kind, kind)
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        # A tensor of another shape is an error of its own, told below by its name.
        model, loading_info = getattr(transformers, tower.model).from_pretrained(
            path,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **pretrained(path)[1],
        )
    except Exception as error:
        # transformers raises whatever its reader of weights does
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
        raise InputProblem(f"{path}: not a {name} image model ({line})") from None
    finally:
        transformers.logging.set_verbosity(level)
    strange = [key for key in loading_info["unexpected_keys"] if not _known(key, tower)]
    for keys, words in (
        (loading_info["missing_keys"], "lack"),
        ([mismatch[0] for mismatch in loading_info["mismatched_keys"]], "have another shape of"),
        (strange, "also hold"),
    ):
        if keys:
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            raise InputProblem(
                f"{path}: the weights {words} {sorted(keys)[0]}{more}; not a whole {name} image "
                "model"
            )
    mean, std = _statistics(path, tower)
    size = _size(kind, model.config, path)
    backbone = Network(
        kind, Embedding(model, tower.output), size, mean, std, antialias=antialias, path=folder
    )
    backbone.sha256 = fingerprint(model, config)
    return backbone


def _known(key, tower):
    """Tensors of the other half, and positions that older copies stored."""
    return key.startswith(tower.beside) or key.endswith("position_ids")


def _size(kind, config, path):
    """Edge of the images; for networks that take any, what their folder's preparation says."""
    if kind not in ("dinov2", "convnext"):
        return config.image_size
    stored = _preparation(path)
    crop = stored.get("crop_size") or stored.get("size") or {}
    size = crop.get("height") or crop.get("shortest_edge") if isinstance(crop, dict) else crop
    size = int(size or min(224, getattr(config, "image_size", 224)))
    patch = getattr(config, "patch_size", 1)
    return max(patch, size - size % patch)


def _preparation(path):
    file = Path(path) / "preprocessor_config.json"
    try:
        return json.loads(file.read_text("utf-8")) if file.is_file() else {}
    except ValueError:
        raise InputProblem(f"{file}: not a readable JSON file") from None


def _statistics(path, tower):
    stored = _preparation(path)
    return (
        tuple(stored.get("image_mean") or tower.mean),
        tuple(stored.get("image_std") or tower.std),
    )


def fingerprint(model, config) -> str:
    """SHA-256 over every tensor that is used, and the settings that shape what is computed.

    Parameters
    ----------
    model : torch.nn.Module
    config : dict

    Returns
    -------
    str
        Hexadecimal; the same for a copy in other files, another for one changed number.
    """
    own = {key: value for key, value in config.items() if key not in VOLATILE}
    digest = hashlib.sha256(json.dumps(own, sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def Embedding(model, output="image_embeds"):
    """A module that returns one output of a model of transformers.

    Parameters
    ----------
    model : torch.nn.Module
    output : str
        `image_embeds` is the projected embedding of CLIP, `pooler_output` what the others pool.
    """
    import torch

    class _Embedding(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return getattr(self.inner(pixel_values=x), output).flatten(1)

    return _Embedding(model)
