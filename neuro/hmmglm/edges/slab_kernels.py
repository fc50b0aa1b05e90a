"""Compiled coordinate ascent of the three-class spike-and-slab model, and its bound."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)

SETTLED = 1e-5
"""Sweeps end early when no parameter moves by more than this."""


@njit(cache=True, nogil=True, error_model="numpy")
def log_normal_cdf(z):
    """Logarithm of the standard normal distribution function, stable in both tails."""
    if z > 5.0:
        return math.log1p(-0.5 * math.erfc(z / math.sqrt(2.0)))
    if z > -20.0:
        return math.log(0.5 * math.erfc(-z / math.sqrt(2.0)))
    inverse = 1.0 / (z * z)
    series = 1.0 + inverse * (-1.0 + inverse * (3.0 + inverse * (-15.0 + 105.0 * inverse)))
    return -0.5 * z * z - math.log(-z) - HALF_LOG_2PI + math.log(series)


@njit(cache=True, nogil=True, error_model="numpy")
def _half_normal(mean, spread):
    """A normal cut to positive values: log mass, mean, second moment."""
    z = mean / spread
    log_mass = log_normal_cdf(z)
    ratio = math.exp(-0.5 * z * z - HALF_LOG_2PI - log_mass)
    first = mean + spread * ratio
    second = spread * spread + mean * first
    if first <= 0.0 or second <= 0.0:
        # far in the tail the two terms cancel: an exponential with rate -z / spread is left
        first = spread / -z
        second = 2.0 * first * first
    return log_mass, first, second


@njit(cache=True, nogil=True, error_model="numpy")
def spike_slab_sweeps(
    linear,
    curve,
    edges,
    local,
    shared,
    theta,
    second,
    q,
    slab,
    prior,
    alpha,
    beside,
    ridge,
    precision,
    n_sweeps,
    bound,
):
    """Coordinate ascent of the three-class spike-and-slab model for a block of target neurons.

    The log-likelihood of (state s, target n) is replaced by `linear' w - w' curve w / 2`. Every
    update maximises the bound over one factor, so the bound never falls.

    Parameters
    ----------
    linear : ndarray, shape (K, n, D)
    curve : ndarray, shape (K, n, D, D)
    edges, local, shared : ndarray of int
        Columns by role, see :meth:`neuro.hmmglm.em.fisher.Layout.roles`.
    theta : ndarray, shape (K, n, D)
        Posterior means, updated.
    second : ndarray, shape (K, n, D)
        Posterior second moments of the edges, written.
    q : ndarray, shape (K, n, D, 3)
        Class probabilities of the edges (inhibitory, none, excitatory), written.
    slab : ndarray, shape (K, n, D)
        Written: what an edge adds to the bound apart from its prior class probabilities.
    prior : ndarray, shape (n, D, 3)
        Anatomical prior of every edge, shared by the states; updated after each sweep.
    alpha : ndarray, shape (n, D, 3)
        Dirichlet pseudo-counts of every edge.
    beside : ndarray, shape (K, n, D, 3)
        What other data say about the class of every edge (log weights).
    ridge : ndarray, shape (D,)
        Precision of bias and covariates.
    precision : float
        Of the half-normal prior of the strengths.
    n_sweeps : int
    bound : ndarray, shape (n, n_sweeps)
        Written: the surrogate bound of each target after each sweep.
    """
    n_states, n_targets, n_columns = theta.shape
    rest = np.empty((n_states, n_columns))
    weight = np.empty(3)
    for n in range(n_targets):
        for s in range(n_states):
            rest[s] = linear[s, n]
            for j in range(n_columns):
                _shift(rest[s], curve[s, n, j], theta[s, n, j])
        for sweep in range(n_sweeps):
            largest = 0.0
            for place in range(shared.shape[1]):
                j = shared[n, place]
                up, down = 0.0, ridge[j]
                for s in range(n_states):
                    up += rest[s, j] + curve[s, n, j, j] * theta[s, n, j]
                    down += curve[s, n, j, j]
                change = up / down - theta[0, n, j]
                largest = max(largest, abs(change))
                for s in range(n_states):
                    theta[s, n, j] = up / down
                    _shift(rest[s], curve[s, n, j], change)
            for s in range(n_states):
                for place in range(local.shape[1]):
                    j = local[n, place]
                    here = curve[s, n, j, j]
                    value = (rest[s, j] + here * theta[s, n, j]) / (here + ridge[j])
                    change = value - theta[s, n, j]
                    largest = max(largest, abs(change))
                    theta[s, n, j] = value
                    _shift(rest[s], curve[s, n, j], change)
                for place in range(edges.shape[1]):
                    j = edges[n, place]
                    here = curve[s, n, j, j]
                    variance = 1.0 / (here + precision)
                    mean = variance * (rest[s, j] + here * theta[s, n, j])
                    first, second[s, n, j], slab[s, n, j] = _edge(
                        mean, variance, precision, prior[n, j], beside[s, n, j], weight
                    )
                    q[s, n, j] = weight
                    change = first - theta[s, n, j]
                    largest = max(largest, abs(change))
                    theta[s, n, j] = first
                    _shift(rest[s], curve[s, n, j], change)
            for place in range(edges.shape[1]):
                j = edges[n, place]
                total_alpha = alpha[n, j, 0] + alpha[n, j, 1] + alpha[n, j, 2]
                for c in range(3):
                    mass = alpha[n, j, c]
                    for s in range(n_states):
                        mass += q[s, n, j, c]
                    prior[n, j, c] = mass / (total_alpha + n_states)
            bound[n, sweep] = _surrogate_bound(
                n,
                linear,
                rest,
                curve,
                edges,
                local,
                shared,
                theta,
                second,
                q,
                slab,
                prior,
                alpha,
                beside,
                ridge,
            )
            if largest < SETTLED:
                bound[n, sweep:] = bound[n, sweep]
                break


@njit(cache=True, nogil=True, error_model="numpy")
def _shift(rest, row, change):
    """Residuals after one parameter has changed."""
    for i in range(rest.size):
        rest[i] -= row[i] * change


@njit(cache=True, nogil=True, error_model="numpy")
def _edge(mean, variance, precision, prior, beside, weight):
    """Class probabilities (written to `weight`) and moments of one edge given all others.

    Returns mean, second moment, and the edge's share of the bound without its prior.
    """
    spread = math.sqrt(variance)
    plus, m_plus, s_plus = _half_normal(mean, spread)
    minus, m_minus, s_minus = _half_normal(-mean, spread)
    z_square = mean * mean / variance
    slab = math.log(2.0 * spread) + 0.5 * math.log(precision)
    weight[0] = slab + 0.5 * z_square + minus + math.log(prior[0]) + beside[0]
    weight[1] = math.log(prior[1]) + beside[1]
    weight[2] = slab + 0.5 * z_square + plus + math.log(prior[2]) + beside[2]
    top = max(weight[0], max(weight[1], weight[2]))
    total, level = 0.0, 0.0
    for c in range(3):
        share = math.exp(weight[c] - top)
        level += share * (weight[c] - top)
        weight[c] = share
        total += share
    entropy = math.log(total) - level / total
    for c in range(3):
        weight[c] /= total
    first = weight[2] * m_plus - weight[0] * m_minus
    second = weight[2] * s_plus + weight[0] * s_minus
    # expected log of the half-normal prior plus the entropy of the strength, by sign
    b_plus = (s_plus - 2.0 * mean * m_plus) / variance + z_square - precision * s_plus
    b_minus = (s_minus + 2.0 * mean * m_minus) / variance + z_square - precision * s_minus
    b_plus, b_minus = slab + plus + 0.5 * b_plus, slab + minus + 0.5 * b_minus
    return first, second, weight[2] * b_plus + weight[0] * b_minus + entropy


@njit(cache=True, nogil=True, error_model="numpy")
def _surrogate_bound(
    n,
    linear,
    rest,
    curve,
    edges,
    local,
    shared,
    theta,
    second,
    q,
    slab,
    prior,
    alpha,
    beside,
    ridge,
):
    n_states, n_columns = rest.shape
    value = 0.0
    for s in range(n_states):
        for i in range(n_columns):
            # t'w - w'Hw / 2, with Hw = t - rest
            value += 0.5 * theta[s, n, i] * (linear[s, n, i] + rest[s, i])
        for place in range(local.shape[1]):
            value -= 0.5 * ridge[local[n, place]] * theta[s, n, local[n, place]] ** 2
        for place in range(edges.shape[1]):
            j = edges[n, place]
            value -= 0.5 * curve[s, n, j, j] * (second[s, n, j] - theta[s, n, j] ** 2)
            value += slab[s, n, j]
            for c in range(3):
                value += q[s, n, j, c] * (math.log(prior[n, j, c]) + beside[s, n, j, c])
    for place in range(shared.shape[1]):
        value -= 0.5 * ridge[shared[n, place]] * theta[0, n, shared[n, place]] ** 2
    for place in range(edges.shape[1]):
        j = edges[n, place]
        for c in range(3):
            value += alpha[n, j, c] * math.log(prior[n, j, c])
    return value
