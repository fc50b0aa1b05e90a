"""Recordings in which nothing interacts: traces moved about the common rate, or shifted whole.

Two choices. `shift` keeps each trace and nothing that neurons have in common but their slow drift.
`rate` keeps what each neuron shares with the median of the others where it is, and moves the rest
by some seconds: what it leaves in is the rate of the population, frame by frame. A median, because
a group of a third of the neurons is in their mean; of the others, because a neuron shares
something with any median that it is in, and surrogates of independent neurons would have that in
common.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.recordings.reader import PairKernels

NULLS = ("rate", "shift")
ENDS_S = 5.0
"""Seconds at either end in which a trace may be cut (ours)."""
MIN_SHIFT = 0.05
"""Shifts closer to 0 than this share of the recording would keep the alignment (ours)."""
DRIFT_S, MAX_DEGREE = 40.0, 5
"""A degree of the slow drift for each of these seconds, five at most (ours)."""
MOVE_S = 4.0
"""Largest movement of what is not common, both ways."""
BOLD_MOVE_S = 30.0
CLEAR = 3.0
"""Times the variance that chance gives a correlation (ours): what a trace shares is clear."""
_CUTS = 100
"""Frames at either end that are tried."""


def surrogate(recording, rng, null="rate", move_s=MOVE_S):
    """A surrogate of one recording.

    Parameters
    ----------
    recording : Recording or PairKernels
        Kernels of an atlas, which start at a stimulus, are dealt to other pairs.
    rng : numpy.random.Generator
    null : {"rate", "shift"}
    move_s : float, default 4
        Largest movement in s, for `rate`.

    Returns
    -------
    Recording or PairKernels

    Raises
    ------
    ValueError
        On an unknown null.
    """
    if null not in NULLS:
        raise ValueError(f"null: got '{null}', expected one of {', '.join(NULLS)}")
    if isinstance(recording, PairKernels):
        return _dealt(recording, rng)
    return shifted(recording, rng) if null == "shift" else paced(recording, rng, move_s)


def shifted(recording, rng):
    """Every trace turned round by a lag of its own, about its slow drift.

    The drift (a polynomial) stays where it is: bleaching is common to all neurons and no
    interaction. The rest is cut at quiet frames of its first and last seconds where it has nearly
    the same value and joined there, so that it has no step at the seam; some seconds appear twice.
    Events and smoothness stay, what neurons had in common at one time is gone. Gaps stay where
    they are.

    Parameters
    ----------
    recording : Recording
    rng : numpy.random.Generator

    Returns
    -------
    Recording
    """
    traces, observed = np.array(recording.traces), _known(recording)
    for column, seen in enumerate(observed.T):
        rows = np.flatnonzero(seen)
        if len(rows) < 2:
            continue
        own = traces[rows, column].astype(np.float64)
        drift = slow_drift(own, recording.fs)
        first, piece = joined(own - drift, recording.fs)
        least = max(1, int(MIN_SHIFT * len(piece)))
        lag = int(rng.integers(least, max(least + 1, len(piece) - least)))
        turned = piece[(np.arange(len(rows)) - first - lag) % len(piece)]
        traces[rows, column] = drift + turned
    return dataclasses.replace(recording, traces=traces)


def paced(recording, rng, move_s=MOVE_S):
    """What each neuron shares with the median of the others stays, the rest is moved.

    Parameters
    ----------
    recording : Recording
    rng : numpy.random.Generator
    move_s : float, default 4
        Largest movement in s, both ways; traces are continued by reflection.

    Returns
    -------
    Recording
    """
    traces, observed = np.array(recording.traces), _known(recording)
    common = _common(traces, observed)
    most = max(1, round(move_s * recording.fs))
    for column, seen in enumerate(observed.T):
        rows = np.flatnonzero(seen)
        if len(rows) < 2:
            continue
        own, mean = traces[rows, column].astype(np.float64), common[rows, column]
        shared = _shared(own - own.mean(), mean - mean.mean())
        last = len(rows) - 1
        source = np.arange(len(rows)) - int(rng.integers(-most, most + 1))
        source = np.clip(last - np.abs(last - np.abs(source)), 0, last)
        traces[rows, column] = shared + (own - shared)[source]
    return dataclasses.replace(recording, traces=traces)


def slow_drift(trace, fs) -> np.ndarray:
    """Polynomial through a trace, of one degree per 40 s and five at most.

    Parameters
    ----------
    trace : array, shape (n_frames,)
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    ndarray of float64, shape (n_frames,)
    """
    degree = int(np.clip(len(trace) / (fs * DRIFT_S), 1, MAX_DEGREE))
    time = np.linspace(-1, 1, len(trace))
    if len(trace) <= degree + 1:
        return np.full(len(trace), trace.mean())
    return np.polynomial.legendre.legval(time, np.polynomial.legendre.legfit(time, trace, degree))


def joined(trace, fs):
    """The piece of a trace whose end can be followed by its beginning.

    Parameters
    ----------
    trace : array, shape (n_frames,)
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    first : int
        Frame at which the piece begins.
    piece : ndarray of float64, shape (n_kept,)
        Less the line from its end to its beginning, as far as they still differ.
    """
    n = len(trace)
    ends = min(round(ENDS_S * fs), n // 4)
    if ends < 3:
        return 0, np.asarray(trace, np.float64)
    padded = np.pad(trace, 1, mode="edge")
    level = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    slope = np.abs(np.gradient(level))
    starts = np.unique(np.linspace(0, ends - 1, min(ends, _CUTS)).astype(int))
    stops = n - 1 - starts
    # quiet on both sides of the seam, and nearly one value
    cost = np.abs(level[starts][:, None] - level[stops]) + slope[starts][:, None] + slope[stops]
    one, other = np.unravel_index(int(cost.argmin()), cost.shape)
    first, last = int(starts[one]), int(stops[other])
    piece = np.asarray(trace[first : last + 1], np.float64)
    step = level[last] - level[first]
    return first, piece - step * (np.arange(len(piece)) / (len(piece) - 1) - 0.5)


def _known(recording):
    """Where neurons have values, shape (n_frames, n_neurons)."""
    observed = np.isfinite(recording.traces)
    if recording.frame_mask is not None:
        observed &= np.asarray(recording.frame_mask, bool)[:, None]
    return observed


def _common(traces, observed):
    """Median over the other neurons, each in units of its own spread; 0 where there is none.

    Returns
    -------
    ndarray of float64, shape (n_frames, n_neurons)
    """
    x = np.where(observed, traces, 0).astype(np.float64)
    count = np.maximum(observed.sum(axis=0), 1)
    x = np.where(observed, x - x.sum(axis=0) / count, 0)
    sd = np.sqrt((x**2).sum(axis=0) / count)
    scaled = np.where(observed, x / np.where(sd > 0, sd, 1), np.inf)
    order = np.argsort(scaled, axis=1, kind="stable")
    ranked = np.take_along_axis(scaled, order, axis=1)
    rank = np.argsort(order, axis=1, kind="stable")
    others = observed.sum(axis=1, keepdims=True) - observed
    last = x.shape[1] - 1
    total = np.zeros(x.shape)
    for middle in ((others - 1) // 2, others // 2):
        # a neuron below the middle moves it up by one
        middle = np.clip(middle, 0, last)
        at = np.minimum(middle + (observed & (rank <= middle)), last)
        total += np.take_along_axis(ranked, at, axis=1)
    return np.where(others > 0, total / 2, 0.0)


def _shared(own, common):
    """The part of a trace that is its share of the common one, where that is more than chance.

    Two unrelated traces correlate with a variance of the sum of the products of their
    autocorrelations over the number of frames (Bartlett 1946). With an r squared of no more than
    that nothing is kept, with `CLEAR` times as much everything.
    """
    energies = own @ own, common @ common
    if min(energies) <= 0:
        return np.zeros(len(own))
    r = own @ common / np.sqrt(energies[0] * energies[1])
    chance = (_autocorrelation(own) * _autocorrelation(common)).sum() / len(own)
    kept = np.clip((r**2 / max(chance, 1e-12) - 1) / (CLEAR - 1), 0, 1)
    return common * (kept * r * np.sqrt(energies[0] / energies[1]))


def _autocorrelation(trace):
    """At all lags of both signs, falling to nothing at the largest."""
    n = len(trace)
    power = np.abs(np.fft.rfft(trace, 2 * n)) ** 2
    out = np.fft.irfft(power, 2 * n)
    return out / out[0]


def _dealt(recording, rng):
    left, right = np.triu_indices(len(recording.kernels), 1)
    kernels = np.array(recording.kernels)
    observed = np.isfinite(kernels).all(axis=2)
    for rows, columns in ((left, right), (right, left)):
        complete = np.flatnonzero(observed[rows, columns])
        order = rng.permutation(complete)
        kernels[rows[complete], columns[complete]] = recording.kernels[rows[order], columns[order]]
    return dataclasses.replace(recording, kernels=kernels)
