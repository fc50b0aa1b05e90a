"""Responses before they are fitted: z-scores within session, means over repeats, ceilings."""

from __future__ import annotations

import numpy as np


def zscore_within(betas, session=None) -> np.ndarray:
    """z-score every voxel within each session.

    Parameters
    ----------
    betas : array, shape (n_trials, n_voxels)
    session : sequence, length n_trials, optional
        None counts all trials as one session.

    Returns
    -------
    ndarray of float32, shape (n_trials, n_voxels)
        Voxels without variance in a session are 0 there.
    """
    betas = np.asarray(betas, dtype=np.float32)
    out = np.empty_like(betas)
    session = np.zeros(len(betas)) if session is None else np.asarray(session)
    for value in np.unique(session):
        rows = session == value
        block = betas[rows].astype(np.float64)
        sd = block.std(axis=0)
        out[rows] = (block - block.mean(axis=0)) / np.where(sd > 0, sd, 1)
    return out


def average_repeats(betas, image):
    """Mean response to each image.

    Parameters
    ----------
    betas : array, shape (n_trials, n_voxels)
    image : sequence, length n_trials

    Returns
    -------
    mean : ndarray of float32, shape (n_images, n_voxels)
    first : ndarray of int, shape (n_images,)
        First trial of each image, in the order of first appearance.
    count : ndarray of int, shape (n_images,)
    """
    betas = np.asarray(betas)
    _, first, number = np.unique(np.asarray(image), return_index=True, return_inverse=True)
    row = np.argsort(np.argsort(first))[number]
    count = np.bincount(row)
    total = np.zeros((len(first), betas.shape[1]))
    np.add.at(total, row, betas)
    return (total / count[:, None]).astype(np.float32), np.sort(first), count


def noise_ceiling(betas, image) -> np.ndarray:
    """Share of the variance of mean responses that any model of the images could explain.

    The noise variance is pooled over images with at least two trials; the signal variance is
    the variance of the image means less what noise adds to it.

    Parameters
    ----------
    betas : array, shape (n_trials, n_voxels)
    image : sequence, length n_trials

    Returns
    -------
    ndarray, shape (n_voxels,)
        Between 0 and 1; NaN where no image was repeated.
    """
    betas = np.asarray(betas, dtype=np.float64)
    mean, _, count = average_repeats(betas, image)
    _, first, number = np.unique(np.asarray(image), return_index=True, return_inverse=True)
    row = np.argsort(np.argsort(first))[number]
    free = len(betas) - len(mean)
    if free < 2 or len(mean) < 3:
        return np.full(betas.shape[1], np.nan)
    noise = ((betas - mean[row]) ** 2).sum(axis=0) / free
    total = mean.astype(np.float64).var(axis=0, ddof=1)
    share = noise * (1 / count).mean()
    return np.clip((total - share) / np.where(total > 0, total, 1), 0, 1)


def signal_to_noise(betas, image) -> np.ndarray:
    """Noise ceiling signal-to-noise ratio: SD of the responses to images over SD of the noise.

    Parameters
    ----------
    betas : array, shape (n_trials, n_voxels)
    image : sequence, length n_trials

    Returns
    -------
    ndarray, shape (n_voxels,)
        0 where the signal's variance is not above what the noise gives; NaN where no image was
        repeated.

    References
    ----------
    Allen et al. (2022). A massive 7T fMRI dataset. Nature Neuroscience (`ncsnr`).
    """
    betas = np.asarray(betas, dtype=np.float64)
    mean, _, count = average_repeats(betas, image)
    number = np.unique(np.asarray(image), return_inverse=True, return_index=True)
    row = np.argsort(np.argsort(number[1]))[number[2]]
    free = len(betas) - len(mean)
    if free < 2 or len(mean) < 3:
        return np.full(betas.shape[1], np.nan)
    noise = ((betas - mean[row]) ** 2).sum(axis=0) / free
    signal = mean.astype(np.float64).var(axis=0, ddof=1) - noise * (1 / count).mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(noise > 0, np.sqrt(np.clip(signal, 0, None) / noise), np.nan)


def ceiling_of(ncsnr, count) -> np.ndarray:
    """Share of the variance of mean responses that can be explained, from `ncsnr`.

    Parameters
    ----------
    ncsnr : array, shape (n_voxels,)
    count : array, shape (n_images,)
        Trials per image.

    Returns
    -------
    ndarray, shape (n_voxels,)
    """
    power = np.asarray(ncsnr, dtype=np.float64) ** 2
    return power / (power + (1 / np.asarray(count, dtype=np.float64)).mean())
