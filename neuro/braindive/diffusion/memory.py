"""How much memory one guided step needs, counted without weights and without computing."""

from __future__ import annotations

import contextlib
import dataclasses

from neuro.braindive.diffusion.generator import pixels_per_latent
from neuro.io.formats.hub import snapshot
from neuro.io.problems import InputProblem

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Bytes of a guided step.

    Attributes
    ----------
    weights : int
        UNet and the decoding half of the VAE, each in the type it runs in.
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

    def fused(query, key, value, *_, **__):
        return Fused.apply(query, key, value)

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = before


def count(
    unet,
    vae,
    condition,
    batch,
    dtype="bfloat16",
    *,
    unet_backprop=True,
    added=None,
    vae_dtype=None,
    size=None,
):
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
    vae_dtype : str, optional
        Of the VAE, where it differs: that of SDXL runs in float32.
    size : int, optional
        Edge of the images in pixels.

    Returns
    -------
    Estimate
    """
    import torch

    kind, decoding = getattr(torch, dtype), getattr(torch, vae_dtype or dtype)
    device = next(unet.parameters()).device
    for network, own in ((unet, kind), (vae, decoding)):
        torch.nn.Module.to(network.requires_grad_(False), dtype=own)
    edge = size // pixels_per_latent(vae.config) if size else unet.config.sample_size
    z = torch.empty(batch, unet.config.in_channels, edge, edge, device=device, requires_grad=True)
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
        vae.decode((z - eps.to(z.dtype)).to(decoding))
    parts = [unet, vae.decoder, *filter(None, [vae.post_quant_conv])]
    weights = sum(p.numel() * p.element_size() for network in parts for p in network.parameters())
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

    from neuro.braindive.diffusion.configs import read_json
    from neuro.braindive.diffusion.device import planned_dtype
    from neuro.braindive.diffusion.folder import check_layout

    choice = settings["generator"]
    added = None
    dtype = planned_dtype(settings)
    with torch.device("meta"):
        if choice["type"] == "tiny":
            from neuro.braindive.diffusion.tiny_ldm import TinyLDM, TinyRecipe

            recipe = TinyRecipe(
                vae_channels=tuple(choice["vae_channels"]),
                unet_channels=tuple(choice["unet_channels"]),
            )
            unet, vae = TinyLDM.networks(recipe)
        else:
            check_layout(choice["path"])
            folder = snapshot(choice["path"])
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
            vae_dtype="float32" if choice["type"] == "sdxl" else None,
            size=None if choice["type"] == "tiny" else choice.get("size"),
        )


def stop(bytes_needed, log) -> None:
    """Say the estimate and stop; for `dry: true`.

    Parameters
    ----------
    bytes_needed : Estimate
    log : callable

    Raises
    ------
    InputProblem
        Always: nothing is made in a dry run.
    """
    log(
        f"memory of a guided step: {bytes_needed}; UNet {bytes_needed.unet / GIB:.3f} GiB, decoder "
        f"{bytes_needed.decoder / GIB:.3f} GiB of kept tensors; layers need working space on top"
    )
    raise InputProblem(f"braindive.dry: {bytes_needed}; nothing made, set it to false to go on")
