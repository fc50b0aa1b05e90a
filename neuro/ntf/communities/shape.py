"""What a motif is made of: how much of it is one outer product of the neurons' strengths."""

from __future__ import annotations

import numpy as np

CO_ACTIVATION = 0.8
"""Motifs of which an outer product explains this share are called co-activation patterns (ours)."""
_STEPS = 200
_TOL = 1e-7


def leading_share(motif) -> float:
    """Share of a motif's energy that the best outer product ``s u u'`` explains.

    Only pairs count: the diagonal and what was not observed are left to the fit (iterated leading
    eigenvector), so a motif of one group of neurons gives 1 whatever the size of the group.

    Parameters
    ----------
    motif : array, shape (n_neurons, n_neurons)
        Symmetric; edges may have signs; NaN where not observed; the diagonal is ignored.

    Returns
    -------
    float
        From 0 to 1; NaN for a motif without edges.
    """
    motif = np.array(motif, np.float64)
    np.fill_diagonal(motif, np.nan)
    seen = np.isfinite(motif)
    energy = float((motif[seen] ** 2).sum())
    if energy == 0:
        return np.nan
    full, share = np.where(seen, motif, 0.0), 0.0
    for _ in range(_STEPS):
        values, vectors = np.linalg.eigh(full)
        top = int(np.abs(values).argmax())
        outer = values[top] * np.outer(vectors[:, top], vectors[:, top])
        now = 1 - float(((motif - outer)[seen] ** 2).sum()) / energy
        full = np.where(seen, motif, outer)
        if abs(now - share) < _TOL:
            break
        share = now
    return max(0.0, now)


def negative_share(motif) -> float:
    """Share of a motif's energy in edges that run against each other, below 0.

    Parameters
    ----------
    motif : array, shape (n_neurons, n_neurons)

    Returns
    -------
    float
        NaN for a motif without edges.
    """
    squares = np.nan_to_num(motif) ** 2
    total = float(squares.sum())
    return float(squares[np.nan_to_num(motif) < 0].sum()) / total if total > 0 else np.nan
