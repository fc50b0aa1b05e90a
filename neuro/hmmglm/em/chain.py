"""The hidden chain: exact forward-backward, most probable path."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.em import kernels


def smooth(log_b, starts, transitions, init=None):
    """Forward-backward over concatenated sequences.

    Parameters
    ----------
    log_b : ndarray, shape (T, K)
        Log emission probability of each bin and state; 0 in all states of a missing bin.
    starts : ndarray of int64, shape (n + 1,)
        First bin of each sequence, and the end.
    transitions : ndarray, shape (K, K), or (T, K, K)
        Row: from, column: to. With one matrix per bin, that of bin t leads into it.
    init : ndarray, shape (K,), optional
        State probabilities of every first bin; uniform by default.

    Returns
    -------
    gamma : ndarray, shape (T, K)
        State probabilities given the whole sequence.
    xi : ndarray, shape (K, K), or (T, K, K)
        Expected number of transitions; with one matrix per bin, those into each bin.
    log_z : ndarray, shape (n,)
        Log-likelihood of each sequence.
    """
    n_states = log_b.shape[1]
    if init is None:
        init = np.full(n_states, 1.0 / n_states)
    filtered, gamma, ratio = (np.empty(log_b.shape) for _ in range(3))
    log_z = np.empty(len(starts) - 1)
    each = np.ascontiguousarray(transitions if transitions.ndim == 3 else transitions[None])
    kernels.smooth(log_b, starts, each, init, filtered, gamma, ratio, log_z)
    if transitions.ndim == 2:
        return gamma, transitions * (filtered[:-1].T @ ratio[1:]), log_z
    xi = transitions * ratio[:, None, :]
    xi[1:] *= filtered[:-1, :, None]
    # nothing leads into a first bin: its ratio is 0
    return gamma, xi, log_z


def best_path(log_b, starts, transitions, init=None):
    """Most probable state of every bin of concatenated sequences, see :func:`smooth`."""
    n_states = log_b.shape[1]
    init = np.full(n_states, 1.0 / n_states) if init is None else init
    path = np.empty(len(log_b), dtype=np.int64)
    with np.errstate(divide="ignore"):
        logs = np.log(transitions if transitions.ndim == 3 else transitions[None]), np.log(init)
    kernels.best_path(log_b, starts, *logs, path)
    return path


def forward_backward(log_b, transitions, init=None, mask=None):
    """Posterior state probabilities, expected transitions and log-likelihood.

    Parameters
    ----------
    log_b : ndarray, shape (T, K), or list of such
        Log emission probabilities. A list (or an array of shape (n, T, K)) is a batch of
        sequences, which may differ in length.
    transitions : ndarray, shape (K, K)
        Row: from, column: to.
    init : ndarray, shape (K,), optional
        Uniform by default.
    mask : ndarray of bool, shape (T,), or list of such, optional
        False marks missing bins, which add nothing to the likelihood.

    Returns
    -------
    gamma : ndarray, shape (T, K), or list of such
    xi_sum : ndarray, shape (K, K)
        Summed over the batch.
    log_z : float, or ndarray, shape (n,)

    Raises
    ------
    ValueError
        When shapes do not agree, or a row of `transitions` does not sum to 1.
    """
    single = not isinstance(log_b, (list, tuple)) and np.ndim(log_b) == 2
    batch = [np.asarray(logs, dtype=np.float64) for logs in ([log_b] if single else log_b)]
    if mask is not None:
        masks = [mask] if single else mask
        batch = [_masked(logs, one) for logs, one in zip(batch, masks, strict=True)]
    transitions, init = _checked(batch, transitions, init)
    starts = np.cumsum([0, *(len(logs) for logs in batch)])
    gamma, xi, log_z = smooth(np.concatenate(batch), starts, transitions, init)
    if single:
        return gamma, xi, float(log_z[0])
    return np.split(gamma, starts[1:-1]), xi, log_z


def viterbi(log_b, transitions, init=None, mask=None):
    """The most probable state sequence.

    Parameters
    ----------
    log_b, transitions, init, mask
        As for :func:`forward_backward`.

    Returns
    -------
    ndarray of int64, shape (T,), or list of such
    """
    single = not isinstance(log_b, (list, tuple)) and np.ndim(log_b) == 2
    batch = [np.asarray(logs, dtype=np.float64) for logs in ([log_b] if single else log_b)]
    if mask is not None:
        masks = [mask] if single else mask
        batch = [_masked(logs, one) for logs, one in zip(batch, masks, strict=True)]
    transitions, init = _checked(batch, transitions, init)
    starts = np.cumsum([0, *(len(logs) for logs in batch)])
    path = best_path(np.concatenate(batch), starts, transitions, init)
    paths = np.split(path, starts[1:-1])
    return paths[0] if single else paths


def _masked(log_b, mask):
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != log_b.shape[:1]:
        raise ValueError(f"mask: shape {mask.shape}, expected ({len(log_b)},)")
    return np.where(mask[:, None], log_b, 0.0)


def _checked(batch, transitions, init):
    if not batch or any(logs.ndim != 2 or not len(logs) for logs in batch):
        raise ValueError("log_b: expected arrays of shape (T, K) with at least one bin")
    n_states = batch[0].shape[1]
    transitions = np.asarray(transitions, dtype=np.float64)
    if any(logs.shape[1] != n_states for logs in batch) or transitions.shape != (
        n_states,
        n_states,
    ):
        raise ValueError(f"transitions: shape {transitions.shape}, expected ({n_states},) * 2")
    if not np.allclose(transitions.sum(axis=1), 1.0, atol=1e-8) or (transitions < 0).any():
        raise ValueError("transitions: every row must be probabilities that sum to 1")
    init = np.full(n_states, 1.0 / n_states) if init is None else np.asarray(init, np.float64)
    if init.shape != (n_states,):
        raise ValueError(f"init: shape {init.shape}, expected ({n_states},)")
    return transitions, init
