"""Batch expectation maximisation with one Fisher step per iteration."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.design.history import Design
from neuro.hmmglm.em.chain import smooth
from neuro.hmmglm.em.fisher import Layout, Prior, fisher_step
from neuro.hmmglm.em.likelihood import Likelihood

FLOOR = 1e-6
"""Smallest transition probability (ours)."""

HALVINGS = 6


@dataclasses.dataclass
class Parameters:
    """Parameters of one start.

    Attributes
    ----------
    theta : ndarray, shape (K, N, D)
        Bias, couplings (target: axis 1, source: axis 2), covariates.
    transitions : ndarray, shape (K, K)
    noise : float
        Standard deviation of a Gaussian emission.
    """

    theta: np.ndarray
    transitions: np.ndarray
    noise: float = 1.0


@dataclasses.dataclass
class Problem:
    """What a fit is about: data, likelihood, layout and settings.

    Attributes
    ----------
    design : Design
    likelihood : Likelihood
    layout : Layout
    prior_sd : float or None
        Of the Gaussian prior around the mean over states; None for the plain model.
    pi_kappa : float
        Pseudo-counts on the diagonal of the transition matrix.
    max_iter : int
    tol : float
        Relative change of the objective that ends a fit.
    """

    design: Design
    likelihood: Likelihood
    layout: Layout
    prior_sd: float | None = None
    pi_kappa: float = 0.0
    max_iter: int = 40
    tol: float = 1e-5


@dataclasses.dataclass
class Fitted:
    """One start after its fit.

    Attributes
    ----------
    parameters : Parameters
    objective : list of float
        Marginal log-likelihood plus log prior, one value per E-step.
    log_likelihood : float
        Marginal log-likelihood of the training data.
    gamma : ndarray, shape (T, K)
    iterations : int
    converged : bool
    edges : object or None
        What the one-hot solvers add.
    """

    parameters: Parameters
    objective: list
    log_likelihood: float
    gamma: np.ndarray
    iterations: int
    converged: bool
    edges: object = None

    def occupancy(self, usable) -> np.ndarray:
        """Share of the usable bins in each state, shape (K,)."""
        return self.gamma[usable].mean(axis=0)


def update_transitions(xi, kappa: float = 0.0) -> np.ndarray:
    """Transition matrix from expected transitions, with a floor of 1e-6.

    Parameters
    ----------
    xi : ndarray, shape (K, K)
    kappa : float, default 0
        Pseudo-counts on the diagonal (a sticky Dirichlet prior).

    Returns
    -------
    ndarray, shape (K, K)
    """
    counts = xi + kappa * np.eye(len(xi))
    total = counts.sum(axis=1, keepdims=True)
    even = np.full_like(counts, 1.0 / len(counts))
    share = np.divide(counts, total, out=even, where=total > 0)
    share = np.maximum(share, FLOOR)
    return share / share.sum(axis=1, keepdims=True)


def transition_prior(transitions, kappa: float) -> float:
    """Log density of the sticky Dirichlet prior, without constants."""
    return kappa * float(np.log(np.diag(transitions)).sum()) if kappa else 0.0


def climb(problem: Problem, start: Parameters, max_iter: int | None = None) -> Fitted:
    """Fit one start of the plain or the Gaussian-prior model.

    Each iteration is one exact E-step and one Fisher step on the expected log posterior; a step
    that lowers it is halved up to six times. The objective therefore never falls.

    Parameters
    ----------
    problem : Problem
    start : Parameters
    max_iter : int, optional
        Overrides the problem's.

    Returns
    -------
    Fitted
    """
    design, likelihood = problem.design, problem.likelihood
    prior = Prior(problem.layout, problem.prior_sd)
    theta, transitions, noise = start.theta.copy(), start.transitions.copy(), start.noise
    log_b = likelihood.log_b(design, theta, noise)
    log_prior = prior.log_density(theta)
    history: list[float] = []
    iteration, converged = 0, False
    for iteration in range((problem.max_iter if max_iter is None else max_iter) + 1):
        gamma, xi, log_z = smooth(log_b, design.starts, transitions)
        value = log_z.sum() + log_prior + transition_prior(transitions, problem.pi_kappa)
        history.append(float(value))
        converged = iteration > 0 and abs(value - history[-2]) < problem.tol * abs(value)
        if converged or iteration == (problem.max_iter if max_iter is None else max_iter):
            break
        transitions = update_transitions(xi, problem.pi_kappa)
        step = np.empty_like(theta)
        for block in problem.layout.neuron_blocks(len(theta)):
            up, information = likelihood.statistics(design, theta, gamma, noise, block)
            step[:, block] = fisher_step(up, information, theta, prior, block)
        old = float(np.vdot(gamma, log_b)) + log_prior
        theta, log_b, log_prior = line_search(
            problem, prior, theta, step, gamma, noise, (old, log_b, log_prior)
        )
        if likelihood.emission == "gaussian":
            noise = float(np.sqrt(max(likelihood.squared_error(design, theta, gamma), 1e-12)))
            log_b = likelihood.log_b(design, theta, noise)
    return Fitted(
        Parameters(theta, transitions, noise),
        history,
        float(log_z.sum()),
        gamma,
        iteration,
        bool(converged),
    )


def line_search(problem, prior, theta, step, gamma, noise, current):
    """The longest of the steps 1, 1/2, ... 1/64 that does not lower the expected log posterior."""
    old, log_b, log_prior = current
    length = 1.0
    for _ in range(HALVINGS + 1):
        trial = theta + length * step
        new_log_b = problem.likelihood.log_b(problem.design, trial, noise)
        new_prior = prior.log_density(trial)
        new = float(np.vdot(gamma, new_log_b)) + new_prior
        if new >= old - 1e-9 * abs(old):
            return trial, new_log_b, new_prior
        length /= 2
    return theta, log_b, log_prior
