"""Preset `paper`: the online, gradient-based learning of the paper-era code.

Objective, values and schedule follow the released code of Li et al. (2024). Named deviations:
the forward-backward pass is the exact, scaled one; tiny exponentials are flushed to zero; the
plain and the Gaussian-prior model start from seeded noise (`start='zeros'` restores the original).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.edges import gumbel
from neuro.hmmglm.edges.spike_slab import Edges
from neuro.hmmglm.em import kernels
from neuro.hmmglm.em.batch import Fitted, Parameters
from neuro.hmmglm.em.chain import smooth

CLAMP = -8.0
"""Floor of log transition probabilities before they are normalised again (paper-era code)."""

VALUES = {
    "learning_rate": 0.01,
    "n_epochs": 10,
    "n_sub": 50,
    "n_history": 5,
    "decay": 1.0,
    "link": "sigmoid",
    "bias": "shared",
    "tau": 0.2,
    "prior_sd": 1 / 3,
    "stay": 0.98,
    "log_floor": 1e-8,
    "logit_cap": gumbel.CAP,
    "transition_clamp": CLAMP,
    "prior_count": "per_sequence",
    "bias_start": "mean count",
    "strength_start": "softplus(0)",
    "class_order": ["inhibitory", "none", "excitatory"],
}
"""Everything that the preset fixes, for the sidecar."""


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Length and step of the online learning.

    Attributes
    ----------
    n_epochs : int
        Passes over all sequences (10; the released code's comments offer 100).
    n_sub : int
        Adam steps per sequence and pass (50; the comments offer 5).
    learning_rate : float
    tau : float
        Temperature of sample and density.
    prior_count : {'per_sequence', 'once'}
        Whether every sequence counts the whole log prior, as released, or its share of it.
    """

    n_epochs: int = 10
    n_sub: int = 50
    learning_rate: float = 0.01
    tau: float = 0.2
    prior_count: str = "per_sequence"


