"""Newton steps without curvature matrices: preconditioned conjugate gradients, for many units.

The curvature of K states and N units over T bins costs K N T D^2 / 2 products, D being the columns
of the design; its product with a vector costs 2 K N T D. A step that is solved for with some dozen
such products is nearly the full step, and ends at the same optimum.

References
----------
.. [1] Dembo, R. S., Eisenstat, S. C., Steihaug, T. (1982). Inexact Newton methods. SIAM Journal on
   Numerical Analysis 19, 400-408.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.em.fisher import Prior

PRECISE = 0.1
"""Residual, as a share of the gradient, at which a step is good enough; both preconditioned."""

STEPS = 40
"""Most products with the curvature per step."""

COLUMNS, WORK = 128, 1e11
"""From so many columns and products of the full curvature on, steps are solved for like this."""


def worthwhile(design, n_states: int, n_neurons: int) -> bool:
    """Whether products with the curvature are cheaper than the curvature."""
    n_columns = design.x.shape[1]
    work = n_states * n_neurons * design.n_bins * n_columns**2 / 2
    return bool(n_columns >= COLUMNS and work >= WORK)


@dataclasses.dataclass
class _System:
    """Curvature of the log posterior as an operator on (K, N, D), and its preconditioner."""

    likelihood: object
    design: object
    weights: np.ndarray
    prior: Prior
    shape: tuple

    def __post_init__(self):
        layout, (k, n, d) = self.prior.layout, self.shape
        edges, local, shared = layout.roles()
        row = np.arange(n)[:, None]
        self.edge, self.tied, self.there = (np.zeros((n, d), bool) for _ in range(3))
        self.edge[row, edges] = self.tied[row, shared] = True
        for columns in (edges, local, shared):
            self.there[row, columns] = True
        weak = layout.weak(self.prior.covariate_ridge)
        # a parameter that states share counts once
        self.weak = np.where(self.tied, weak / k, weak)
        self.around, self.ridge = self.prior.precisions(k)
        self._prepare()

    def project(self, v):
        """Equal in all states where states share the parameter, 0 where there is none."""
        v = np.where(self.there, v, 0.0)
        return np.where(self.tied, v.mean(axis=0), v)

    def of_prior(self, v):
        """Curvature of the prior times a vector."""
        mean = v.mean(axis=0)
        tie = self.around * (v - mean) + self.ridge * mean
        return self.weak * v + np.where(self.edge, tie, 0.0)

    def __call__(self, v):
        k, n, d = self.shape
        total = self.likelihood.product(self.design, self.weights, v.reshape(k * n, d))
        damped = self.prior.damping * np.where(self.edge, v, 0.0)
        return self.project(total.reshape(self.shape) + self.of_prior(v) + damped)

    def _prepare(self):
        """One second moment for all units, scaled by how much each one's bins weigh."""
        moment, mean = self.likelihood.moments(self.design, self.weights)
        mean = np.maximum(mean.reshape(self.shape[:2]).mean(axis=0), 1e-12)
        weak = self.prior.layout.weak(self.prior.covariate_ridge)
        sources = slice(1, 1 + self.prior.layout.n_sources)
        self.bases = []
        for precision in (self.around, self.ridge):
            own = weak.copy()
            own[sources] += precision + self.prior.damping
            root = own**-0.5
            values, vectors = np.linalg.eigh(moment * root * root[:, None])
            gain = 1 / (1 + mean[:, None] * np.maximum(values, 0.0))
            self.bases.append((root[:, None] * vectors, gain))

    def precondition(self, v):
        """Deviations from the mean over states, and the mean, each with its own precision."""
        mean = v.mean(axis=0)
        (deviating, of_deviations), (common, of_mean) = self.bases
        out = ((v - mean) @ deviating * of_deviations) @ deviating.T
        return self.project(out + (mean @ common * of_mean) @ common.T)


def truncated_step(likelihood, design, theta, gamma, noise, prior: Prior):
    """Direction of an inexact Fisher step for all units at once.

    Parameters
    ----------
    likelihood : neuro.hmmglm.em.likelihood.Likelihood
    design : neuro.hmmglm.design.history.Design
    theta : ndarray, shape (K, N, D)
    gamma : ndarray, shape (T, K)
    noise : float
    prior : Prior

    Returns
    -------
    step : ndarray, shape (K, N, D)
        Equal in all states where the parameter is shared, 0 where there is none.
    decrement : float
        Slope of the log posterior along the step.
    """
    gradient, weights = likelihood.weights(design, theta, gamma, noise)
    system = _System(likelihood, design, weights, prior, theta.shape)
    up = system.project(gradient - system.of_prior(theta))
    step, rest = np.zeros_like(theta), up
    toward = turned = system.precondition(rest)
    level = first = float(np.vdot(rest, turned))
    for _ in range(STEPS):
        if level <= PRECISE**2 * first or level <= 0:
            break
        image = system(toward)
        bend = float(np.vdot(toward, image))
        if bend <= 0:
            break
        length = level / bend
        step = step + length * toward
        rest = rest - length * image
        turned = system.precondition(rest)
        level, before = float(np.vdot(rest, turned)), level
        toward = turned + level / before * toward
    return step, float(np.vdot(up, step))
