"""The closed-form relative of the network: exact decorrelation, exact whitening, no training."""

from __future__ import annotations

import numpy as np

from neuro.demovae.coding.codec import LinearCodec
from neuro.stats.ties import facing

_RANK = 1e-6


def span(matrix) -> np.ndarray:
    """Orthonormal basis of the columns of a matrix, shape (n_rows, rank)."""
    left, scale, _ = np.linalg.svd(np.asarray(matrix, dtype=np.float64), full_matrices=False)
    return left[:, scale > _RANK * max(scale.max(initial=0.0), 1e-300)]


def removed_part(D, removal) -> np.ndarray:
    """What latents are decorrelated from, of coded demographics.

    Parameters
    ----------
    D : array, shape (n_rows, n_coded)
    removal : ndarray
        Which columns (bool, (n_coded,)), or a matrix (n_coded, n_removed), see
        :class:`neuro.demovae.coding.demographics.DemographicCoder`.

    Returns
    -------
    ndarray, shape (n_rows, n_removed)
    """
    D, removal = np.asarray(D), np.asarray(removal)
    return D[:, removal] if removal.ndim == 1 else D @ removal.astype(D.dtype)


def rank_problem(latent_dim: int, rank: int) -> str:
    """The problem line of a latent space that is larger than the data allow."""
    return f"latent_dim {latent_dim} > rank {rank} after projection; use a smaller latent_dim"


def linear_codec(P, D, remove, latent_dim: int) -> LinearCodec:
    """Latents that carry no linear trace of the demographics on the training rows.

    The coordinates are projected off the directions that covary with the demographics; the
    leading right singular directions of what is left, whitened, are the encoder. It needs no
    demographics later. The decoder is the least-squares fit of the coordinates on latents and
    demographics. Mean 0, covariance I and correlation 0 hold on the training rows to rounding.

    Parameters
    ----------
    P : array, shape (n_rows, k)
        Coordinates of the training rows, centred.
    D : array, shape (n_rows, n_coded)
        Coded demographics of the decoder.
    remove : ndarray
        Which of them are removed, see :func:`removed_part`.
    latent_dim : int

    Returns
    -------
    LinearCodec

    Raises
    ------
    ValueError
        When fewer than `latent_dim` directions are left.
    """
    P = np.asarray(P, dtype=np.float64)
    D = np.asarray(D, dtype=np.float64)
    centre, told = P.mean(axis=0), D.mean(axis=0)
    H, C = P - centre, D - told
    n = len(H)
    basis = span(H.T @ removed_part(C, remove)) if remove.any() else np.empty((H.shape[1], 0))
    left_over = H - (H @ basis) @ basis.T
    # the small Gram matrix: k x k where there are more rows than coordinates, else n x n
    if H.shape[1] <= n:
        values, right = np.linalg.eigh(left_over.T @ left_over)
        values, right = values[::-1], right[:, ::-1]
    else:
        values, left = np.linalg.eigh(left_over @ left_over.T)
        values, left = values[::-1], left[:, ::-1]
        right = None
    rank = int((values > _RANK**2 * max(values[0], 1e-300)).sum())
    # projection takes `basis` away; rounding may leave their trace above the threshold
    rank = min(rank, n - 1, H.shape[1] - basis.shape[1])
    if latent_dim > rank:
        raise ValueError(rank_problem(latent_dim, rank))
    values = values[:latent_dim]
    if right is None:
        right = left_over.T @ (left[:, :latent_dim] / np.sqrt(values))
    encoder = right[:, :latent_dim] / np.sqrt(values / n)
    encoder -= basis @ (basis.T @ encoder)
    encoder *= facing(encoder)
    Z = H @ encoder
    design = np.column_stack([Z, C])
    weights = np.linalg.lstsq(design, H, rcond=_RANK)[0]
    return LinearCodec(
        encoder=encoder.astype(np.float32),
        offset=(-centre @ encoder).astype(np.float32),
        from_latents=weights[:latent_dim].astype(np.float32),
        from_demographics=weights[latent_dim:].astype(np.float32),
        demographics_mean=told.astype(np.float32),
        centre=centre.astype(np.float32),
    )
