"""One Fisher-scoring step for all states and neurons, with parameters that states may share."""

from __future__ import annotations

import dataclasses

import numpy as np

RIDGE = 1e-4
"""Precision of a weak normal prior on every parameter (ours): optima stay finite."""

BLOCK_BYTES = 200 * 2**20
"""Information matrices are worked on in blocks of neurons up to this size (bytes)."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which parameters exist, and which of them the states share.

    Columns of a target neuron's parameters are: bias, history of every source, covariates.

    Attributes
    ----------
    n_neurons, n_basis, n_covariates : int
    shared_bias : bool
        The bias is one value for all states.
    diagonal : {'free', 'zero', 'shared'}
        Self-history: as any other entry, absent, or one value for all states.
    shared_covariates : bool or None
        Weights of covariates are one vector for all states; None: as the bias.
    """

    n_neurons: int
    n_basis: int = 1
    n_covariates: int = 0
    shared_bias: bool = False
    diagonal: str = "free"
    shared_covariates: bool | None = None

    @property
    def n_columns(self) -> int:
        """Parameters of one target neuron in one state."""
        return 1 + self.n_sources + self.n_covariates

    @property
    def n_sources(self) -> int:
        """History columns."""
        return self.n_neurons * self.n_basis

    @property
    def ties_covariates(self) -> bool:
        """Whether the weights of covariates are one vector for all states."""
        return self.shared_bias if self.shared_covariates is None else self.shared_covariates

    def weak(self, covariate_ridge: float = 0.0) -> np.ndarray:
        """Precision of every column apart from the prior of couplings, shape (D,)."""
        precision = np.full(self.n_columns, RIDGE)
        precision[1 + self.n_sources :] += covariate_ridge
        return precision

    def own(self) -> np.ndarray:
        """Columns of each neuron's own history, shape (N, B)."""
        return 1 + np.arange(self.n_sources).reshape(self.n_neurons, self.n_basis)

    def roles(self):
        """Column indices of each target neuron by role.

        Returns
        -------
        edges : ndarray of int, shape (N, E)
            Couplings that are free in every state.
        local : ndarray of int, shape (N, U)
            Bias and covariates that are free in every state.
        shared : ndarray of int, shape (N, J)
            One value for all states.
        """
        n = self.n_neurons
        drives = list(range(1 + self.n_sources, self.n_columns))
        tied = ([0] if self.shared_bias else []) + (drives if self.ties_covariates else [])
        free = [column for column in (0, *drives) if column not in tied]
        local, shared = (np.tile(np.array(role, dtype=int), (n, 1)) for role in (free, tied))
        columns = np.tile(1 + np.arange(self.n_sources), (n, 1))
        if self.diagonal == "free":
            return columns, local, shared
        own = self.own()
        keep = (columns[:, :, None] != own[:, None, :]).all(axis=2)
        edges = columns[keep].reshape(n, -1)
        if self.diagonal == "shared":
            shared = np.concatenate([shared, own], axis=1)
        return edges, local, shared

    def neuron_blocks(self, n_states: int):
        """Slices of target neurons whose information matrices fit into the memory set aside."""
        one = n_states * self.n_columns**2 * 8 * 3
        size = int(np.clip(BLOCK_BYTES // one, 1, self.n_neurons))
        return [
            slice(first, min(first + size, self.n_neurons))
            for first in range(0, self.n_neurons, size)
        ]


@dataclasses.dataclass(frozen=True)
class Prior:
    """Quadratic prior of the parameters.

    Couplings w_k of K states have the log density `-a / 2 sum_k |w_k - m|^2 - b / 2 K |m|^2`, m
    being their mean over states: `a` keeps states alike, `b` keeps the network small.

    Attributes
    ----------
    layout : Layout
    sd : float or None
        Standard deviation of the couplings around their mean over states, `a = 1 / sd^2`; None
        for couplings that know nothing of each other, `a = b`.
    ridge : float
        Precision `b` of the mean over states.
    damping : float
        Added to the curvature of the couplings, not to the prior: steps become shorter, so that
        their number can be chosen.
    covariate_ridge : float
        Precision of the weights of covariates.
    """

    layout: Layout
    sd: float | None = None
    ridge: float = 0.0
    damping: float = 0.0
    covariate_ridge: float = 0.0

    def precisions(self, n_states: int) -> tuple[float, float]:
        """Precision around the mean over states, and of the mean; one state is its own mean."""
        around = self.ridge if self.sd is None or n_states == 1 else 1 / self.sd**2
        return around, self.ridge

    def log_density(self, theta) -> float:
        """Log density without constants; shared parameters count once."""
        edges, local, shared = self.layout.roles()
        rows = np.arange(theta.shape[1])[:, None]
        own = np.concatenate([edges, local], axis=1)
        weak = self.layout.weak(self.covariate_ridge)
        total = -0.5 * float(np.sum(weak[own] * theta[:, rows, own] ** 2))
        total -= 0.5 * float(np.sum(weak[shared] * theta[0, rows, shared] ** 2))
        around, ridge = self.precisions(len(theta))
        if around or ridge:
            couplings = theta[:, rows, edges]
            mean = couplings.mean(axis=0)
            total -= 0.5 * around * float(np.sum((couplings - mean) ** 2))
            total -= 0.5 * ridge * len(theta) * float(np.sum(mean**2))
        return total


def fisher_step(gradient, information, theta, prior: Prior, neurons: slice):
    """Direction of one Fisher-scoring step for a block of target neurons.

    The system of one neuron has a block per state, an arrow of parameters that states share, and
    a prior that ties the couplings of all states to their mean. States are eliminated first; the
    sum of the couplings' steps over states and the shared parameters remain.

    Parameters
    ----------
    gradient : ndarray, shape (K, n, D)
    information : ndarray, shape (K, n, D, D)
    theta : ndarray, shape (K, N, D)
        Current parameters.
    prior : Prior
    neurons : slice
        Which neurons the block holds.

    Returns
    -------
    step : ndarray, shape (K, n, D)
        Equal in all states where the parameter is shared, 0 where there is none.
    decrement : float
        Squared Newton decrement: slope of the log posterior along the step.
    """
    edges, local, shared = (index[neurons] for index in prior.layout.roles())
    theta = theta[:, neurons]
    n_states, n_block = theta.shape[:2]
    n_edges, n_shared = edges.shape[1], shared.shape[1]
    own = np.concatenate([edges, local], axis=1)
    row = np.arange(n_block)[:, None]
    around, ridge = prior.precisions(n_states)
    couplings = theta[:, row, edges]
    mean = couplings.mean(axis=0)
    weak = prior.layout.weak(prior.covariate_ridge)
    up = gradient[:, row, own] - weak[own] * theta[:, row, own]
    up[..., :n_edges] -= around * (couplings - mean) + ridge * mean
    place = np.arange(own.shape[1])
    here, there = np.arange(n_block)[:, None, None], own[:, :, None]
    h_own = information[:, here, there, own[:, None, :]]
    h_own[..., place, place] += weak[own]
    h_own[..., place[:n_edges], place[:n_edges]] += around + prior.damping
    tie = (ridge - around) / n_states
    n_tied = n_edges if tie else 0
    step = np.zeros_like(theta)
    if not n_tied + n_shared:
        step[:, row, own] = np.linalg.solve(h_own, up[..., None])[..., 0]
        return step, float(np.vdot(up, step[:, row, own]))
    # columns that all states have in common: the tied sums, then the shared parameters
    common = np.zeros((n_states, n_block, own.shape[1], n_tied + n_shared))
    common[..., place[:n_tied], place[:n_tied]] = tie
    common[..., n_tied:] = information[:, here, there, shared[:, None, :]]
    solved = np.linalg.solve(h_own, np.concatenate([common, up[..., None]], axis=-1))
    mix, lone = solved[..., :-1], solved[..., -1]
    corner = np.zeros((n_block, n_tied + n_shared, n_tied + n_shared))
    right = np.zeros((n_block, n_tied + n_shared))
    corner[:, place[:n_tied], place[:n_tied]] = 1.0
    corner[:, :n_tied] += mix[:, :, :n_tied].sum(axis=0)
    right[:, :n_tied] = lone[:, :, :n_tied].sum(axis=0)
    h_mix = common[..., n_tied:]
    h_shared = information[:, here, shared[:, :, None], shared[:, None, :]].sum(axis=0)
    h_shared[:, range(n_shared), range(n_shared)] += weak[shared]
    up_shared = gradient[:, row, shared].sum(axis=0) - weak[shared] * theta[0, row, shared]
    corner[:, n_tied:, n_tied:] += h_shared
    corner[:, n_tied:] -= np.einsum("knij,knil->njl", h_mix, mix)
    right[:, n_tied:] = up_shared - np.einsum("knij,kni->nj", h_mix, lone)
    delta = np.linalg.solve(corner, right[..., None])[..., 0]
    step[:, row, own] = lone - np.einsum("knij,nj->kni", mix, delta)
    step[:, row, shared] = delta[:, n_tied:]
    decrement = np.vdot(up, step[:, row, own]) + np.vdot(up_shared, delta[:, n_tied:])
    return step, float(decrement)
