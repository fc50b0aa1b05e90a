"""What a switching GLM must beat: constant rates, a Poisson HMM without couplings."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from scipy.special import gammaln

from neuro.base.estimator import Params
from neuro.hmmglm.design.history import after_gap, check_sequences
from neuro.hmmglm.em.batch import update_transitions
from neuro.hmmglm.em.chain import smooth

EMPTY = 0.5
"""Counts put in place of none at all: a rate of zero would forbid every spike."""


def joined(sequences, masks=None, n_history: int = 0):
    """Concatenated counts, usable bins and sequence borders.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
    masks : list of ndarray of bool, shape (T_i,), optional
    n_history : int, default 0
        Bins after a gap that are not usable either; as many as the compared GLM has, so that both
        are judged on the same bins.

    Returns
    -------
    counts : ndarray of float64, shape (T, N)
    usable : ndarray of bool, shape (T,)
    starts : ndarray of int64, shape (n + 1,)
    """
    starts = np.cumsum([0, *(len(item) for item in sequences)]).astype(np.int64)
    counts = np.concatenate([np.asarray(item, dtype=np.float64) for item in sequences])
    usable = ~np.isnan(counts).any(axis=1)
    if masks is not None:
        usable &= np.concatenate([np.asarray(mask, dtype=bool) for mask in masks])
    counts[~usable] = 0.0
    return counts, after_gap(usable, n_history, starts[:-1]), starts


def emission_log_b(counts, rates, emission: str = "poisson", noise=None) -> np.ndarray:
    """Log-likelihood of every bin under constant rates.

    Parameters
    ----------
    counts : ndarray, shape (T, N)
    rates : ndarray, shape (K, N)
        Means per bin.
    emission : {'poisson', 'bernoulli', 'gaussian'}
    noise : ndarray, shape (N,), optional
        Standard deviations, for 'gaussian'.

    Returns
    -------
    ndarray, shape (T, K)
    """
    rates = np.atleast_2d(rates)
    if emission == "poisson":
        log_b = counts @ np.log(rates).T - rates.sum(axis=1)
        return log_b - gammaln(counts + 1).sum(axis=1)[:, None]
    if emission == "bernoulli":
        rates = np.minimum(rates, 1 - 1e-6)
        return counts @ np.log(rates).T + (1 - counts) @ np.log1p(-rates).T
    z = (counts[:, None, :] - rates) / noise
    return -0.5 * (z**2).sum(axis=-1) - np.log(noise * np.sqrt(2 * np.pi)).sum()


def mean_rates(counts, usable) -> np.ndarray:
    """Mean count per usable bin; half a count in all where there is none. Shape (N,)."""
    total = counts[usable].sum(axis=0)
    return np.where(total > 0, total, EMPTY) / max(int(usable.sum()), 1)


def homogeneous(train, test, train_masks=None, test_masks=None, *, emission="poisson", n_history=0):
    """Log-likelihood of unseen sequences under the training means.

    Parameters
    ----------
    train, test : list of ndarray, shape (T_i, N)
    train_masks, test_masks : list or None
    emission : {'poisson', 'bernoulli', 'gaussian'}
    n_history : int, default 0
        See :func:`joined`.

    Returns
    -------
    log_likelihood : float
    n_bins : int
    n_spikes : float
        Counts in the usable test bins (for 'gaussian': number of values).
    """
    counts, usable, _ = joined(train, train_masks, n_history)
    noise = None
    if emission == "gaussian":
        rates = counts[usable].mean(axis=0)
        noise = np.maximum(counts[usable].std(axis=0), 1e-6)
    else:
        rates = mean_rates(counts, usable)
    counts, usable, _ = joined(test, test_masks, n_history)
    total = emission_log_b(counts[usable], rates, emission, noise).sum()
    amount = counts[usable].size if emission == "gaussian" else counts[usable].sum()
    return float(total), int(usable.sum()), float(amount)


@dataclasses.dataclass(eq=False)
class PoissonHMM(Params):
    """A hidden Markov model with constant Poisson rates per state: states without couplings.

    Parameters
    ----------
    n_states : int, default 2
    n_starts : int, default 5
    max_iter : int, default 200
    tol : float, default 1e-6
        Relative change of the log-likelihood.
    stay : float, default 0.98
        Diagonal of the first transition matrix.
    random_state : int or None
    emission : {'poisson', 'bernoulli'}
        Bernoulli for events, so that a comparison with a Bernoulli GLM is fair.

    Attributes
    ----------
    rates_ : ndarray, shape (n_states, N)
        Counts per bin; states in order of occupancy.
    transitions_ : ndarray, shape (n_states, n_states)
    log_likelihood_ : float
        Of the training data.
    history_ : list of float
    """

    _tags: ClassVar = {"input_tags.two_d_array": False}

    n_states: int = 2
    n_starts: int = 5
    max_iter: int = 200
    tol: float = 1e-6
    stay: float = 0.98
    random_state: int | None = 0
    emission: str = "poisson"

    def fit(self, sequences, y=None, *, mask=None, n_history: int = 0) -> PoissonHMM:
        """Fit by expectation maximisation, the best of several starts.

        Parameters
        ----------
        sequences : list of ndarray, shape (T_i, N)
        y
            Ignored.
        mask : list of ndarray of bool, optional
        n_history : int, default 0
            See :func:`joined`.

        Returns
        -------
        PoissonHMM
        """
        sequences, mask, _ = check_sequences(sequences, mask, min_neurons=1)
        counts, usable, starts = joined(sequences, mask, n_history)
        found = [
            self._climb(
                counts, usable, starts, np.random.default_rng([self.random_state or 0, number])
            )
            for number in range(self.n_starts)
        ]
        self.history_, rates, transitions, gamma = max(found, key=lambda item: item[0][-1])
        order = np.argsort(-gamma[usable].sum(axis=0), kind="stable")
        self.rates_ = rates[order]
        self.transitions_ = transitions[np.ix_(order, order)]
        self.log_likelihood_ = self.history_[-1]
        return self

    def _climb(self, counts, usable, starts, rng) -> tuple:
        k = self.n_states
        mean = mean_rates(counts, usable)
        rates = mean * np.exp(0.3 * rng.normal(size=(k, counts.shape[1])))
        transitions = np.full((k, k), (1 - self.stay) / max(k - 1, 1))
        np.fill_diagonal(transitions, self.stay if k > 1 else 1.0)
        floor = EMPTY / max(int(usable.sum()), 1)
        history: list[float] = []
        for _ in range(self.max_iter):
            log_b = emission_log_b(counts, rates, self.emission)
            log_b[~usable] = 0.0
            gamma, xi, log_z = smooth(log_b, starts, transitions)
            history.append(float(log_z.sum()))
            if len(history) > 1 and abs(history[-1] - history[-2]) < self.tol * abs(history[-1]):
                break
            weight = gamma * usable[:, None]
            total = weight.sum(axis=0)[:, None]
            rates = np.maximum((weight.T @ counts) / np.maximum(total, 1e-12), floor)
            transitions = update_transitions(xi)
        return history, rates, transitions, gamma

    def log_likelihood(self, sequences, mask=None, n_history: int = 0):
        """Marginal log-likelihood of sequences.

        Parameters
        ----------
        sequences : list of array, each (n_bins, n_neurons)
        mask : list of array of bool, each (n_bins,), optional
            False marks bins that are missing.
        n_history : int, default 0
            Bins at the start of every sequence that do not count.

        Returns
        -------
        log_likelihood : float
        n_bins : int
        """
        log_b, starts, usable = self._log_b(sequences, mask, n_history)
        return float(smooth(log_b, starts, self.transitions_)[2].sum()), int(usable.sum())

    def predict_proba(self, sequences, mask=None) -> list:
        """State probabilities, one array of shape (T_i, n_states) per sequence.

        Parameters
        ----------
        sequences : list of array, each (n_bins, n_neurons)
        mask : list of array of bool, each (n_bins,), optional

        Returns
        -------
        list of ndarray, each (n_bins, n_states)
        """
        log_b, starts, _ = self._log_b(sequences, mask, 0)
        return np.split(smooth(log_b, starts, self.transitions_)[0], starts[1:-1])

    def _log_b(self, sequences, mask, n_history):
        self._check_fitted("rates_")
        counts, usable, starts = joined(sequences, mask, n_history)
        log_b = emission_log_b(counts, self.rates_, self.emission)
        log_b[~usable] = 0.0
        return log_b, starts, usable
