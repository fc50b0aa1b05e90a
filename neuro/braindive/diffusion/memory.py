"""How much memory one guided step needs, counted without weights and without computing."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from neuro.io.problems import InputProblem

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Bytes of a guided step.

    Attributes
    ----------
    weights : int
        UNet and the decoding half of the VAE; in `dtype`.
    unet, decoder : int
        Tensors per batch that are kept for the gradient.
    batch : int
    dtype : str
    """

    weights: int
    unet: int
    decoder: int
    batch: int
    dtype: str

    @property
    def total(self) -> int:
        """Weights and kept tensors; working space of single layers comes on top."""
        return self.weights + self.unet + self.decoder

    def __str__(self):
        kept = self.unet + self.decoder
        return (
            f"about {self.total / GIB:.2g} GiB at batch {self.batch} in {self.dtype} (weights "
            f"{self.weights / GIB:.2g}, kept for the gradient {kept / GIB:.2g})"
        )


class Kept:
    """Counts the storages that autograd keeps; weights are not counted.

    Parameters
    ----------
    *modules : torch.nn.Module
    """

    def __init__(self, *modules):
        self._known = {p.untyped_storage()._cdata for m in modules for p in m.parameters()}
        self._found: dict = {}

    @property
    def total(self) -> int:
        """Bytes so far."""
        return sum(size for _, size in self._found.values())

    def _pack(self, x):
        storage = x.untyped_storage()
        if storage._cdata not in self._known:
            # The tensor is held, so that no other storage gets its address.
            self._found[storage._cdata] = x, storage.nbytes()
        return x

    def counting(self):
        """Context in which kept tensors are counted."""
        from torch.autograd.graph import saved_tensors_hooks

        return saved_tensors_hooks(self._pack, lambda x: x)


@contextlib.contextmanager
def fused_attention():
    """Attention keeps query, key, value, output and one number per query, as fused kernels do."""
    import torch
    from torch.nn import functional

    class Fused(torch.autograd.Function):
        @staticmethod
        def forward(ctx, query, key, value):
            out = torch.empty_like(query)
            numbers = torch.empty(query.shape[:-1], dtype=torch.float32, device=query.device)
            ctx.save_for_backward(query, key, value, out, numbers)
            return out

        @staticmethod
        def backward(ctx, *gradients):
            raise NotImplementedError("sizes only")

    before = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = lambda q, k, v, *_, **__: Fused.apply(q, k, v)
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = before


def count(unet, vae, condition, batch, dtype="bfloat16", *, unet_backprop=True, added=None):
    """Memory of one guided step with modules that need no weights.

    Parameters
    ----------
    unet, vae : torch.nn.Module
        On any device; on `meta` nothing is computed.
    condition : torch.Tensor, shape (1, n_tokens, n_features)
    batch : int
    dtype : str
    unet_backprop : bool
        False keeps nothing of the UNet.
    added : dict of str to torch.Tensor, optional
        Further conditions of SDXL, for one image.

    Returns
    -------
    Estimate
    """
    import torch

    kind = getattr(torch, dtype)
    device = next(unet.parameters()).device
    for part in (unet, vae):
        torch.nn.Module.to(part.requires_grad_(False), dtype=kind)
    size, channels = unet.config.sample_size, unet.config.in_channels
    z = torch.empty(batch, channels, size, size, device=device, requires_grad=True)
    condition = condition.to(device=device, dtype=kind).expand(batch, -1, -1)
    options = {"encoder_hidden_states": condition}
    if added is not None:
        options["added_cond_kwargs"] = {
            name: value.to(device=device, dtype=kind).expand(batch, -1)
            for name, value in added.items()
        }
    kept = Kept(unet, vae)
    with fused_attention(), kept.counting():
        with contextlib.nullcontext() if unet_backprop else torch.no_grad():
            eps = unet(z.to(kind), 0, **options).sample
        of_unet = kept.total
        vae.decode((z - eps.to(z.dtype)).to(kind))
    parts = [unet, vae.decoder, *filter(None, [vae.post_quant_conv])]
    weights = sum(p.numel() * p.element_size() for part in parts for p in part.parameters())
    return Estimate(weights, of_unet, kept.total - of_unet, batch, dtype)


def estimate(settings) -> Estimate:
    """Memory of the section's sampler, from `config.json` files alone.

    Parameters
    ----------
    settings : dict
        Section `braindive`.

    Returns
    -------
    Estimate

    Raises
    ------
    InputProblem
        When a part of the user's folder is missing or cannot be built.
    """
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from neuro.braindive.diffusion.folder import check_layout
    from neuro.braindive.diffusion.generator import read_json

    choice = settings["generator"]
    added = None
    dtype = settings["dtype"]
    if dtype == "auto":
        on_gpu = settings["device"] == "cuda" or torch.cuda.is_available()
        dtype = "bfloat16" if on_gpu and settings["device"] != "cpu" else "float32"
    with torch.device("meta"):
        if choice["type"] == "tiny":
            from neuro.braindive.diffusion.tiny_ldm import TinyLDM, TinyRecipe

            recipe = TinyRecipe(
                vae_channels=tuple(choice["vae_channels"]),
                unet_channels=tuple(choice["unet_channels"]),
            )
            unet, vae = TinyLDM.networks(recipe)
        else:
            folder = Path(choice["path"])
            check_layout(folder)
            try:
                unet = UNet2DConditionModel.from_config(read_json(folder / "unet/config.json"))
                vae = AutoencoderKL.from_config(read_json(folder / "vae/config.json"))
            except (TypeError, ValueError, KeyError) as error:
                text = str(error).splitlines()[0][:60]
                raise InputProblem(f"{folder}: config.json cannot be used ({text})") from None
        condition = torch.empty(1, 77, unet.config.cross_attention_dim)
        if choice["type"] == "sdxl":
            from neuro.braindive.diffusion.stable_diffusion_xl import pooled_width

            width = pooled_width(unet.config)
            added = {"text_embeds": torch.empty(1, width), "time_ids": torch.empty(1, 6)}
        return count(
            unet,
            vae,
            condition,
            settings["batch_size"],
            dtype,
            unet_backprop=settings["unet_backprop"],
            added=added,
        )


def stop(settings, log) -> None:
    """Say the estimate and stop; for `dry: true`.

    Parameters
    ----------
    settings : dict
        Section `braindive`.
    log : callable

    Raises
    ------
    InputProblem
        Always: nothing is made in a dry run.
    """
    found = estimate(settings)
    log(
        f"memory of a guided step: {found}; UNet {found.unet / GIB:.3f} GiB, decoder "
        f"{found.decoder / GIB:.3f} GiB of kept tensors; layers need working space on top"
    )
    raise InputProblem(f"braindive.dry: {found}; nothing made, set it to false to go on")