def clamped_transitions(xi) -> np.ndarray:
    """Transition matrix of one sequence as the paper-era code writes it.

    Parameters
    ----------
    xi : ndarray, shape (K, K)
        Expected transitions of the sequence.

    Returns
    -------
    ndarray, shape (K, K)
        Softmax of the log shares, cut at -8 from below: a floor of about 3e-4.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        log_share = np.log(xi / xi.sum(axis=1, keepdims=True))
    log_share = np.maximum(np.nan_to_num(log_share, nan=-np.log(len(xi)), neginf=CLAMP), CLAMP)
    return gumbel.softmax(log_share)


def learn(problem, start: Parameters, model: str, schedule: Schedule, rng) -> Fitted:
    """Online expectation maximisation, sequence by sequence.

    Parameters
    ----------
    problem : neuro.hmmglm.em.batch.Problem
        With a sigmoid link and Poisson counts.
    start : Parameters
    model : {'plain', 'gaussian', 'onehot'}
    schedule : Schedule
    rng : numpy.random.Generator
        Of the Gumbel samples.

    Returns
    -------
    Fitted
        `objective` is the marginal log-likelihood of the training data after every epoch, at the
        couplings that prediction uses (for the one-hot model: the expected one-hot vector).
    """
    design, likelihood, layout = problem.design, problem.likelihood, problem.layout
    variables = _variables(start, model, layout)
    adam = gumbel.Adam(variables, schedule.learning_rate)
    transitions = start.transitions.copy()
    pieces = _pieces(design)
    share = 1.0 if schedule.prior_count == "per_sequence" else 1.0 / len(pieces)
    objective = []
    for _ in range(schedule.n_epochs):
        for piece in pieces:
            log_b = likelihood.log_b(piece, _theta(variables, model, layout))
            gamma, xi, _ = smooth(log_b, piece.starts, transitions)
            transitions = clamped_transitions(xi)
            weights = np.where(piece.usable[:, None], gamma, 0).astype(piece.x.dtype)
            for _ in range(schedule.n_sub):
                gradients = _gradients(
                    problem, piece, weights, variables, model, schedule.tau, share, rng
                )
                adam.climb(gradients)
                if model == "onehot":
                    gumbel.halve_extremes(variables["logits"])
        theta = _theta(variables, model, layout)
        log_b = likelihood.log_b(design, theta)
        gamma, _, log_z = smooth(log_b, design.starts, transitions)
        objective.append(float(log_z.sum()))
    edges = None
    if model == "onehot":
        edges = Edges(gumbel.softmax(variables["logits"]), gumbel.softmax(variables["prior"]))
    fitted = Parameters(theta, transitions)
    return Fitted(fitted, objective, objective[-1], gamma, schedule.n_epochs, "max_iter", edges)


def _pieces(design):
    """One small design per sequence, sharing the memory of the whole."""
    return [
        dataclasses.replace(
            design,
            x=design.x[first:end],
            counts=design.counts[first:end],
            usable=design.usable[first:end],
            starts=np.array([0, end - first]),
            log_factorial=design.log_factorial[first:end],
            seen=None if design.seen is None else design.seen[first:end],
            inputs=None if design.inputs is None else design.inputs[first:end],
            _products={},
        )
        for first, end in zip(design.starts[:-1], design.starts[1:])
    ]


def _variables(start, model, layout):
    n_states, n_neurons, _ = start.theta.shape
    shape = (n_states, n_neurons, layout.n_sources)
    bias = start.theta[:, :, 0].copy()
    variables = {"bias": bias[0] if layout.shared_bias else bias}
    if model == "onehot":
        variables |= {
            "logits": np.zeros((*shape, 3)),
            "raw": np.zeros(shape),
            "prior": np.zeros((*shape[1:], 3)),
        }
    else:
        variables["couplings"] = start.theta[:, :, 1 : 1 + layout.n_sources].copy()
    return variables


def _theta(variables, model, layout, one_hot=None):
    """Parameters of all states; the one-hot vector is the given sample or its expectation."""
    if model == "onehot":
        one_hot = gumbel.softmax(variables["logits"]) if one_hot is None else one_hot
        couplings = gumbel.signed_weights(one_hot, gumbel.softplus(variables["raw"]))
    else:
        couplings = variables["couplings"]
    theta = np.empty((*couplings.shape[:2], layout.n_columns))
    theta[:, :, 0] = variables["bias"]
    theta[:, :, 1:] = couplings
    return theta


def _gradients(problem, piece, gamma, variables, model, tau, share, rng):
    """Gradient of one sequence's expected log-likelihood plus log prior."""
    layout = problem.layout
    sample = gumbel.gumbel_sample(variables["logits"], tau, rng) if model == "onehot" else None
    up = _likelihood_gradient(problem, piece, gamma, _theta(variables, model, layout, sample))
    bias = up[:, :, 0]
    gradients = {"bias": bias.sum(axis=0) if layout.shared_bias else bias}
    up = up[:, :, 1:]
    if model == "plain":
        gradients["couplings"] = up
    elif model == "gaussian":
        around = variables["couplings"] - variables["couplings"].mean(axis=0)
        gradients["couplings"] = up - share * around / problem.prior_sd**2
    else:
        strength = gumbel.softplus(variables["raw"])
        slope = np.zeros_like(sample)
        slope[..., gumbel.EXCITATORY] = up * strength
        slope[..., gumbel.INHIBITORY] = -up * strength
        _, to_logits, to_prior = gumbel.density_gradients(
            variables["logits"], variables["prior"], tau
        )
        sign = sample[..., gumbel.EXCITATORY] - sample[..., gumbel.INHIBITORY]
        gradients["logits"] = gumbel.through_softmax(sample, slope, tau) + share * to_logits
        gradients["raw"] = up * sign * -np.expm1(-strength)
        gradients["prior"] = share * to_prior
    return gradients


def _likelihood_gradient(problem, piece, gamma, theta):
    n_states, n_neurons, n_columns = theta.shape
    weights = theta.reshape(n_states * n_neurons, n_columns).astype(piece.x.dtype)
    total = np.zeros((n_states * n_neurons, n_columns))
    for first, end in piece.blocks():
        u = piece.x[first:end] @ weights.T
        slope = np.empty_like(u)
        shape = (end - first, n_states, n_neurons)
        rate = problem.likelihood.rate(u, slope)
        kernels.gradient_weights(
            rate.reshape(shape), slope.reshape(shape), piece.counts[first:end], gamma[first:end]
        )
        if piece.seen is not None:
            rate.reshape(shape)[...] *= piece.seen[first:end, None]
        total += rate.T @ piece.x[first:end]
    return total.reshape(theta.shape)
