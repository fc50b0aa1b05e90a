"""What the whole analysis finds when every neuron's trace is shifted on its own."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base.seeds import generator
from neuro.io.recordings.reader import PairKernels
from neuro.ntf.communities.detect import active_scale, motif_matrices, strength

ENDS_S = 5.0
"""Seconds at either end whose means must meet (ours)."""
MIN_SHIFT = 0.05
"""Shifts closer to 0 than this share of the recording would keep the alignment (ours)."""


def shifted(recording, rng):
    """A surrogate: every trace turned round by a lag of its own.

    A trace keeps its values, its smoothness and its rate of events; what neurons had in common
    at one time is gone. The line from its first to its last seconds is taken off before: a
    drifting trace would jump where its end meets its beginning. Gaps stay where they are.
    Kernels of an atlas, which start at a stimulus, are dealt to other pairs
    instead.

    Parameters
    ----------
    recording : Recording or PairKernels
    rng : numpy.random.Generator

    Returns
    -------
    Recording or PairKernels
    """
    if isinstance(recording, PairKernels):
        return _dealt(recording, rng)
    traces = np.array(recording.traces)
    known = np.isfinite(traces)
    if recording.frame_mask is not None:
        known &= np.asarray(recording.frame_mask, bool)[:, None]
    ends = max(1, round(ENDS_S * recording.fs))
    for column, seen in enumerate(known.T):
        rows = np.flatnonzero(seen)
        if len(rows) < 2:
            continue
        least = max(1, int(MIN_SHIFT * len(rows)))
        lag = int(rng.integers(least, max(least + 1, len(rows) - least)))
        traces[rows, column] = np.roll(_joined(traces[rows, column], ends), lag)
    return dataclasses.replace(recording, traces=traces)


def _joined(trace, ends):
    """A trace less the line from its first to its last frames, around its mean."""
    ends = min(ends, max(1, len(trace) // 4))
    step = float(trace[-ends:].mean()) - float(trace[:ends].mean())
    line = step * (np.arange(len(trace)) / (len(trace) - 1) - 0.5)
    return (trace - line).astype(trace.dtype)


def _dealt(recording, rng):
    left, right = np.triu_indices(len(recording.kernels), 1)
    kernels = np.array(recording.kernels)
    observed = np.isfinite(kernels).all(axis=2)
    for rows, columns in ((left, right), (right, left)):
        known = np.flatnonzero(observed[rows, columns])
        order = rng.permutation(known)
        kernels[rows[known], columns[known]] = recording.kernels[rows[order], columns[order]]
    return dataclasses.replace(recording, kernels=kernels)


@dataclasses.dataclass(frozen=True)
class NullMotifs:
    """Motifs of surrogates.

    Attributes
    ----------
    motifs : ndarray of float32, shape (n_motifs, n_neurons, n_neurons)
        In units of affinity while active; motifs of all surrogates one after the other.
    run : ndarray of int, shape (n_motifs,)
        Number of the surrogate.
    explained : ndarray of float64, shape (n_surrogates,)
        Explained energy of each surrogate's fit.
    """

    motifs: np.ndarray
    run: np.ndarray
    explained: np.ndarray

    def strength_limit(self, quantile=0.95) -> float:
        """Strength that a neuron of a null motif stays below with this probability."""
        values = np.concatenate([strength(motif) for motif in self.motifs])
        values = values[np.isfinite(values)]
        return float(np.quantile(values, quantile)) if len(values) else np.nan


def null_motifs(recordings, build, fit, seeds, log=None) -> NullMotifs:
    """Run the analysis on surrogates.

    Parameters
    ----------
    recordings : list of Recording or PairKernels
    build : callable
        Makes a tensor of a list of recordings.
    fit : callable
        Fits a model to a tensor.
    seeds : sequence of int
        One surrogate each.
    log : callable, optional

    Returns
    -------
    NullMotifs
    """
    motifs, run, explained = [], [], []
    for number, seed in enumerate(seeds):
        rng = generator(seed, "shifted traces")
        model = fit(build([shifted(item, rng) for item in recordings]))
        scaled = motif_matrices(model.pairs_, model.support_)
        scaled *= active_scale(model.time_, model.animals_, model.lambda_)[:, None, None].astype(
            np.float32
        )
        motifs.append(scaled)
        run += [number] * len(scaled)
        explained.append(model.explained_)
        if log:
            log(f"surrogate {number + 1} of {len(seeds)}: explained energy {explained[-1]:.3f}")
    return NullMotifs(np.concatenate(motifs), np.array(run), np.array(explained))
