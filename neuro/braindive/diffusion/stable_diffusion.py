"""Stable Diffusion from a folder that the user supplies; nothing is ever downloaded."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from neuro.base.provenance import checksum
from neuro.braindive.diffusion.generator import Generator, read_json
from neuro.io.problems import InputProblem

LAYOUT = "unet/, vae/ and scheduler/ in the layout of diffusers"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
CONDITION = "null_condition.safetensors"
LICENCE = "CreativeML Open RAIL++-M (Stable Diffusion 2.1; check the file beside your copy)"


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


class _Sized:
    """Stands for the UNet of SDXL, which is loaded by its own class only."""

    @classmethod
    def from_config(cls, config):
        raise ValueError("this UNet is SDXL; set braindive.generator.type to sdxl")


class DiffusersSD(Generator):
    """Stable Diffusion 1.x or 2.x from a local folder.

    Parameters
    ----------
    path : path-like
        Folder with `unet/`, `vae/`, `scheduler/`, and either `text_encoder/` and `tokenizer/` or
        `null_condition.safetensors`, the embedding of the empty text. The latter is written
        beside the weights once, where the folder can be written to.

    Raises
    ------
    InputProblem
        When a part is missing, the folder is SDXL, or the schedule cannot be guided.
    """

    def __init__(self, path):
        path = Path(path)
        check_layout(path)
        if read_json(path / "unet" / "config.json").get("addition_embed_type") == "text_time":
            raise InputProblem(f"{path}: this is SDXL; set braindive.generator.type to sdxl")
        condition = null_condition(path)
        unet, vae, schedule = load_parts(path)
        super().__init__(
            unet,
            vae,
            schedule,
            condition,
            scaling_factor=vae.config.scaling_factor,
            licence=licence_of(path),
            sha256=weights_hash(path),
            name=path.name,
        )


class RandomSD21(Generator):
    """Modules of the size of Stable Diffusion 2.1 with random weights: for time and memory only.

    Parameters
    ----------
    size : int
        Edge of the images.
    seed : int
    """

    publishable = False

    def __init__(self, size=512, seed=0):
        import torch
        from diffusers import AutoencoderKL, UNet2DConditionModel

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            unet = UNet2DConditionModel(
                sample_size=size // 8,
                cross_attention_dim=1024,
                attention_head_dim=[5, 10, 20, 20],
                use_linear_projection=True,
            )
            vae = AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(128, 256, 512, 512),
                layers_per_block=2,
                latent_channels=4,
                sample_size=size,
            )
        from neuro.braindive.diffusion.tiny_ldm import SCHEDULE

        super().__init__(
            unet,
            vae,
            SCHEDULE,
            torch.zeros(1, 77, 1024),
            scaling_factor=0.18215,
            licence="random weights",
            sha256="random",
            name="RandomSD21",
        )


def licence_of(path: Path) -> str:
    """First line of a licence file beside the weights, or what the model's owner used."""
    for name in ("LICENSE", "LICENSE.md", "LICENSE.txt"):
        if (path / name).is_file():
            lines = (path / name).read_text("utf-8", errors="replace").strip().splitlines()
            return lines[0].strip()[:120] if lines else LICENCE
    return LICENCE


def null_condition(path: Path):
    """Embedding of the empty text, from its file or from the text encoder.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    torch.Tensor of float32, shape (1, n_tokens, n_features)

    Raises
    ------
    InputProblem
        When there is neither.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if (path / CONDITION).is_file():
        tensors = load_file(path / CONDITION)
        if "condition" not in tensors:
            raise InputProblem(f"{path / CONDITION}: no tensor 'condition'")
        return tensors["condition"].float()
    if not (path / "text_encoder").is_dir() or not (path / "tokenizer").is_dir():
        raise InputProblem(
            f"{path}: neither {CONDITION} nor text_encoder/ and tokenizer/; one of them is needed"
        )
    with offline():
        from transformers import CLIPTextModel, CLIPTokenizer

        try:
            tokenizer = CLIPTokenizer.from_pretrained(path / "tokenizer", local_files_only=True)
            encoder = CLIPTextModel.from_pretrained(path / "text_encoder", local_files_only=True)
        except (OSError, ValueError) as error:
            text = str(error).splitlines()[0][:60]
            raise InputProblem(f"{path}: text encoder cannot be read ({text})") from None
    # Some copies lack the length of the context.
    ids = tokenizer("", padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    with torch.no_grad():
        condition = encoder.float()(ids.input_ids)[0].float()
    with contextlib.suppress(OSError):
        save_file({"condition": condition.contiguous()}, path / CONDITION)
    return condition
