"""The relaxed one-hot variable of Li et al. (2024): Gumbel-softmax density, samples, gradients."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special
from scipy.special import gammaln, logsumexp

CAP = -20.0
"""Logits whose log-probability falls below this are halved (paper-era code)."""

_TINY = np.exp(-700.0)

INHIBITORY, NONE, EXCITATORY = 0, 1, 2
"""Class order (paper-era code)."""


def gumbel_softmax_log_density(x, p, tau: float = 0.2, *, log: bool = False):
    """Log density of a relaxed one-hot vector.

    Parameters
    ----------
    x : ndarray, shape (..., C)
        Points inside the simplex, or their logarithms with `log=True`.
    p : ndarray, shape (..., C)
        Class probabilities, or their logarithms with `log=True`.
    tau : float, default 0.2
        Temperature (paper-era code).
    log : bool, default False
        Whether `x` and `p` are given as logarithms.

    Returns
    -------
    ndarray, shape (...)
        Unbounded at the corners of the simplex: never compare models by it.

    References
    ----------
    .. [1] Maddison, C. J., Mnih, A., Teh, Y. W. (2017). The concrete distribution. ICLR.
    .. [2] Jang, E., Gu, S., Poole, B. (2017). Categorical reparameterization with Gumbel-softmax.
       ICLR.
    """
    log_x, log_p = (np.asarray(values, float) if log else np.log(values) for values in (x, p))
    n = log_x.shape[-1]
    total = logsumexp(log_p - tau * log_x, axis=-1)
    return gammaln(n) + (n - 1) * np.log(tau) - n * total + (log_p - (tau + 1) * log_x).sum(axis=-1)


log_softmax = functools.partial(special.log_softmax, axis=-1)


def softmax(logits) -> np.ndarray:
    """Probabilities of logits, over the last axis; tiny ones are exactly zero.

    Denormal numbers would make later arithmetic many times slower.
    """
    share = special.softmax(logits, axis=-1)
    return np.where(share > _TINY, share, 0.0)


def gumbel_sample(logits, tau: float, rng) -> np.ndarray:
    """One Gumbel-softmax sample of every edge."""
    return softmax((logits + rng.gumbel(size=logits.shape)) / tau)


def through_softmax(weight, slope, tau: float = 1.0) -> np.ndarray:
    """Gradient with respect to logits, from the one with respect to `softmax(logits / tau)`."""
    return weight * (slope - (weight * slope).sum(axis=-1, keepdims=True)) / tau


def density_gradients(logits, prior_logits, tau: float):
    """Log density at `softmax(logits)` and its gradients.

    Parameters
    ----------
    logits : ndarray, shape (K, ..., 3)
    prior_logits : ndarray, shape (..., 3)
    tau : float

    Returns
    -------
    value : float
        Summed over states and edges.
    to_logits : ndarray, shape (K, ..., 3)
    to_prior : ndarray, shape (..., 3)
    """
    log_x, log_p = log_softmax(logits), log_softmax(prior_logits)
    value = float(gumbel_softmax_log_density(log_x, log_p, tau, log=True).sum())
    share = softmax(log_p - tau * log_x)
    n = logits.shape[-1]
    slope = n * tau * share - (tau + 1)
    to_logits = slope - np.exp(log_x) * slope.sum(axis=-1, keepdims=True)
    slope = (1 - n * share).sum(axis=0)
    to_prior = slope - np.exp(log_p) * slope.sum(axis=-1, keepdims=True)
    return value, to_logits, to_prior


def halve_extremes(logits, cap: float = CAP) -> None:
    """Halve, in place, the logits whose log-probability is below the cap (paper-era code)."""
    far = log_softmax(logits) < cap
    logits[far] *= 0.5


def signed_weights(one_hot, strength) -> np.ndarray:
    """Couplings `(excitatory - inhibitory) * strength`."""
    return (one_hot[..., EXCITATORY] - one_hot[..., INHIBITORY]) * strength


def hard(logits) -> np.ndarray:
    """The most probable class of every edge as -1, 0 or +1 (int8)."""
    return (np.argmax(logits, axis=-1) - NONE).astype(np.int8)


class Adam:
    """Adam that climbs, over a dictionary of arrays.

    Parameters
    ----------
    values : dict of ndarray
        Updated in place.
    rate : float, default 0.01
        Learning rate (paper-era code).

    References
    ----------
    .. [1] Kingma, D. P., Ba, J. (2015). Adam: a method for stochastic optimization. ICLR.
    """

    def __init__(self, values: dict, rate: float = 0.01):
        self.values = values
        self.rate = rate
        self.steps = 0
        self.first = {name: np.zeros_like(value) for name, value in values.items()}
        self.second = {name: np.zeros_like(value) for name, value in values.items()}

    def climb(self, gradients: dict) -> None:
        """One step uphill."""
        self.steps += 1
        one, two = 1 - 0.9**self.steps, 1 - 0.999**self.steps
        for name, gradient in gradients.items():
            first, second = self.first[name], self.second[name]
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            self.values[name] += self.rate * (first / one) / (np.sqrt(second / two) + 1e-8)


def softplus(x) -> np.ndarray:
    """`log(1 + exp(x))`, the strength of an edge."""
    return np.logaddexp(0.0, x)
