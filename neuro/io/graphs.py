"""Graphs for other programs: networkx objects with attributes, and GraphML files."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from neuro.io.problems import InputProblem

KINDS = {bool: "boolean", int: "long", float: "double", str: "string"}
"""Types of GraphML by type of Python."""


def to_networkx(
    weights, names=None, *, directed=False, present=None, nodes=None, edges=None, **about
):
    """A weighted graph as networkx, with what is known of its nodes and edges.

    Parameters
    ----------
    weights : ndarray, shape (n_nodes, n_nodes)
        Directed: row is the target, column the source. Undirected: symmetric, the diagonal is
        left out.
    names : sequence, length n_nodes, optional
        Nodes; 0, 1, ... by default.
    directed : bool, default False
    present : ndarray of bool, shape (n_nodes, n_nodes), optional
        Which pairs are edges; by default those with a weight other than 0 and NaN.
    nodes : dict of str to sequence of length n_nodes, optional
        Further attributes of the nodes. `coords_mm`, shape (n_nodes, 3), becomes `x`, `y`, `z`;
        what is NaN is left out.
    edges : dict of str to ndarray, shape (n_nodes, n_nodes), optional
        Further attributes of the edges.
    **about
        Attributes of the graph.

    Returns
    -------
    networkx.Graph or networkx.DiGraph
        Edges have `weight` and `sign` (-1, 0 or 1; the given one, if `edges` has one).

    Raises
    ------
    InputProblem
        When the matrix is not square, an undirected one is not symmetric, or names do not fit.
    """
    import networkx

    weights = np.asarray(weights)
    n = len(weights)
    labels = list(range(n)) if names is None else list(names)
    if weights.shape != (n, n):
        raise InputProblem(f"graph: weights of shape {weights.shape}, expected a square matrix")
    if len(labels) != n or len(set(labels)) != n:
        raise InputProblem(
            f"graph: {len(labels)} names ({len(set(labels))} different) for {n} nodes"
        )
    if not directed and not np.allclose(weights, weights.T, equal_nan=True):
        raise InputProblem("graph: weights are not symmetric; say directed=True")
    graph = networkx.DiGraph(**about) if directed else networkx.Graph(**about)
    attributes = dict(nodes or {})
    if "coords_mm" in attributes:
        attributes |= dict(zip("xyz", np.asarray(attributes.pop("coords_mm"), float).T))
    columns = {key: np.asarray(values).tolist() for key, values in attributes.items()}
    for position, label in enumerate(labels):
        own = {key: values[position] for key, values in columns.items()}
        graph.add_node(label, **{key: value for key, value in own.items() if value == value})
    if present is None:
        present = (weights != 0) & ~np.isnan(weights)
    if not directed:
        present = np.triu(present, 1)
    row, column = np.nonzero(present)
    of_edges = {"weight": weights, "sign": np.sign(np.nan_to_num(weights)).astype(int)}
    of_edges |= edges or {}
    values = zip(*(np.asarray(matrix)[row, column].tolist() for matrix in of_edges.values()))
    ends = (column, row) if directed else (row, column)
    graph.add_edges_from(
        (labels[a], labels[b], dict(zip(of_edges, numbers)))
        for a, b, numbers in zip(*(places.tolist() for places in ends), values)
    )
    return graph


def write_graphml(path, graph) -> Path:
    """Write a networkx graph as GraphML.

    Ten times as fast as networkx's own writer on dense graphs, whose `True` is no XML boolean;
    :func:`networkx.read_graphml` gives the same graph from both. Numbers have six digits.

    Parameters
    ----------
    path : path-like
        Its folder is made.
    graph : networkx.Graph or networkx.DiGraph
        Attributes are numbers, booleans or text.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    keys: dict = {}

    def data(where, attributes):
        text = ""
        for name, value in attributes.items():
            if (where, name) not in keys:
                keys[where, name] = f"d{len(keys)}", KINDS[type(value)]
            text += f'<data key="{keys[where, name][0]}">{_text(value)}</data>'
        return text

    body = [f'<graph edgedefault="{"directed" if graph.is_directed() else "undirected"}">']
    body.append(data("graph", graph.graph))
    for name, attributes in graph.nodes(data=True):
        body.append(f"<node id={quoteattr(str(name))}>{data('node', attributes)}</node>")
    for a, b, attributes in graph.edges(data=True):
        ends = f"source={quoteattr(str(a))} target={quoteattr(str(b))}"
        body.append(f"<edge {ends}>{data('edge', attributes)}</edge>")
    head = ['<?xml version="1.0" encoding="UTF-8"?>']
    head.append('<graphml xmlns="http://graphml.graphdrawing.org/xmlns">')
    head += [
        f'<key id="{key}" for="{where}" attr.name={quoteattr(name)} attr.type="{kind}"/>'
        for (where, name), (key, kind) in keys.items()
    ]
    lines = [*head, *filter(None, body), "</graph>", "</graphml>"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _text(value) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
