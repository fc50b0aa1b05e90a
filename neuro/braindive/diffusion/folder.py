"""Folders in the layout of diffusers: what must be there, its fingerprint, its parts."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from neuro.base.provenance import checksum
from neuro.braindive.diffusion.generator import read_json
from neuro.io.problems import InputProblem

LAYOUT = "unet/, vae/ and scheduler/ in the layout of diffusers"


WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")


def weights_file(folder: Path) -> Path | None:
    """The safetensors file of a part, if there is one."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def weights_hash(folder) -> str:
    """SHA-256 over the checksums of UNet and VAE weights."""
    folder = Path(folder)
    digest = hashlib.sha256()
    for part in ("unet", "vae"):
        digest.update(checksum(weights_file(folder / part)).encode())
    return digest.hexdigest()


def check_layout(folder) -> None:
    """Whether a folder holds all parts.

    Raises
    ------
    InputProblem
        One line that names what is missing and the expected layout.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputProblem(f"{folder}: no such folder; expected {LAYOUT}")
    missing = []
    for part in ("unet", "vae"):
        if not (folder / part / "config.json").is_file():
            missing.append(f"{part}/config.json")
        elif weights_file(folder / part) is None:
            missing.append(f"{part}/{WEIGHTS[0]}")
    if not (folder / "scheduler" / "scheduler_config.json").is_file():
        missing.append("scheduler/scheduler_config.json")
    if missing:
        raise InputProblem(f"{folder}: missing {missing[0]}; expected {LAYOUT}")


@contextlib.contextmanager
def offline():
    """No library asks the network while this is open."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "DIFFUSERS_OFFLINE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Sized:
    """Stands for the UNet of SDXL, which is loaded by its own class only."""

    @classmethod
    def from_config(cls, config):
        raise ValueError("this UNet is SDXL; set braindive.generator.type to sdxl")


def load_parts(folder, *, xl=False):
    """UNet, VAE and scheduler settings of a folder, in float32.

    Parameters
    ----------
    folder : path-like
    xl : bool
        Whether the folder should be SDXL.

    Returns
    -------
    unet, vae : torch.nn.Module
    schedule : dict

    Raises
    ------
    InputProblem
        When a part is missing, or its weights do not fit its configuration.
    """
    folder = Path(folder)
    check_layout(folder)
    with offline():
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from safetensors.torch import load_file

        made = []
        for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
            config = read_json(folder / name / "config.json")
            if name == "unet" and config.get("addition_embed_type") == "text_time" and not xl:
                kind = _Sized
            try:
                part = kind.from_config(config)
                state = {k: v.float() for k, v in load_file(weights_file(folder / name)).items()}
                part.load_state_dict(state)
            except Exception as error:
                text = str(error).splitlines()[0][:60]
                raise InputProblem(
                    f"{folder}/{name}: weights do not fit config.json ({text})"
                ) from None
            made.append(part)
    return *made, read_json(folder / "scheduler" / "scheduler_config.json")
