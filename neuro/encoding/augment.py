"""Augmented images for the readouts: brightness, whole-batch shifts, noise."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds


def augment(images, rng):
    """Brightness x U(0.95, 1.05) and a shift of up to 4 px of the whole batch, edges repeated.

    Parameters
    ----------
    images : torch.Tensor, shape (n, c, h, w)
    rng : numpy.random.Generator

    Returns
    -------
    torch.Tensor of the same shape
    """
    import torch
    from torch.nn import functional

    gain = torch.as_tensor(rng.uniform(0.95, 1.05, (len(images), 1, 1, 1)).astype(np.float32))
    height, width = images.shape[-2:]
    down, right = rng.integers(-4, 5, 2)
    padded = functional.pad(images * gain.to(images.device), (4, 4, 4, 4), mode="replicate")
    return padded[..., 4 + down : 4 + down + height, 4 + right : 4 + right + width]


def augmented_features(encoder, images, n_copies: int, random_state: int = 0) -> np.ndarray:
    """Features of the images, followed by those of shifted and brightened copies.

    Parameters
    ----------
    encoder : neuro.encoding.VoxelEncoder
        With its backbone.
    images : ndarray of float32, shape (n, c, h, w)
    n_copies : int
        1 gives the images as they are.
    random_state : int

    Returns
    -------
    ndarray of float32, shape (n * n_copies, n_features)
    """
    import torch

    parts = [encoder.features(images)]
    rng = seeds.generator(random_state, "augmented copies")
    for _ in range(n_copies - 1):
        copies = [
            augment(torch.as_tensor(images[start : start + 64]), rng).clamp(0, 1).numpy()
            for start in range(0, len(images), 64)
        ]
        parts.append(encoder.features(np.concatenate(copies)))
    return np.concatenate(parts)


def minibatches(backbone, images, n_copies: int = 0, random_state: int = 0, batch: int = 64):
    """Augmented features of any rows, as the released code's training sees them.

    Parameters
    ----------
    backbone : neuro.encoding.backbones.Backbone
    images : ndarray of float32, shape (n, c, h, w)
    n_copies : int
        Copies of every image whose features are kept, of which a random one is taken; 0 makes
        new ones at each call, which is a pass of the network per epoch (released code).
    random_state : int
        Of the copies.
    batch : int
        Images per pass, moved by the same shift.

    Returns
    -------
    callable
        Gets row numbers and a numpy generator.
    """
    import torch

    # Noise of SD 0.05 is added after normalisation.
    std = torch.tensor(backbone.std).view(1, -1, 1, 1)

    def features(rows, rng):
        x = augment(torch.as_tensor(images[rows]), rng)
        noise = torch.as_tensor(rng.normal(0, 0.05, x.shape).astype(np.float32))
        with torch.no_grad():
            return backbone.features((x + noise * std).to(backbone.device))

    if not n_copies:
        return features
    own = seeds.generator(random_state, "augmented copies")
    kept = []
    for _ in range(n_copies):
        # other companions in every copy: they share a shift
        order = own.permutation(len(images))
        parts = [
            features(order[first : first + batch], own).float().cpu()
            for first in range(0, len(order), batch)
        ]
        kept.append(torch.cat(parts)[np.argsort(order)])
    copies = torch.stack(kept)
    return lambda rows, rng: copies[rng.integers(n_copies, size=len(rows)), rows]
