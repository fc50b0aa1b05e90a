"""A weighted stochastic block model of our own: description length, moves, hierarchy.

Which pairs are edges and how heavy they are is described block pair by block pair, with all
rates integrated out: edges by a Bernoulli probability with a flat prior, weights by an
exponential distribution whose rate has a gamma prior, or by a log-normal distribution. The
partition costs what it takes to write it down. An absent edge (weight 0) and an unobserved pair
(NaN) are different things: the first counts as "no edge", the second does not count.
"""

from __future__ import annotations

import dataclasses

import numpy as np

FAMILIES = ("exponential", "lognormal")
MAX_NODES = 400
BURN_IN = 20
SAMPLES = 30
"""Sweeps of the Gibbs sampler before and while memberships are counted (ours)."""


@dataclasses.dataclass(frozen=True)
class BlockModel:
    """Result of a fit.

    Attributes
    ----------
    labels : ndarray of int, shape (n_nodes,)
        Blocks numbered by falling size.
    levels : list of ndarray of int, shape (n_nodes,)
        Labels from the finest level (equal to `labels`) up to the last that is not one block.
    dl : float
        Description length in nats.
    dl_one_block : float
        The same for all nodes in one block.
    membership : ndarray of float32, shape (n_nodes, n_nodes)
        Share of samples in which two nodes share a block.
    """

    labels: np.ndarray
    levels: list
    dl: float
    dl_one_block: float
    membership: np.ndarray

    @property
    def gain(self) -> float:
        """Nats that the blocks save over one block; never negative."""
        return self.dl_one_block - self.dl


class BlockData:
    """Weights in the form that the moves need.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric, not negative; 0 is no edge, NaN is not observed; the diagonal is ignored.
    family : {"exponential", "lognormal"}

    Raises
    ------
    ValueError
        On negative weights, more than 400 nodes, or no edge at all.
    """

    def __init__(self, weights, family="exponential"):
        from scipy.special import gammaln

        weights = np.array(weights, dtype=np.float64)
        n = len(weights)
        if family not in FAMILIES:
            raise ValueError(f"family: got '{family}', expected one of {', '.join(FAMILIES)}")
        if n > MAX_NODES:
            raise ValueError(
                f"sbm: {n} nodes, at most {MAX_NODES}; use communities.backend networkx or igraph"
            )
        np.fill_diagonal(weights, np.nan)
        seen = np.isfinite(weights)
        if (weights[seen] < 0).any():
            raise ValueError("sbm: negative weights; the model needs weights >= 0")
        edge = seen & (np.nan_to_num(weights) > 0)
        if not edge.any():
            raise ValueError("sbm: the graph has no edge")
        value = np.zeros_like(weights)
        value[edge] = weights[edge] if family == "exponential" else np.log(weights[edge])
        self.stats = np.stack([seen, edge, value, value**2], axis=-1).astype(np.float64)
        upper = edge & np.triu(np.ones((n, n), bool), 1)
        mean = value[upper].mean()
        if family == "exponential":
            self.prior = np.array([0.0, mean, 0.0, 0.0, 0.0])
        else:
            variance = max(value[upper].var(), 1e-12)
            self.prior = np.array([1.0, mean, variance, 1.0, 1.0])
        self.half_lgamma = gammaln(np.arange(n * (n + 1) + 8) / 2.0)
        self.half_lgamma[0] = 0.0
        self.n_nodes = n

    def length(self, b) -> float:
        """Description length of a partition in nats."""
        from neuro.ntf.communities.sbm_kernels import description_length

        return float(
            description_length(self.stats, np.asarray(b, np.int64), self.prior, self.half_lgamma)
        )

    def _sweep(self, b, n_sweeps, inverse_temperature, rng, pair=(-1, -1)) -> None:
        """Sweeps of single moves, in place."""
        from neuro.ntf.communities.sbm_kernels import compact, sweeps

        compact(b)
        order = rng.permuted(np.tile(np.arange(self.n_nodes), (n_sweeps, 1)), axis=1)
        draws = rng.random(order.shape)
        rest = (float(inverse_temperature), self.prior, self.half_lgamma, np.array(pair))
        sweeps(self.stats, b, order, draws, *rest)

    def optimise(self, b, rng) -> np.ndarray:
        """Shorten the description from a start: single moves, merges and splits in turn."""
        from neuro.ntf.communities.sbm_kernels import compact, merges

        b = np.array(b, np.int64)
        self._sweep(b, 10, 1.0, rng)
        for _ in range(20):
            before = self.length(b)
            self._sweep(b, 50, 0.0, rng)
            merges(self.stats, b, self.prior, self.half_lgamma)
            self._split(b, rng)
            if self.length(b) > before - 1e-9:
                break
        compact(b)
        return b

    def _split(self, b, rng) -> None:
        """Try to cut every block in two, in place."""
        from neuro.ntf.communities.sbm_kernels import compact

        now = self.length(b)
        for r in range(compact(b)):
            inside = np.flatnonzero(b == r)
            if len(inside) < 2:
                continue
            # start from one node and those it holds to, which cuts better than coin tosses
            pivot = rng.choice(inside)
            held = self.stats[pivot, inside, 2] - 1e9 * (self.stats[pivot, inside, 1] == 0)
            trial = b.copy()
            trial[inside[(held > np.median(held)) | (inside == pivot)]] = b.max() + 1
            compact(trial)
            pair = trial[inside[0]], trial[inside[trial[inside] != trial[inside[0]]]][:1]
            if not len(pair[1]):
                continue
            self._sweep(trial, 20, 0.0, rng, (int(pair[0]), int(pair[1][0])))
            compact(trial)
            after = self.length(trial)
            if after < now - 1e-9:
                b[:] = trial
                now = after

    def sample(self, b, rng, n_samples=SAMPLES) -> np.ndarray:
        """Share of Gibbs samples around a partition in which nodes share a block."""
        b = np.array(b, np.int64)
        together = np.zeros((self.n_nodes, self.n_nodes), np.float32)
        self._sweep(b, BURN_IN, 1.0, rng)
        for _ in range(n_samples):
            self._sweep(b, 1, 1.0, rng)
            together += b[:, None] == b
        return together / n_samples


