"""Transitions between states: constant, or driven by inputs (multinomial logistic).

With inputs u the log odds of the next state are those of a constant matrix plus `drive @ u`: an
input makes a state more or less likely to be entered, wherever the chain comes from. Both parts are
fitted in the M-step from the expected transitions of every bin.

References
----------
.. [1] Bengio, Y., Frasconi, P. (1995). An input output HMM architecture. NIPS 7, 427-434.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.special import softmax

FLOOR = 1e-6
"""Smallest transition probability of a constant matrix (ours)."""

RIDGE = 1.0
"""Precision of the weights of standardised inputs (ours)."""

WEAK = 1e-4
"""Precision of the log odds without inputs: unseen transitions keep finite ones."""

STEPS, HALVINGS = 20, 30


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


def log_odds(transitions) -> np.ndarray:
    """Logarithms of a transition matrix, centred in every row."""
    logs = np.log(np.maximum(transitions, 1e-300))
    return logs - logs.mean(axis=1, keepdims=True)


def driven(transitions, drive, inputs) -> np.ndarray:
    """Transition matrices of every bin.

    Parameters
    ----------
    transitions : ndarray, shape (K, K)
        Without inputs; row: from, column: to.
    drive : ndarray, shape (K, C)
    inputs : ndarray, shape (T, C)

    Returns
    -------
    ndarray, shape (T, K, K)
        Of bin t: from the state of bin t - 1 to that of bin t.
    """
    return softmax(log_odds(transitions)[None] + (inputs @ drive.T)[:, None, :], axis=2)


@dataclasses.dataclass(frozen=True)
class Chain:
    """Transitions of one start.

    Attributes
    ----------
    transitions : ndarray, shape (K, K)
        Without inputs, or at their mean.
    drive : ndarray, shape (K, C), or None
        What a standardised input adds to the log odds of entering each state.
    """

    transitions: np.ndarray
    drive: np.ndarray | None = None

    def matrices(self, design) -> np.ndarray:
        """What the forward-backward pass takes: shape (K, K), or (T, K, K) with inputs."""
        if self.drive is None:
            return self.transitions
        return driven(self.transitions, self.drive, design.inputs)

    def log_prior(self, kappa: float) -> float:
        """Log density of the priors, without constants."""
        total = kappa * float(np.log(np.diag(self.transitions)).sum()) if kappa else 0.0
        if self.drive is not None:
            total -= 0.5 * RIDGE * float(np.sum(self.drive**2))
            total -= 0.5 * WEAK * float(np.sum(log_odds(self.transitions) ** 2))
        return total

    def updated(self, xi, design, kappa: float = 0.0) -> Chain:
        """The chain after an M-step.

        Parameters
        ----------
        xi : ndarray, shape (K, K), or (T, K, K) with inputs
            Expected transitions.
        design : neuro.hmmglm.design.history.Design
        kappa : float, default 0
            Pseudo-counts on the diagonal.

        Returns
        -------
        Chain
            With inputs Newton's method on a concave function, so the expected log posterior never
            falls.
        """
        if self.drive is None:
            return Chain(update_transitions(xi, kappa))
        return _newton(self, xi, design.inputs, kappa)


def _value(base, drive, xi, inputs, kappa) -> float:
    chain = Chain(softmax(base, axis=1), drive)
    with np.errstate(divide="ignore"):
        logs = np.log(driven(chain.transitions, drive, inputs))
    expected = float(np.sum(np.where(xi > 0, xi * logs, 0.0)))
    return expected + chain.log_prior(kappa)


def _newton(chain, xi, inputs, kappa) -> Chain:
    base, drive = log_odds(chain.transitions), chain.drive
    value = _value(base, drive, xi, inputs, kappa)
    for _ in range(STEPS):
        up, curve = _slope_and_curvature(base, drive, xi, inputs, kappa)
        step = np.linalg.solve(curve, up)
        slope, length = float(up @ step), 1.0
        if slope < 1e-10 * max(abs(value), 1.0):
            break
        to_base, to_drive = step[: base.size].reshape(base.shape), step[base.size :]
        for _ in range(HALVINGS):
            new = base + length * to_base, drive + length * to_drive.reshape(drive.shape)
            new_value = _value(*new, xi, inputs, kappa)
            if new_value >= value + 1e-4 * length * slope:
                break
            length /= 2
        else:
            break
        base, drive, value = *new, new_value
    return Chain(softmax(base, axis=1), drive)


def _slope_and_curvature(base, drive, xi, inputs, kappa):
    """Gradient and negative Hessian in the log odds (row by row), then the weights of inputs."""
    k, c = drive.shape
    p = driven(softmax(base, axis=1), drive, inputs)
    weight = xi.sum(axis=2)
    miss = xi - weight[:, :, None] * p
    still = softmax(base, axis=1)
    up_base = miss.sum(axis=0) + kappa * (np.eye(k) - still) - WEAK * base
    up_drive = miss.sum(axis=1).T @ inputs - RIDGE * drive
    bend = weight[:, :, None, None] * p[:, :, :, None] * (np.eye(k) - p[:, :, None, :])
    own = bend.sum(axis=0) + kappa * still[:, :, None] * (np.eye(k) - still[:, None, :])
    cross = np.einsum("tijl,tc->ijlc", bend, inputs, optimize=True)
    both = np.einsum("tjl,tc,td->jcld", bend.sum(axis=1), inputs, inputs, optimize=True)
    n = k * k
    curve = np.zeros((n + k * c, n + k * c))
    for row in range(k):
        block = slice(row * k, (row + 1) * k)
        curve[block, block] = own[row]
        curve[block, n:] = cross[row].reshape(k, k * c)
    curve[n:, :n] = curve[:n, n:].T
    curve[n:, n:] = both.reshape(k * c, k * c)
    curve[range(n), range(n)] += WEAK
    curve[range(n, n + k * c), range(n, n + k * c)] += RIDGE
    return np.r_[up_base.ravel(), up_drive.ravel()], curve
