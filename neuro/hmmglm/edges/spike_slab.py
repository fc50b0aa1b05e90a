"""One-hot solver `cavi`: a three-class spike-and-slab model of the edges (ours).

The one-hot idea of Li et al. (2024) without relaxation or temperature: every edge of every state
is inhibitory, absent or excitatory with probabilities that all states share; strengths are
half-normal. Deterministic coordinate ascent on the Fisher quadratic of the expected
log-likelihood.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.edges import slab_kernels
from neuro.hmmglm.em.batch import HALVINGS, Fitted, Parameters, transition_prior, update_transitions
from neuro.hmmglm.em.chain import smooth
from neuro.hmmglm.em.fisher import RIDGE

SWEEPS = 10
MAX_ITER = 15


@dataclasses.dataclass
class Edges:
    """Class probabilities of all edges and the anatomical prior.

    Attributes
    ----------
    q : ndarray, shape (K, N, M, 3)
        Inhibitory, none, excitatory; M = N sources times B basis functions.
    prior : ndarray, shape (N, M, 3)
        Shared by the states.
    """

    q: np.ndarray
    prior: np.ndarray


@dataclasses.dataclass
class _Moments:
    """Everything that an update of the edges changes; convex combinations are valid too."""

    theta: np.ndarray
    second: np.ndarray
    q: np.ndarray
    slab: np.ndarray
    prior: np.ndarray

    def mixed(self, other, share):
        """The mixture `share * self + (1 - share) * other`, whose bound is at least as large."""
        pairs = zip(dataclasses.astuple(self), dataclasses.astuple(other))
        return _Moments(*(share * new + (1 - share) * old for new, old in pairs))


def ascend(problem, warm: Fitted, alpha=(0.2, 1.6, 0.2), max_iter: int = MAX_ITER) -> Fitted:
    """Turn a fitted Gaussian-prior model into a one-hot model.

    Parameters
    ----------
    problem : neuro.hmmglm.em.batch.Problem
        Its `prior_sd` is not used.
    warm : Fitted
        Optimum of the Gaussian-prior model.
    alpha : tuple of float
        Pseudo-counts of inhibitory, none, excitatory.
    max_iter : int, default 15

    Returns
    -------
    Fitted
        Parameters are posterior means; `edges` is an :class:`Edges`. `objective` holds the
        marginal log-likelihood at the mean weights plus the edges' terms of the bound.
    """
    design, likelihood, layout = problem.design, problem.likelihood, problem.layout
    alpha = np.asarray(alpha, dtype=np.float64)
    theta = warm.parameters.theta.copy()
    transitions, noise = warm.parameters.transitions.copy(), warm.parameters.noise
    n_states, n_neurons, n_columns = theta.shape
    state = _Moments(
        theta,
        theta**2,
        np.tile(alpha / alpha.sum(), (n_states, n_neurons, n_columns, 1)),
        np.zeros_like(theta),
        np.tile(alpha / alpha.sum(), (n_neurons, n_columns, 1)),
    )
    log_b = likelihood.log_b(design, theta, noise)
    objective: list[float] = []
    extra, iteration, converged = -np.inf, 0, False
    for iteration in range(max_iter + 1):
        gamma, xi, log_z = smooth(log_b, design.starts, transitions)
        value = float(log_z.sum()) + transition_prior(transitions, problem.pi_kappa)
        if iteration:
            objective.append(value + extra)
            if len(objective) > 1:
                converged = abs(np.diff(objective[-2:])[0]) < problem.tol * abs(value)
        if converged or iteration == max_iter:
            break
        transitions = update_transitions(xi, problem.pi_kappa)
        new, curve = _update(problem, state, gamma, noise, alpha)
        # Before the first update there are no edge probabilities to compare with.
        old = (
            (float(np.vdot(gamma, log_b)) + _extra(layout, state, curve, alpha))
            if iteration
            else -np.inf
        )
        state, log_b, extra = _accept(problem, state, new, curve, alpha, gamma, noise, old, log_b)
        if likelihood.emission == "gaussian":
            noise = float(np.sqrt(max(likelihood.squared_error(design, state.theta, gamma), 1e-12)))
            log_b = likelihood.log_b(design, state.theta, noise)
    sources = slice(1, 1 + layout.n_sources)
    return Fitted(
        Parameters(state.theta, transitions, noise),
        objective,
        float(log_z.sum()),
        gamma,
        iteration,
        bool(converged),
        Edges(_clean(layout, state.q[:, :, sources]), state.prior[:, sources].copy()),
    )


def _update(problem, state, gamma, noise, alpha):
    """Ten sweeps on the surrogate at the present means; also its diagonal curvature."""
    layout = problem.layout
    new = _Moments(*(item.copy() for item in dataclasses.astuple(state)))
    curve_diagonal = np.empty_like(state.theta)
    roles = layout.roles()
    for block in layout.neuron_blocks(len(state.theta)):
        up, curve = problem.likelihood.statistics(problem.design, state.theta, gamma, noise, block)
        linear = up + np.einsum("knij,knj->kni", curve, state.theta[:, block])
        curve_diagonal[:, block] = np.einsum("knii->kni", curve)
        parts = [
            np.ascontiguousarray(item[:, block])
            for item in (new.theta, new.second, new.q, new.slab)
        ]
        prior = np.ascontiguousarray(new.prior[block])
        bound = np.empty((len(prior), SWEEPS))
        slab_kernels.spike_slab_sweeps(
            linear,
            curve,
            *(np.ascontiguousarray(role[block]) for role in roles),
            *parts,
            prior,
            alpha,
            RIDGE,
            SWEEPS,
            bound,
        )
        new.theta[:, block], new.second[:, block], new.q[:, block], new.slab[:, block] = parts
        new.prior[block] = prior
    return new, curve_diagonal


def _extra(layout, state, curve, alpha) -> float:
    """What the bound adds to the expected log-likelihood at the mean weights."""
    edges, local, shared = layout.roles()
    row = np.arange(layout.n_neurons)[:, None]
    theta = state.theta
    mean, second = theta[:, row, edges], state.second[:, row, edges]
    total = -0.5 * float(np.sum(curve[:, row, edges] * (second - mean**2)))
    total += float(np.sum(state.slab[:, row, edges]))
    log_prior = np.log(state.prior[row, edges])
    total += float(np.sum(state.q[:, row, edges] * log_prior)) + float(np.sum(alpha * log_prior))
    total -= 0.5 * RIDGE * float(np.sum(theta[:, row, local] ** 2))
    return total - 0.5 * RIDGE * float(np.sum(theta[0, row, shared] ** 2))


def _accept(problem, state, new, curve, alpha, gamma, noise, old, log_b):
    """The longest mixture of new and old edges whose exact bound is not lower than before."""
    share = 1.0
    for _ in range(HALVINGS + 1):
        trial = new if share == 1.0 else new.mixed(state, share)
        trial_log_b = problem.likelihood.log_b(problem.design, trial.theta, noise)
        extra = _extra(problem.layout, trial, curve, alpha)
        value = float(np.vdot(gamma, trial_log_b)) + extra
        if value >= old - 1e-9 * abs(old):
            return trial, trial_log_b, extra
        share /= 2
    return state, log_b, _extra(problem.layout, state, curve, alpha)


def _clean(layout, q) -> np.ndarray:
    """Class probabilities in which self-history that is not an edge says so."""
    q = q.copy()
    if layout.diagonal != "free":
        row = np.arange(layout.n_neurons)[:, None]
        q[:, row, layout.own() - 1] = np.nan if layout.diagonal == "shared" else (0.0, 1.0, 0.0)
    return q
