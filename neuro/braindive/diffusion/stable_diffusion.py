"""Stable Diffusion from a folder that the user supplies; nothing is ever downloaded."""

from __future__ import annotations

import contextlib
from pathlib import Path

from neuro.braindive.diffusion.configs import read_json
from neuro.braindive.diffusion.few_steps import few_steps
from neuro.braindive.diffusion.folder import check_layout, load_parts, offline, weights_hash
from neuro.braindive.diffusion.generator import Generator
from neuro.braindive.diffusion.schedulers import SCHEDULE
from neuro.encoding.towers import pretrained
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

CONDITION = "null_condition.safetensors"
LICENCE = "CreativeML Open RAIL++-M (Stable Diffusion 2.1; check the file beside your copy)"


class DiffusersSD(Generator):
    """Stable Diffusion 1.x or 2.x from a local folder.

    Parameters
    ----------
    path : path-like
        Folder with `unet/`, `vae/`, `scheduler/`, and either `text_encoder/` and `tokenizer/` or
        `null_condition.safetensors`, the embedding of the empty text. The latter is written
        beside the weights once, where the folder can be written to.
    dtype : str, default 'float32'
        Number type in which the weights are loaded.
    size : int, optional
        Edge of the images in pixels.

    Raises
    ------
    InputProblem
        When a part is missing, the folder is SDXL, or the schedule cannot be guided.
    """

    def __init__(self, path, dtype="float32", size=None):
        name, path = Path(path).name, snapshot(path)
        check_layout(path)
        if read_json(path / "unet" / "config.json").get("addition_embed_type") == "text_time":
            raise InputProblem(f"{path}: this is SDXL; set braindive.generator.type to sdxl")
        condition = null_condition(path)
        unet, vae, schedule = load_parts(path, dtype=dtype)
        super().__init__(
            unet,
            vae,
            schedule,
            condition,
            scaling_factor=vae.config.scaling_factor,
            licence=licence_of(path),
            sha256=weights_hash(path),
            name=name,
            size=size,
            few_steps=few_steps(path),
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
    path = snapshot(path)
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
            folder = path / "text_encoder"
            encoder = CLIPTextModel.from_pretrained(
                folder, local_files_only=True, **pretrained(folder)[1]
            )
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
