"""Spike history and design matrix: what the firing of one bin may depend on."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from scipy.special import gammaln

from neuro.hmmglm.em import kernels

PRODUCT_BYTES = 256 * 2**20
"""Pairwise products of the design are kept between iterations up to this size (bytes)."""


LARGE = 64
"""Larger counts are worked on in float64: float32 keeps seven digits of a bin's log-likelihood."""


def exponential_basis(n_history: int = 5, decay: float = 1.0) -> np.ndarray:
    """One exponential kernel over the past bins, with unit sum.

    Parameters
    ----------
    n_history : int, default 5
        Bins of the past (paper).
    decay : float, default 1.0
        Per bin (paper).

    Returns
    -------
    ndarray, shape (n_history, 1)
        Weight of the bin `k + 1` steps back.
    """
    kernel = np.exp(-decay * np.arange(1, n_history + 1))
    return (kernel / kernel.sum())[:, None]


def raised_cosine_basis(n_history: int, n_basis: int) -> np.ndarray:
    """Overlapping raised cosines on a logarithmic axis of lags, each with unit sum (ours).

    Parameters
    ----------
    n_history : int
        Bins of the past.
    n_basis : int
        Number of bumps, at most `n_history`.

    Returns
    -------
    ndarray, shape (n_history, n_basis)

    References
    ----------
    .. [1] Pillow, J. W., et al. (2008). Spatio-temporal correlations and visual signalling in a
       complete neuronal population. Nature 454, 995-999.
    """
    lag = np.log(np.arange(1, n_history + 1) + 0.5)
    centre = np.linspace(lag[0], lag[-1], n_basis)
    width = (centre[1] - centre[0]) if n_basis > 1 else 2 * (lag[-1] - lag[0]) + 1.0
    phase = np.clip((lag[:, None] - centre) * np.pi / (2 * width), -np.pi / 2, np.pi / 2)
    bumps = np.cos(phase) ** 2
    return bumps / bumps.sum(axis=0)


def make_basis(kind: str, n_history: int, decay: float, n_basis: int) -> np.ndarray:
    """The history basis of a model, shape (n_history, n_basis).

    Raises
    ------
    ValueError
        When the kind is unknown or the numbers do not fit.
    """
    if n_history < 1:
        raise ValueError(f"n_history: got {n_history}, expected a whole number >= 1")
    if kind == "exponential":
        if n_basis != 1:
            raise ValueError(f"n_basis: got {n_basis}, but basis 'exponential' has 1")
        return exponential_basis(n_history, decay)
    if kind == "raised_cosine":
        if not 1 <= n_basis <= n_history:
            raise ValueError(f"n_basis: got {n_basis}, expected 1 to n_history ({n_history})")
        return raised_cosine_basis(n_history, n_basis)
    raise ValueError(f"basis: got '{kind}', expected exponential or raised_cosine")


def history(counts, basis, borders=None) -> np.ndarray:
    """Filtered past of every neuron; strictly causal, zero before each border.

    Parameters
    ----------
    counts : ndarray, shape (T, N)
    basis : ndarray, shape (L,) or (L, B)
        Weight of the bin `k + 1` steps back.
    borders : sequence of int, optional
        First bins of sequences; nothing is carried across. Default: one sequence.

    Returns
    -------
    ndarray of float64, shape (T, N * B)
        Column `m * B + b` is basis `b` of neuron `m`.
    """
    counts = np.asarray(counts, dtype=np.float64)
    basis = np.asarray(basis, dtype=np.float64)
    basis = basis[:, None] if basis.ndim == 1 else basis
    n_bins, n_neurons = counts.shape
    edges = np.unique([0, *(borders if borders is not None else ()), n_bins])
    past = np.zeros((n_bins, n_neurons, basis.shape[1]))
    for first, end in itertools.pairwise(edges):
        for lag in range(1, min(len(basis), end - first - 1) + 1):
            past[first + lag : end] += counts[first : end - lag, :, None] * basis[lag - 1]
    return past.reshape(n_bins, -1)


def after_gap(observed, n_history: int, borders) -> np.ndarray:
    """Bins that are observed and whose past, inside their sequence, is observed too.

    Parameters
    ----------
    observed : ndarray of bool, shape (T,)
    n_history : int
    borders : sequence of int
        First bins of sequences.

    Returns
    -------
    ndarray of bool, shape (T,)
    """
    usable = observed.copy()
    edges = [*borders, observed.size]
    for first, end in itertools.pairwise(edges):
        for lag in range(1, min(n_history, end - first - 1) + 1):
            usable[first + lag : end] &= observed[first : end - lag]
    return usable


