"""Planted spike trains: a switching GLM whose states share an anatomical prior."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class SwitchingTruth:
    """Planted data and everything that made them.

    Attributes
    ----------
    counts : ndarray of int, shape (n, T, N)
    states : ndarray of int, shape (n, T)
    weights : ndarray, shape (K, N, N)
        Couplings; row: target, column: source.
    adjacency : ndarray of int8, shape (K, N, N)
        -1, 0, +1.
    prior : ndarray, shape (N, N, 3)
        Probabilities of inhibitory, none, excitatory.
    bias : ndarray, shape (N,)
    transitions : ndarray, shape (K, K)
    kernel : ndarray, shape (L,)
        Weight of the bin `k + 1` steps back.
    """

    counts: np.ndarray
    states: np.ndarray
    weights: np.ndarray
    adjacency: np.ndarray
    prior: np.ndarray
    bias: np.ndarray
    transitions: np.ndarray
    kernel: np.ndarray


def switching_glm(
    n_sequences: int = 50,
    n_bins: int = 2000,
    n_neurons: int = 20,
    n_states: int = 5,
    *,
    stay: float = 0.98,
    concentration=(0.2, 1.6, 0.2),
    n_history: int = 5,
    decay: float = 1.0,
    bias_range: float = 0.05,
    strength: float = 1.0,
    edges: bool = True,
    random_state: int = 0,
) -> SwitchingTruth:
    """Simulate spike counts from a switching sigmoid-Poisson GLM.

    Parameters
    ----------
    n_sequences, n_bins, n_neurons, n_states : int
    stay : float, default 0.98
        Probability of staying in a state for another bin.
    concentration : tuple of float
        Dirichlet parameters of the prior of every edge: inhibitory, none, excitatory.
    n_history : int, default 5
        Bins of the exponential history kernel.
    decay : float, default 1.0
        Of the kernel, per bin.
    bias_range : float, default 0.05
        Biases are uniform within plus and minus this.
    strength : float, default 1.0
        Factor on `log(1 + 3 u)`, u uniform in (0, 1).
    edges : bool, default True
        False plants no coupling at all (a control).
    random_state : int, default 0

    Returns
    -------
    SwitchingTruth

    References
    ----------
    .. [1] Li, C., Kim, S. Y., Rodgers, C., Choi, H., Wu, A. (2024). One-hot generalized linear
       model for switching brain state discovery. ICLR. arXiv:2310.15263.
    """
    rng = np.random.default_rng(random_state)
    k, n = n_states, n_neurons
    prior = rng.dirichlet(concentration, size=(n, n))
    # the largest entry of a Gumbel-softmax draw is a draw from the categorical itself
    noise = rng.gumbel(size=(k, n, n, 3))
    with np.errstate(divide="ignore"):
        classes = np.argmax(np.log(prior) + noise, axis=-1)
    adjacency = (classes - 1).astype(np.int8)
    if not edges:
        adjacency[:] = 0
    weights = adjacency * strength * np.log1p(3 * rng.uniform(size=(k, n, n)))
    bias = rng.uniform(-bias_range, bias_range, size=n)
    leave = (1 - stay) / (k - 1) if k > 1 else 0.0
    transitions = np.full((k, k), leave)
    np.fill_diagonal(transitions, stay if k > 1 else 1.0)
    kernel = np.exp(-decay * np.arange(1, n_history + 1))
    kernel /= kernel.sum()
    counts, states = _draw(rng, n_sequences, n_bins, weights, bias, transitions, kernel)
    return SwitchingTruth(counts, states, weights, adjacency, prior, bias, transitions, kernel)


def _draw(rng, n_sequences, n_bins, weights, bias, transitions, kernel):
    """All sequences side by side, bin by bin."""
    n_states, n_neurons, _ = weights.shape
    steps = np.cumsum(transitions, axis=1)
    counts = np.zeros((n_sequences, n_bins, n_neurons), dtype=np.int64)
    states = np.zeros((n_sequences, n_bins), dtype=np.int64)
    state = rng.integers(n_states, size=n_sequences)
    for t in range(n_bins):
        if t:
            state = (rng.uniform(size=(n_sequences, 1)) > steps[state]).sum(axis=1)
            state = np.minimum(state, n_states - 1)
        past = np.zeros((n_sequences, n_neurons))
        for lag in range(1, min(len(kernel), t) + 1):
            past += kernel[lag - 1] * counts[:, t - lag]
        drive = bias + np.einsum("snm,sm->sn", weights[state], past)
        counts[:, t] = rng.poisson(1 / (1 + np.exp(-drive)))
        states[:, t] = state
    return counts, states


def truth_log_likelihood(truth: SwitchingTruth, counts) -> np.ndarray:
    """Marginal log-likelihood of sequences under the planted parameters.

    Written out on its own (log domain, bin by bin), so that it can serve as a check of the
    estimators.

    Parameters
    ----------
    truth : SwitchingTruth
    counts : ndarray of int, shape (n, T, N)

    Returns
    -------
    ndarray, shape (n,)
    """
    from scipy.special import gammaln, logsumexp

    counts = np.asarray(counts, dtype=np.float64)
    n_sequences, n_bins, _ = counts.shape
    past = np.zeros_like(counts)
    for lag, weight in enumerate(truth.kernel, start=1):
        past[:, lag:] += weight * counts[:, : n_bins - lag]
    log_b = np.empty((n_sequences, n_bins, len(truth.weights)))
    constant = gammaln(counts + 1).sum(axis=-1)
    for state, weights in enumerate(truth.weights):
        rate = 1 / (1 + np.exp(-(truth.bias + past @ weights.T)))
        log_b[:, :, state] = (counts * np.log(rate) - rate).sum(axis=-1) - constant
    with np.errstate(divide="ignore"):
        steps = np.log(truth.transitions)
    alpha = log_b[:, 0] - np.log(len(truth.weights))
    for t in range(1, n_bins):
        alpha = log_b[:, t] + logsumexp(alpha[:, :, None] + steps, axis=1)
    return logsumexp(alpha, axis=1)


def write_spikes(counts_path, truth_path, truth: SwitchingTruth, bin_s: float) -> None:
    """Write planted counts and, apart from them, everything that made them.

    Parameters
    ----------
    counts_path : path-like
        `.npz` with `seq_0`, `seq_1`, ..., `bin_s` (s) and `unit`.
    truth_path : path-like
        `.npz` with `states`, `weights`, `adjacency`, `prior`, `bias`, `transitions`, `kernel`,
        `log_likelihood` (of every sequence, nats), `unit`.
    truth : SwitchingTruth
    bin_s : float
        Bin width that the counts are said to have (s).
    """
    units = np.array([f"n{number + 1}" for number in range(truth.counts.shape[2])])
    sequences = {
        f"seq_{number}": counts.astype(np.int32) for number, counts in enumerate(truth.counts)
    }
    for path in (counts_path, truth_path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(counts_path, bin_s=np.array(float(bin_s)), unit=units, **sequences)
    names = ("states", "weights", "adjacency", "prior", "bias", "transitions", "kernel")
    planted = {name: getattr(truth, name) for name in names}
    np.savez(
        truth_path,
        unit=units,
        log_likelihood=truth_log_likelihood(truth, truth.counts),
        **planted,
    )
