"""Figures of the stage `mds` about restarts: their agreement, their course, and the ladder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.mds import labelled


def agreement_table(matrices):
    """Adjusted Rand index of all pairs of restarts: `restart`, `other_restart`, `value`."""
    numbers = range(1, len(matrices["ari"]) + 1)
    return draw.long(matrices["ari"], restart=numbers, other_restart=numbers)


def agreement_paint(picture, table):
    """A matrix of the restarts."""
    matrix = draw.wide(table, "restart", "other_restart")
    few = len(matrix) <= 10
    bright = {"bright": lambda value: value < 0.6}
    axes = labelled(picture, matrix, "cividis", "Adjusted Rand index", shown=few, **bright)
    if not few:
        axes.set_xticks([])
        axes.set_yticks([])


def agreement(matrices, summary, name):
    """Adjusted Rand index of all pairs of restarts."""
    return draw.figure(
        f"{name}_agreement",
        agreement_paint,
        data=agreement_table(matrices),
        size=(4.6, 3.6),
        caption=f"Agreement of restarts; mean {summary['restart_ari']:.2f}.",
        how_to_read="Types that are there are found again: values near 1 everywhere. Below a mean "
        "of 0.8 the clusters are not called types.",
        alt="Matrix of agreement between restarts",
    )


def together_table(matrices):
    """Share of restarts in which two units were together, once per pair, sorted by cluster.

    Returns
    -------
    pandas.DataFrame
        `row`, `column` (places from 1, `row <= column`), `cluster` (of the row's unit), `value`.
    """
    rows, columns = np.triu_indices(len(matrices["co_assignment"]))
    return pd.DataFrame(
        {
            "row": rows + 1,
            "column": columns + 1,
            "cluster": matrices["co_assignment_cluster"][rows],
            "value": matrices["co_assignment"][rows, columns],
        }
    )


def together_paint(picture, table):
    """Units in the order of their clusters, with lines between clusters."""
    upper = draw.wide(table, "row", "column").to_numpy(float)
    axes = picture.subplots()
    both = np.where(np.isfinite(upper), upper, upper.T)
    image = axes.imshow(both, cmap="cividis", vmin=0, vmax=1, aspect="equal")
    cluster = table.loc[table["row"] == table["column"], "cluster"]
    for edge in np.flatnonzero(np.diff(cluster)) + 0.5:
        axes.axhline(edge, color="white", lw=0.4)
        axes.axvline(edge, color="white", lw=0.4)
    axes.set_xlabel("Units, by cluster")
    axes.set_ylabel("Units, by cluster")
    axes.set_xticks([])
    axes.set_yticks([])
    picture.colorbar(image, ax=axes, label="Share of restarts together")


def co_assignment(matrices, name):
    """Share of restarts in which two units were together, sorted by cluster."""
    return draw.figure(
        f"{name}_together",
        together_paint,
        data=together_table(matrices),
        size=(4.6, 3.6),
        caption="How often two units fell into one cluster over the restarts; white lines: "
        "clusters of the restart that was kept.",
        how_to_read="Blocks with sharp edges are types; a smear along the diagonal is a continuum.",
        alt="Matrix of shared clusters over restarts",
    )


def history_table(table, restarts):
    """Objective over the iterations of every restart.

    Returns
    -------
    pandas.DataFrame
        `restart`, `kept` (1: this one was), `iteration`, `objective`, `split` (1: accepted here).
    """
    kept = restarts.loc[restarts["kept"] == 1, "restart"]
    split = (table["phase"] == "split") & (table["moved"] > 0)
    return table[["restart", "iteration", "objective"]].assign(
        kept=table["restart"].isin(kept).astype(int), split=split.astype(int)
    )


def history_paint(picture, table):
    """A line per restart, dots where a split was accepted."""
    axes = picture.subplots()
    for _, of_restart in table.groupby("restart"):
        best = bool(of_restart["kept"].iloc[0])
        shade = draw.CASE if best else draw.OTHER
        axes.plot(
            of_restart["iteration"],
            of_restart["objective"],
            color=shade,
            lw=1.8 if best else 0.9,
            label="kept" if best else None,
            zorder=3 if best else 2,
        )
        splits = of_restart[of_restart["split"] == 1]
        axes.plot(splits["iteration"], splits["objective"], "o", ms=3, color=shade)
    axes.set_xlabel("Iteration")
    axes.set_ylabel("Objective J")
    axes.legend(loc="lower right")


def history(table, restarts, name):
    """Objective over the iterations of every restart."""
    return draw.figure(
        f"{name}_history",
        history_paint,
        data=history_table(table, restarts),
        caption="Objective over the iterations of all restarts; dots: accepted splits.",
        how_to_read="Steps up are clusters that split. The end is the polish on all units.",
        alt="Curves: objective over iterations",
    )


LADDER = {
    "restart_ari": ("agreement of restarts", "o-", draw.CONTROL),
    "saturation": ("exp(J)/K", "s--", draw.CASE),
    "even_typing_ari": ("typing", "^-", draw.OTHER),
}
"""Name, marks and colour of a curve by its column."""


def ladder_table(table):
    """Agreement of restarts and saturation by the number of clusters at the start.

    Returns
    -------
    pandas.DataFrame
        `n_clusters_init`, `series` (a key of :data:`LADDER`), `value`, `low`, `high` (of the
        pairs of restarts).
    """
    parts = []
    for series in LADDER:
        if table[series].notna().any():
            rows = table[["n_clusters_init"]].assign(series=series, value=table[series])
            parts.append(rows.assign(low=np.nan, high=np.nan))
    parts[0] = parts[0].assign(low=table["restart_ari_min"], high=table["restart_ari_max"])
    return pd.concat(parts, ignore_index=True)


def ladder_paint(picture, table):
    """Curves, a band, and the level that types need."""
    axes = picture.subplots()
    for series, of_series in table.groupby("series", sort=False):
        label, marks, shade = LADDER[series]
        x = of_series["n_clusters_init"]
        if of_series["low"].notna().any():
            axes.fill_between(x, of_series["low"], of_series["high"], color=draw.PALE, lw=0)
        axes.plot(x, of_series["value"], marks, color=shade, label=label)
    axes.axhline(0.8, color=draw.OTHER, lw=0.8, ls=":")
    axes.set_ylim(0, 1.05)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("Clusters at the start")
    picture.legend(loc="outside upper center", ncols=3)


def ladder(table, name):
    """Agreement of restarts and saturation against the number of clusters."""
    return draw.figure(
        f"{name}_ladder",
        ladder_paint,
        data=ladder_table(table),
        caption="Plain EM at several numbers of clusters: agreement of restarts (band: lowest and "
        "highest pair), saturation, and, where conditions were repeated, typing by even repeats "
        "with stimuli picked on odd ones (adjusted Rand index).",
        how_to_read="A peak of the agreement at one number is the sign of types; a slow fall is "
        "that of a continuum.",
        alt="Curves against the number of clusters",
    )
