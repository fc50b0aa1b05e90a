"""Generators that follow a flow: Stable Diffusion 3 and 3.5, and Flux, from the user's folder.

A latent at level s holds `z = (1 - s) x0 + s noise`; the transformer predicts the velocity
`v = noise - x0`. So `x0 = z - s v` and `noise = z + (1 - s) v`, and taking d off the noise takes
`d / (1 - s)` off the velocity.
"""

from __future__ import annotations

from pathlib import Path

from neuro.braindive.diffusion.configs import read_json
from neuro.braindive.diffusion.flow_folder import (
    KINDS,
    check_flow,
    empty_text,
    flow_hash,
    load_flow,
)
from neuro.braindive.diffusion.generator import Generator
from neuro.braindive.diffusion.guidance import LEAST_SIGNAL

FLUX_GUIDANCE = 3.5
"""What the guidance-distilled transformer is told, as its pipeline's default."""


class FlowGenerator(Generator):
    """Stable Diffusion 3 or 3.5, or Flux, from a local folder.

    Parameters
    ----------
    path : path-like
        Folder with `transformer/`, `vae/`, `scheduler/` and `null_condition.safetensors`: the
        embedding of the empty text as `condition` (1, n_tokens, n_features) and `pooled`
        (1, n_features), from the pipeline's `encode_prompt("")`.
    kind : {'sd3', 'flux'}
    dtype : str

    Raises
    ------
    InputProblem
        When a part is missing or of another kind.
    """

    def __init__(self, path, kind, dtype="float32"):
        path = Path(path)
        check_flow(path, kind)
        self._take(path, kind, *load_flow(path, kind, dtype))
        self.sha256 = flow_hash(path)

    def _take(self, path, kind, transformer, vae):
        """Parts of a folder."""
        from neuro.braindive.diffusion.stable_diffusion import licence_of

        self.kind = kind
        self.unet = transformer.eval().requires_grad_(False)
        self.vae = vae.eval().requires_grad_(False)
        self.schedule = read_json(path / "scheduler/scheduler_config.json")
        self.schedule_class = self.schedule.get("_class_name", "")
        self.condition, self.pooled = empty_text(path)
        self.scaling_factor = float(vae.config.scaling_factor)
        self.shift_factor = float(vae.config.get("shift_factor") or 0.0)
        self.prediction_type = "velocity"
        channels = transformer.config.in_channels // (4 if kind == "flux" else 1)
        # the transformer of Flux takes any size; its autoencoder names the one it was trained at
        scale = 2 ** (len(vae.config.block_out_channels) - 1)
        edge = transformer.config.get("sample_size") or vae.config.sample_size // scale
        self.latent_shape = (channels, edge, edge)
        self.licence, self.name = licence_of(path), path.name
        self.few_steps = None
        self._compiled, self._condition_hash = None, None

    def to(self, device, dtype=None):
        """Move the weights."""
        super().to(device, dtype)
        self.pooled = self.pooled.to(self.condition)
        return self

    def levels(self, t):
        """Share of signal and of noise at time t (1000 s)."""
        return 1 - t / 1000, t / 1000

    def levels_after(self, scheduler, number, t):
        """The same after a step."""
        s = float(scheduler.sigmas[number + 1])
        return 1 - s, s

    def steps(self, name, n):
        """Euler's steps along the flow, at the times of the folder's scheduler."""
        return EulerSteps(self.schedule, n, self._tokens())

    def _tokens(self):
        """Tokens of an image, on which Flux's times depend."""
        patch = 2 if self.kind == "flux" else int(self.unet.config.patch_size)
        return (self.latent_shape[1] // patch) * (self.latent_shape[2] // patch)

    def plain_time(self, t):
        """A time as a plain number."""
        return float(t)

    def guidable(self, t):
        """Where hardly any signal is left, taking off noise has no bounds."""
        return 1 - t / 1000 >= LEAST_SIGNAL

    def raw(self, z, t):
        """Predicted velocity."""
        import torch

        condition = self.condition.expand(len(z), -1, -1)
        pooled = self.pooled.expand(len(z), -1)
        latent = z.to(self.dtype)
        if self.kind == "sd3":
            times = torch.full((len(z),), t, device=z.device, dtype=torch.float32)
            own = {"encoder_hidden_states": condition, "pooled_projections": pooled}
            return self.unet(latent, timestep=times, **own).sample.to(z.dtype)
        height, width = z.shape[-2:]
        times = torch.full((len(z),), t / 1000, device=z.device, dtype=self.dtype)
        guidance = None
        if self.unet.config.guidance_embeds:
            guidance = torch.full((len(z),), FLUX_GUIDANCE, device=z.device, dtype=torch.float32)
        out = self.unet(
            packed(latent),
            timestep=times,
            guidance=guidance,
            pooled_projections=pooled,
            encoder_hidden_states=condition,
            txt_ids=torch.zeros(condition.shape[1], 3, device=z.device, dtype=self.dtype),
            img_ids=places(height // 2, width // 2).to(z.device, self.dtype),
        ).sample
        return unpacked(out, height, width).to(z.dtype)

    def out(self, z, t):
        """What the scheduler steps with: the predicted velocity."""
        return self.raw(z, t)

    def eps(self, z, t):
        """Predicted noise."""
        return self.noise_in(z, t, self.raw(z, t))

    def picture_in(self, z, t, out):
        """The latent of the picture that the transformer sees in z."""
        return z - self.levels(t)[1] * out

    def noise_in(self, z, t, out):
        """The noise that it sees."""
        return z + self.levels(t)[0] * out

    def corrected(self, out, taken, t):
        """The velocity after some noise is taken off, z as it is."""
        return out - taken / self.levels(t)[0]

    def decode(self, z):
        """Images of latents, in [-1, 1] and a little beyond."""
        z = z / self.scaling_factor + self.shift_factor
        return self.vae.decode(z.to(next(self.vae.parameters()).dtype)).sample

    def encode(self, images):
        """Latents of images in [-1, 1]."""
        images = images.to(next(self.vae.parameters()).dtype)
        latent = self.vae.encode(images).latent_dist.mode().float()
        return (latent - self.shift_factor) * self.scaling_factor

    def _texts(self):
        return self.condition, self.pooled


class EulerSteps:
    """Times of a flow-matching scheduler, and plain steps between them, which may be repeated.

    Parameters
    ----------
    schedule : dict
        Settings of `FlowMatchEulerDiscreteScheduler`.
    n : int
        Steps.
    n_tokens : int
        Of an image: schedules with dynamic shifting depend on it.
    """

    init_noise_sigma = 1.0

    def __init__(self, schedule, n, n_tokens):
        import numpy as np
        from diffusers import FlowMatchEulerDiscreteScheduler

        own = {key: value for key, value in schedule.items() if key[0] != "_"}
        theirs = FlowMatchEulerDiscreteScheduler(**own)
        if own.get("use_dynamic_shifting"):
            few, many = own.get("base_image_seq_len", 256), own.get("max_image_seq_len", 4096)
            low, high = own.get("base_shift", 0.5), own.get("max_shift", 1.15)
            mu = low + (high - low) * (n_tokens - few) / (many - few)
            theirs.set_timesteps(sigmas=np.linspace(1, 1 / n, n), mu=mu)
        else:
            theirs.set_timesteps(n)
        self.timesteps, self.sigmas = theirs.timesteps, theirs.sigmas

    def step(self, out, t, z):
        """The latent at the next time.

        Parameters
        ----------
        out, z : torch.Tensor
            Velocity and latent.
        t : float
        """
        from types import SimpleNamespace

        number = int((self.timesteps - t).abs().argmin())
        length = float(self.sigmas[number + 1] - self.sigmas[number])
        return SimpleNamespace(prev_sample=z + length * out)


def packed(z):
    """Latents as tokens of 2 x 2 places: (n, c, h, w) to (n, h w / 4, 4 c)."""
    n, c, h, w = z.shape
    z = z.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return z.reshape(n, (h // 2) * (w // 2), 4 * c)


def unpacked(tokens, height, width):
    """The reverse of :func:`packed`."""
    n, _, wide = tokens.shape
    z = tokens.reshape(n, height // 2, width // 2, wide // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return z.reshape(n, wide // 4, height, width)


def places(height, width):
    """Row and column of each token, (height * width, 3); the first column is zero."""
    import torch

    grid = torch.zeros(height, width, 3)
    grid[..., 1] += torch.arange(height)[:, None]
    grid[..., 2] += torch.arange(width)[None]
    return grid.reshape(-1, 3)


def estimate(settings):
    """Memory of a guided step, from the settings of the folder alone; nothing is computed.

    Parameters
    ----------
    settings : dict
        Section `braindive`.

    Returns
    -------
    neuro.braindive.diffusion.memory.Estimate
    """
    import contextlib

    import diffusers
    import torch

    from neuro.braindive.diffusion.device import planned_dtype
    from neuro.braindive.diffusion.memory import Estimate, Kept, fused_attention

    choice, dtype = settings["generator"], planned_dtype(settings)
    folder, kind = Path(choice["path"]), choice["type"]
    check_flow(folder, kind)
    with torch.device("meta"):
        networks = [
            getattr(diffusers, name).from_config(read_json(folder / component / "config.json"))
            for component, name in (("transformer", KINDS[kind]), ("vae", "AutoencoderKL"))
        ]
    for network in networks:
        torch.nn.Module.to(network.requires_grad_(False), dtype=getattr(torch, dtype))
    own = FlowGenerator.__new__(FlowGenerator)
    own._take(folder, kind, *networks)
    own.condition, own.pooled = (
        text.to("meta", getattr(torch, dtype)) for text in (own.condition, own.pooled)
    )
    batch = settings["batch_size"]
    z = torch.empty(batch, *own.latent_shape, device="meta", requires_grad=True)
    kept = Kept(*networks)
    with fused_attention(), kept.counting():
        with contextlib.nullcontext() if settings["unet_backprop"] else torch.no_grad():
            velocity = own.raw(z, 500.0)
        of_transformer = kept.total
        own.decode(z - velocity)
    used = [networks[0], networks[1].decoder]
    weights = sum(p.numel() * p.element_size() for network in used for p in network.parameters())
    return Estimate(weights, of_transformer, kept.total - of_transformer, batch, dtype)
