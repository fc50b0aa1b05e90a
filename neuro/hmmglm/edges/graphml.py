"""Couplings and the shared signed graph as GraphML."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np


def write_graphml(path, weights, signs, units, *, note: str = "", probability=None) -> Path:
    """Write a directed signed graph as GraphML; edges run from source to target.

    Parameters
    ----------
    path : path-like
    weights : ndarray, shape (N, N)
        Row: target, column: source.
    signs : ndarray of int, shape (N, N)
        Entries that are 0 are no edges.
    units : sequence of str
    note : str
        Stands in the file as a comment of the graph.
    probability : ndarray, shape (N, N), optional
        Probability that the edge exists.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = [("d0", "weight", "double"), ("d1", "sign", "int"), ("d2", "probability", "double")]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    lines += [
        f'  <key id="{key}" for="edge" attr.name="{name}" attr.type="{kind}"/>'
        for key, name, kind in keys
    ]
    lines.append('  <key id="d3" for="graph" attr.name="note" attr.type="string"/>')
    lines.append('  <graph edgedefault="directed">')
    if note:
        text = quoteattr(note)[1:-1]
        lines.append(f'    <data key="d3">{text}</data>')
    lines += [f"    <node id={quoteattr(str(name))}/>" for name in units]
    for target, source in np.argwhere(np.asarray(signs) != 0):
        lines.append(
            f"    <edge source={quoteattr(str(units[source]))} "
            f"target={quoteattr(str(units[target]))}>"
        )
        lines.append(f'      <data key="d0">{weights[target, source]:.6g}</data>')
        lines.append(f'      <data key="d1">{int(signs[target, source])}</data>')
        if probability is not None:
            lines.append(f'      <data key="d2">{probability[target, source]:.6g}</data>')
        lines.append("    </edge>")
    lines += ["  </graph>", "</graphml>"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_graphs(folder, model, units, note: str = "") -> list[Path]:
    """One GraphML file per state and one of the shared signed graph.

    Returns
    -------
    list of pathlib.Path
        `coupling_state-<s>.graphml` (s from 1) and `signed.graphml`.
    """
    folder = Path(folder)
    posterior = getattr(model, "edge_posterior_", None)
    paths = []
    for state, (weights, signs) in enumerate(zip(model.weights_, model.adjacency_)):
        there = None if posterior is None else 1 - np.nan_to_num(posterior[state, :, :, 1])
        paths.append(
            write_graphml(
                folder / f"coupling_state-{state + 1}.graphml",
                weights,
                signs,
                units,
                note=note,
                probability=there,
            )
        )
    prior = getattr(model, "anatomical_prior_", None)
    paths.append(
        write_graphml(
            folder / "signed.graphml",
            model.weights_.mean(axis=0),
            model.to_signed(),
            units,
            note=note,
            probability=None if prior is None else 1 - prior[:, :, 1],
        )
    )
    return paths
