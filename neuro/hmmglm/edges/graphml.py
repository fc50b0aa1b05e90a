"""Couplings and the shared signed graph as networkx and as GraphML."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.graphs import to_networkx, write_graphml


def coupling_graphs(model, units=None, note: str = "") -> dict:
    """One directed graph per state and the shared signed graph as networkx.

    Parameters
    ----------
    model : OneHotHMMGLM
        Fitted.
    units : sequence of str, optional
    note : str
        Attribute `note` of the graphs.

    Returns
    -------
    dict of str to networkx.DiGraph
        `coupling_state-<s>` (s from 1) and `signed`. Edges run from source to target, with
        `weight`, `sign` and, for the one-hot model, `probability` that they exist.
    """
    posterior = getattr(model, "edge_posterior_", None)
    prior = getattr(model, "anatomical_prior_", None)
    parts = {}
    for state, (weights, signs) in enumerate(zip(model.weights_, model.adjacency_)):
        there = None if posterior is None else 1 - np.nan_to_num(posterior[state, :, :, 1])
        parts[f"coupling_state-{state + 1}"] = weights, signs, there
    there = None if prior is None else 1 - prior[:, :, 1]
    parts["signed"] = model.weights_.mean(axis=0), model.to_signed(), there
    about = {"note": note} if note else {}
    return {
        name: to_networkx(
            weights,
            units,
            directed=True,
            present=np.asarray(signs) != 0,
            edges={"sign": signs} | ({} if there is None else {"probability": there}),
            **about,
        )
        for name, (weights, signs, there) in parts.items()
    }


def write_graphs(folder, model, units, note: str = "") -> list[Path]:
    """Write :func:`coupling_graphs` as GraphML, one file per graph.

    Returns
    -------
    list of pathlib.Path
        `coupling_state-<s>.graphml` (s from 1) and `signed.graphml`.
    """
    graphs = coupling_graphs(model, units, note)
    return [write_graphml(Path(folder) / f"{name}.graphml", one) for name, one in graphs.items()]
