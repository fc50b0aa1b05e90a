"""Stable Diffusion XL from a folder that the user supplies: two text encoders, sizes as input."""

from __future__ import annotations

import contextlib
from pathlib import Path

from neuro.braindive.diffusion.configs import read_json
from neuro.braindive.diffusion.few_steps import few_steps
from neuro.braindive.diffusion.folder import check_layout, load_parts, offline, weights_hash
from neuro.braindive.diffusion.generator import Generator, pixels_per_latent
from neuro.braindive.diffusion.stable_diffusion import CONDITION, licence_of
from neuro.encoding.towers import pretrained
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

ENCODERS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))


class DiffusersSDXL(Generator):
    """Stable Diffusion XL from a local folder; its VAE always runs in float32.

    Parameters
    ----------
    path : path-like
        Folder with `unet/`, `vae/`, `scheduler/`, and for the empty text one of:
        `null_condition.safetensors` with `condition` and `pooled`; `model_index.json` with
        `force_zeros_for_empty_prompt` (then both are zeros, as in training); the two text
        encoders and tokenizers (then the first file is written beside the weights once, where
        the folder can be written to).
    dtype : str, default 'float32'
        Number type in which the UNet is loaded.
    size : int, optional
        Edge of the images in pixels.

    Raises
    ------
    InputProblem
        When a part is missing or the folder is not SDXL.
    """

    def __init__(self, path, dtype="float32", size=None):
        name, path = Path(path).name, snapshot(path)
        check_layout(path)
        config = read_json(path / "unet" / "config.json")
        if config.get("addition_embed_type") != "text_time":
            raise InputProblem(f"{path}: this is not SDXL; set braindive.generator.type to sd")
        unet, vae, schedule = load_parts(path, xl=True, dtype=dtype)
        condition, pooled = empty_text(path, unet.config)
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
        self.pooled = pooled
        self._scale = pixels_per_latent(vae.config)

    def to(self, device, dtype=None):
        """Move the weights; the VAE keeps float32."""
        import torch

        self._condition_sha256()
        # Never by way of the smaller type: that would round the weights of the VAE.
        torch.nn.Module.to(self.unet, device=device, dtype=dtype)
        torch.nn.Module.to(self.vae, device=device, dtype=torch.float32)
        self.condition = self.condition.to(device=device, dtype=dtype or self.condition.dtype)
        self.pooled = self.pooled.to(device=device, dtype=self.condition.dtype)
        return self

    def raw(self, z, t):
        """The UNet's output for an image of full size, not cropped."""
        import torch

        size = self._scale * self.latent_shape[1]
        times = torch.tensor([size, size, 0, 0, size, size], device=z.device, dtype=self.dtype)
        added = {
            "text_embeds": self.pooled.expand(len(z), -1),
            "time_ids": times.expand(len(z), -1),
        }
        condition = self.condition.expand(len(z), -1, -1)
        return self._predict(z, t, condition, added_cond_kwargs=added)

    def _texts(self):
        return self.condition, self.pooled


def pooled_width(config) -> int:
    """Length of the pooled embedding that a UNet of SDXL expects."""
    return config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim


def empty_text(path: Path, config):
    """Both embeddings of the empty text.

    Parameters
    ----------
    path : pathlib.Path
    config : object
        Configuration of the UNet.

    Returns
    -------
    condition : torch.Tensor of float32, shape (1, n_tokens, n_features)
    pooled : torch.Tensor of float32, shape (1, n_pooled)

    Raises
    ------
    InputProblem
        When there is no source for them, or they do not fit the UNet.
    """
    import torch
    from safetensors.torch import load_file, save_file

    wide, index = pooled_width(config), path / "model_index.json"
    if (path / CONDITION).is_file():
        tensors = load_file(path / CONDITION)
        lacking = [name for name in ("condition", "pooled") if name not in tensors]
        if lacking:
            raise InputProblem(f"{path / CONDITION}: no tensor '{lacking[0]}'")
        condition, pooled = tensors["condition"].float(), tensors["pooled"].float()
    elif index.is_file() and read_json(index).get("force_zeros_for_empty_prompt"):
        return torch.zeros(1, 77, config.cross_attention_dim), torch.zeros(1, wide)
    else:
        missing = [folder for pair in ENCODERS for folder in pair if not (path / folder).is_dir()]
        if missing:
            raise InputProblem(
                f"{path}: neither {CONDITION} (condition, pooled) nor {missing[0]}/; one is needed"
            )
        condition, pooled = _encoded(path)
        with contextlib.suppress(OSError):
            save_file(
                {"condition": condition.contiguous(), "pooled": pooled.contiguous()},
                path / CONDITION,
            )
    widths = condition.shape[-1], pooled.shape[-1]
    if widths != (config.cross_attention_dim, wide):
        raise InputProblem(
            f"{path}: empty text of {widths[0]} and {widths[1]} features, the UNet expects "
            f"{config.cross_attention_dim} and {wide}"
        )
    return condition, pooled


def _encoded(path):
    """The last but one layer of both text encoders side by side; the second one's embedding."""
    import torch

    states = []
    with offline():
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        for (words, text), kind in zip(ENCODERS, (CLIPTextModel, CLIPTextModelWithProjection)):
            try:
                tokenizer = CLIPTokenizer.from_pretrained(path / words, local_files_only=True)
                model = pretrained(path / text)[1]
                encoder = kind.from_pretrained(path / text, local_files_only=True, **model).float()
            except (OSError, ValueError) as error:
                line = str(error).splitlines()[0][:60]
                raise InputProblem(f"{path}/{text}: cannot be read ({line})") from None
            encoder.eval()
            length = min(77, encoder.config.max_position_embeddings)
            ids = tokenizer(
                "", padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            )
            with torch.no_grad():
                out = encoder(ids.input_ids, output_hidden_states=True)
            states.append(out.hidden_states[-2])
            pooled = out[0]
    return torch.cat(states, dim=-1).float(), pooled.float()
