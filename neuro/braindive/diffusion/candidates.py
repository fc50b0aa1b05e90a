"""The control without gradients: the best of several unguided images."""

from __future__ import annotations

import contextlib

import numpy as np

from neuro.base import seeds
from neuro.braindive.diffusion.batch import compiling


def best_of(sampler, number, n, twin, batch_size=8):
    """Without gradients: the guide's favourite among unguided images, the twin among them.

    Parameters
    ----------
    sampler : neuro.braindive.BrainGuidedSampler
    number : int
        Of the image whose control this is.
    n : int
        Images to choose from.
    twin : ndarray of float32, shape (3, h, w)
        The unguided image of that number.
    batch_size : int

    Returns
    -------
    image : ndarray of float32, shape (3, h, w)
    value : float
        What the guide predicts.
    """
    import torch

    shape = sampler.generator.latent_shape
    streams = [seeds.generator(sampler.random_state, "candidates", number, k) for k in range(1, n)]
    start = [own.standard_normal(shape, dtype=np.float32) for own in streams]
    images = [twin[None]]
    for k in range(0, n - 1, batch_size):
        batch = start[k : k + batch_size]
        fill = max(0, sampler._fixed - len(batch)) if sampler.compile else 0
        z = torch.from_numpy(np.stack(batch + batch[-1:] * fill)).to(sampler.device)
        last = min(k + batch_size, n - 1)
        keys = [(1, number, j + 1) for j in range(k, last)]
        keys += keys[-1:] * fill
        with compiling() if sampler.compile else contextlib.nullcontext():
            images.append(sampler._run(z, 0.0, keys)[0][: len(batch)])
    pictures = np.concatenate(images)
    with torch.no_grad():
        values = (
            sampler._value_of(torch.as_tensor(pictures).to(sampler.device)).float().cpu().numpy()
        )
    values = np.where(np.isfinite(values), values, -np.inf)
    best = int(values.argmax())
    return pictures[best], float(values[best])
