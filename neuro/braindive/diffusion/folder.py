"""Folders in the layout of diffusers: what must be there, its fingerprint, its parts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import struct
from pathlib import Path

from neuro.base.provenance import checksum
from neuro.braindive.diffusion.configs import read_json
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

LAYOUT = "unet/, vae/ and scheduler/ in the layout of diffusers"


WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")


def weights_file(folder: Path) -> Path | None:
    """The safetensors file of a part, if there is one."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def weights_hash(folder) -> str:
    """SHA-256 over all that shapes a picture: weights, both configurations and the schedule."""
    folder = snapshot(folder)
    digest = hashlib.sha256()
    for component in ("unet", "vae"):
        digest.update(checksum(weights_file(folder / component)).encode())
        digest.update(checksum(folder / component / "config.json").encode())
    digest.update(checksum(folder / "scheduler" / "scheduler_config.json").encode())
    return digest.hexdigest()


BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def numbers_in(path) -> int:
    """Numbers in a safetensors file, read from its header alone.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    int

    Raises
    ------
    InputProblem
        When the file has no such header.
    """
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 1 << 27:
                raise ValueError("no header")
            header = json.loads(file.read(length))
        entries = [value for name, value in header.items() if name != "__metadata__"]
        return sum(math.prod(entry["shape"]) for entry in entries)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        raise InputProblem(f"{path}: not a safetensors file") from None


def loaded_bytes(folder, dtype="float32", *, xl=False) -> int:
    """Bytes of the weights once they are loaded; no weight is read.

    Parameters
    ----------
    folder : path-like
    dtype : {'float32', 'bfloat16', 'float16', 'auto'}
        `auto` counts the larger of its choices.
    xl : bool
        The VAE of SDXL runs in float32, whatever the UNet does.

    Returns
    -------
    int
        0 where a part is missing.
    """
    total, folder = 0, snapshot(folder)
    for component in ("unet", "vae"):
        file = weights_file(folder / component)
        kind = "float32" if dtype == "auto" or (xl and component == "vae") else dtype
        total += BYTES[kind] * numbers_in(file) if file else 0
    return total


SINGLE = (".safetensors", ".ckpt", ".pt")


def single_file(folder) -> Path | None:
    """The one file with a whole model in a folder without unet/, if there is one."""
    if (folder / "unet").is_dir() or not folder.is_dir():
        return None
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SINGLE]
    files = [path for path in files if path.stat().st_size > 1 << 20 or len(files) == 1]
    return files[0] if len(files) == 1 and not (folder / "vae").is_dir() else None


def command(file) -> str:
    """What turns a single file into a folder; the pipeline is told from its header or its name."""
    file, names = Path(file), ""
    if file.suffix == ".safetensors":
        with contextlib.suppress(OSError, ValueError, struct.error), open(file, "rb") as source:
            (length,) = struct.unpack("<Q", source.read(8))
            names = source.read(min(length, 1 << 24)).decode("utf-8", "replace")
    xl = "conditioner.embedders.1" in names or (not names and "xl" in file.stem.lower())
    kind = f"StableDiffusion{'XL' if xl else ''}Pipeline"
    return (
        f'python -c "from diffusers import {kind} as P; '
        f"P.from_single_file('{file}').save_pretrained('{file.stem}')\""
    )


def check_layout(folder) -> None:
    """Whether a folder holds all parts.

    Raises
    ------
    InputProblem
        One line that names what is missing and the expected layout.
    """
    folder = snapshot(folder)
    single = folder if folder.is_file() else single_file(folder)
    if single:
        raise InputProblem(f"{single}: a single file; write a folder of it once: {command(single)}")
    if not folder.is_dir():
        raise InputProblem(f"{folder}: no such folder; expected {LAYOUT}")
    missing = []
    for component in ("unet", "vae"):
        if not (folder / component / "config.json").is_file():
            missing.append(f"{component}/config.json")
        elif weights_file(folder / component) is None:
            missing.append(f"{component}/{WEIGHTS[0]}")
    if not (folder / "scheduler" / "scheduler_config.json").is_file():
        missing.append("scheduler/scheduler_config.json")
    if missing:
        raise InputProblem(f"{folder}: missing {missing[0]}; expected {LAYOUT}")


