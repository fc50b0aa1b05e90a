"""From a component's motif to communities, with a null for how much structure chance gives."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.ntf.communities.backends import (
    BACKENDS,
    MODULARITY,
    graph_tool_blocks,
    leiden,
    louvain,
    modularity,
    require,
)
from neuro.ntf.communities.sbm import by_size, fit_sbm
from neuro.ntf.factors.hals import MIN_SUPPORT

TRANSFORMS = ("none", "log1p")
NULL_SEEDS = 5
"""Seeds per null motif; their mean modularity does not depend on their number."""


@dataclasses.dataclass(frozen=True)
class Communities:
    """Communities of one motif.

    Attributes
    ----------
    backend : str
    labels : ndarray of int, shape (n_neurons,)
        Numbered by falling size; -1 for neurons without an observed pair.
    levels : list of ndarray of int, shape (n_neurons,)
        From the finest level up; one level for modularity.
    q : float
        Modularity of the partition (for modularity back ends the mean over the seeds).
    dl : float
        Description length in nats; NaN for modularity back ends.
    statistic : float
        What is compared with the null: modularity, or nats gained over one block.
    z : float
        Statistic minus the null's mean, in its standard deviations; NaN without a null.
    p_value : float
        Share of null motifs with at least this statistic, never 0; NaN without a null.
    membership : ndarray of float32, shape (n_neurons, n_neurons)
        Share of seeds or samples in which two neurons are together.
    background : ndarray of bool, shape (n_neurons,)
        Neurons too weak in the motif to belong anywhere.
    """

    backend: str
    labels: np.ndarray
    levels: list
    q: float
    dl: float
    statistic: float
    z: float
    p_value: float
    membership: np.ndarray
    background: np.ndarray


def motifs(model) -> np.ndarray:
    """Pair factors as symmetric matrices.

    Parameters
    ----------
    model : NonNegativeCP or ConcatenatedNMF

    Returns
    -------
    ndarray of float32, shape (n_components, n_neurons, n_neurons)
        Diagonal 0; NaN for pairs that were not observed where the component is active (support
        below :data:`neuro.ntf.factors.hals.MIN_SUPPORT`), in particular for pairs observed nowhere.
        With both signs in the tensor edges have a sign: below 0 where two run against each other.
    """
    return motif_matrices(model.pairs_, model.support_, model.signed_)


def edges(pairs, signed=False) -> np.ndarray:
    """One value per pair: the two parts of a signed motif joined, with a sign per edge.

    Noise fills both parts alike and cancels.

    Parameters
    ----------
    pairs : array, shape (n_pairs, n_components), or (2 n_pairs, n_components) where signed
    signed : bool, default False

    Returns
    -------
    ndarray, shape (n_pairs, n_components)
    """
    pairs = np.asarray(pairs)
    if not signed:
        return pairs
    half = len(pairs) // 2
    return pairs[:half] - pairs[half:]


def motif_matrices(pairs, support=None, signed=False) -> np.ndarray:
    """Motifs as matrices, from pair factors and their support, both `(n_pairs, n_components)`.

    Parameters
    ----------
    pairs : array, shape (n_pairs, n_components)
        Pair factors.
    support : array, shape (n_pairs, n_components), optional
        Entries below the smallest support are not observed.
    signed : bool, default False
        Whether every pair stands twice, see :func:`edges`.

    Returns
    -------
    ndarray of float32, shape (n_components, n_neurons, n_neurons)
        NaN where nothing was observed.
    """
    values = np.array(edges(pairs, signed), np.float32).T
    n = round((1 + np.sqrt(1 + 8 * values.shape[1])) / 2)
    if support is not None:
        # both parts of a pair are observed together
        values[np.asarray(support)[: values.shape[1]].T < MIN_SUPPORT] = np.nan
    full = np.zeros((len(values), n, n), np.float32)
    left, right = np.triu_indices(n, 1)
    full[:, left, right] = values
    full[:, right, left] = values
    return full


def motif_graph(motif, names=None, communities=None):
    """A motif, or a frame of a dynamic connectome, as networkx.

    Parameters
    ----------
    motif : array, shape (n_neurons, n_neurons)
        Symmetric; pairs at 0 or NaN are no edges.
    names : sequence of str, optional
    communities : Communities, optional
        Gives the nodes `community` and `background`, and the edges `membership`.

    Returns
    -------
    networkx.Graph

    Examples
    --------
    >>> motif_graph([[0, 2.0], [2.0, 0]], ["AVA", "AVB"]).edges["AVA", "AVB"]["weight"]
    2.0
    """
    from neuro.io.graphs import to_networkx

    nodes, edges = {}, {}
    if communities is not None:
        nodes = {
            "community": communities.labels,
            "background": np.asarray(communities.background, bool),
        }
        edges = {"membership": communities.membership}
    return to_networkx(motif, names, nodes=nodes, edges=edges)


def active_scale(time, animals, lambda_) -> np.ndarray:
    """What a motif has to be multiplied with to be in units of affinity while it is active.

    Weights and unit norms say how much energy a component carries; how strong it is when it is
    there is the mean of time course and loadings, weighted by themselves.

    Parameters
    ----------
    time : array, shape (n_bins, n_components) or (n_bins, n_animals, n_components)
    animals : array, shape (n_animals, n_components)
    lambda_ : array, shape (n_components,)

    Returns
    -------
    ndarray of float64, shape (n_components,)
    """
    time, animals = np.asarray(time, np.float64), np.asarray(animals, np.float64)
    rows = time[:, None] * animals if time.ndim == 2 else time * animals
    rows = rows.reshape(-1, rows.shape[-1])
    total = rows.sum(axis=0)
    return lambda_ * (rows**2).sum(axis=0) / np.where(total > 0, total, 1)


def strength(motif) -> np.ndarray:
    """Mean size of each neuron's observed pairs; NaN where there is none.

    Parameters
    ----------
    motif : array, shape (n_neurons, n_neurons)

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
    """
    motif = np.abs(np.array(motif, np.float64))
    np.fill_diagonal(motif, np.nan)
    seen = np.isfinite(motif).sum(axis=1)
    return np.where(seen > 0, np.nansum(motif, axis=1) / np.maximum(seen, 1), np.nan)


def communities(
    motif,
    backend="networkx",
    n_seeds=50,
    null=None,
    *,
    background=None,
    transform="none",
    family="exponential",
    random_state=0,
) -> Communities:
    """Find the communities of a motif, and say whether chance gives as much.

    Parameters
    ----------
    motif : array, shape (n_neurons, n_neurons)
        Symmetric, NaN where not observed. Of signed edges the size counts: neurons that run
        against each other interact.
    backend : {"networkx", "igraph", "sbm", "graph_tool"}
        Louvain, Leiden, our weighted block model, or graph-tool's nested one.
    n_seeds : int
        Seeds of the consensus (50, ours); starts of a block model are a fifth of it, 10 at most.
    null : array, optional
        Statistics of null motifs, see :func:`statistic`.
    background : array of bool, shape (n_neurons,), optional
        Neurons that belong nowhere. They take part in the search and are marked in the result.
    transform : {"none", "log1p"}
        Applied to the weights, scaled to mean 1, before a modularity search.
    family : {"exponential", "lognormal"}
        Weights of our block model.
    random_state : int

    Returns
    -------
    Communities

    Raises
    ------
    ValueError
        On an unknown or missing back end, or a motif without edges.
    """
    require(backend)
    motif = np.abs(np.asarray(motif, np.float64))
    there, weights = _graph(motif, transform if backend in MODULARITY else "none")
    if backend in MODULARITY:
        # modularity knows no missing pairs; to it they are no edges
        weights = np.nan_to_num(weights)
        labels, together, q = consensus(weights, backend, n_seeds, random_state)
        levels, dl, value = [labels], np.nan, q
    elif backend == "sbm":
        fit = fit_sbm(weights, family, n_starts=_starts(n_seeds), random_state=random_state)
        labels, levels, together = fit.labels, fit.levels, fit.membership
        dl, value = fit.dl, fit.gain
        q = modularity(np.nan_to_num(weights), labels)
    else:
        raw, dl, one = graph_tool_blocks(weights, seed=random_state)
        levels = [by_size(level) for level in raw]
        labels, value = levels[0], max(0.0, one - dl)
        together = (labels[:, None] == labels).astype(np.float32)
        q = modularity(np.nan_to_num(weights), labels)
    z, p = _against(value, null)
    n = len(motif)
    member = np.full((n, n), np.nan, np.float32)
    member[np.ix_(there, there)] = together
    return Communities(
        backend=backend,
        labels=_spread(labels, there, n),
        levels=[_spread(level, there, n) for level in levels],
        q=float(q),
        dl=float(dl),
        statistic=float(value),
        z=z,
        p_value=p,
        membership=member,
        background=np.zeros(n, bool) if background is None else np.asarray(background, bool),
    )


def statistic(
    motif, backend="networkx", *, transform="none", family="exponential", random_state=0
) -> float:
    """How much community structure a motif has, for the null distribution.

    Parameters
    ----------
    motif, backend, transform, family, random_state
        As for :func:`communities`.

    Returns
    -------
    float
        Mean modularity over a few seeds, or nats gained over one block. 0 without edges.
    """
    motif = np.abs(np.asarray(motif, np.float64))
    if not (np.nan_to_num(motif) > 0).any():
        return 0.0
    _, weights = _graph(motif, transform if backend in MODULARITY else "none")
    if backend in MODULARITY:
        weights = np.nan_to_num(weights)
        search = louvain if backend == "networkx" else leiden
        seeds = np.random.default_rng(random_state).integers(0, 2**31, NULL_SEEDS)
        return float(np.mean([modularity(weights, labels) for labels in search(weights, seeds)]))
    if backend == "sbm":
        return fit_sbm(weights, family, nested=False, random_state=random_state).gain
    _, dl, one = graph_tool_blocks(weights, seed=random_state)
    return max(0.0, one - dl)


def consensus(weights, backend="networkx", n_seeds=50, random_state=0):
    """Agreement of many searches: communities that more than half of them share.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric, not negative, no NaN.
    backend : {"networkx", "igraph"}
    n_seeds : int
    random_state : int

    Returns
    -------
    labels : ndarray of int, shape (n_nodes,)
        Groups of the average-linkage tree of the agreement, cut at one half.
    membership : ndarray of float32, shape (n_nodes, n_nodes)
    q : float
        Mean modularity over the seeds.
    """
    from scipy.cluster.hierarchy import average, fcluster
    from scipy.spatial.distance import squareform

    search = louvain if backend == "networkx" else leiden
    seeds = np.random.default_rng(random_state).integers(0, 2**31, n_seeds)
    together = np.zeros(weights.shape, np.float32)
    qualities = []
    for labels in search(weights, seeds):
        together += labels[:, None] == labels
        qualities.append(modularity(weights, labels))
    together /= n_seeds
    if len(weights) < 2:
        return np.zeros(len(weights), int), together, float(np.mean(qualities))
    apart = 1.0 - together.astype(np.float64)
    np.fill_diagonal(apart, 0)
    tree = average(squareform(apart, checks=False))
    labels = fcluster(tree, 0.5, "distance")
    return by_size(labels), together, float(np.mean(qualities))


def _graph(motif, transform):
    """Nodes with an observed pair, and the weights between them."""
    if transform not in TRANSFORMS:
        raise ValueError(f"transform: got '{transform}', expected one of {', '.join(TRANSFORMS)}")
    off = ~np.eye(len(motif), dtype=bool)
    there = np.flatnonzero((np.isfinite(motif) & off).any(axis=1))
    weights = motif[np.ix_(there, there)].copy()
    np.fill_diagonal(weights, 0)
    heavy = weights[np.nan_to_num(weights) > 0]
    if not len(heavy):
        raise ValueError("motif: no pair has a weight above 0; there is no graph")
    weights = weights / heavy.mean()
    if transform == "log1p":
        weights = np.log1p(weights)
    return there, weights


def _starts(n_seeds) -> int:
    return int(np.clip(n_seeds // 5, 2, 10))


def _spread(labels, there, n):
    out = np.full(n, -1)
    out[there] = labels
    return out


def _against(value, null):
    if null is None or not len(null):
        return np.nan, np.nan
    null = np.asarray(null, np.float64)
    p = (1 + (null >= value).sum()) / (1 + len(null))
    sd = null.std()
    return float((value - null.mean()) / sd) if sd > 0 else np.nan, float(p)


__all__ = [
    "BACKENDS",
    "Communities",
    "active_scale",
    "communities",
    "consensus",
    "edges",
    "motif_matrices",
    "motifs",
    "statistic",
    "strength",
]
