"""One-hot solver `cavi`: a three-class spike-and-slab model of the edges (ours).

The one-hot idea of Li et al. (2024) without relaxation or temperature: every edge of every state
is inhibitory, absent or excitatory with probabilities that all states share; strengths are
half-normal. Deterministic coordinate ascent on the Fisher quadratic of the expected
log-likelihood; for many neurons on a quadratic of the same gradient and diagonal.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.edges import slab_kernels
from neuro.hmmglm.em.batch import HALVINGS, Fitted, Parameters

SWEEPS = 10


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


def ascend(
    problem,
    warm: Fitted,
    alpha=(0.2, 1.6, 0.2),
    max_iter: int | None = None,
    watch=None,
    beside=None,
) -> Fitted:
    """Turn a fitted Gaussian-prior model into a one-hot model.

    Parameters
    ----------
    problem : neuro.hmmglm.em.batch.Problem
        Its `prior_sd` is not used; its `ridge` adds to the precision 1 of the strengths.
    warm : Fitted
        Optimum of the Gaussian-prior model.
    alpha : tuple of float, or ndarray, shape (N, M, 3)
        Pseudo-counts of inhibitory, none, excitatory; of all edges, or of each.
    max_iter : int, optional
        Overrides the problem's.
    watch : callable, optional
        Gets the parameters before every step.
    beside : ndarray, shape (K, N, M, 3), optional
        What other data say about the class of every edge (log weights).

    Returns
    -------
    Fitted
        Parameters are posterior means; `edges` is an :class:`Edges`. `objective` holds the
        marginal log-likelihood at the mean weights plus the edges' terms of the bound.
    """
    design, likelihood, layout = problem.design, problem.likelihood, problem.layout
    theta = warm.parameters.theta.copy()
    chain, noise = warm.parameters.chain, warm.parameters.noise
    alpha = _of_edges(alpha, layout)
    beside = _of_states(beside, theta.shape, layout)
    even = alpha / alpha.sum(axis=-1, keepdims=True)
    state = _Moments(
        theta,
        theta**2,
        np.tile(even, (len(theta), 1, 1, 1)),
        np.zeros_like(theta),
        even.copy(),
    )
    log_b = likelihood.log_b(design, theta, noise)
    objective: list[float] = []
    extra, iteration, status, share = -np.inf, 0, "max_iter", 1.0
    most = problem.max_iter if max_iter is None else max_iter
    for iteration in range(most + 1):
        gamma, xi, log_z = likelihood.smooth(log_b, design.starts, chain.matrices(design))
        if watch is not None:
            watch(Parameters(state.theta, chain.transitions, noise, chain.drive))
        value = float(log_z.sum()) + chain.log_prior(problem.pi_kappa)
        if iteration:
            objective.append(value + extra)
            if len(objective) > 1 and abs(np.diff(objective[-2:])[0]) < problem.tol * abs(value):
                # the edges of an accepted step are the optimum of their surrogate already
                status = "converged" if share else "line_search_failed"
        if status != "max_iter" or iteration == most:
            break
        chain = chain.updated(xi, design, problem.pi_kappa)
        new, curve = _update(problem, state, gamma, noise, alpha, beside)
        # Before the first update there are no edge probabilities to compare with.
        old = (
            (float(np.vdot(gamma, log_b)) + _extra(problem, state, curve, alpha, beside))
            if iteration
            else -np.inf
        )
        state, log_b, extra, share = _accept(
            problem, state, new, curve, (alpha, beside), gamma, noise, old, log_b
        )
        if likelihood.emission == "gaussian":
            noise = float(np.sqrt(max(likelihood.squared_error(design, state.theta, gamma), 1e-12)))
            log_b = likelihood.log_b(design, state.theta, noise)
    sources = slice(1, 1 + layout.n_sources)
    return Fitted(
        Parameters(state.theta, chain.transitions, noise, chain.drive),
        objective,
        float(log_z.sum()),
        gamma,
        iteration,
        status,
        Edges(_clean(layout, state.q[:, :, sources]), state.prior[:, sources].copy()),
    )


def _of_edges(alpha, layout) -> np.ndarray:
    """Pseudo-counts of every column, shape (N, D, 3); those that are no edge have any."""
    alpha = np.asarray(alpha, dtype=np.float64)
    full = np.ones((layout.n_neurons, layout.n_columns, 3))
    full[:, 1 : 1 + layout.n_sources] = alpha
    return full


def _of_states(beside, shape, layout) -> np.ndarray:
    """Log weights of every column, shape (K, N, D, 3); 0 where nothing else is known."""
    full = np.zeros((*shape, 3))
    if beside is not None:
        full[:, :, 1 : 1 + layout.n_sources] = beside
    return full


def _update(problem, state, gamma, noise, alpha, beside):
    """Ten sweeps on the surrogate at the present means; also its diagonal curvature."""
    layout = problem.layout
    new = _Moments(*(array.copy() for array in dataclasses.astuple(state)))
    curve_diagonal = np.empty_like(state.theta)
    roles = layout.roles()
    curvatures = _alike if problem.truncated(len(state.theta)) else _whole
    for block, up, curve in curvatures(problem, state.theta, gamma, noise):
        linear = up + np.einsum("knij,knj->kni", curve, state.theta[:, block])
        curve_diagonal[:, block] = np.einsum("knii->kni", curve)
        parts = [
            np.ascontiguousarray(array[:, block])
            for array in (new.theta, new.second, new.q, new.slab)
        ]
        prior = np.ascontiguousarray(new.prior[block])
        bound = np.empty((len(prior), SWEEPS))
        slab_kernels.spike_slab_sweeps(
            linear,
            curve,
            *(np.ascontiguousarray(role[block]) for role in roles),
            *parts,
            prior,
            np.ascontiguousarray(alpha[block]),
            np.ascontiguousarray(beside[:, block]),
            layout.weak(problem.covariate_ridge),
            1.0 + problem.ridge,
            SWEEPS,
            bound,
        )
        new.theta[:, block], new.second[:, block], new.q[:, block], new.slab[:, block] = parts
        new.prior[block] = prior
    return new, curve_diagonal


def _whole(problem, theta, gamma, noise):
    """Gradient and curvature of one block of target neurons after the other."""
    for block in problem.layout.neuron_blocks(len(theta)):
        up, curve = problem.likelihood.statistics(problem.design, theta, gamma, noise, block)
        yield block, up, curve


def _alike(problem, theta, gamma, noise):
    """The same where whole curvatures cost too much: all neurons share the correlations.

    What an edge becomes where the updates come to rest depends on the gradient and on the diagonal
    of the curvature only, and both are exact; what lies beside the diagonal decides how fast they
    get there. It is taken from one matrix per state, made at the mean weights of all neurons.
    """
    likelihood, design = problem.likelihood, problem.design
    up, weights = likelihood.weights(design, theta, gamma, noise)
    diagonal, moments = likelihood.shapes(design, weights, len(theta))
    size = np.sqrt(np.einsum("kii->ki", moments))
    size[size == 0] = 1.0
    correlations = moments / (size[:, :, None] * size[:, None, :])
    root = np.sqrt(diagonal)
    for block in problem.layout.neuron_blocks(len(theta)):
        scale = root[:, block]
        curve = correlations[:, None] * scale[..., :, None] * scale[..., None, :]
        yield block, up[:, block], curve


def _extra(problem, state, curve, alpha, beside) -> float:
    """What the bound adds to the expected log-likelihood at the mean weights."""
    layout = problem.layout
    edges, local, shared = layout.roles()
    weak = layout.weak(problem.covariate_ridge)
    row = np.arange(layout.n_neurons)[:, None]
    theta = state.theta
    mean, second = theta[:, row, edges], state.second[:, row, edges]
    total = -0.5 * float(np.sum(curve[:, row, edges] * (second - mean**2)))
    total += float(np.sum(state.slab[:, row, edges]))
    log_prior = np.log(state.prior[row, edges])
    known = log_prior + beside[:, row, edges]
    total += float(np.sum(state.q[:, row, edges] * known)) + float(
        np.sum(alpha[row, edges] * log_prior)
    )
    total -= 0.5 * float(np.sum(weak[local] * theta[:, row, local] ** 2))
    return total - 0.5 * float(np.sum(weak[shared] * theta[0, row, shared] ** 2))


def _accept(problem, state, new, curve, prior, gamma, noise, old, log_b):
    """The longest mixture of new and old edges whose exact bound is not lower than before."""
    share = 1.0
    for _ in range(HALVINGS + 1):
        trial = new if share == 1.0 else new.mixed(state, share)
        trial_log_b = problem.likelihood.log_b(problem.design, trial.theta, noise)
        extra = _extra(problem, trial, curve, *prior)
        value = float(np.vdot(gamma, trial_log_b)) + extra
        if value >= old - 1e-9 * abs(old):
            return trial, trial_log_b, extra, share
        share /= 2
    return state, log_b, _extra(problem, state, curve, *prior), 0.0


def _clean(layout, q) -> np.ndarray:
    """Class probabilities in which self-history that is not an edge says so."""
    q = q.copy()
    if layout.diagonal != "free":
        row = np.arange(layout.n_neurons)[:, None]
        q[:, row, layout.own() - 1] = np.nan if layout.diagonal == "shared" else (0.0, 1.0, 0.0)
    return q
