"""Groups of section `braindive`: the guide, the category judge, a picture to be edited."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from neuro.config.model import option

TOWERS = ("clip", "clip_b16", "dinov2", "siglip", "convnext")
"""Networks of transformers that are read from a local folder."""
BACKBONES = (*TOWERS, "tiny", "tiny_cnn", "pixels", "gabor")
NO_DATA = "none"
"""Value of `braindive.images` where no responses were measured."""


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The encoder that guides (A)."""

    type: str = option(
        "fit",
        "string",
        "Fitted here on images and responses, or by others: a readout (.safetensors), a checkpoint "
        "of the released code, a BERG encoder on ViT-B/32, or a module of your own.",
        choices=("fit", "readout", "checkpoint", "berg", "module"),
    )
    weights: str | None = option(
        None, "path", "File of 'readout', 'checkpoint' or 'berg'.", nullable=True
    )
    module: str | None = option(
        None,
        "string",
        "For 'module': file.py:function, which returns a torch module from images (n, c, size, "
        "size) in [0, 1] to responses (n, n_units), or a TorchScript file. The code is run.",
        nullable=True,
    )
    predictions: str | None = option(
        None,
        "path",
        "For 'module': .npz with 'images' and the 'predictions' it gave to them; it is verified.",
        nullable=True,
    )
    backbone: str = option(
        "tiny",
        "string",
        "Image features: CLIP, DINOv2, SigLIP or ConvNeXt from a local folder, a small transformer "
        "or convolutional network trained on the data, pixels, or Gabor energies.",
        choices=BACKBONES,
        source="paper: clip_b16",
    )
    path: str | None = option(
        None,
        "path",
        "Folder of weights (transformers layout), a small network's file, or for 'berg' "
        "torchvision's vit_b_32-*.pth.",
        nullable=True,
    )
    readout: str = option(
        "ridge",
        "string",
        "Ridge with a penalty per voxel, or the released code's optimiser.",
        choices=("ridge", "adamw_reference"),
    )
    n_augment: int = option(
        1,
        "integer",
        "Copies of each image that are kept as features: for the ridge the first is unchanged; "
        "adamw_reference takes a random one in each epoch, and with 0 makes new ones.",
        low=0,
        source="released code: 0",
    )
    antialias: bool = option(
        True, "boolean", "Resize with antialias.", source="ours; released code: false"
    )
    epochs: float = option(12, "number", "Training of a small network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Judge:
    """The category judge (J): sees the condition labels of the images, no responses."""

    type: str = option(
        "cnn",
        "string",
        "A small network trained on the labels of all training images, a file, CLIP's reading of a "
        "list of words, or none.",
        choices=("cnn", "file", "clip", "none"),
        source="paper: clip",
    )
    path: str | None = option(
        None,
        "path",
        "A judge that neuro wrote (type 'file'), or a folder of CLIP with its tokenizer ('clip').",
        nullable=True,
    )
    words: list = option(
        [f"a photo of {what}" for what in ("a face", "a body", "a scene", "text", "food")],
        "strings",
        "What CLIP chooses from.",
        source="paper: five categories; wording ours",
    )
    epochs: float = option(12, "number", "Training of the network.", unit="passes", above=0)


@dataclasses.dataclass(frozen=True)
class Edit:
    """A given picture instead of noise as the start."""

    image: str | None = option(
        None,
        "path",
        "Picture (.png, .jpg) that is changed; null starts from noise.",
        nullable=True,
    )
    strength: float = option(
        0.6,
        "number",
        "Share of the steps that are done: 1 leaves little of the picture, 0.2 changes little.",
        above=0,
        high=1,
    )


def of_guide(section) -> list[str]:
    """What is wrong with an encoder that others fitted, and with a run without data."""
    own, lines = section["encoder"], []
    kind = own["type"]
    needs = {"fit": (), "module": ("module", "predictions")}.get(kind, ("weights",))
    for key in ("weights", "module", "predictions"):
        if key in needs and not own[key]:
            lines.append(f"braindive.encoder.{key}: missing; encoder.type is '{kind}'")
        elif own[key] and key not in needs:
            lines.append(f"braindive.encoder.{key}: given, but encoder.type is '{kind}'")
        elif own[key] and not Path(module_file(own[key])).is_file():
            lines.append(f"braindive.encoder.{key}: no such file: {module_file(own[key])}")
    if kind == "berg" and not own["path"]:
        lines.append("braindive.encoder.path: missing; berg needs torchvision's vit_b_32-*.pth")
    if kind == "checkpoint" and not own["path"]:
        lines.append("braindive.encoder.path: missing; the folder of CLIP, laion2B ViT-B/16")
    if kind != "fit" and section["min_cv_r"] > -1:
        lines.append(f"braindive.min_cv_r: not known for an encoder of type '{kind}'; leave it out")
    return lines + (without_data(section) if section["images"] == NO_DATA else [])


def without_data(section) -> list[str]:
    """What cannot be had where no responses were measured."""
    lines = []
    if section["encoder"]["type"] == "fit":
        lines.append(
            "braindive.images: 'none', but encoder.type is 'fit'; give an encoder that is fitted"
        )
    for key in ("betas", "test_images"):
        if section[key]:
            lines.append(f"braindive.{key}: given, but braindive.images is 'none'")
    if section["judge"]["type"] == "cnn":
        lines.append("braindive.judge.type: cnn learns from images; set it to clip, file or none")
    own = section["generator"]
    if own["type"] == "tiny" and not (own["path"] or own["images"]):
        lines.append(
            "braindive.generator.path: missing; braindive.images is 'none', nothing trains one"
        )
    if any(name.startswith("prefers:") for name in section["objectives"]):
        lines.append("braindive.objectives: 'prefers:' needs images; braindive.images is 'none'")
    return lines


def module_file(text) -> str:
    """`file.py` of `file.py:function`."""
    path, _, name = str(text).rpartition(":")
    return path if path and re.fullmatch(r"\w+", name) else str(text)


FLOW = ("sd3", "flux")
"""Generators that follow a flow; they have no UNet and no noise schedule of their own."""


def of_sampling(section) -> list[str]:
    """What does not go together in the sampler."""
    lines = []
    kind = section["generator"]["type"]
    if kind in FLOW and section["sag_scale"]:
        lines.append(f"braindive.sag_scale: not with {kind}, whose attention is of another kind")
    if kind in FLOW and section["compile"]:
        lines.append(f"braindive.compile: not with {kind}; set it to false")
    if kind in FLOW and section["guide_decoder"] != "exact":
        lines.append(f"braindive.guide_decoder: not with {kind}; set it to exact")
    if section["strength"] == "polyak" and section["polyak_target"] is None:
        lines.append("braindive.polyak_target: missing; strength is 'polyak'")
    picture = section["edit"]["image"]
    if picture and not Path(picture).is_file():
        lines.append(f"braindive.edit.image: no such file: {picture}")
    if section["recurrence"] > 1 and section["scheduler"] != "ddim" and kind not in FLOW:
        lines.append(
            "braindive.recurrence: a step that is repeated needs scheduler ddim; others keep a "
            "memory of the steps before, or draw noise themselves"
        )
    if section["judge"]["type"] == "clip":
        words = section["judge"]["words"]
        if len(words) < 2 or len(set(words)) < len(words):
            lines.append("braindive.judge.words: expected two words or more, all different")
        if not section["judge"]["path"]:
            lines.append("braindive.judge.path: missing; judge.type is 'clip'")
    return lines
