"""Types from features, and one M step that gives each of them its stimulus."""

from __future__ import annotations

import numpy as np

from neuro.mds.clusters.components import Components, centroids, nearest, zscore
from neuro.mds.clusters.gap import Types, find_types
from neuro.mds.clusters.search import N_EVALUATIONS
from neuro.mds.stimuli.discrete import DiscreteSpace
from neuro.mds.stimuli.objective import Ask, membership, objective
from neuro.mds.stimuli.prepare import N_PROBE


def probe(space, recorded, seed) -> np.ndarray:
    """Responses of all units to the same stimuli, (n_stimuli, n_units).

    Parameters
    ----------
    space : Ascender or DiscreteSpace
    recorded : array or None
        Predictions for training stimuli; without them noise of the space's norm and range is shown.
    seed : int

    Returns
    -------
    ndarray
    """
    if isinstance(space, DiscreteSpace):
        return space.values
    return space.respond(space.noise(N_PROBE, [seed, 5])) if recorded is None else recorded


def group(responses, fitted, random_state) -> tuple[np.ndarray, np.ndarray, Types]:
    """Types of the fitted units; the others join the type whose mean profile is nearest.

    Parameters
    ----------
    responses : array, shape (n_stimuli, n_units)
    fitted : array of bool, shape (n_units,)
    random_state : int

    Returns
    -------
    labels : ndarray of int, shape (n_units,)
        -1 for a unit that answers all stimuli alike.
    fitted : ndarray of bool
        Without such units.
    types : Types

    Raises
    ------
    ValueError
        When no fitted unit responds.
    """
    spread = responses.std(axis=0)
    able = spread > 1e-8 * max(1.0, float(spread.max(initial=0)))
    fitted = fitted & able
    if not fitted.any():
        raise ValueError("all units are excluded; nothing to cluster")
    types = find_types(responses[:, fitted], random_state)
    labels = np.full(len(able), -1)
    labels[fitted] = types.labels
    rest = able & ~fitted
    if rest.any():
        rows = zscore(responses[:, able])
        space = Components(rows[fitted[able]])
        centres = centroids(space(rows[fitted[able]]), types.labels)
        labels[rest] = nearest(space(rows[rest[able]]), centres)
    return labels, fitted, types


def one_step(space, weights, n_steps, seed):
    """The M step: for every type the best stimulus of several starts.

    A type's value depends on its own stimulus and the labels only, so starts are compared type by
    type.

    Parameters
    ----------
    space : Ascender or DiscreteSpace
    weights : array, shape (K, n_units)
    n_steps, seed : int

    Returns
    -------
    stimuli : array, shape (K, *stim_shape)
    value : float
        Mean objective.
    """

    def search():
        starts = [space.noise(len(weights), [seed, 6, e]) for e in range(N_EVALUATIONS)]
        return (yield Ask([(start, weights) for start in starts], n_steps))

    (answers,) = space.run([search()])
    values = np.stack(
        [objective(answer.responses @ weights.T, space.temperature) for answer in answers]
    )
    pick = values.argmax(axis=0)
    stimuli = np.stack([space.array(answers[best].stimuli)[k] for k, best in enumerate(pick)])
    return stimuli, float(values.max(axis=0).mean())


def fit(space, recorded, fitted, responds, n_steps, random_state) -> dict:
    """Types and their stimuli.

    Parameters
    ----------
    space : Ascender or DiscreteSpace
    recorded : array or None
        See :func:`probe`.
    fitted : array of bool, shape (n_units,)
    responds : array of bool, shape (n_units,)
        Units that the twin predicts at all.
    n_steps, random_state : int

    Returns
    -------
    dict
        Fitted attributes of the estimator by name.
    """
    responses = np.array(probe(space, recorded, random_state), np.float64)
    responses[:, ~responds] = 0.0
    labels, fitted, types = group(responses, fitted, random_state)
    weights = membership(labels[fitted], len(labels), np.flatnonzero(fitted))
    stimuli, value = one_step(space, weights, n_steps, random_state)
    return {
        "labels_": labels,
        "fitted_": fitted,
        "types_": types,
        "stimuli_": stimuli,
        "objective_": value,
        "n_clusters_": len(stimuli),
        "verdict_": types.verdict,
        "responses_": space.respond(space.tensor(stimuli)),
        "probe_": responses,
    }
