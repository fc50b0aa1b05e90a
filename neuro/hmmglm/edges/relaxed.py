"""One-hot solver `relaxed`: the paper's Gumbel-softmax objective on the batch EM frame."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.edges import gumbel
from neuro.hmmglm.edges.spike_slab import Edges
from neuro.hmmglm.em.batch import Fitted, Parameters

STEPS = 200
RATE = 0.05


def ascend_relaxed(
    problem, warm: Fitted, *, tau: float = 0.2, prior_weight: float = 1.0, rng, max_iter=None
) -> Fitted:
    """Fit the relaxed objective from a fitted Gaussian-prior model.

    Each iteration is an exact E-step with the hard couplings, the Fisher quadratic of the
    likelihood there, and 200 Adam steps on quadratic plus prior density; one Gumbel-softmax
    sample of the edges per step, the prior counted once.

    Parameters
    ----------
    problem : neuro.hmmglm.em.batch.Problem
    warm : Fitted
    tau : float, default 0.2
        Temperature of sample and density (paper-era code).
    prior_weight : float, default 1.0
        Factor on the prior density.
    rng : numpy.random.Generator
        Of the samples.
    max_iter : int, optional
        Overrides the problem's.

    Returns
    -------
    Fitted
        Couplings are hard: strength times -1, 0 or +1. `objective` is the marginal
        log-likelihood; the relaxed objective itself is unbounded and says nothing about a model.
    """
    design, likelihood, layout = problem.design, problem.likelihood, problem.layout
    theta = warm.parameters.theta.copy()
    chain, noise = warm.parameters.chain, warm.parameters.noise
    weak = layout.weak(problem.covariate_ridge)
    edges, _, _ = layout.roles()
    row = np.arange(layout.n_neurons)[:, None]
    variables = _start(theta[:, row, edges])
    log_b = likelihood.log_b(design, theta, noise)
    objective: list[float] = []
    best: tuple | None = None
    iteration, converged = 0, False
    max_iter = problem.max_iter if max_iter is None else max_iter
    for iteration in range(max_iter + 1):
        gamma, xi, log_z = likelihood.smooth(log_b, design.starts, chain.matrices(design))
        value = float(log_z.sum()) + chain.log_prior(problem.pi_kappa)
        if iteration:
            objective.append(value)
            # The samples make the path noisy: the best iterate counts, and a plateau ends it.
            if best is None or value > best[0]:
                best = (value, theta.copy(), chain, noise, gamma, _copy(variables))
            elif len(objective) > 3 and max(objective[-3:]) < best[0]:
                converged = True
            if len(objective) > 1:
                converged |= abs(objective[-1] - objective[-2]) < problem.tol * abs(value)
        if converged or iteration == max_iter:
            break
        chain = chain.updated(xi, design, problem.pi_kappa)
        for block in layout.neuron_blocks(len(theta)):
            up, curve = likelihood.statistics(design, theta, gamma, noise, block)
            linear = up + np.einsum("knij,knj->kni", curve, theta[:, block])
            _adam(linear, curve, theta, variables, layout, block, tau, prior_weight, rng, weak)
        log_b = likelihood.log_b(design, theta, noise)
        if likelihood.emission == "gaussian":
            noise = float(np.sqrt(max(likelihood.squared_error(design, theta, gamma), 1e-12)))
            log_b = likelihood.log_b(design, theta, noise)
    assert best is not None
    value, theta, chain, noise, gamma, variables = best
    return Fitted(
        Parameters(theta, chain.transitions, noise, chain.drive),
        objective,
        float(value - chain.log_prior(problem.pi_kappa)),
        gamma,
        iteration,
        "converged" if converged else "max_iter",
        _edges(variables, layout, edges),
    )


def _copy(variables):
    return {name: value.copy() for name, value in variables.items()}


def _start(couplings):
    """Logits and strengths that lean to what the Gaussian-prior model found.

    Couplings below a third, the SD of the Gaussian prior that found them, lean to 'none': from
    even logits, the likelihood alone moves the edges to a sign before the prior has learned
    anything, and the corners of the simplex hold them.
    """
    lean = 6 * couplings
    logits = np.stack([-lean, np.full_like(lean, 2.0), lean], axis=-1)
    size = np.maximum(np.abs(couplings), 0.1)
    return {
        "logits": logits,
        "raw": size + np.log(-np.expm1(-size)),
        "prior": np.zeros((*couplings.shape[1:], 3)),
    }


def _adam(linear, curve, theta, variables, layout, block, tau, prior_weight, rng, weak):
    """200 Adam steps for a block of neurons; bias and other free columns are solved exactly."""
    edges, local, shared = (role[block] for role in layout.roles())
    row = np.arange(len(edges))[:, None]
    state = {
        "logits": np.ascontiguousarray(variables["logits"][:, block]),
        "raw": np.ascontiguousarray(variables["raw"][:, block]),
        "prior": np.ascontiguousarray(variables["prior"][block]),
    }
    adam = gumbel.Adam(state, RATE)
    here = theta[:, block].copy()
    for step in range(STEPS):
        adam.rate = RATE * (1 - step / STEPS)
        sample = gumbel.gumbel_sample(state["logits"], tau, rng)
        strength = gumbel.softplus(state["raw"])
        here[:, row, edges] = gumbel.signed_weights(sample, strength)
        _solve_free(here, linear, curve, local, shared, row, weak)
        up = (linear - np.einsum("knij,knj->kni", curve, here))[:, row, edges]
        slope = np.zeros_like(sample)
        slope[..., gumbel.EXCITATORY] = up * strength
        slope[..., gumbel.INHIBITORY] = -up * strength
        _, to_logits, to_prior = gumbel.density_gradients(state["logits"], state["prior"], tau)
        sign = sample[..., gumbel.EXCITATORY] - sample[..., gumbel.INHIBITORY]
        adam.climb(
            {
                "logits": gumbel.through_softmax(sample, slope, tau) + prior_weight * to_logits,
                "raw": up * sign * -np.expm1(-strength),
                "prior": prior_weight * to_prior,
            }
        )
        gumbel.halve_extremes(state["logits"])
    here[:, row, edges] = gumbel.hard(state["logits"]) * gumbel.softplus(state["raw"])
    for _ in range(5):
        _solve_free(here, linear, curve, local, shared, row, weak)
    theta[:, block] = here
    for name in ("logits", "raw"):
        variables[name][:, block] = state[name]
    variables["prior"][block] = state["prior"]


def _solve_free(here, linear, curve, local, shared, row, weak):
    """Exact values of bias and covariates given the couplings, one column after the other."""
    for place in range(shared.shape[1]):
        column = shared[:, place : place + 1]
        rest, slope = _rest(here, linear, curve, row, column)
        here[:, row, column] = rest.sum(axis=0) / (slope.sum(axis=0) + weak[column])
    for place in range(local.shape[1]):
        column = local[:, place : place + 1]
        rest, slope = _rest(here, linear, curve, row, column)
        here[:, row, column] = rest / (slope + weak[column])


def _rest(here, linear, curve, row, column):
    line = curve[:, row[:, 0], column[:, 0]]
    slope = curve[:, row, column, column]
    now = here[:, row, column]
    rest = linear[:, row, column] - np.einsum("knj,knj->kn", line, here)[..., None] + slope * now
    return rest, slope


def _edges(variables, layout, edges) -> Edges:
    """Class probabilities on all source columns; absent ones are 'none'."""
    n_states = len(variables["logits"])
    row = np.arange(layout.n_neurons)[:, None]
    q = np.zeros((n_states, layout.n_neurons, layout.n_sources, 3))
    q[..., gumbel.NONE] = 1.0
    prior = q[0].copy()
    q[:, row, edges - 1] = gumbel.softmax(variables["logits"])
    prior[row, edges - 1] = gumbel.softmax(variables["prior"])
    if layout.diagonal == "shared":
        q[:, row, layout.own() - 1] = np.nan
    return Edges(q, prior)
