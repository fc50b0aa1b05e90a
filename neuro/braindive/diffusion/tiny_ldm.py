"""A latent diffusion model of 32 x 32 images that is trained in minutes on a CPU."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from neuro.base import seeds
from neuro.braindive.diffusion.configs import read_json
from neuro.braindive.diffusion.folder import load_parts, weights_hash
from neuro.braindive.diffusion.generator import Generator, alphas_cumprod
from neuro.braindive.diffusion.schedulers import SCHEDULE
from neuro.io.problems import InputProblem

TOKEN = 32
"""Length of the constant condition: the model is unconditional."""


MAX_SIZE = 128
"""Larger images would take days on a CPU."""


@dataclasses.dataclass(frozen=True)
class TinyRecipe:
    """Size of the networks and length of the training.

    Attributes
    ----------
    vae_channels, unet_channels : tuple of int
    vae_steps, unet_steps : int
        Minibatches.
    vae_batch, unet_batch : int
    vae_rate, unet_rate : float
        Learning rates of AdamW; both fall as a cosine.
    """

    vae_channels: tuple = (16, 32, 64)
    vae_steps: int = 948
    vae_batch: int = 16
    vae_rate: float = 2e-3
    unet_channels: tuple = (48, 96)
    unet_steps: int = 635
    unet_batch: int = 64
    unet_rate: float = 1e-3


class TinyLDM(Generator):
    """A small latent diffusion model in the layout of diffusers; see :meth:`train`."""

    recipe: dict

    @staticmethod
    def networks(recipe=None, size=32):
        """Untrained networks.

        Parameters
        ----------
        recipe : TinyRecipe, optional
        size : int
            Edge of the images.

        Returns
        -------
        unet, vae : torch.nn.Module
        """
        from diffusers import AutoencoderKL, UNet2DConditionModel

        recipe = recipe or TinyRecipe()
        levels = len(recipe.vae_channels)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=tuple(recipe.vae_channels),
            layers_per_block=1,
            norm_num_groups=8,
            latent_channels=4,
            sample_size=size,
        )
        unet = UNet2DConditionModel(
            sample_size=size // 2 ** (levels - 1),
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=tuple(recipe.unet_channels),
            layers_per_block=1,
            norm_num_groups=16,
            cross_attention_dim=TOKEN,
            attention_head_dim=4,
        )
        return unet, vae

    @classmethod
    def train(cls, images, seed=0, recipe=None, log=None) -> TinyLDM:
        """Train autoencoder and denoiser.

        Parameters
        ----------
        images : ndarray of float32, shape (n, 3, 32, 32)
            In [0, 1]; one channel is repeated.
        seed : int
        recipe : TinyRecipe, optional
        log : callable, optional
            One line per part.

        Returns
        -------
        TinyLDM

        Raises
        ------
        InputProblem
            When the images are not square with an edge of 16 to 128 px that is a multiple of 8.
        """
        import torch

        recipe = recipe or TinyRecipe()
        images = np.asarray(images, dtype=np.float32)
        channels, height, width = images.shape[1:]
        if height != width or height % 8 or not 16 <= height <= MAX_SIZE:
            raise InputProblem(
                f"generator tiny: images of {height} x {width} px; expected squares of 16 to "
                f"{MAX_SIZE} px in steps of 8: resize them, or use generator.type sd"
            )
        if channels == 1:
            images = np.repeat(images, 3, axis=1)
        log = log or (lambda line: None)
        x = torch.from_numpy(2 * images - 1)
        rng = seeds.generator(seed, "tiny generator")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            unet, vae = cls.networks(recipe, height)
            log(f"autoencoder: {_train_vae(vae, x, recipe, rng)}")
            with torch.no_grad():
                latents = torch.cat(
                    [vae.encode(batch).latent_dist.mode() for batch in x.split(128)]
                )
            scale = float(1 / latents.std())
            log(f"denoiser: {_train_unet(unet, latents * scale, recipe, rng)}")
        vae.register_to_config(scaling_factor=scale)
        return cls._made(unet, vae, SCHEDULE, dataclasses.asdict(recipe))

    @classmethod
    def _made(cls, unet, vae, schedule, recipe, sha256=""):
        import torch

        made = cls(
            unet,
            vae,
            schedule,
            torch.zeros(1, 1, TOKEN),
            scaling_factor=vae.config.scaling_factor,
            licence="own model, trained on the images of this data set",
            sha256=sha256,
            name="tiny",
        )
        made.recipe = recipe
        return made

    def reconstruct(self, images, batch=128) -> np.ndarray:
        """Images after encoding and decoding.

        Parameters
        ----------
        images : ndarray of float32, shape (n, c, h, w)
        batch : int

        Returns
        -------
        ndarray of float32, shape (n, c, h, w)
        """
        import torch

        channels = images.shape[1]
        decoded = []
        with torch.no_grad():
            for start in range(0, len(images), batch):
                x = torch.as_tensor(np.asarray(images[start : start + batch], np.float32))
                x = 2 * x.expand(-1, 3, -1, -1) - 1
                y = self.vae.decode(self.vae.encode(x).latent_dist.mode()).sample
                y = (y / 2 + 0.5).clamp(0, 1)
                decoded.append((y if channels == 3 else y.mean(dim=1, keepdim=True)).numpy())
        return np.concatenate(decoded)

    def save(self, folder, *, half=False) -> Path:
        """Write the model in the layout of diffusers: unet/, vae/, scheduler/.

        Parameters
        ----------
        folder : path-like
        half : bool
            Store 16-bit floats.

        Returns
        -------
        pathlib.Path
        """
        import torch
        from safetensors.torch import save_file

        folder = Path(folder)
        for name, network in (("unet", self.unet), ("vae", self.vae)):
            subfolder = folder / name
            subfolder.mkdir(parents=True, exist_ok=True)
            network.save_config(subfolder)
            kind = torch.float16 if half else torch.float32
            state = {k: v.to(kind).contiguous() for k, v in network.state_dict().items()}
            save_file(state, subfolder / "diffusion_pytorch_model.safetensors")
        (folder / "scheduler").mkdir(exist_ok=True)
        _write(folder / "scheduler" / "scheduler_config.json", SCHEDULE)
        _write(folder / "recipe.json", self.recipe)
        return folder

    @classmethod
    def load(cls, folder) -> TinyLDM:
        """Read a model that :meth:`save` wrote.

        Parameters
        ----------
        folder : path-like

        Returns
        -------
        TinyLDM

        Raises
        ------
        InputProblem
            When a part is missing.
        """
        folder = Path(folder)
        unet, vae, schedule = load_parts(folder)
        recipe = read_json(folder / "recipe.json")
        return cls._made(unet, vae, schedule, recipe, weights_hash(folder))


def _write(path, content):
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def _train_vae(vae, x, recipe, rng) -> str:
    """MSE + 0.3 L1 + 1e-4 KL / 256, small batches: those win at equal cost."""
    import torch

    optimiser = torch.optim.AdamW(vae.parameters(), lr=recipe.vae_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.vae_steps)
    errors = []
    for _ in range(recipe.vae_steps):
        batch = x[torch.from_numpy(rng.integers(len(x), size=recipe.vae_batch))]
        latent = vae.encode(batch).latent_dist
        error = vae.decode(latent.sample()).sample - batch
        squared = error.pow(2).mean()
        loss = squared + 0.3 * error.abs().mean() + 1e-4 * latent.kl().mean() / 256
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        falling.step()
        errors.append(squared.detach())
    last = float(torch.stack(errors[-50:]).mean()) / 4
    return f"{recipe.vae_steps} steps, {-10 * np.log10(last):.1f} dB"


def _train_unet(unet, latents, recipe, rng) -> str:
    """Noise prediction; the running mean of the weights is kept."""
    import torch

    abar = torch.tensor(alphas_cumprod(SCHEDULE))
    optimiser = torch.optim.AdamW(unet.parameters(), lr=recipe.unet_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, recipe.unet_steps, eta_min=0.1 * recipe.unet_rate
    )
    mean = [p.detach().clone() for p in unet.parameters()]
    losses = []
    for step in range(recipe.unet_steps):
        rows = torch.from_numpy(rng.integers(len(latents), size=recipe.unet_batch))
        t = torch.from_numpy(rng.integers(len(abar), size=len(rows)))
        share = abar[t].view(-1, 1, 1, 1)
        noise = torch.randn(latents[rows].shape)
        noisy = share.sqrt() * latents[rows] + (1 - share).sqrt() * noise
        condition = torch.zeros(len(rows), 1, TOKEN)
        guess = unet(noisy, t, encoder_hidden_states=condition).sample
        loss = (guess - noise).pow(2).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        falling.step()
        decay = min(0.995, (1 + step) / (10 + step))
        torch._foreach_lerp_(mean, [p.detach() for p in unet.parameters()], 1 - decay)
        losses.append(loss.detach())
    with torch.no_grad():
        for parameter, value in zip(unet.parameters(), mean):
            parameter.copy_(value)
    return f"{recipe.unet_steps} steps, loss {float(torch.stack(losses[-50:]).mean()):.3f}"
