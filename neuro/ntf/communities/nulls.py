"""What the whole analysis finds in surrogates, in which nothing interacts."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base.seeds import generator
from neuro.io.recordings.reader import PairKernels
from neuro.ntf.communities.detect import active_scale, motif_matrices, strength
from neuro.ntf.communities.surrogates import MOVE_S, surrogate


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
    null : {"rate", "shift", "dealt"}
        What the surrogates keep, see :mod:`neuro.ntf.communities.surrogates`.
    """

    motifs: np.ndarray
    run: np.ndarray
    explained: np.ndarray
    null: str = "rate"

    def strength_limit(self, quantile=0.95) -> float:
        """Strength that a neuron of a null motif stays below with this probability."""
        values = np.concatenate([strength(motif) for motif in self.motifs])
        values = values[np.isfinite(values)]
        return float(np.quantile(values, quantile)) if len(values) else np.nan


def null_motifs(
    recordings, build, fit, seeds, log=None, *, null="rate", move_s=MOVE_S
) -> NullMotifs:
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
    null, move_s
        As for :func:`neuro.ntf.communities.surrogates.surrogate`.

    Returns
    -------
    NullMotifs
    """
    motifs, run, explained = [], [], []
    kernels = all(isinstance(recording, PairKernels) for recording in recordings)
    for number, seed in enumerate(seeds):
        rng = generator(seed, "shifted traces")
        model = fit(build([surrogate(recording, rng, null, move_s) for recording in recordings]))
        scaled = motif_matrices(model.pairs_, model.support_, model.signed_)
        scaled *= active_scale(model.time_, model.animals_, model.lambda_)[:, None, None].astype(
            np.float32
        )
        motifs.append(scaled)
        run += [number] * len(scaled)
        explained.append(model.explained_)
        if log:
            log(f"surrogate {number + 1} of {len(seeds)}: explained energy {explained[-1]:.3f}")
    name = "dealt" if kernels else null
    return NullMotifs(np.concatenate(motifs), np.array(run), np.array(explained), name)
