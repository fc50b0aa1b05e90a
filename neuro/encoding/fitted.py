"""Encoders that others fitted: a readout, a released checkpoint, a module of the user's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from neuro.encoding import backbones, towers, verified
from neuro.encoding.assembled import as_encoder
from neuro.encoding.berg import from_berg
from neuro.encoding.encoder import VoxelEncoder
from neuro.encoding.foreign import ModuleBackbone
from neuro.io.problems import InputProblem

KINDS = ("readout", "checkpoint", "berg", "module")
MOST_UNITS = 8000
"""Units of a module; their answers are kept as a readout of their own."""


def fitted_encoder(choice) -> VoxelEncoder:
    """An encoder that needs no fitting.

    Parameters
    ----------
    choice : dict
        Section `braindive.encoder`: `type` (one of :data:`KINDS`), `weights`, `path`, `backbone`,
        `antialias`, `module`, `predictions`.

    Returns
    -------
    VoxelEncoder

    Raises
    ------
    InputProblem
        When a file is missing, of another layout, or does not fit its backbone.
    """
    kind = choice["type"]
    if kind == "module":
        return from_module(choice["module"], choice["predictions"])
    path = Path(choice["weights"])
    if not path.is_file():
        raise InputProblem(f"{path}: no such file")
    if kind == "readout":
        return from_readout(path, choice["path"], choice["backbone"], choice["antialias"])
    if kind == "checkpoint":
        return from_checkpoint(path, choice["path"], choice["antialias"])
    return from_berg(path, choice["path"])


def from_readout(path, backbone_path=None, backbone=None, antialias=True) -> VoxelEncoder:
    """A linear readout as safetensors.

    Parameters
    ----------
    path : path-like
        Tensors `weight` (n_voxels, n_features) and `bias` (n_voxels,; zeros where absent). In the
        header: `backbone` (its name), `unit` and `roi` (JSON lists; names `v00000`... and `all`
        where absent), `unit_norm` (`false` where features were not scaled to length 1), `size`
        (edge of the images; needed by pixels and gabor), `sha256` (fingerprint of the backbone).
        An encoder that :meth:`VoxelEncoder.save` wrote is one as well.
    backbone_path : path-like, optional
        Folder of the backbone.
    backbone : str, optional
        What the settings expect.
    antialias : bool

    Raises
    ------
    InputProblem
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            keys = file.keys()
            tensors = {key: file.get_tensor(key).float().numpy() for key in keys}
    except Exception as error:
        # the reader raises an error of its own kind
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
        raise InputProblem(f"{path}: not a safetensors file ({line})") from None
    if "neuro" in header:
        encoder = VoxelEncoder.load(path, backbone_path)
        _expect(path, encoder.backbone_.name, backbone)
        return encoder
    lost = [key for key in ("weight",) if key not in tensors]
    if lost or "backbone" not in header:
        lacks = "no tensor 'weight'" if lost else "no 'backbone' in the header"
        raise InputProblem(
            f"{path}: {lacks}; a readout has tensors weight (n_voxels, n_features) and bias, and "
            "a header with backbone, unit and roi"
        )
    name = backbones.ALIASES.get(header["backbone"], header["backbone"])
    _expect(path, name, backbone)
    size = int(header.get("size", 0))
    if name in ("pixels", "gabor") and size < 8:
        raise InputProblem(f"{path}: no 'size' (edge of the images) in the header; {name} needs it")
    made = backbones.make(name, (3, size, size), backbone_path, antialias=antialias)
    if "sha256" in header and header["sha256"] != made.sha256:
        raise InputProblem(f"{path}: fitted with other weights of {name} than those in its folder")
    made.unit_norm = header.get("unit_norm", str(made.unit_norm)).lower() != "false"
    weight = tensors["weight"]
    bias = tensors.get("bias", np.zeros(len(weight), np.float32))
    lists = [json.loads(header[key]) if key in header else None for key in ("unit", "roi")]
    return as_encoder(path, made, weight, bias, *lists)


def from_checkpoint(path, backbone_path, antialias=False) -> VoxelEncoder:
    """The linear readout that the released code of Luo et al. (2023) writes.

    Parameters
    ----------
    path : path-like
        `.chkpt`: under `network` the tensors `final_<subject>_higher.weight` (n_voxels, 512) and
        `.bias`, on the projected embedding of CLIP scaled to length 1. Read without running code.
    backbone_path : path-like
        Folder of the CLIP model.
    antialias : bool
        False in the released code.

    Returns
    -------
    VoxelEncoder
        Voxels `v00000`, ... in the file's order: those of higher areas only.

    Raises
    ------
    InputProblem
        When there is no such readout, or there are several subjects in the file.
    """
    import torch

    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        # pickles fail in many ways
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
        raise InputProblem(f"{path}: not a readable checkpoint ({line})") from None
    network = content.get("network", content) if isinstance(content, dict) else {}
    names = [key for key in network if re.fullmatch(r"final_.+_higher\.weight", str(key))]
    if len(names) != 1:
        raise InputProblem(
            f"{path}: {len(names)} readouts named final_<subject>_higher; expected one, as the "
            "released code saves it"
        )
    weight = network[names[0]].float().numpy()
    bias = network.get(names[0].replace(".weight", ".bias"), torch.zeros(len(weight)))
    bias = bias.float().numpy()
    made = towers.load("clip", backbone_path, antialias=antialias)
    return as_encoder(path, made, weight, bias)


def from_module(module, predictions) -> VoxelEncoder:
    """A module of the user's own, verified by stored predictions.

    Parameters
    ----------
    module : str
        It takes images (n, channels, size, size) in [0, 1] and returns (n, n_units).
    predictions : path-like
        See :func:`neuro.encoding.verified.stored_predictions`.

    Raises
    ------
    InputProblem
        See :func:`neuro.encoding.verified.verify`.
    """
    try:
        images, stored = verified.stored_predictions(predictions)
    except ValueError as error:
        raise InputProblem(str(error)) from None
    square = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[2] == images.shape[3]
    if not square or images.min() < 0 or images.max() > 1:
        raise InputProblem(
            f"{predictions}: images of shape {images.shape}, {images.min():g} to "
            f"{images.max():g}; expected squares (n, 1 or 3, size, size) in [0, 1]"
        )
    n_units = stored.shape[1]
    if n_units > MOST_UNITS:
        raise InputProblem(
            f"{module}: {n_units} units, at most {MOST_UNITS} expected; return those of the regions"
        )
    made = ModuleBackbone(module, images.shape[-1], images.shape[1])
    try:
        verified.verify(made.features, images, stored, module)
    except ValueError as error:
        raise InputProblem(str(error)) from None
    return as_encoder(predictions, made, np.eye(n_units, dtype=np.float32), np.zeros(n_units))


def _expect(path, name, wanted):
    wanted = backbones.ALIASES.get(wanted, wanted)
    if wanted is not None and name != wanted:
        raise InputProblem(
            f"{path}: fitted on backbone '{name}', braindive.encoder.backbone is '{wanted}'; set "
            "it to the former"
        )
