"""Folders of flow models in the layout of diffusers: what must be there, its fingerprint."""

from __future__ import annotations

import hashlib
from pathlib import Path

from neuro.base.provenance import checksum
from neuro.braindive.diffusion.configs import read_json
from neuro.braindive.diffusion.folder import numbers_in, offline
from neuro.io.problems import InputProblem

CONDITION = "null_condition.safetensors"
LAYOUT = "transformer/, vae/ and scheduler/ in the layout of diffusers"
KINDS = {"sd3": "SD3Transformer2DModel", "flux": "FluxTransformer2DModel"}


def weight_files(folder) -> list[Path]:
    """Safetensors files of a part, whole or in pieces."""
    name = "diffusion_pytorch_model"
    for pattern in (f"{name}.safetensors", f"{name}-*-of-*.safetensors"):
        files = sorted(Path(folder).glob(pattern))
        if files:
            return files
    return []


def check_flow(folder, kind) -> None:
    """Whether a folder holds the flow model asked for; no weight is read.

    Parameters
    ----------
    folder : path-like
    kind : {'sd3', 'flux'}

    Raises
    ------
    InputProblem
        One line that names what is missing or wrong.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputProblem(f"{folder}: no such folder; expected {LAYOUT}")
    files = ["transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json"]
    lost = [name for name in files if not (folder / name).is_file()]
    lost += [
        f"{component}/diffusion_pytorch_model.safetensors"
        for component in ("transformer", "vae")
        if not weight_files(folder / component)
    ]
    if lost:
        raise InputProblem(f"{folder}: missing {lost[0]}; expected {LAYOUT}")
    if not (folder / CONDITION).is_file():
        raise InputProblem(
            f"{folder}: no {CONDITION}; write it once: pipe.encode_prompt('') of diffusers, its "
            "embedding as 'condition' and its pooled one as 'pooled'"
        )
    config = read_json(folder / "transformer/config.json")
    name = config.get("_class_name")
    if name != KINDS[kind]:
        own = [candidate for candidate, other in KINDS.items() if other == name]
        advice = f"; set braindive.generator.type to {own[0]}" if own else ""
        raise InputProblem(f"{folder}: holds {name}, expected {KINDS[kind]}{advice}")
    channels = config.get("in_channels", 0) // (4 if kind == "flux" else 1)
    latents = read_json(folder / "vae/config.json").get("latent_channels", 4)
    if channels != latents:
        raise InputProblem(
            f"{folder}: the transformer takes {channels} channels, the VAE makes {latents}; models "
            "for inpainting or control cannot be guided"
        )
    scheduler = read_json(folder / "scheduler/scheduler_config.json").get("_class_name", "")
    if scheduler != "FlowMatchEulerDiscreteScheduler":
        raise InputProblem(
            f"{folder}: scheduler {scheduler}, expected FlowMatchEulerDiscreteScheduler"
        )


def flow_hash(folder) -> str:
    """SHA-256 over weights, settings and schedule."""
    folder, digest = Path(folder), hashlib.sha256()
    for component in ("transformer", "vae"):
        for file in (*weight_files(folder / component), folder / component / "config.json"):
            digest.update(checksum(file).encode())
    digest.update(checksum(folder / "scheduler/scheduler_config.json").encode())
    return digest.hexdigest()


def flow_bytes(folder, dtype) -> int:
    """Bytes of the weights in a type; `auto` counts float32."""
    width = 2 if dtype in ("bfloat16", "float16") else 4
    files = [
        file
        for component in ("transformer", "vae")
        for file in weight_files(Path(folder) / component)
    ]
    return width * sum(numbers_in(file) for file in files)


def load_flow(folder, kind, dtype):
    """Transformer and VAE in their final type, filled tensor by tensor.

    Parameters
    ----------
    folder : path-like
    kind : {'sd3', 'flux'}
    dtype : str

    Returns
    -------
    transformer, vae : torch.nn.Module

    Raises
    ------
    InputProblem
        When weights do not fit their settings.
    """
    folder = Path(folder)
    with offline():
        import diffusers
        import torch
        from safetensors import safe_open

        made = []
        for component, name in (("transformer", KINDS[kind]), ("vae", "AutoencoderKL")):
            try:
                with torch.device("meta"):
                    config = read_json(folder / component / "config.json")
                    network = getattr(diffusers, name).from_config(config)
                state = {}
                for file in weight_files(folder / component):
                    with safe_open(file, "pt") as source:
                        for key in source.keys():  # noqa: SIM118
                            state[key] = source.get_tensor(key).to(getattr(torch, dtype))
                network.load_state_dict(state, assign=True)
                empty = [key for key, value in network.named_buffers() if value.is_meta]
                empty += [key for key, value in network.named_parameters() if value.is_meta]
                if empty:
                    raise ValueError(f"no values for {empty[0]}")
            except Exception as error:
                # torch and diffusers raise whatever they like
                text = (str(error).strip().splitlines() or [type(error).__name__])[0][:60]
                raise InputProblem(
                    f"{folder}/{component}: weights do not fit config.json ({text})"
                ) from None
            made.append(network)
    return tuple(made)


def empty_text(folder):
    """Both embeddings of the empty text, float32.

    Raises
    ------
    InputProblem
        When the file lacks one.
    """
    from safetensors.torch import load_file

    tensors = load_file(Path(folder) / CONDITION)
    lacking = [name for name in ("condition", "pooled") if name not in tensors]
    if lacking:
        raise InputProblem(f"{Path(folder) / CONDITION}: no tensor '{lacking[0]}'")
    return tensors["condition"].float(), tensors["pooled"].float()
