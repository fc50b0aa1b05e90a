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
        Bias and covariates are one vector for all states.
    diagonal : {'free', 'zero', 'shared'}
        Self-history: as any other entry, absent, or one value for all states.
    """

    n_neurons: int
    n_basis: int = 1
    n_covariates: int = 0
    shared_bias: bool = False
    diagonal: str = "free"

    @property
    def n_columns(self) -> int:
        """Parameters of one target neuron in one state."""
        return 1 + self.n_sources + self.n_covariates

    @property
    def n_sources(self) -> int:
        """History columns."""
        return self.n_neurons * self.n_basis

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
        level = np.r_[0, 1 + self.n_sources : self.n_columns].astype(int)
        level = np.tile(level, (n, 1))
        nothing = np.empty((n, 0), dtype=int)
        local, shared = (nothing, level) if self.shared_bias else (level, nothing)
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

    Attributes
    ----------
    layout : Layout
    sd : float or None
        Standard deviation of the couplings around their mean over states; None for none.
    """

    layout: Layout
    sd: float | None = None

    def log_density(self, theta) -> float:
        """Log density without constants; shared parameters count once."""
        edges, local, shared = self.layout.roles()
        rows = np.arange(theta.shape[1])[:, None]
        own = np.concatenate([edges, local], axis=1)
        total = -0.5 * RIDGE * float(np.sum(theta[:, rows, own] ** 2))
        total -= 0.5 * RIDGE * float(np.sum(theta[0, rows, shared] ** 2))
        if self.sd is not None:
            couplings = theta[:, rows, edges]
            around = couplings - couplings.mean(axis=0)
            total -= 0.5 * float(np.sum(around**2)) / self.sd**2
        return total


def fisher_step(gradient, information, theta, prior: Prior, neurons: slice) -> np.ndarray:
    """Direction of one Fisher-scoring step for a block of target neurons.

    Parameters that states share are eliminated first (Schur complement of the arrow-shaped
    system of each neuron).

    Parameters
    ----------
    gradient : ndarray, shape (K, n, D)
    information : ndarray, shape (K, n, D, D)
    theta : ndarray, shape (K, N, D)
        Current parameters; the couplings are pulled to their mean over states.
    prior : Prior
    neurons : slice
        Which neurons the block holds.

    Returns
    -------
    ndarray, shape (K, n, D)
        Equal in all states where the parameter is shared, 0 where there is none.
    """
    edges, local, shared = (index[neurons] for index in prior.layout.roles())
    theta = theta[:, neurons]
    n_block, n_columns = theta.shape[1:]
    own = np.concatenate([edges, local], axis=1)
    row = np.arange(n_block)[:, None]
    pull = -RIDGE * theta
    add = np.full((n_block, n_columns), RIDGE)
    if prior.sd is not None:
        couplings = theta[:, row, edges]
        pull[:, row, edges] -= (couplings - couplings.mean(axis=0)) / prior.sd**2
        add[row, edges] += 1 / prior.sd**2
    place = np.arange(n_columns)
    if own.shape[1] == n_columns:
        # every column is free in every state: no need to gather
        h_own = information.copy()
        h_own[..., place, place] += add
        return np.linalg.solve(h_own, (gradient + pull)[..., None])[..., 0]
    here, there = np.arange(n_block)[:, None, None], own[:, :, None]
    h_own = information[:, here, there, own[:, None, :]]
    h_own[..., place[: own.shape[1]], place[: own.shape[1]]] += add[row, own]
    up = (gradient + pull)[:, row, own]
    step = np.zeros_like(theta)
    if not shared.shape[1]:
        step[:, row, own] = np.linalg.solve(h_own, up[..., None])[..., 0]
        return step
    h_mix = information[:, here, there, shared[:, None, :]]
    h_shared = information[:, here, shared[:, :, None], shared[:, None, :]].sum(axis=0)
    corner = np.arange(shared.shape[1])
    h_shared[..., corner, corner] += RIDGE
    up_shared = gradient[:, row, shared].sum(axis=0) - RIDGE * theta[0, row, shared]
    solved = np.linalg.solve(h_own, np.concatenate([h_mix, up[..., None]], axis=-1))
    mix, lone = solved[..., :-1], solved[..., -1]
    schur = h_shared - np.einsum("knij,knil->njl", h_mix, mix)
    right = up_shared - np.einsum("knij,kni->nj", h_mix, lone)
    delta = np.linalg.solve(schur, right[..., None])[..., 0]
    step[:, row, shared] = delta
    step[:, row, own] = lone - np.einsum("knij,nj->kni", mix, delta)
    return step
