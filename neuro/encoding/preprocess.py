"""One differentiable preparation of images, for fitting, guiding and judging alike."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem


def prepare(images, size, mean, std, *, antialias=True):
    """Resize and normalise a batch; gradients flow through.

    Parameters
    ----------
    images : torch.Tensor, shape (n, c, h, w)
        Values in [0, 1]. One channel is repeated where the statistics have three,
        three are averaged where they have one.
    size : int
        Edge of the square that the backbone sees; images of this size are not touched.
    mean, std : torch.Tensor, shape (channels,)
    antialias : bool
        Bilinear resizing with or without antialiasing.

    Returns
    -------
    torch.Tensor, shape (n, channels, size, size)
    """
    from torch.nn import functional

    if images.shape[-2:] != (size, size):
        images = functional.interpolate(
            images, size=(size, size), mode="bilinear", align_corners=False, antialias=antialias
        )
    if images.shape[1] == 1 and len(mean) > 1:
        images = images.expand(-1, len(mean), -1, -1)
    if images.shape[1] > 1 and len(mean) == 1:
        images = images.mean(dim=1, keepdim=True)
    return (images - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)


def reduced(images, size) -> np.ndarray:
    """Images at the size that a small network sees, as its `features` would resize them.

    Parameters
    ----------
    images : array, shape (n, c, h, w)
        Values in [0, 1].
    size : int

    Returns
    -------
    ndarray of float32, shape (n, c, size, size)
    """
    import torch

    zero, one = torch.zeros(images.shape[1]), torch.ones(images.shape[1])
    parts = [
        prepare(torch.as_tensor(np.asarray(images[k : k + 64], np.float32)), size, zero, one)
        for k in range(0, len(images), 64)
    ]
    return torch.cat(parts).clamp(0, 1).numpy()


def check_images(images, where="images") -> np.ndarray:
    """Images as float32 in [0, 1]; uint8 is divided by 255.

    Parameters
    ----------
    images : array, shape (n, c, h, w) or (n, h, w)
        Grey images without a channel axis get one.
    where : str
        Name in the messages: a file or an argument.

    Returns
    -------
    ndarray of float32, shape (n, c, h, w)

    Raises
    ------
    InputProblem
        When the shape is another one, values lie outside [0, 1] or are not finite.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise InputProblem(
            f"{where}: shape {images.shape}, expected (n, channels, height, width) with 1 or 3 "
            "channels"
        )
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    images = images.astype(np.float32, copy=False)
    if not np.isfinite(images).all():
        raise InputProblem(f"{where}: holds values that are not finite")
    low, high = float(images.min()), float(images.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise InputProblem(
            f"{where}: values from {low:g} to {high:g}, expected 0 to 1 (or uint8 from 0 to 255)"
        )
    return images


def check_betas(betas, n_images, where="betas") -> np.ndarray:
    """Responses as float32, one row per image.

    Raises
    ------
    InputProblem
        When the shape does not fit the images or a value is not finite.
    """
    betas = np.asarray(betas, dtype=np.float32)
    if betas.ndim != 2:
        raise InputProblem(f"{where}: shape {betas.shape}, expected (n_images, n_voxels)")
    if len(betas) != n_images:
        raise InputProblem(
            f"{where}: {len(betas)} rows for {n_images} images; expected one row per image"
        )
    if not np.isfinite(betas).all():
        wrong = int((~np.isfinite(betas)).any(axis=0).sum())
        raise InputProblem(
            f"{where}: {wrong} voxels hold values that are not finite; leave them out"
        )
    return betas
