"""How large a correction is, what the encoder is shown, and noise that is put back."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds

STRENGTHS = ("ratio", "gamma", "polyak")
LEAST_SIGNAL = 0.05
"""Below this share of signal a flow is not guided: its picture is noise, its correction endless."""


def rms(x):
    """Root mean square over channels and pixels, shape (n, 1, 1, 1)."""
    return x.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt()


def correction(kind, value, gradient, eps, noise, *, values=None, target=None):
    """What is taken off the noise prediction.

    Parameters
    ----------
    kind : {'gamma', 'ratio', 'polyak'}
        `gamma`: `noise * value * g`. `ratio`: of the size `noise * value * rms(eps)`. `polyak`:
        `value * max(0, target - M) / (noise |g|^2) * g`, which moves the decoded latent as far as
        a linear objective needs to reach `target` (Polyak 1969), at most as large as eps.
    value : float
    gradient, eps : torch.Tensor, shape (n, c, h, w)
    noise : float
        Share of noise in the latent (SD).
    values : torch.Tensor, shape (n,), optional
        The objective M of each image, for `polyak`.
    target : float, optional

    Returns
    -------
    torch.Tensor, shape (n, c, h, w)
    """
    if kind == "gamma":
        return noise * value * gradient
    if kind == "ratio":
        return noise * value * rms(eps) * gradient / (rms(gradient) + 1e-12)
    short = (target - values).clamp_min(0).to(gradient.dtype).view(-1, 1, 1, 1)
    square = gradient.pow(2).sum(dim=(1, 2, 3), keepdim=True)
    step = value * short / (noise * square + 1e-30) * gradient
    return step * (rms(eps) / (rms(step) + 1e-30)).clamp_max(1)


def moved(images, rngs):
    """Each image brightened by up to 5 % and shifted by up to 4 of 224 pixels, edges repeated.

    Parameters
    ----------
    images : torch.Tensor, shape (n, c, h, w)
        Gradients flow through.
    rngs : sequence of numpy.random.Generator
        One per image: what an image gets does not depend on the others of its batch.

    Returns
    -------
    torch.Tensor of the same shape
    """
    import torch
    from torch.nn import functional

    height, width = images.shape[-2:]
    reach = max(1, round(4 * height / 224))
    shifted = []
    for image, rng in zip(images, rngs):
        gain = float(rng.uniform(0.95, 1.05))
        down, right = (int(step) for step in rng.integers(0, 2 * reach + 1, 2))
        framed = functional.pad((gain * image)[None], (reach,) * 4, mode="replicate")
        shifted.append(framed[0, :, down : down + height, right : right + width])
    return torch.stack(shifted).clamp(0, 1)


def streams(random_state, name, keys, *more) -> list:
    """A random stream per image and purpose.

    Parameters
    ----------
    random_state : int
    name : str
        See :data:`neuro.base.seeds.STREAMS`.
    keys : sequence of tuple of int
        What identifies each image.
    *more : int
        Step, repeat.

    Returns
    -------
    list of numpy.random.Generator
    """
    return [seeds.generator(random_state, name, *key, *more) for key in keys]


def fresh(rngs, like):
    """Normal noise, a stream per image.

    Parameters
    ----------
    rngs : sequence of numpy.random.Generator
    like : torch.Tensor, shape (n, ...)

    Returns
    -------
    torch.Tensor of the same shape, type and device
    """
    import torch

    parts = np.stack([rng.standard_normal(like.shape[1:], dtype=np.float32) for rng in rngs])
    return torch.from_numpy(parts).to(like)


def noised_back(z, before, after, noise):
    """A latent after a step, brought back to the level of noise before it.

    Parameters
    ----------
    z : torch.Tensor
        `after[0] * picture + after[1] * noise`.
    before, after : (float, float)
        Signal and noise of both levels.
    noise : torch.Tensor
        Fresh.

    Returns
    -------
    torch.Tensor
        `before[0] * picture + before[1] * noise` in distribution.
    """
    share = before[0] / after[0]
    return share * z + max(0.0, before[1] ** 2 - (share * after[1]) ** 2) ** 0.5 * noise


def read_picture(path, size):
    """A picture as a square.

    Parameters
    ----------
    path : path-like
    size : int
        Edge in pixels; the middle square is resized.

    Returns
    -------
    ndarray of float32, shape (3, size, size)
        In [0, 1].

    Raises
    ------
    InputProblem
        When it cannot be read.
    """
    from PIL import Image

    from neuro.io.problems import InputProblem

    try:
        picture = Image.open(path).convert("RGB")
    except (OSError, ValueError):
        raise InputProblem(f"{path}: not a readable picture (.png, .jpg)") from None
    edge = min(picture.size)
    left, top = ((side - edge) // 2 for side in picture.size)
    square = picture.crop((left, top, left + edge, top + edge))
    pixels = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return pixels.transpose(2, 0, 1) / 255
