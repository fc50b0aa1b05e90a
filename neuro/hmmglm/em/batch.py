"""Batch expectation maximisation with one Fisher step per iteration."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.design.history import Design
from neuro.hmmglm.em.drive import Chain
from neuro.hmmglm.em.fisher import Layout, Prior, fisher_step
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.em.truncated import truncated_step, worthwhile

HALVINGS = 30
ARMIJO = 1e-4
"""Share of the gain that the slope promises which a step must bring."""


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
    drive : ndarray, shape (K, C), or None
        What inputs add to the log odds of entering each state, see
        :class:`neuro.hmmglm.em.drive.Chain`.
    """

    theta: np.ndarray
    transitions: np.ndarray
    noise: float = 1.0
    drive: np.ndarray | None = None

    @property
    def chain(self) -> Chain:
        """The transitions."""
        return Chain(self.transitions, self.drive)


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
    ridge : float
        Precision of the couplings' mean over states; of all couplings in the plain model, of the
        strengths on top of their own prior in the one-hot model.
    damping : float
        Shortens the steps of the couplings, see :class:`~neuro.hmmglm.em.fisher.Prior`.
    covariate_ridge : float
        Precision of the weights of covariates.
    newton : {'auto', 'full', 'truncated'}
        Whether steps are solved for with the curvature, or without it; 'auto' goes by the cost,
        see :mod:`neuro.hmmglm.em.truncated` and :mod:`neuro.hmmglm.edges.spike_slab`.
    pi_kappa : float
        Pseudo-counts on the diagonal of the transition matrix.
    max_iter : int
    tol : float
        A fit has converged when the objective changes by less than this share of itself and half
        the squared Newton decrement is smaller, too.
    """

    design: Design
    likelihood: Likelihood
    layout: Layout
    prior_sd: float | None = None
    ridge: float = 0.0
    damping: float = 0.0
    covariate_ridge: float = 0.0
    pi_kappa: float = 0.0
    max_iter: int = 200
    tol: float = 1e-6
    n_history: int = 5
    newton: str = "auto"

    def truncated(self, n_states: int) -> bool:
        """Whether steps of so many states are solved for without their curvature."""
        if self.newton != "auto":
            return self.newton == "truncated"
        return worthwhile(self.design, n_states, self.layout.n_neurons)


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
    status : {'converged', 'max_iter', 'line_search_failed'}
    edges : object or None
        What the one-hot solvers add.
    penalty : neuro.hmmglm.em.tuning.Penalty or None
        How strongly couplings were held back.
    penalties : dict of str to Penalty
        The same of this model and of the one that it began from.
    """

    parameters: Parameters
    objective: list
    log_likelihood: float
    gamma: np.ndarray
    iterations: int
    status: str
    edges: object = None
    penalty: object = None
    penalties: dict = dataclasses.field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the fit ended at an optimum."""
        return self.status == "converged"

    def occupancy(self, usable) -> np.ndarray:
        """Share of the usable bins in each state, shape (K,)."""
        return self.gamma[usable].mean(axis=0)


def climb(problem: Problem, start: Parameters, max_iter: int | None = None, watch=None) -> Fitted:
    """Fit one start of the plain or the Gaussian-prior model.

    Each iteration is one exact E-step and one Fisher step on the expected log posterior, halved
    until it brings a share of what its slope promises. The objective therefore never falls.

    Parameters
    ----------
    problem : Problem
    start : Parameters
    max_iter : int, optional
        Overrides the problem's.
    watch : callable, optional
        Gets the parameters before every step.

    Returns
    -------
    Fitted
    """
    design, likelihood = problem.design, problem.likelihood
    prior = Prior(
        problem.layout, problem.prior_sd, problem.ridge, problem.damping, problem.covariate_ridge
    )
    theta, chain, noise = start.theta.copy(), start.chain, start.noise
    log_b = likelihood.log_b(design, theta, noise)
    log_prior = prior.log_density(theta)
    history: list[float] = []
    most = problem.max_iter if max_iter is None else max_iter
    iteration, status, decrement, failed = 0, "max_iter", np.inf, False
    for iteration in range(most + 1):
        gamma, xi, log_z = likelihood.smooth(log_b, design.starts, chain.matrices(design))
        value = log_z.sum() + log_prior + chain.log_prior(problem.pi_kappa)
        history.append(float(value))
        if watch is not None:
            watch(Parameters(theta, chain.transitions, noise, chain.drive))
        if iteration and settled(history, decrement, problem.tol):
            status = "converged"
        elif failed:
            status = "line_search_failed"
        if status != "max_iter" or iteration == most:
            break
        chain = chain.updated(xi, design, problem.pi_kappa)
        step, decrement = _direction(problem, theta, gamma, noise, prior)
        old = float(np.vdot(gamma, log_b)) + log_prior
        theta, log_b, log_prior, length = line_search(
            problem, prior, theta, step, gamma, noise, (old, log_b, log_prior, decrement)
        )
        failed = not length
        if likelihood.emission == "gaussian":
            noise = float(np.sqrt(max(likelihood.squared_error(design, theta, gamma), 1e-12)))
            log_b = likelihood.log_b(design, theta, noise)
    return Fitted(
        Parameters(theta, chain.transitions, noise, chain.drive),
        history,
        float(log_z.sum()),
        gamma,
        iteration,
        status,
    )


def _direction(problem, theta, gamma, noise, prior):
    """A Fisher step of all neurons, and its squared Newton decrement."""
    design, likelihood = problem.design, problem.likelihood
    if problem.truncated(len(theta)):
        return truncated_step(likelihood, design, theta, gamma, noise, prior)
    step, decrement = np.empty_like(theta), 0.0
    for block in problem.layout.neuron_blocks(len(theta)):
        up, information = likelihood.statistics(design, theta, gamma, noise, block)
        step[:, block], block_decrement = fisher_step(up, information, theta, prior, block)
        decrement += block_decrement
    return step, decrement


def settled(history, decrement: float, tol: float) -> bool:
    """Whether neither the objective nor what a step still promises is worth another iteration.

    Parameters
    ----------
    history : list of float
        Objective after each E-step.
    decrement : float
        Squared Newton decrement of the last step.
    tol : float
        Share of the objective.
    """
    small = tol * abs(history[-1])
    return abs(history[-1] - history[-2]) < small and decrement / 2 < small


def line_search(problem, prior, theta, step, gamma, noise, current):
    """The longest of the steps 1, 1/2, 1/4, ... that raises the expected log posterior enough.

    Parameters
    ----------
    problem, prior, theta, step, gamma, noise
        Of :func:`climb`.
    current : tuple
        Expected log posterior, its emission and prior terms, and its slope along the step.

    Returns
    -------
    theta, log_b, log_prior
        After the step.
    length : float
        0 where no step is good enough; then nothing has changed.
    """
    old, log_b, log_prior, slope = current
    length = 1.0
    # next to the optimum rounding is larger than what a step can bring
    slack = 1e-9 * abs(old) if 0 <= slope < 1e-7 * abs(old) else 0.0
    for _ in range(HALVINGS + 1):
        trial = theta + length * step
        new_log_b = problem.likelihood.log_b(problem.design, trial, noise)
        new_prior = prior.log_density(trial)
        new = float(np.vdot(gamma, new_log_b)) + new_prior
        if new >= old + ARMIJO * length * slope - slack:
            return trial, new_log_b, new_prior, length
        length /= 2
    return theta, log_b, log_prior, 0.0
