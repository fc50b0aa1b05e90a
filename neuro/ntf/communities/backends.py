"""Community detection by other people's programs, behind one signature."""

from __future__ import annotations

import random

import numpy as np

BACKENDS = ("networkx", "igraph", "sbm", "graph_tool")
MODULARITY = ("networkx", "igraph")


def require(backend: str) -> None:
    """Refuse back ends that are unknown or not installed.

    Raises
    ------
    ValueError
        One line that names the alternatives.
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend: got '{backend}', expected one of {', '.join(BACKENDS)}")
    try:
        if backend == "graph_tool":
            import graph_tool.inference  # noqa: F401
        elif backend == "igraph":
            import igraph  # noqa: F401
        elif backend == "networkx":
            import networkx  # noqa: F401
    except ImportError:
        raise ValueError(_absent(backend)) from None


def _absent(backend):
    if backend == "graph_tool":
        return (
            "graph-tool is not installed: use communities.backend networkx|igraph|sbm, or the "
            "environment envs/graphtool.yaml"
        )
    return f"{backend} is not installed: pip install {backend}, or use communities.backend sbm"


def louvain(weights, seeds):
    """Partitions by Louvain's method with networkx, one per seed.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric, not negative, no NaN.
    seeds : sequence of int

    Yields
    ------
    ndarray of int, shape (n_nodes,)
    """
    import networkx

    graph = networkx.from_numpy_array(np.asarray(weights, float))
    for seed in seeds:
        groups = networkx.community.louvain_communities(graph, weight="weight", seed=int(seed))
        labels = np.empty(len(weights), dtype=int)
        for label, group in enumerate(groups):
            labels[list(group)] = label
        yield labels


def leiden(weights, seeds):
    """Partitions by the Leiden method with igraph, one per seed.

    Parameters
    ----------
    weights, seeds
        As for :func:`louvain`.

    Yields
    ------
    ndarray of int, shape (n_nodes,)
    """
    import igraph

    weights = np.asarray(weights, float)
    left, right = np.nonzero(np.triu(weights, 1))
    graph = igraph.Graph(n=len(weights), edges=np.column_stack([left, right]).tolist())
    heavy = weights[left, right].tolist()
    try:
        for seed in seeds:
            igraph.set_random_number_generator(random.Random(int(seed)))
            partition = graph.community_leiden("modularity", weights=heavy, n_iterations=-1)
            yield np.array(partition.membership, dtype=int)
    finally:
        igraph.set_random_number_generator(random)


def modularity(weights, labels) -> float:
    """Newman's modularity of a partition of a weighted graph.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric, not negative, no NaN; the diagonal is ignored.
    labels : array of int, shape (n_nodes,)

    Returns
    -------
    float
        0 for a graph without edges.
    """
    weights = np.array(weights, float)
    np.fill_diagonal(weights, 0)
    total = weights.sum()
    if total == 0:
        return 0.0
    member = np.eye(int(labels.max()) + 1)[labels]
    between = member.T @ weights @ member
    return float(np.trace(between) / total - ((between.sum(axis=0) / total) ** 2).sum())


def graph_tool_blocks(weights, *, seed=0, nested=True, doubled=False):
    """Nested weighted block model by graph-tool, with and without degree correction.

    Weights have an exponential distribution; of the two fits the one with the smaller entropy is
    kept, and no sampling follows, as in the publication's notebook.

    Parameters
    ----------
    weights : array, shape (n_nodes, n_nodes)
        Symmetric; pairs of weight 0 or NaN are no edge, because the distribution needs weights
        above 0.
    seed : int
    nested : bool
    doubled : bool
        Whether every edge is entered twice. That doubles the evidence; the publication's table
        seems to be made so, and only the reference mode asks for it.

    Returns
    -------
    levels : list of ndarray of int, shape (n_nodes,)
        Labels from the finest level up.
    entropy : float
        Description length in nats.
    one_block : float
        The same for all nodes in one block.
    """
    require("graph_tool")
    import graph_tool.all as gt

    gt.seed_rng(int(seed) + 1)
    np.random.seed(int(seed) % 2**32)
    weights = np.nan_to_num(np.asarray(weights, float))
    left, right = np.nonzero(np.triu(weights, 1) > 0)
    edges = np.column_stack([left, right])
    heavy = weights[left, right]
    if doubled:
        edges, heavy = np.vstack([edges, edges]), np.concatenate([heavy, heavy])
    best = None
    for corrected in (False, True):
        graph = gt.Graph(directed=False)
        graph.add_vertex(len(weights))
        graph.add_edge_list(edges)
        record = graph.new_edge_property("double")
        record.a = heavy
        options = {"deg_corr": corrected, "recs": [record], "rec_types": ["real-exponential"]}
        if nested:
            state = gt.minimize_nested_blockmodel_dl(graph, state_args=options)
            maps = [np.array(level.b.a) for level in state.get_levels()]
            empty = [graph.new_vertex_property("int").a]
            single = gt.NestedBlockState(graph, bs=empty, state_args=options)
        else:
            state = gt.minimize_blockmodel_dl(graph, state_args=options)
            maps = [np.array(state.b.a)]
            single = gt.BlockState(graph, B=1, **options)
        entropy = float(state.entropy())
        if best is None or entropy < best[1]:
            best = (_levels(maps), entropy, float(single.entropy()))
    return best


def _levels(maps):
    """Labels of the nodes at every level, from the maps between consecutive levels."""
    labels = np.unique(maps[0], return_inverse=True)[1]
    raw, levels = maps[0], [labels]
    for upper in maps[1:]:
        raw = upper[raw]
        labels = np.unique(raw, return_inverse=True)[1]
        if labels.max() == 0 or len(np.unique(labels)) == len(np.unique(levels[-1])):
            break
        levels.append(labels)
    return levels
