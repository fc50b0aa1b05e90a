"""Models that were distilled to few steps: how a folder is recognised, and how they step.

Both kinds step on the scale of alphas_cumprod, as guidance does. The noise between steps is drawn
from a stream of each image's start noise, so that it depends on neither batch nor device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from types import SimpleNamespace

import numpy as np

from neuro.base import seeds
from neuro.braindive.diffusion.configs import read_json

NAMES = re.compile(r"turbo|lightning|hyper-?sd", re.IGNORECASE)
SIGMA_DATA = 0.5


@dataclasses.dataclass(frozen=True)
class FewSteps:
    """A distilled model.

    Attributes
    ----------
    kind : {'lcm', 'euler', 'euler_ancestral'}
        Its way from step to step.
    own, most : int
        Steps it is usually run with, and the largest number that it was made for.
    schedule : dict
        Configuration of its scheduler.
    """

    kind: str
    own: int
    most: int
    schedule: dict

    def steps(self, wanted: int) -> int:
        """As many steps as asked for, or its own where that is too many."""
        return wanted if wanted <= self.most else self.own


def few_steps(folder) -> FewSteps | None:
    """What kind of distilled model a folder holds, from its JSON files.

    Parameters
    ----------
    folder : pathlib.Path
        In the layout of diffusers.

    Returns
    -------
    FewSteps or None
        None for a model that needs many steps.
    """
    unet = read_json(folder / "unet" / "config.json")
    schedule = read_json(folder / "scheduler" / "scheduler_config.json")
    index = folder / "model_index.json"
    whole = read_json(index) if index.is_file() else {}
    solver = str(schedule.get("_class_name", ""))
    if (
        solver == "LCMScheduler"
        or unet.get("time_cond_proj_dim")
        or "LatentConsistency" in str(whole.get("_class_name", ""))
    ):
        return FewSteps("lcm", 4, 8, schedule)
    trailing = schedule.get("timestep_spacing") == "trailing"
    origins = " ".join(str(config.get("_name_or_path", "")) for config in (unet, whole))
    names = f"{folder.name} {folder.parent.parent.name} {origins}"
    if trailing and (solver == "EulerAncestralDiscreteScheduler" or NAMES.search(names)):
        kind = "euler_ancestral" if "Ancestral" in solver else "euler"
        return FewSteps(kind, 4, 4 if "turbo" in names.lower() else 8, schedule)
    return None


class FewStepScheduler:
    """Steps of a distilled model, with noise predictions.

    Parameters
    ----------
    few : FewSteps
    alphas_cumprod : sequence of float
        Share of signal by training step.
    steps : int

    Attributes
    ----------
    timesteps : list of int
    init_noise_sigma : float
        SD of the latent at the first step.
    """

    def __init__(self, few, alphas_cumprod, steps):
        self.few, self._abar = few, alphas_cumprod
        n = len(alphas_cumprod)
        if few.kind == "lcm":
            origin = int(few.schedule.get("original_inference_steps", 50))
            times = (np.arange(1, origin + 1) * (n // origin) - 1)[::-1]
            places = np.floor(np.linspace(0, origin, steps, endpoint=False)).astype(int)
            times = times[places]
        else:
            times = np.round(np.arange(n, 0, -n / steps))[:steps] - 1
        self.timesteps = [int(t) for t in times]
        first = 1.0 if few.kind == "lcm" else (1 - alphas_cumprod[self.timesteps[0]]) ** 0.5
        self.init_noise_sigma = first
        self._streams: list = []

    def noise(self, like):
        """Noise of the shape of latents, from each image's own stream.

        Parameters
        ----------
        like : torch.Tensor, shape (n, c, h, w)

        Returns
        -------
        torch.Tensor
        """
        import torch

        drawn = [own.standard_normal(like.shape[1:], dtype=np.float32) for own in self._streams]
        return torch.from_numpy(np.stack(drawn)).to(like)

    def step(self, eps, t, z):
        """The latent of the next step.

        Parameters
        ----------
        eps : torch.Tensor, shape (n, c, h, w)
            Predicted noise, corrected.
        t : int
        z : torch.Tensor of the same shape

        Returns
        -------
        object
            With `prev_sample`.
        """
        number = self.timesteps.index(int(t))
        if number == 0:
            latents = z.detach().float().cpu().numpy()
            keys = [
                int(hashlib.sha256(latent.tobytes()).hexdigest()[:16], 16) for latent in latents
            ]
            self._streams = [seeds.generator(key, "step noise") for key in keys]
        last = number == len(self.timesteps) - 1
        after = 1.0 if last else self._abar[self.timesteps[number + 1]]
        call = self._consistent if self.few.kind == "lcm" else self._euler
        return SimpleNamespace(prev_sample=call(eps, int(t), z, after, last))

    def _consistent(self, eps, t, z, after, last):
        """Luo et al. 2023, *Latent consistency models*: to the picture, and noise again."""
        abar = self._abar[t]
        x0 = (z - (1 - abar) ** 0.5 * eps) / abar**0.5
        scaled = t * float(self.few.schedule.get("timestep_scaling", 10.0))
        norm = scaled**2 + SIGMA_DATA**2
        clean = scaled / norm**0.5 * x0 + SIGMA_DATA**2 / norm * z
        return clean if last else after**0.5 * clean + (1 - after) ** 0.5 * self.noise(z)

    def _euler(self, eps, t, z, after, last):
        """Euler's step in sigma = sqrt((1 - abar) / abar); the ancestral one adds noise again."""
        abar = self._abar[t]
        now, then = ((1 - share) ** 0.5 / share**0.5 for share in (abar, after))
        up = 0.0
        if self.few.kind == "euler_ancestral":
            up = (then**2 * (now**2 - then**2) / now**2) ** 0.5
        down = (then**2 - up**2) ** 0.5
        x = z / abar**0.5 + (down - now) * eps
        return after**0.5 * (x + up * self.noise(z) if up else x)