@dataclasses.dataclass
class Design:
    """Concatenated sequences with everything the estimators read again and again.

    Attributes
    ----------
    x : ndarray of float32 or float64, shape (T, D)
        Columns: 1, history of every neuron, covariates.
    counts : ndarray of the same type, shape (T, N)
        Missing values are 0.
    usable : ndarray of bool, shape (T,)
        Bins that enter the likelihood, with the entries that were observed.
    seen : ndarray of the same type as `x`, shape (T, N), or None
        1 where a unit was observed, else 0; None where all were in every usable bin.
    means : ndarray of float64, shape (N,)
        Mean of the observed entries; what an unobserved past value is taken to be.
    starts : ndarray of int64, shape (n + 1,)
        First bin of each sequence, and the end.
    inputs : ndarray of float64, shape (T, C), or None
        What drives the transitions into each bin.
    log_factorial : ndarray of float64, shape (T,)
        Sum of `lgamma(count + 1)` over neurons.
    n_sources : int
        Number of history columns.
    """

    x: np.ndarray
    counts: np.ndarray
    usable: np.ndarray
    starts: np.ndarray
    log_factorial: np.ndarray
    n_sources: int
    means: np.ndarray
    seen: np.ndarray | None = None
    inputs: np.ndarray | None = None
    _products: dict = dataclasses.field(default_factory=dict, repr=False)

    @property
    def n_bins(self) -> int:
        """Number of bins, missing ones included."""
        return len(self.x)

    @property
    def n_usable(self) -> int:
        """Number of bins that enter the likelihood."""
        return int(self.usable.sum())

    @property
    def n_observed(self) -> np.ndarray:
        """Usable bins in which each unit was observed, shape (N,)."""
        if self.seen is None:
            return np.full(self.counts.shape[1], self.n_usable)
        return self.seen[self.usable].sum(axis=0, dtype=np.float64).astype(int)

    @property
    def n_entries(self) -> int:
        """Values that enter the likelihood."""
        return int(self.n_observed.sum())

    def mean_counts(self) -> np.ndarray:
        """Mean count per bin in which it was observed; half a spike where a neuron is silent."""
        total = self.counts[self.usable].sum(axis=0, dtype=np.float64)
        return np.maximum(total, 0.5) / np.maximum(self.n_observed, 1)

    def only(self, rows) -> Design:
        """The same design with fewer usable bins; it shares all arrays.

        Parameters
        ----------
        rows : ndarray of bool, shape (T,)

        Returns
        -------
        Design
        """
        return dataclasses.replace(self, usable=self.usable & rows)

    def blocks(self):
        """Ranges of bins whose arrays stay in the cache; the same for every model."""
        rows = int(np.clip(2**18 // (4 * self.x.shape[1]), 256, 4096))
        return [(first, min(first + rows, self.n_bins)) for first in range(0, self.n_bins, rows)]

    def part(self, n_bins: int) -> Design:
        """Evenly spaced sequences that have at least so many bins together; all where that is few.

        Parameters
        ----------
        n_bins : int

        Returns
        -------
        Design
        """
        lengths = np.diff(self.starts)
        count = min(int(np.ceil(n_bins / lengths.mean())), len(lengths))
        if count == len(lengths):
            return self
        chosen = np.linspace(0, len(lengths) - 1, count).round().astype(int)
        rows = np.concatenate([np.arange(self.starts[k], self.starts[k + 1]) for k in chosen])
        return dataclasses.replace(
            self,
            x=self.x[rows],
            counts=self.counts[rows],
            usable=self.usable[rows],
            starts=np.cumsum([0, *lengths[chosen]]).astype(np.int64),
            log_factorial=self.log_factorial[rows],
            seen=None if self.seen is None else self.seen[rows],
            inputs=None if self.inputs is None else self.inputs[rows],
            _products={},
        )

    def products(self, first: int, end: int) -> np.ndarray:
        """Products of all pairs of design columns for some bins, shape (rows, D (D + 1) / 2)."""
        known = self._products.get((first, end))
        if known is not None:
            return known
        x = self.x[first:end]
        pairs = np.empty((len(x), x.shape[1] * (x.shape[1] + 1) // 2), dtype=x.dtype)
        kernels.pair_products(x, pairs)
        whole = self.n_bins * pairs.shape[1] * pairs.itemsize
        if whole <= PRODUCT_BYTES:
            self._products[first, end] = pairs
        return pairs


def make_design(
    sequences, basis, masks=None, covariates=None, *, means=None, dtype=None, poisson=True
) -> Design:
    """Join sequences into a :class:`Design`.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
        NaN marks values that were not observed.
    basis : ndarray, shape (L, B)
    masks : list of ndarray of bool, shape (T_i,) or (T_i, N), optional
        False marks missing bins, or entries.
    covariates : list of ndarray, shape (T_i, C), optional
        A bin in which one is NaN is missing, but may be the past of another.
    means : ndarray, shape (N,), optional
        What unobserved values of the past are taken to be: means of the training data. Those of
        the sequences by default.
    dtype : data type, optional
        float32, where counts are small enough for it.
    poisson : bool, default True
        Whether `log_factorial` is needed.

    Returns
    -------
    Design
        A bin in which nothing was observed is missing, and so are the bins whose history it is in.
        Where something was, the values that were not leave the likelihood one by one.
    """
    starts = np.cumsum([0, *(len(sequence) for sequence in sequences)]).astype(np.int64)
    counts = np.concatenate([np.asarray(sequence, dtype=np.float64) for sequence in sequences])
    seen = ~np.isnan(counts)
    if masks is not None:
        whole = [np.asarray(mask, dtype=bool) for mask in masks]
        seen &= np.concatenate([mask if mask.ndim == 2 else mask[:, None] for mask in whole])
    counts[~seen] = 0.0
    usable = after_gap(seen.any(axis=1), len(basis), starts[:-1])
    if means is None:
        means = counts[usable].sum(axis=0) / np.maximum(seen[usable].sum(axis=0), 1)
    past = history(np.where(seen, counts, means), basis, starts[:-1])
    parts = [np.ones((len(counts), 1)), past]
    if covariates is not None:
        drives = np.concatenate([np.asarray(sequence, np.float64) for sequence in covariates])
        usable &= ~np.isnan(drives).any(axis=1)
        parts.append(np.nan_to_num(drives))
    if dtype is None:
        dtype = np.float32 if np.abs(counts).max(initial=0) <= LARGE else np.float64
    factorial = gammaln(counts + 1).sum(axis=1) if poisson else np.zeros(len(counts))
    return Design(
        x=np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=dtype),
        counts=np.ascontiguousarray(counts, dtype=dtype),
        usable=usable,
        starts=starts,
        log_factorial=factorial,
        n_sources=past.shape[1],
        means=np.asarray(means, dtype=np.float64),
        seen=None if seen[usable].all() else np.ascontiguousarray(seen, dtype=dtype),
    )
