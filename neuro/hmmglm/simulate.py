"""Drawing sequences from a fitted model."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em.likelihood import FLOOR


def draw(model, n_bins: int, n_sequences: int, rng):
    """Draw sequences side by side, bin by bin; see :meth:`neuro.hmmglm.model.OneHotHMMGLM.sample`.

    Raises
    ------
    ValueError
        When the model has covariates, whose future is not known.
    """
    if model.n_covariates_:
        raise ValueError("sample: the model has covariates, whose course is not known")
    settings = model.resolved()
    n_states, n_neurons = model.theta_.shape[:2]
    n_history, n_basis = model.basis_.shape
    couplings = model.theta_[:, :, 1:]
    bias = model.theta_[:, :, 0]
    steps = np.cumsum(model.transitions_, axis=1)
    counts = np.zeros((n_sequences, n_bins, n_neurons))
    states = np.zeros((n_sequences, n_bins), dtype=np.int64)
    state = rng.integers(n_states, size=n_sequences)
    for t in range(n_bins):
        if t:
            state = (rng.uniform(size=(n_sequences, 1)) > steps[state]).sum(axis=1)
            state = np.minimum(state, n_states - 1)
        past = np.zeros((n_sequences, n_neurons, n_basis))
        for lag in range(1, min(n_history, t) + 1):
            past += counts[:, t - lag, :, None] * model.basis_[lag - 1]
        drive = bias[state] + np.einsum(
            "snm,sm->sn", couplings[state], past.reshape(n_sequences, -1)
        )
        counts[:, t] = _emit(drive, settings, model.noise_, rng)
        states[:, t] = state
    return (counts if model.emission == "gaussian" else counts.astype(np.int64)), states


def _emit(drive, settings, noise, rng):
    if settings["emission"] == "gaussian":
        return drive + noise * rng.normal(size=drive.shape)
    if settings["link"] == "sigmoid":
        rate = 1 / (1 + np.exp(-np.maximum(drive, -80.0)))
        if settings["emission"] == "bernoulli":
            return (rng.uniform(size=drive.shape) < rate).astype(float)
    elif settings["link"] == "exp":
        rate = np.exp(np.minimum(drive, 20.0))
    else:
        rate = np.logaddexp(0.0, drive)
    return rng.poisson(rate + FLOOR)
