"""Spike history and design matrix: what the firing of one bin may depend on."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from scipy.special import gammaln

from neuro.hmmglm.em import kernels
from neuro.io.problems import InputProblem

PRODUCT_BYTES = 256 * 2**20
"""Pairwise products of the design are kept between iterations up to this size (bytes)."""


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
    x : ndarray of float32, shape (T, D)
        Columns: 1, history of every neuron, covariates.
    counts : ndarray of float32, shape (T, N)
        Missing values are 0.
    usable : ndarray of bool, shape (T,)
        Bins that enter the likelihood.
    starts : ndarray of int64, shape (n + 1,)
        First bin of each sequence, and the end.
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
    _products: dict = dataclasses.field(default_factory=dict, repr=False)

    @property
    def n_bins(self) -> int:
        """Number of bins, missing ones included."""
        return len(self.x)

    @property
    def n_usable(self) -> int:
        """Number of bins that enter the likelihood."""
        return int(self.usable.sum())

    def mean_counts(self) -> np.ndarray:
        """Mean count per usable bin, shape (N,); half a spike where a neuron is silent."""
        total = self.counts[self.usable].sum(axis=0, dtype=np.float64)
        return np.maximum(total, 0.5) / max(self.n_usable, 1)

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
    sequences, basis, masks=None, covariates=None, *, dtype=np.float32, poisson=True
) -> Design:
    """Join sequences into a :class:`Design`.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
        NaN marks missing values; one makes its whole bin missing.
    basis : ndarray, shape (L, B)
    masks : list of ndarray of bool, shape (T_i,), optional
        False marks missing bins.
    covariates : list of ndarray, shape (T_i, C), optional
    dtype : data type, default float32
    poisson : bool, default True
        Whether `log_factorial` is needed.

    Returns
    -------
    Design
    """
    starts = np.cumsum([0, *(len(item) for item in sequences)]).astype(np.int64)
    counts = np.concatenate([np.asarray(item, dtype=np.float64) for item in sequences])
    observed = ~np.isnan(counts).any(axis=1)
    if masks is not None:
        observed &= np.concatenate([np.asarray(mask, dtype=bool) for mask in masks])
    counts[~observed] = 0.0
    parts = [np.ones((len(counts), 1)), history(counts, basis, starts[:-1])]
    if covariates is not None:
        parts.append(np.concatenate([np.asarray(item, np.float64) for item in covariates]))
    factorial = gammaln(counts + 1).sum(axis=1) if poisson else np.zeros(len(counts))
    return Design(
        x=np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=dtype),
        counts=np.ascontiguousarray(counts, dtype=dtype),
        usable=after_gap(observed, len(basis), starts[:-1]),
        starts=starts,
        log_factorial=factorial,
        n_sources=parts[1].shape[1],
    )


def check_sequences(
    sequences, masks=None, covariates=None, *, emission="poisson", min_neurons=2, bin_s=None
):
    """Bring sequences, masks and covariates into lists and refuse what cannot be counts.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N), or ndarray, shape (n, T, N)
        Or a `TsGroup` or `TsdFrame` of pynapple, see :func:`neuro.hmmglm.design.bins.bin_pynapple`.
    masks, covariates : list or None
    emission : {'poisson', 'bernoulli', 'gaussian'}
    min_neurons : int, default 2
    bin_s : float, optional
        Bin width (s) for a `TsGroup`.

    Returns
    -------
    sequences, masks, covariates : list, list or None, list or None

    Raises
    ------
    InputProblem
        All problems at once, one line each.
    """
    if hasattr(sequences, "time_support"):
        from neuro.hmmglm.design.bins import bin_pynapple

        binned = bin_pynapple(sequences, bin_s)
        sequences, masks = binned.sequences, binned.masks if masks is None else masks
    if isinstance(sequences, np.ndarray) and sequences.ndim == 2:
        raise InputProblem("hmmglm: one (T, N) array; give a list of sequences or (n, T, N)")
    sequences = [np.asarray(item) for item in sequences]
    problems = []
    if not sequences:
        problems.append("hmmglm: no sequence; expected at least one of shape (T, N)")
    for number, item in enumerate(sequences):
        if item.ndim != 2:
            problems.append(f"hmmglm: sequence {number}: shape {item.shape}, expected (T, N)")
        elif not len(item):
            problems.append(f"hmmglm: sequence {number} is empty (0 bins); leave it out")
    if problems:
        raise InputProblem(problems)
    widths = sorted({item.shape[1] for item in sequences}, reverse=True)
    if len(widths) > 1:
        shown = ", ".join(str(width) for width in widths)
        raise InputProblem(f"hmmglm: neuron counts differ between sequences ({shown})")
    if widths[0] < min_neurons:
        problems.append(
            f"hmmglm: {widths[0]} neuron; couplings need at least {min_neurons} recorded together"
        )
    problems += _value_problems(sequences, emission)
    problems += _length_problems("mask", masks, sequences)
    problems += _length_problems("covariates", covariates, sequences)
    if problems:
        raise InputProblem(problems)
    return sequences, masks, covariates


def _value_problems(sequences, emission):
    values = np.concatenate([np.asarray(item, dtype=np.float64) for item in sequences])
    if np.isinf(values).any():
        return [f"hmmglm: counts have {int(np.isinf(values).sum())} infinite values"]
    if emission == "gaussian":
        return []
    problems = []
    negative = values < 0
    if negative.any():
        problems.append(
            f"hmmglm: counts have {int(negative.sum())} negative values (min {values.min():g})"
        )
    broken = np.nanmax(np.abs(values - np.round(values)), axis=0, initial=0.0) > 0
    if broken.any():
        unit = int(np.flatnonzero(broken)[0])
        problems.append(f"hmmglm: counts are not integers (unit {unit}); for BOLD use input: fmri")
    elif emission == "bernoulli" and not negative.any():
        more = int((values > 1).sum())
        if more:
            problems.append(
                f"hmmglm: {more} bins hold more than one spike (max {np.nanmax(values):g}); "
                "emission 'bernoulli' needs 0 or 1: use smaller bins or 'poisson'"
            )
    return problems


def _length_problems(name, given, sequences):
    if given is None:
        return []
    if len(given) != len(sequences):
        return [f"hmmglm: {len(given)} {name} for {len(sequences)} sequences"]
    return [
        f"hmmglm: {name} of sequence {number} has {len(one)} bins, the counts have {len(item)}"
        for number, (one, item) in enumerate(zip(given, sequences))
        if len(one) != len(item)
    ]
