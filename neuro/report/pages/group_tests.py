"""Part of the page of `adhd`: edges and nodes that go with a column, family-wise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures.cohort import group_tests as figures
from neuro.report.figures.fmri_edges import centres_of
from neuro.report.pages.adhd_scores import input_name
from neuro.report.site import model
from neuro.report.site.tables import read_table

_ROWS = 15
"""Edges, components and nodes of each map that a table shows."""


def blocks(folder: Path, template: bool = False) -> list:
    """Tables, then figures; empty where no groups were compared.

    Parameters
    ----------
    folder : pathlib.Path
        `results/adhd`.
    template : bool
        Whether region centres can be drawn in a brain.

    Returns
    -------
    list
    """
    names = dict.fromkeys(("region_a", "region_b", "region", "regions", "map"), str)
    edges, components, nodes, null = (
        read_table(folder / "group" / f"{name}.tsv", **names)
        for name in ("edges", "components", "nodes", "null")
    )
    path = folder / "group/model.json"
    if edges is None or components is None or nodes is None or null is None:
        return []
    if not path.is_file() or not path.stat().st_size:
        return []
    facts = json.loads(path.read_text("utf-8"))
    if edges["z"].isna().all():
        return [model.Heading("Group inference"), model.Text("No edge could be tested.", "note")]
    regions = list(dict.fromkeys([*edges["region_a"], *edges["region_b"]]))
    centres = centres_of(folder.parent / "fmri", regions) if template else None
    return [
        model.Heading(f"Group inference: {facts['target']}"),
        _words(facts, edges, components),
        _families(edges, components, null),
        _edge_table(edges, facts),
        *_component_table(components, facts),
        *figures.nulls(null, edges, components),
        *figures.pictures(edges, components, facts["target"], centres),
        _node_table(nodes),
    ]


def _words(facts, edges, components) -> model.Text:
    """What was tested, what was found, and what could have been."""
    held = int(figures.survivors(edges, components).sum())
    taken = ", ".join(facts["covariates"]) or "nothing"
    said = (
        f"{facts['n_people']} people of {facts['n_sites']} sites, {facts['edges_tested']} edges; "
        f"taken out: {taken}. {facts['permutations']} permutations of residuals within sites. "
        f"{held} edges are held by a family-wise test at 5 %, alone, enhanced or as part of a "
        "component."
    )
    if facts["detectable_r"] is not None:
        said += (
            f" An edge with a partial correlation of {model.number(facts['detectable_r'], 2)} "
            "would be found alone in 80 % of such studies; weaker ones may be there."
        )
    return model.Text(said, "note")


def _families(edges, components, null) -> model.Table:
    """One line per statistic."""
    seen = figures.observed(edges, components)
    counts = {
        "max_z": (edges["p_fwe"] < figures.LEVEL).sum(),
        "max_tfce": (edges["p_tfce"] < figures.LEVEL).sum(),
        "max_extent": _held_by(components, "p_extent"),
        "max_intensity": _held_by(components, "p_intensity"),
    }
    least = {
        "max_z": edges["p_fwe"].min(),
        "max_tfce": edges["p_tfce"].min(),
        "max_extent": components["p_extent"].min() if len(components) else np.nan,
        "max_intensity": components["p_intensity"].min() if len(components) else np.nan,
    }
    rows = [
        {
            "name": words,
            "value": seen[name],
            "null": null[name].mean() if len(null) else np.nan,
            "p": model.p_value(least[name]),
            "edges": int(counts[name]),
        }
        for name, (words, _) in figures.FAMILIES.items()
    ]
    rows.append(
        {
            "name": "Edges by false discovery rate (q < .05)",
            "value": None,
            "null": None,
            "p": "",
            "edges": int((edges["q"] < figures.LEVEL).sum()),
        }
    )
    columns = [
        model.Column("name", "Statistic"),
        model.Column("value", "Largest", 2),
        model.Column("null", "Mean of its null", 2),
        model.Column("p", "Family-wise p", 0),
        model.Column("edges", "Edges held", 0),
    ]
    caption = (
        "Every statistic beside its null. These are four tests of the same question: the smallest "
        "of their p is too small by chance; declare one in advance."
    )
    return model.Table(caption, columns, rows)


def _held_by(components, column) -> int:
    return int(components.loc[components[column] < figures.LEVEL, "n_edges"].sum())


def _edge_table(edges, facts) -> model.Table:
    valid = edges[edges["z"].notna()]
    order = valid["z"].abs().sort_values(ascending=False, kind="stable").index[:_ROWS]
    columns = [
        model.Column("name", "Edge"),
        model.Column("statistic", facts["statistic"], 2),
        model.Column("n", "People", 0),
    ]
    if valid["effect"].notna().any():
        columns.insert(1, model.Column("effect", "Difference or slope", 3))
    for key, label in (("q", "q (FDR)"), ("p_fwe", "p, family-wise"), ("p_tfce", "p, enhanced")):
        columns.append(model.Column(key, label, 0))
    rows = [
        {
            **row,
            "name": f"{row['region_a']} - {row['region_b']}",
            "n": int(row["n"]),
            **{key: model.p_value(row[key]) for key in ("q", "p_fwe", "p_tfce")},
            "strong": min(row["p_fwe"], row["p_tfce"]) < figures.LEVEL,
        }
        for row in valid.loc[order].to_dict("records")
    ]
    caption = (
        f"The {len(rows)} edges with the largest statistic of {len(valid)} that were tested; bold: "
        "family-wise p < .05. All: adhd/group/edges.tsv."
    )
    return model.Table(caption, columns, rows)


def _component_table(components, facts) -> list:
    if components.empty:
        return []
    rows = [
        {
            **row,
            "sign": {1: "more", -1: "less"}[int(row["sign"])] if facts["statistic"] == "t" else "",
            "n_edges": int(row["n_edges"]),
            "n_regions": int(row["n_regions"]),
            "p_extent": model.p_value(row["p_extent"]),
            "p_intensity": model.p_value(row["p_intensity"]),
            "strong": min(row["p_extent"], row["p_intensity"]) < figures.LEVEL,
        }
        for row in components.head(_ROWS).to_dict("records")
    ]
    columns = [
        model.Column("component", "Component", 0),
        model.Column("sign", "Direction"),
        model.Column("n_edges", "Edges", 0),
        model.Column("n_regions", "Regions", 0),
        model.Column("intensity", "Intensity", 2),
        model.Column("p_extent", "p, extent", 0),
        model.Column("p_intensity", "p, intensity", 0),
    ]
    caption = (
        f"Components of edges with p < {facts['component_p']:g} (|z| > "
        f"{model.number(facts['component_z'], 2)}) that share regions, family-wise p of the "
        f"largest {len(rows)} of {len(components)}."
    )
    return [model.Table(caption, columns, rows)]


def _node_table(nodes) -> model.Table:
    valid = nodes[nodes["z"].notna()]
    parts = [
        of_map.loc[of_map["z"].abs().sort_values(ascending=False, kind="stable").index[:5]]
        for _, of_map in valid.groupby("map", sort=False)
    ]
    best = pd.concat(parts) if parts else valid
    rows = [
        {
            "map": "Mean of its edges" if row["map"] == "strength" else input_name(row["map"]),
            "region": row["region"],
            "effect": row["effect"],
            "statistic": row["statistic"],
            "q": model.p_value(row["q"]),
            "p_fwe": model.p_value(row["p_fwe"]),
            "strong": row["p_fwe"] < figures.LEVEL,
        }
        for row in best.to_dict("records")
    ]
    columns = [
        model.Column("map", "Map"),
        model.Column("region", "Node"),
        model.Column("effect", "Difference or slope", 3),
        model.Column("statistic", "t or F", 2),
        model.Column("q", "q (FDR)", 0),
        model.Column("p_fwe", "p, family-wise", 0),
    ]
    caption = (
        "Nodes: the five with the largest statistic of each map, family-wise among the nodes of "
        "that map. All: adhd/group/nodes.tsv."
    )
    return model.Table(caption, columns, rows)
