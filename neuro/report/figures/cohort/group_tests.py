"""Figures of group inference: nulls of the largest statistic, and edges that survive."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.fmri_edges import brain_paint, brain_table

FAMILIES = {
    "max_z": ("Largest |z| of an edge", "z"),
    "max_extent": ("Largest component", "edges"),
    "max_intensity": ("Most intense component", "z beyond the threshold"),
    "max_tfce": ("Largest enhanced edge", "TFCE"),
}
"""Columns of `null.tsv` in words, with the unit."""
LEVEL = 0.05


def observed(edges: pd.DataFrame, components: pd.DataFrame) -> dict[str, float]:
    """Largest statistic of every family of edges."""
    return {
        "max_z": float(edges["z"].abs().max()),
        "max_extent": float(components["n_edges"].max()) if len(components) else 0.0,
        "max_intensity": float(components["intensity"].max()) if len(components) else 0.0,
        "max_tfce": float(edges["tfce"].abs().max()),
    }


def nulls_table(null: pd.DataFrame, edges: pd.DataFrame, components: pd.DataFrame) -> pd.DataFrame:
    """Histograms of the largest statistic, and what was observed.

    Parameters
    ----------
    null, edges, components : pandas.DataFrame
        `null.tsv`, `edges.tsv` and `components.tsv`.

    Returns
    -------
    pandas.DataFrame
        `series` (family), `kind` (`null`, `observed` or `critical`, the value that 5 % of the
        permutations exceed), `low`, `high`, `height`; a value stands in `low`.
    """
    parts = []
    for name, value in observed(edges, components).items():
        values = null[name].to_numpy(float)
        if not len(values) or not np.isfinite(value):
            continue
        ends = np.linspace(min(values.min(), value), max(values.max(), value) * 1.02 + 1e-9, 26)
        parts.append(draw.counts({name: values}, ends).assign(kind="null"))
        marks = {"low": [value, float(np.quantile(values, 1 - LEVEL))]}
        parts.append(pd.DataFrame({"series": name, **marks, "kind": ["observed", "critical"]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def nulls_paint(picture, table: pd.DataFrame) -> None:
    """Bars and lines of :func:`nulls_table`, a panel per family."""
    names = list(dict.fromkeys(table["series"]))
    several = picture.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(several, names):
        chosen = table[table["series"] == name]
        draw.steps(axes, chosen[chosen["kind"] == "null"], color=draw.PALE)
        for kind, colour, dash in (
            ("critical", draw.OTHER, (0, (3, 2))),
            ("observed", draw.CASE, "-"),
        ):
            at = float(chosen.loc[chosen["kind"] == kind, "low"].iloc[0])
            axes.axvline(at, color=colour, lw=1.6, ls=dash)
        words, unit = FAMILIES[name]
        axes.set_title(words)
        axes.set_xlabel(unit)
    several[0].set_ylabel("Permutations")


def nulls(null, edges, components) -> list:
    """The figure of :func:`nulls_table`."""
    table = nulls_table(null, edges, components)
    if table.empty:
        return []
    return [
        draw.figure(
            "group_nulls",
            nulls_paint,
            data=table,
            size=(9.4, 2.4),
            wide=True,
            caption=f"The largest statistic of all edges in each of {len(null)} permutations "
            "(grey) and in the data (orange). Dashed: exceeded by 5 % of the permutations.",
            how_to_read="An orange line right of the dashed one is what chance gives in fewer than "
            "one of twenty studies, however many edges were tested.",
            alt="Histograms of the largest statistics under permutation, with the observed ones",
        )
    ]


def survivors(edges: pd.DataFrame, components: pd.DataFrame) -> np.ndarray:
    """Which edges a family-wise test holds at 5 %: alone, enhanced, or as part of a component."""
    surviving = (edges["p_fwe"] < LEVEL) | (edges["p_tfce"] < LEVEL)
    if len(components):
        small = components[["p_extent", "p_intensity"]].min(axis=1) < LEVEL
        surviving |= edges["component"].isin(components.loc[small, "component"])
    return surviving.to_numpy(bool)


def matrix_table(edges: pd.DataFrame, kept) -> pd.DataFrame:
    """Square of the statistics: below the diagonal all edges' z, above it those that are kept.

    Returns
    -------
    pandas.DataFrame
        A row per `region`, a column for each; NaN where nothing was tested, 0 where not kept.
    """
    names = list(dict.fromkeys([*edges["region_a"], *edges["region_b"]]))
    size = len(names)
    i, j = np.triu_indices(size, 1)
    z = edges["z"].to_numpy(float)
    square = np.full((size, size), np.nan)
    square[j, i] = z
    square[i, j] = np.where(np.isfinite(z), np.where(kept, z, 0.0), np.nan)
    table = pd.DataFrame(square, columns=[str(name) for name in names])
    table.insert(0, "region", list(table.columns), allow_duplicates=True)
    return table


def pictures(edges, components, target: str, centres=None) -> list:
    """The matrix of all edges, and the surviving ones in a glass brain.

    Parameters
    ----------
    edges, components : pandas.DataFrame
    target : str
    centres : ndarray, shape (n_regions, 3), optional
        mm; without it there is no brain.
    """
    kept = survivors(edges, components)
    limit = float(np.nanmax(np.abs(edges["z"].to_numpy(float)), initial=1.0))
    table = matrix_table(edges, kept)
    out = [
        draw.figure(
            "group_matrix",
            partial(draw.matrix, limit=limit, label="z"),
            data=table,
            size=(4.6, 3.9),
            caption=f"Edges that go with {target}: z of every edge below the diagonal, of the "
            f"{int(kept.sum())} edges that a family-wise test holds above it.",
            how_to_read="Red: stronger with a larger value or in the last class; blue: weaker. "
            "Colours below the diagonal alone are what chance can give.",
            alt=f"Matrix of z of all edges and of those that survive, with {target}",
        )
    ]
    if centres is None or not kept.any():
        return out
    names = list(dict.fromkeys([*edges["region_a"], *edges["region_b"]]))
    square = np.zeros((len(names),) * 2)
    square[np.triu_indices(len(names), 1)] = np.where(kept, edges["z"], 0.0)
    out.append(
        draw.figure(
            "group_brain",
            partial(brain_paint, label="z"),
            data=brain_table(square + square.T, centres, names),
            size=(9.4, 2.9),
            dpi=110,
            layout=None,
            wide=True,
            caption=f"The {int(kept.sum())} edges that a family-wise test holds for {target}, at "
            "the centres of their regions in a glass brain: from the left, the back, the right "
            "and above.",
            how_to_read="A component holds as a whole: single edges of it may be there by chance.",
            alt=f"Edges that go with {target} in a glass brain",
        )
    )
    return out
