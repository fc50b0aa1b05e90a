"""Compiled kernels: hidden chain, emissions, design products.

Kernels that call each other share a file, because numba refreshes its cache by the age of the file
that holds the outermost function: a kernel imported from elsewhere would go stale unseen.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

TINY = 1e-290
"""A normaliser below this is computed again in the log domain."""

# Sums over neurons may be re-ordered (that is what lets them run in vector registers); NaN and
# infinity keep their meaning, because the line search relies on them.
_REORDER = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, nogil=True, error_model="numpy")
def smooth(log_b, starts, transitions, init, filtered, gamma, ratio, log_z):
    """Forward filter and backward smoother over concatenated sequences.

    Every bin is scaled by its own maximum before it leaves the log domain and every filter step
    is normalised, so neither many neurons nor long recordings lose information. The backward pass
    divides by predictive probabilities instead of running its own recursion on the emissions.

    Parameters
    ----------
    log_b : ndarray, shape (T, K)
    starts : ndarray of int64, shape (n + 1,)
        First bin of each sequence, and the end.
    transitions : ndarray, shape (1, K, K) or (T, K, K)
        One for all bins, or into each bin from the one before.
    init : ndarray, shape (K,)
    filtered, gamma : ndarray, shape (T, K)
        Written: state probabilities given the past, and given the whole sequence.
    ratio : ndarray, shape (T, K)
        Written: smoothed over predictive probability, 0 in every first bin. The expected number
        of transitions is `transitions * (filtered[:-1].T @ ratio[1:])`.
    log_z : ndarray, shape (n,)
        Written: log-likelihood of each sequence.
    """
    n_bins, n_states = log_b.shape
    predicted = np.empty((n_bins, n_states))
    many = transitions.shape[0] > 1
    into = transitions.transpose(0, 2, 1).copy()
    for sequence in range(starts.size - 1):
        first, last = starts[sequence], starts[sequence + 1] - 1
        log_total, product = 0.0, 1.0
        for t in range(first, last + 1):
            at = t if many else 0
            peak = log_b[t, 0]
            for k in range(1, n_states):
                peak = max(peak, log_b[t, k])
            total = 0.0
            for k in range(n_states):
                p = init[k]
                if t > first:
                    p = 0.0
                    for i in range(n_states):
                        p += filtered[t - 1, i] * into[at, k, i]
                predicted[t, k] = p
                p *= math.exp(log_b[t, k] - peak)
                filtered[t, k] = p
                total += p
            if total > TINY:
                inverse = 1.0 / total
                for k in range(n_states):
                    filtered[t, k] *= inverse
                log_total += peak
                product *= total
                if product < 1e-10:
                    log_total += math.log(product)
                    product = 1.0
            else:
                log_total += _rescue(predicted, log_b, filtered, t)
        log_z[sequence] = log_total + math.log(product)
        for k in range(n_states):
            gamma[last, k] = filtered[last, k]
            ratio[first, k] = 0.0
        for t in range(last - 1, first - 1, -1):
            at = t + 1 if many else 0
            for k in range(n_states):
                p = predicted[t + 1, k]
                ratio[t + 1, k] = gamma[t + 1, k] / p if p > 0.0 else 0.0
            total = 0.0
            for i in range(n_states):
                back = 0.0
                for k in range(n_states):
                    back += transitions[at, i, k] * ratio[t + 1, k]
                back *= filtered[t, i]
                gamma[t, i] = back
                total += back
            inverse = 1.0 / total
            for i in range(n_states):
                gamma[t, i] *= inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _rescue(predicted, log_b, gamma, t):
    """One bin in the log domain; returns its log normaliser."""
    n_states = log_b.shape[1]
    best = -np.inf
    for k in range(n_states):
        if predicted[t, k] > 0.0:
            best = max(best, math.log(predicted[t, k]) + log_b[t, k])
    if best == -np.inf:
        # no state can be here: the bin is impossible and tells nothing about the states
        for k in range(n_states):
            gamma[t, k] = predicted[t, k]
        return -np.inf
    total = 0.0
    for k in range(n_states):
        gamma[t, k] = 0.0
        if predicted[t, k] > 0.0:
            gamma[t, k] = math.exp(math.log(predicted[t, k]) + log_b[t, k] - best)
        total += gamma[t, k]
    for k in range(n_states):
        gamma[t, k] /= total
    return best + math.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def best_path(log_b, starts, log_transitions, log_init, path):
    """Viterbi: the most probable state sequence, written to `path`; ties take the lower state."""
    n_states = log_b.shape[1]
    back = np.empty(log_b.shape, np.int32)
    score = np.empty(n_states)
    new = np.empty(n_states)
    many = log_transitions.shape[0] > 1
    for sequence in range(starts.size - 1):
        first, last = starts[sequence], starts[sequence + 1] - 1
        for k in range(n_states):
            score[k] = log_init[k] + log_b[first, k]
        for t in range(first + 1, last + 1):
            at = t if many else 0
            for k in range(n_states):
                best, place = -np.inf, 0
                for i in range(n_states):
                    value = score[i] + log_transitions[at, i, k]
                    if value > best:
                        best, place = value, i
                new[k] = best + log_b[t, k]
                back[t, k] = place
            score[:] = new
        state = 0
        for k in range(1, n_states):
            if score[k] > score[state]:
                state = k
        path[last] = state
        for t in range(last, first, -1):
            state = back[t, state]
            path[t - 1] = state


@njit(cache=True, nogil=True)
def pair_products(x, out):
    """Products of all pairs of columns `i <= j`, row by row."""
    n_rows, n_columns = x.shape
    for t in range(n_rows):
        place = 0
        for i in range(n_columns):
            left = x[t, i]
            for j in range(i, n_columns):
                out[t, place] = left * x[t, j]
                place += 1


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def poisson_terms(rate, log_rate, counts, out):
    """Sum over neurons of `count * log(rate) - rate`; rate: (rows, K, N), out: (rows, K)."""
    n_rows, n_states, n_neurons = rate.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = rate[t, s, 0] * 0
            for n in range(n_neurons):
                total += counts[t, n] * log_rate[t, s, n] - rate[t, s, n]
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def poisson_terms_seen(rate, log_rate, counts, seen, out):
    """The same, over the entries that `seen` (rows, N) marks with 1; the others have 0."""
    n_rows, n_states, n_neurons = rate.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = rate[t, s, 0] * 0
            for n in range(n_neurons):
                one = counts[t, n] * log_rate[t, s, n] - rate[t, s, n]
                total += seen[t, n] * one
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def bernoulli_terms(u, softplus, counts, out):
    """Sum over neurons of `count * u - log(1 + exp(u))`."""
    n_rows, n_states, n_neurons = u.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = u[t, s, 0] * 0
            for n in range(n_neurons):
                total += counts[t, n] * u[t, s, n] - softplus[t, s, n]
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def bernoulli_terms_seen(u, softplus, counts, seen, out):
    """The same, over the entries that `seen` (rows, N) marks with 1."""
    n_rows, n_states, n_neurons = u.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = u[t, s, 0] * 0
            for n in range(n_neurons):
                one = counts[t, n] * u[t, s, n] - softplus[t, s, n]
                total += seen[t, n] * one
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def squared_terms(mean, counts, out):
    """Sum over neurons of `(count - mean) ** 2`."""
    n_rows, n_states, n_neurons = mean.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = mean[t, s, 0] * 0
            for n in range(n_neurons):
                miss = counts[t, n] - mean[t, s, n]
                total += miss * miss
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=_REORDER)
def squared_terms_seen(mean, counts, seen, out):
    """The same, over the entries that `seen` (rows, N) marks with 1."""
    n_rows, n_states, n_neurons = mean.shape
    for t in range(n_rows):
        for s in range(n_states):
            total = mean[t, s, 0] * 0
            for n in range(n_neurons):
                miss = counts[t, n] - mean[t, s, n]
                total += seen[t, n] * miss * miss
            out[t, s] = total


@njit(cache=True, nogil=True, error_model="numpy")
def fisher_weights(rate, slope, counts, gamma, gradient, curvature):
    """Weights of gradient and Fisher information of a Poisson rate, per bin, state and neuron.

    `slope` is the derivative of the log rate; both results overwrite their arrays.
    """
    n_rows, n_states, n_neurons = rate.shape
    for t in range(n_rows):
        for s in range(n_states):
            weight = gamma[t, s]
            for n in range(n_neurons):
                f, q = rate[t, s, n], slope[t, s, n]
                gradient[t, s, n] = weight * (counts[t, n] - f) * q
                curvature[t, s, n] = weight * f * q * q


@njit(cache=True, nogil=True, error_model="numpy")
def gradient_weights(rate, slope, counts, gamma):
    """Weights of the gradient alone, see :func:`fisher_weights`; they overwrite `rate`."""
    n_rows, n_states, n_neurons = rate.shape
    for t in range(n_rows):
        for s in range(n_states):
            weight = gamma[t, s]
            for n in range(n_neurons):
                rate[t, s, n] = weight * (counts[t, n] - rate[t, s, n]) * slope[t, s, n]
