"""What a switching GLM must beat: constant rates, a Poisson HMM without couplings."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from scipy.special import gammaln

from neuro.base.estimator import Params
from neuro.hmmglm.design.history import after_gap
from neuro.hmmglm.design.sequences import check_sequences
from neuro.hmmglm.em.chain import smooth
from neuro.hmmglm.em.drive import update_transitions

EMPTY = 0.5
"""Counts put in place of none at all: a rate of zero would forbid every spike."""


def joined(sequences, masks=None, n_history: int = 0):
    """Concatenated counts, usable bins and sequence borders.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
    masks : list of ndarray of bool, shape (T_i,) or (T_i, N), optional
    n_history : int, default 0
        Bins after a gap that are not usable either; as many as the compared GLM has, so that both
        are judged on the same bins.

    Returns
    -------
    counts : ndarray of float64, shape (T, N)
    usable : ndarray of bool, shape (T,)
    starts : ndarray of int64, shape (n + 1,)
    seen : ndarray of float64, shape (T, N)
        1 where a unit was observed, else 0.
    """
    starts = np.cumsum([0, *(len(array) for array in sequences)]).astype(np.int64)
    counts = np.concatenate([np.asarray(array, dtype=np.float64) for array in sequences])
    seen = ~np.isnan(counts)
    if masks is not None:
        whole = [np.asarray(mask, dtype=bool) for mask in masks]
        seen &= np.concatenate([mask if mask.ndim == 2 else mask[:, None] for mask in whole])
    counts[~seen] = 0.0
    usable = after_gap(seen.any(axis=1), n_history, starts[:-1])
    return counts, usable, starts, seen.astype(np.float64)


def emission_log_b(counts, rates, emission: str = "poisson", noise=None, seen=None) -> np.ndarray:
    """Log-likelihood of every bin under constant rates.

    Parameters
    ----------
    counts : ndarray, shape (T, N)
    rates : ndarray, shape (K, N)
        Means per bin.
    emission : {'poisson', 'bernoulli', 'gaussian'}
    noise : ndarray, shape (N,), optional
        Standard deviations, for 'gaussian'.
    seen : ndarray, shape (T, N), optional
        1 where a value was observed, else 0, where its count is 0, too; all were by default.

    Returns
    -------
    ndarray, shape (T, K)
    """
    rates = np.atleast_2d(rates)
    seen = np.ones(counts.shape) if seen is None else seen
    if emission == "poisson":
        log_b = counts @ np.log(rates).T - seen @ rates.T
        return log_b - gammaln(counts + 1).sum(axis=1)[:, None]
    if emission == "bernoulli":
        rates = np.minimum(rates, 1 - 1e-6)
        return counts @ np.log(rates).T + (seen - counts) @ np.log1p(-rates).T
    z = (counts[:, None, :] - rates) / noise * seen[:, None, :]
    return -0.5 * (z**2).sum(axis=-1) - (seen @ np.log(noise * np.sqrt(2 * np.pi)))[:, None]


def mean_rates(counts, usable, seen) -> np.ndarray:
    """Mean count per observed bin; half a count in all where there is none. Shape (N,)."""
    total = counts[usable].sum(axis=0)
    return np.where(total > 0, total, EMPTY) / np.maximum(seen[usable].sum(axis=0), 1)


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
    counts, usable, _, seen = joined(train, train_masks, n_history)
    noise = None
    if emission == "gaussian":
        n = np.maximum(seen[usable].sum(axis=0), 1)
        rates = counts[usable].sum(axis=0) / n
        spread = ((counts[usable] - rates) ** 2 * seen[usable]).sum(axis=0) / n
        noise = np.maximum(np.sqrt(spread), 1e-6)
    else:
        rates = mean_rates(counts, usable, seen)
    counts, usable, _, seen = joined(test, test_masks, n_history)
    counts, seen = counts[usable], seen[usable]
    total = emission_log_b(counts, rates, emission, noise, seen).sum()
    amount = seen.sum() if emission == "gaussian" else counts.sum()
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
        counts, usable, starts, seen = joined(sequences, mask, n_history)
        fits = []
        for number in range(self.n_starts):
            rng = np.random.default_rng([self.random_state or 0, number])
            fits.append(self._climb(counts, usable, starts, seen, rng))
        self.history_, rates, transitions, gamma = max(fits, key=lambda fit: fit[0][-1])
        order = np.argsort(-gamma[usable].sum(axis=0), kind="stable")
        self.rates_ = rates[order]
        self.transitions_ = transitions[np.ix_(order, order)]
        self.log_likelihood_ = self.history_[-1]
        return self

    def _climb(self, counts, usable, starts, seen, rng) -> tuple:
        k = self.n_states
        mean = mean_rates(counts, usable, seen)
        rates = mean * np.exp(0.3 * rng.normal(size=(k, counts.shape[1])))
        transitions = np.full((k, k), (1 - self.stay) / max(k - 1, 1))
        np.fill_diagonal(transitions, self.stay if k > 1 else 1.0)
        floor = EMPTY / np.maximum(seen[usable].sum(axis=0), 1)
        history: list[float] = []
        for _ in range(self.max_iter):
            log_b = emission_log_b(counts, rates, self.emission, seen=seen)
            log_b[~usable] = 0.0
            gamma, xi, log_z = smooth(log_b, starts, transitions)
            history.append(float(log_z.sum()))
            if len(history) > 1 and abs(history[-1] - history[-2]) < self.tol * abs(history[-1]):
                break
            weight = gamma * usable[:, None]
            rates = (weight.T @ counts) / np.maximum(weight.T @ seen, 1e-12)
            rates = np.maximum(rates, floor)
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
        counts, usable, starts, seen = joined(sequences, mask, n_history)
        log_b = emission_log_b(counts, self.rates_, self.emission, seen=seen)
        log_b[~usable] = 0.0
        return log_b, starts, usable
