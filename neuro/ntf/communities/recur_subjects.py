"""Does a motif of BOLD come and go in subjects it was not fitted on?

Any two regions covary, so that neurons moved against each other are no null for BOLD: every motif
would recur, and so would any piece of the mean connectome. Here a motif is fitted on one half of
the subjects, and in each subject of the other half its strength is followed from window to window.
It must vary more than in surrogates of that subject with the same connectome and the same spectra,
in which nothing comes and goes (phases drawn anew, alike for all regions).
"""

from __future__ import annotations

import numpy as np

from neuro.base.seeds import generator
from neuro.ntf.affinity.excess import BOLD_LAGS_S, excess, prepared
from neuro.ntf.communities.recur import N_NULL, Recurrence, fitted, matched, summed

WINDOW_S = 60.0
STEPS = 2
"""Windows begin every half of a window."""
MIN_SUBJECTS = 4
COPIES, LEAST_COPIES = 2000, 19
"""Surrogates of all subjects together, and of each at least; a surrogate of the whole half is a sum
of one of each, drawn at random (ours)."""


def subjects_recurrence(
    traces, fs, motifs, family=None, *, n_null=N_NULL, n_starts=3, random_state=0
) -> Recurrence:
    """Test every component in the half of the subjects that it was not fitted on.

    Parameters
    ----------
    traces : list of arrays, shape (n_frames, n_regions)
        One per recording; NaN where there is no value.
    fs : float
        Sampling rate in Hz.
    motifs : array, shape (n_pairs, n_components)
        Of all subjects; components of the halves are matched to their positive parts.
    family : sequence, optional
        Recordings with one value belong to one subject and stay on one side.
    n_null : int, default 199
    n_starts : int, default 3
        Of the fits on halves.
    random_state : int, default 0

    Returns
    -------
    Recurrence
        `z`: variance of a motif's strength over windows, in standard deviations of the null,
        summed over the two halves.

    Raises
    ------
    ValueError
        With fewer than four subjects, or recordings shorter than three windows.
    """
    motifs = np.asarray(motifs, np.float64)
    rank = motifs.shape[1]
    names, family = np.unique(
        np.arange(len(traces)) if family is None else np.asarray(family), return_inverse=True
    )
    if len(names) < MIN_SUBJECTS:
        raise ValueError(f"{len(names)} subjects are too few for two halves of two")
    shortest = min(len(x) for x in traces) / fs
    if shortest < 3 * WINDOW_S:
        raise ValueError(f"{shortest:.3g} s are too short for three windows of {WINDOW_S:g} s")
    rng = generator(random_state, "moved neurons")
    n_copies = int(np.clip(COPIES // len(traces), min(LEAST_COPIES, n_null), n_null))
    first = np.isin(family, rng.permutation(len(names))[: len(names) // 2])
    blocks = [_values(x, fs) for x in traces]
    signals = [prepared(x, fs, "level", 0.75, global_mean=True) for x in traces]
    z, null_z, tested = np.zeros(rank), np.zeros((rank, n_null)), np.zeros(rank, int)
    for side in (first, ~first):
        parts = fitted(
            [blocks[k] for k in np.flatnonzero(side)], rank, False, n_starts, random_state
        )
        pairs = matched(np.maximum(motifs, 0), parts)
        own, other = (np.array(places, int) for places in zip(*pairs))
        weights = _matrices(parts[:, other])
        score, null = np.zeros(len(own)), np.zeros((len(own), n_null))
        for k in np.flatnonzero(~side):
            x, seen = signals[k]
            score += fluctuation(weights, x, seen, fs)
            copies = [fluctuation(weights, new_phases(x, rng), seen, fs) for _ in range(n_copies)]
            null += _drawn(np.transpose(copies), n_null, rng)
        spread = null.std(axis=1)
        usable = spread > 0
        tested[own[usable]] += 1
        scale = np.where(usable, spread, 1)
        z[own] += np.where(usable, (score - null.mean(axis=1)) / scale, 0)
        null_z[own] += np.where(usable, (null - null.mean(axis=1)[:, None]).T / scale, 0).T
    return summed(motifs, z, null_z, tested)


def fluctuation(weights, x, seen, fs) -> np.ndarray:
    """Variance over windows of the strength of each motif: sum of weight times correlation.

    Parameters
    ----------
    weights : array, shape (n_components, n_regions, n_regions)
        Symmetric, 0 on the diagonal.
    x : array, shape (n_frames, n_regions)
    seen : array of bool, shape (n_frames, n_regions)
        Regions with gaps in a window take no part in it.
    fs : float

    Returns
    -------
    ndarray of float64, shape (n_components,)
    """
    width = round(WINDOW_S * fs)
    starts = np.arange(0, len(x) - width + 1, max(1, width // STEPS))
    rows = starts[:, None] + np.arange(width)
    block = x[rows] - x[rows].mean(axis=1, keepdims=True)
    size = np.sqrt((block**2).sum(axis=1, keepdims=True))
    usable = seen[rows].all(axis=1, keepdims=True) & (size > 0)
    block = np.where(usable, block / np.where(size > 0, size, 1), 0).astype(np.float32)
    flat = block.reshape(-1, x.shape[1])
    # all windows and motifs in one product, single precision: exact to 1e-6 of the correlations
    n, rank = x.shape[1], len(weights)
    product = flat @ np.moveaxis(weights, 0, 1).reshape(n, rank * n).astype(np.float32)
    strength = np.einsum("tri,ti->tr", product.reshape(-1, rank, n), flat)
    strength = strength.reshape(len(starts), width, rank).sum(axis=1, dtype=np.float64)
    return strength.var(axis=0)


def new_phases(x, rng) -> np.ndarray:
    """A stationary copy: the spectra and cross-spectra of all regions, other phases.

    Parameters
    ----------
    x : array, shape (n_frames, n_regions)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float64, shape (n_frames, n_regions)
    """
    spectrum = np.fft.rfft(x, axis=0)
    turn = np.exp(2j * np.pi * rng.random(len(spectrum)))
    # the mean and, with an even number of frames, the last frequency have no phase
    turn[0] = 1
    if len(x) % 2 == 0:
        turn[-1] = 1
    return np.fft.irfft(spectrum * turn[:, None], n=len(x), axis=0)


def _drawn(copies, n_null, rng):
    """One of a subject's surrogates for each of the whole half's; all in turn where they suffice.

    The spread of few copies about their own mean is too small, by the share that is put back.
    """
    n_copies = copies.shape[1]
    if n_copies >= n_null:
        return copies[:, :n_null]
    mean = copies.mean(axis=1, keepdims=True)
    wider = np.sqrt(n_copies / max(1, n_copies - 1))
    return mean + wider * (copies - mean)[:, rng.integers(0, n_copies, n_null)]


def _values(x, fs):
    """Affinities that the halves are fitted on: those of the stage for BOLD."""
    z = excess(
        x, fs, signal="level", window_s=WINDOW_S, lags_s=BOLD_LAGS_S, common=True, global_mean=True
    )
    return np.maximum(z, 0)


def _matrices(motifs):
    """Motifs less their means as matrices, shape (n_components, n, n)."""
    n = round((1 + np.sqrt(1 + 8 * len(motifs))) / 2)
    out = np.zeros((motifs.shape[1], n, n))
    left, right = np.triu_indices(n, 1)
    out[:, left, right] = out[:, right, left] = (motifs - motifs.mean(axis=0)).T
    return out
