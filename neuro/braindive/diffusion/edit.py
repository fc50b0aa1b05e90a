"""A given picture instead of noise as the start: image-to-image."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from neuro.braindive.diffusion.guidance import read_picture
from neuro.io.problems import InputProblem


@dataclasses.dataclass(frozen=True)
class Edit:
    """A picture that is changed (Meng et al. 2022).

    Its latent is noised to the level of a later step, and only the steps from there on are done.
    The unguided twin of an image starts from the same latent.

    Attributes
    ----------
    picture : ndarray of float32, shape (3, h, w)
        In [0, 1], of the size that the generator makes.
    strength : float
        Share of the steps that are done, above 0; 1 does all of them.

    References
    ----------
    Meng et al. (2022). SDEdit. ICLR.
    """

    picture: np.ndarray
    strength: float

    @classmethod
    def of_settings(cls, choice, generator) -> Edit | None:
        """The edit that the settings ask for.

        Parameters
        ----------
        choice : dict
            `image`, `strength`.
        generator : neuro.braindive.diffusion.generator.Generator

        Returns
        -------
        Edit or None

        Raises
        ------
        InputProblem
            When the picture cannot be read.
        """
        image, strength = choice["image"], choice["strength"]
        if not image:
            return None
        scale = 2 ** (len(generator.vae.config.block_out_channels) - 1)
        picture = read_picture(image, scale * generator.latent_shape[-1])
        return cls(picture, float(strength))

    def first(self, n_steps: int) -> int:
        """Number of the first step that is done; at least one is."""
        return min(n_steps - 1, round((1 - self.strength) * n_steps))

    def start(self, noise, generator, t):
        """Noised latents of the picture.

        Parameters
        ----------
        noise : torch.Tensor, shape (n, c, h, w)
        generator : neuro.braindive.diffusion.generator.Generator
        t : int or float
            First step that is done.

        Returns
        -------
        torch.Tensor, shape (n, c, h, w)
        """
        import torch

        image = torch.as_tensor(self.picture)[None].to(noise.device)
        with torch.no_grad():
            latent = generator.encode(2 * image - 1).to(noise)
        if latent.shape[1:] != noise.shape[1:]:
            raise InputProblem(
                f"braindive.edit: latent of shape {tuple(latent.shape[1:])}, the generator draws "
                f"{tuple(noise.shape[1:])}"
            )
        signal, share = generator.levels(t)
        return signal * latent + share * noise

    def describe(self) -> dict:
        """What sidecars say: strength, and the picture's fingerprint."""
        digest = hashlib.sha256(np.ascontiguousarray(self.picture).tobytes()).hexdigest()
        return {"strength": self.strength, "sha256": digest}
