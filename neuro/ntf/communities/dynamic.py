"""The connectome at one moment: which motifs are active, and who is together with whom."""

from __future__ import annotations

import numpy as np

from neuro.ntf.communities.detect import motif_matrices


def activity(model, animal: int) -> np.ndarray:
    """Weight of every component in every bin of an animal, q_r(t).

    Parameters
    ----------
    model : NonNegativeCP or ConcatenatedNMF
    animal : int

    Returns
    -------
    ndarray of float64, shape (n_bins, n_components)
    """
    time = model.time_ if model.time_.ndim == 2 else model.time_[:, animal]
    return np.asarray(time, np.float64) * model.animals_[animal] * model.lambda_


class DynamicConnectome:
    """Connectome of an animal over time, computed frame by frame when it is asked for.

    Index it with a bin or a slice of bins: `connectome[120]` has shape
    `(n_neurons, n_neurons)`.

    Parameters
    ----------
    activity : array, shape (n_bins, n_components)
    matrices : array, shape (n_components, n_neurons, n_neurons)
    normalise : bool
        Whether each frame is divided by the sum of the activities.
    """

    def __init__(self, activity, matrices, normalise=False):
        self.activity = np.asarray(activity, np.float64)
        self.matrices = np.asarray(matrices)
        self.normalise = normalise

    @property
    def shape(self) -> tuple:
        """(n_bins, n_neurons, n_neurons)."""
        return (len(self.activity), *self.matrices.shape[1:])

    def __len__(self) -> int:
        return len(self.activity)

    def __getitem__(self, frames) -> np.ndarray:
        weight = self.activity[frames]
        out = np.tensordot(weight, self.matrices, axes=(-1, 0))
        if self.normalise:
            total = weight.sum(axis=-1)
            with np.errstate(invalid="ignore", divide="ignore"):
                out = out / np.asarray(total)[..., None, None]
        return out.astype(np.float32)


def dynamic_connectome(model, animal: int = 0) -> DynamicConnectome:
    """Sum of the motifs, each weighted by how active it is (ours).

    Parameters
    ----------
    model : NonNegativeCP or ConcatenatedNMF
    animal : int

    Returns
    -------
    DynamicConnectome
    """
    matrices = motif_matrices(model.pairs_, model.support_, model.signed_)
    return DynamicConnectome(activity(model, animal), matrices)


def co_membership(model, communities, animal: int = 0) -> DynamicConnectome:
    """How much two neurons are together at a time: memberships weighted by activity (ours).

    Parameters
    ----------
    model : NonNegativeCP or ConcatenatedNMF
    communities : list of Communities
        One per component.
    animal : int

    Returns
    -------
    DynamicConnectome
        Values in [0, 1]; NaN in bins where no component is active.
    """
    matrices = np.array([partition.membership for partition in communities])
    return DynamicConnectome(activity(model, animal), matrices, normalise=True)