def check_model(folder, kind, size=None) -> None:
    """Whether a folder holds the model asked for, and one that can be guided; no weight is read.

    Parameters
    ----------
    folder : path-like
    kind : {'sd', 'sdxl'}
    size : int, optional
        Edge of the images that are asked for.

    Raises
    ------
    InputProblem
        One line for SDXL given as SD or the other way round, inpainting models, the refiner,
        schedules without alphas_cumprod, and sizes that the UNet cannot halve.
    """
    from neuro.braindive.diffusion.generator import PREDICTIONS, alphas_cumprod, pixels_per_latent

    check_layout(folder)
    folder = snapshot(folder)
    unet = read_json(folder / "unet" / "config.json")
    xl = unet.get("addition_embed_type") == "text_time"
    if xl != (kind == "sdxl"):
        family, other = ("SDXL", "sdxl") if xl else ("not SDXL", "sd")
        raise InputProblem(f"{folder}: this is {family}; set braindive.generator.type to {other}")
    index = folder / "model_index.json"
    if index.is_file() and read_json(index).get("requires_aesthetics_score"):
        raise InputProblem(f"{folder}: the refiner of SDXL draws no images; give the base model")
    vae = read_json(folder / "vae" / "config.json")
    latents = vae.get("latent_channels", 4)
    if size is not None:
        step = pixels_per_latent(vae) * pixels_per_latent(unet)
        if size % step:
            raise InputProblem(
                f"braindive.generator.size: got {size}, expected a multiple of {step} for {folder}"
            )
    if unet.get("in_channels", 4) != latents:
        raise InputProblem(
            f"{folder}: the UNet takes {unet['in_channels']} channels, the VAE makes {latents}; "
            "inpainting and depth models cannot be guided"
        )
    schedule = read_json(folder / "scheduler" / "scheduler_config.json")
    alphas_cumprod(schedule, schedule.get("_class_name", ""), folder.name)
    prediction = schedule.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise InputProblem(
            f"{folder.name}: prediction_type '{prediction}', expected one of "
            f"{', '.join(PREDICTIONS)}"
        )


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


def load_parts(folder, *, xl=False, dtype="float32"):
    """UNet, VAE and scheduler settings of a folder, in their final number type.

    The modules are made without storage and filled tensor by tensor: at no time are there two
    copies of the weights, nor one in a larger type than the final one.

    Parameters
    ----------
    folder : path-like
    xl : bool
        Whether the folder should be SDXL, whose VAE is always float32.
    dtype : str
        Of UNet and VAE.

    Returns
    -------
    unet, vae : torch.nn.Module
    schedule : dict

    Raises
    ------
    InputProblem
        When a part is missing, or its weights do not fit its configuration.
    """
    check_layout(folder)
    folder = snapshot(folder)
    with offline():
        import torch
        from diffusers import AutoencoderKL, UNet2DConditionModel

        made = []
        for name, kind in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
            config = read_json(folder / name / "config.json")
            if name == "unet" and config.get("addition_embed_type") == "text_time" and not xl:
                kind = _Sized
            wanted = getattr(torch, "float32" if xl and name == "vae" else dtype)
            try:
                with torch.device("meta"):
                    component = kind.from_config(config)
                _fill(component, weights_file(folder / name), wanted)
            except Exception as error:
                text = str(error).splitlines()[0][:60]
                raise InputProblem(
                    f"{folder}/{name}: weights do not fit config.json ({text})"
                ) from None
            made.append(component)
    return *made, read_json(folder / "scheduler" / "scheduler_config.json")


def _fill(module, file, dtype):
    """Weights of a file into a module without storage."""
    from safetensors import safe_open

    # a file of another type is read tensor by tensor, each turned before the next one comes
    with safe_open(file, "pt") as source:
        state = {name: source.get_tensor(name).to(dtype) for name in source.keys()}  # noqa: SIM118
    module.load_state_dict(state, assign=True)
    empty = [name for name, value in module.state_dict().items() if value.is_meta]
    empty += [name for name, value in module.named_buffers() if value.is_meta]
    if empty:
        raise ValueError(f"no values for {empty[0]}")
