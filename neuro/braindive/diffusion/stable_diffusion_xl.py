"""Stable Diffusion XL from a folder that the user supplies: two text encoders, sizes as input."""

from __future__ import annotations

import contextlib
from pathlib import Path

from neuro.braindive.diffusion.folder import check_layout, load_parts, offline, weights_hash
from neuro.braindive.diffusion.generator import Generator, read_json
from neuro.braindive.diffusion.stable_diffusion import CONDITION, licence_of
from neuro.encoding.backbones import pretrained
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

    Raises
    ------
    InputProblem
        When a part is missing or the folder is not SDXL.
    """

    def __init__(self, path):
        path = Path(path)
        check_layout(path)
        config = read_json(path / "unet" / "config.json")
        if config.get("addition_embed_type") != "text_time":
            raise InputProblem(f"{path}: this is not SDXL; set braindive.generator.type to sd")
        unet, vae, schedule = load_parts(path, xl=True)
        condition, pooled = empty_text(path, unet.config)
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
        self.pooled = pooled
        self._scale = 2 ** (len(vae.config.block_out_channels) - 1)

    def to(self, device, dtype=None):
        """Move the weights; the VAE keeps float32."""
        import torch

        super().to(device, dtype)
        self.vae.to(dtype=torch.float32)
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
        missing = [part for pair in ENCODERS for part in pair if not (path / part).is_dir()]
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
    found = condition.shape[-1], pooled.shape[-1]
    if found != (config.cross_attention_dim, wide):
        raise InputProblem(
            f"{path}: empty text of {found[0]} and {found[1]} features, the UNet expects "
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
                found = pretrained(path / text)[1]
                encoder = kind.from_pretrained(path / text, local_files_only=True, **found).float()
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
