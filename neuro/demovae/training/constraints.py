"""After training: make mean 0, covariance I and correlation 0 exact on the training rows."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.demovae.coding.codec import NetworkCodec
from neuro.demovae.training.linear import rank_problem, span
from neuro.stats.ties import facing

_RANK = 1e-6


def constrain(codec: NetworkCodec, P, D) -> tuple[NetworkCodec, float]:
    """Replace the last encoder layer so that the latents obey the constraints exactly.

    The layer z = W h + b is projected off the directions in which hidden units covary with the
    demographics, then whitened; the decoder's first layer absorbs the inverse of the whitening.
    What the projection took away has no inverse: its relative size is returned.

    Parameters
    ----------
    codec : NetworkCodec
    P : array, shape (n_rows, k)
        Training rows.
    D : array, shape (n_rows, n_removed)
        Coded columns to be removed.

    Returns
    -------
    codec : NetworkCodec
    lost : float
        RMS change of the latents that the decoder does not know of, relative to their spread.

    Raises
    ------
    ValueError
        When the hidden layer leaves fewer directions than there are latents.
    """
    hidden = codec.hidden(P).astype(np.float64)
    middle = hidden.mean(axis=0)
    H = hidden - middle
    n, size = len(H), codec.n_latents
    D = np.asarray(D, dtype=np.float64)
    C = H.T @ (D - D.mean(axis=0))
    basis = span(C) if C.size else np.empty((H.shape[1], 0))
    free = H - (H @ basis) @ basis.T
    rank = _rank(free)
    if size > rank:
        raise ValueError(rank_problem(size, rank))
    W = codec.enc2.astype(np.float64)
    before = H @ W.T
    W = W - (W @ basis) @ basis.T
    Z = H @ W.T
    lost = float(np.sqrt(((Z - before) ** 2).mean() / max((before**2).mean(), 1e-300)))
    values, vectors = np.linalg.eigh(Z.T @ Z / n)
    good = values > _RANK**2 * max(values[-1], 1e-300)
    if good.all():
        whiten = (vectors / np.sqrt(values)) @ vectors.T
        unwhiten = (vectors * np.sqrt(values)) @ vectors.T
        W = whiten @ W
    else:
        # latents that carry nothing are given the strongest unused directions
        root, used = np.sqrt(values[good]), vectors[:, good]
        used = used * facing(used)
        W = (used / root).T @ W
        unwhiten = np.zeros((size, size))
        unwhiten[:, : good.sum()] = used * root
        W = np.vstack([W, _unused(free, W, int((~good).sum()), n)])
        W = W - (W @ basis) @ basis.T
        lost = max(lost, 1.0)
    dec1 = codec.dec1.astype(np.float64)
    mean = middle @ codec.enc2.T.astype(np.float64) + codec.enc2_bias
    shifted = codec.dec1_bias + dec1[:, :size] @ mean
    dec1[:, :size] = dec1[:, :size] @ unwhiten
    done = dataclasses.replace(
        codec,
        enc2=W.astype(np.float32),
        enc2_bias=(-W @ middle).astype(np.float32),
        dec1=dec1.astype(np.float32),
        dec1_bias=shifted.astype(np.float32),
    )
    return done, lost


def _rank(matrix) -> int:
    small = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    values = np.linalg.eigvalsh(small)
    return int((values > _RANK**2 * max(values[-1], 1e-300)).sum())


def _unused(free, W, count: int, n: int) -> np.ndarray:
    """Whitened weights of the strongest directions that the latents do not use yet."""
    Z = free @ W.T
    weights = np.eye(free.shape[1]) - W.T @ (Z.T @ free / n)
    rest = free @ weights
    values, left = np.linalg.eigh(rest @ rest.T)
    values, left = values[::-1][:count], left[:, ::-1][:, :count]
    right = rest.T @ (left / np.sqrt(values))
    weights = weights @ right / np.sqrt(values / n)
    return (weights * facing(weights)).T


def moments(Z) -> tuple[float, float]:
    """RMSE of Z'Z/n - I and the largest absolute mean of latents."""
    Z = np.asarray(Z, dtype=np.float64)
    error = Z.T @ Z / len(Z) - np.eye(Z.shape[1])
    return float(np.sqrt((error**2).mean())), float(np.abs(Z.mean(axis=0)).max())