def fit_sbm(weights, family="exponential", *, n_starts=10, nested=True, random_state=0):
    """Fit a weighted stochastic block model by the shortest description.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric, not negative; 0 is no edge, NaN is not observed.
    family : {"exponential", "lognormal"}
        Distribution of the weights (default exponential, as in the publication).
    n_starts : int
        Optimisations from different partitions (10, ours): one block, single-linkage free cuts
        of a tree of the weights, and random ones.
    nested : bool
        Whether blocks are grouped again, level by level: the mean weights between blocks are the
        graph of the next level.
    random_state : int

    Returns
    -------
    BlockModel

    References
    ----------
    Peixoto 2018, Phys. Rev. E 97:012306 (weighted models, description length).
    """
    data = BlockData(weights, family)
    rng = np.random.default_rng(random_state)
    best, best_length = None, np.inf
    for start in _starts(weights, n_starts, rng):
        b = data.optimise(start, rng)
        length = data.length(b)
        if length < best_length - 1e-9:
            best, best_length = b, length
    one = data.length(np.zeros(data.n_nodes, np.int64))
    if one <= best_length:
        best, best_length = np.zeros(data.n_nodes, np.int64), one
    labels = by_size(best)
    membership = data.sample(best, rng)
    levels = [labels, *(_upper_levels(weights, labels, family, rng) if nested else [])]
    return BlockModel(labels, levels, best_length, one, membership)


def _starts(weights, n_starts, rng):
    """Partitions to start from."""
    from scipy.cluster.hierarchy import average, fcluster
    from scipy.spatial.distance import squareform

    n = len(weights)
    filled = np.nan_to_num(np.asarray(weights, float))
    yield np.zeros(n, np.int64)
    if n > 2:
        size = filled / filled.max()
        apart = 1 - size
        np.fill_diagonal(apart, 0)
        tree = average(squareform(apart, checks=False))
        for k in (2, 3, 4, 6, 8, 12, 16)[: max(0, n_starts - 1)]:
            if k < n:
                yield fcluster(tree, k, "maxclust").astype(np.int64) - 1
    for turn in range(max(0, n_starts - 8)):
        yield rng.integers(0, min(n, 2 ** (1 + turn % 4)), n)


def _upper_levels(weights, labels, family, rng):
    """Groups of blocks, level by level, until one is left or nothing is gained."""
    levels, current, groups = [], labels, labels
    while current.max() >= 2:
        n_blocks = current.max() + 1
        weights = _block_means(weights, groups)
        if not (np.nan_to_num(weights)[np.triu_indices(len(weights), 1)] > 0).any():
            break
        data = BlockData(weights, family)
        trials = [data.optimise(s, rng) for s in _starts(weights, 8, rng)]
        groups = by_size(min(trials, key=data.length))
        current = groups[current]
        if current.max() == 0 or current.max() + 1 == n_blocks:
            break
        levels.append(current)
    return levels


def _block_means(weights, labels):
    """Mean weight between blocks; NaN where no pair was observed."""
    n = len(weights)
    member = np.eye(labels.max() + 1)[labels]
    seen = np.isfinite(weights) & ~np.eye(n, dtype=bool)
    total = member.T @ np.where(seen, np.nan_to_num(weights), 0) @ member
    count = member.T @ seen @ member
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def by_size(labels) -> np.ndarray:
    """Labels numbered from 0 by falling size of their groups; ties by first member.

    Parameters
    ----------
    labels : array of int; negative labels stay

    Returns
    -------
    ndarray of int64
    """
    labels = np.asarray(labels)
    values, first, count = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -count))
    turned = {value: rank for rank, value in enumerate(values[order])}
    return np.array([turned.get(label, -1) for label in labels], dtype=np.int64)
