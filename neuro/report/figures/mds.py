"""Figures of the stage `mds`: response matrix, sizes, known types, confidence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw


def _order(matrix):
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return np.arange(len(matrix))
    return leaves_list(linkage(np.nan_to_num(matrix), "average"))


def labelled(picture, matrix, shades, bar, *, shown, texts=None, bright=None):
    """A matrix of shares with its labels and, where it is small, its numbers.

    `texts` are written instead of the values; `bright` says where they must be white.
    """
    axes, values = picture.subplots(), matrix.to_numpy(float)
    image = axes.imshow(values, cmap=shades, vmin=0, vmax=1, aspect="auto" if not bar else "equal")
    for (row, column), value in np.ndenumerate(values) if shown else ():
        text = f"{value:.2f}" if np.isfinite(value) else ""
        axes.text(
            column,
            row,
            text if texts is None else texts[row, column],
            ha="center",
            va="center",
            fontsize=7,
            color="white" if bright(value) else draw.INK,
        )
    axes.set_xticks(range(matrix.shape[1]), matrix.columns)
    axes.set_yticks(range(matrix.shape[0]), matrix.index)
    axes.set_xlabel(str(matrix.columns.name).replace("_", " ").capitalize())
    axes.set_ylabel(str(matrix.index.name).replace("_", " ").capitalize())
    if bar:
        picture.colorbar(image, ax=axes, label=bar)
    return axes


def responses_table(matrices):
    """Mean response of every cluster to every stimulus, like clusters side by side.

    Returns
    -------
    pandas.DataFrame
        `cluster`, `stimulus`, `value` (share of the stimulus's own response), `units` (held out
        or all).
    """
    held = matrices["response_matrix_held_out"]
    use_held = np.isfinite(held).all()
    matrix = held if use_held else matrices["response_matrix"]
    order = _order(matrix)
    table = draw.long(matrix[order][:, order], cluster=order + 1, stimulus=order + 1)
    return table.assign(units="held out" if use_held else "all")


def responses_paint(picture, table):
    """Clusters in rows, stimuli in columns."""
    matrix = draw.wide(table, "cluster", "stimulus")
    labelled(
        picture,
        matrix,
        "viridis",
        "Response / diagonal",
        shown=len(matrix) <= 12,
        bright=lambda value: value < 0.6,
    )


def response_matrix(matrices, name):
    """Mean response of every cluster to every stimulus, held-out units where there are enough."""
    table = responses_table(matrices)
    held = table["units"].iloc[0] == "held out"
    return draw.figure(
        f"{name}_responses",
        responses_paint,
        data=table,
        size=(4.6, 3.8),
        caption="Mean response of each cluster to each stimulus, every column divided by its "
        + ("diagonal; units held out of the search." if held else "diagonal; all units."),
        how_to_read="A bright diagonal means that each stimulus drives its own cluster. It is no "
        "evidence for types: stimuli are made to give one.",
        alt="Matrix of responses, cluster by stimulus",
    )


def sizes_table(clusters):
    """Units per cluster: `cluster`, `part` (in the search, held out), `count`."""
    used = clusters[clusters["cluster"] > 0]
    numbers = range(1, int(used["cluster"].max()) + 1)
    parts = []
    for kind, held in (("in the search", 0), ("held out", 1)):
        count = used.loc[used["held_out"] == held, "cluster"].value_counts()
        count = count.reindex(numbers, fill_value=0).to_numpy()
        if kind == "in the search" or count.any():
            parts.append(pd.DataFrame({"cluster": numbers, "part": kind, "count": count}))
    return pd.concat(parts, ignore_index=True)


def sizes_paint(picture, table):
    """Bars, held-out units on top."""
    axes, below = picture.subplots(), 0
    for kind, shade in (("in the search", draw.CONTROL), ("held out", draw.PALE)):
        bars = table[table["part"] == kind]
        if len(bars):
            axes.bar(bars["cluster"], bars["count"], bottom=below, color=shade, label=kind)
            below = below + bars["count"].to_numpy()
    if table["part"].nunique() > 1:
        axes.legend(loc="upper right")
    numbers = table["cluster"].unique()
    axes.set_ylim(0, 1.25 * float(np.max(below)))
    axes.set_xticks(numbers if len(numbers) <= 24 else numbers[::4])
    axes.set_xlabel("Cluster")
    axes.set_ylabel("Units")


def sizes(clusters, name):
    """Units per cluster, held-out ones apart."""
    return draw.figure(
        f"{name}_sizes",
        sizes_paint,
        data=sizes_table(clusters),
        size=(4.6, 3.8),
        caption="Units per cluster.",
        how_to_read="Clusters of a handful of units are easily products of chance.",
        alt="Bars: units per cluster",
    )


def confusion_table(clusters):
    """Units by known type and cluster: `known_type`, `cluster`, `count`, `share` of the type."""
    used = clusters[(clusters["cluster"] > 0) & clusters["known_type"].notna()]
    counts = pd.crosstab(used["known_type"], used["cluster"])
    table = draw.long(counts, known_type=counts.index, cluster=counts.columns)
    table = table.rename(columns={"value": "count"})
    total = table.groupby("known_type")["count"].transform("sum")
    return table.assign(share=table["count"] / total)


def confusion_paint(picture, table):
    """Types in rows, clusters in columns; shades are shares, numbers are counts."""
    counts = draw.wide(table, "known_type", "cluster", "count").to_numpy()
    labelled(
        picture,
        draw.wide(table, "known_type", "cluster", "share"),
        "Blues",
        "",
        shown=counts.size <= 300,
        texts=np.where(counts, counts.astype(int).astype(str), ""),
        bright=lambda value: value > 0.6,
    )


def confusion(clusters, facts, name):
    """Known types against clusters."""
    table, held = confusion_table(clusters), facts.get("held_out_ari")
    return draw.figure(
        f"{name}_known",
        confusion_paint,
        data=table,
        size=(4.6, max(2.4, 0.24 * table["known_type"].nunique() + 1.2)),
        caption=f"Known types against clusters: adjusted Rand index {facts['known_type_ari']:.2f}"
        + (f" (held-out units {held:.2f})" if held is not None else "")
        + f", homogeneity {facts['homogeneity']:.2f}, completeness {facts['completeness']:.2f}.",
        how_to_read="Homogeneity 1: clusters are pure. Completeness 1: no type is cut in two. "
        "The known types took no part in the search.",
        alt="Table of known types by cluster",
    )


def twin_table(clusters):
    """Test correlation of the twin: `mark` (unit, median), `cluster`, `unit`, `value`."""
    used = clusters.loc[clusters["cluster"] > 0, ["cluster", "unit", "twin_corr"]]
    used = used.rename(columns={"twin_corr": "value"}).sort_values(["cluster", "value"])
    median = used.groupby("cluster", as_index=False)["value"].median()
    parts = [used.assign(mark="unit"), median.assign(mark="median")]
    return pd.concat(parts, ignore_index=True)[["mark", "cluster", "unit", "value"]]


def twin_paint(picture, table):
    """Dots of the units and a bar at their median, by cluster."""
    axes, numbers = picture.subplots(), sorted(table["cluster"].unique())
    for x, number in enumerate(numbers):
        chosen = table[table["cluster"] == number]
        values = chosen.loc[chosen["mark"] == "unit", "value"]
        axes.scatter(x + draw.spread(len(values), 0.6), values, s=8, color=draw.CONTROL, alpha=0.6)
        median = chosen.loc[chosen["mark"] == "median", "value"]
        axes.hlines(median, x - 0.35, x + 0.35, color=draw.CASE, lw=1.6)
    axes.set_xticks(range(len(numbers)), numbers)
    axes.set_xlabel("Cluster")
    axes.set_ylabel("Test correlation of the twin")


def twin_quality(clusters, name):
    """Test correlation of the twin by cluster."""
    return draw.figure(
        f"{name}_twin",
        twin_paint,
        data=twin_table(clusters),
        caption="How well the twin predicts single test trials of the units of each cluster; bar: "
        "median.",
        how_to_read="What the twin does not predict cannot be told apart. A cluster of badly "
        "predicted units is a cluster of noise.",
        alt="Dots: twin quality by cluster",
    )


def margins_table(table):
    """New cells by the probability of their cluster: `low`, `high`, `count`; untyped ones not."""
    count, ends = np.histogram(table.loc[table["cluster"] > 0, "probability"], 20, (0, 1))
    return pd.DataFrame({"low": ends[:-1], "high": ends[1:], "count": count})


def margins_paint(picture, table):
    """Bars from 0 to 1."""
    axes = picture.subplots()
    width = table["high"] - table["low"]
    axes.bar(table["low"], table["count"], width, align="edge", color=draw.CONTROL)
    axes.set_xlim(0, 1)
    axes.set_xlabel("Probability of the cell's cluster")
    axes.set_ylabel("New cells")


def margins(table, name):
    """Confidence of the typing of new cells."""
    return draw.figure(
        f"{name}_typed",
        margins_paint,
        data=margins_table(table),
        caption="Confidence of the typing: posterior of the most probable type; cells that stay "
        "untyped are not shown.",
        how_to_read="Cells near 1 are typed safely; those further left need more repeats.",
        alt="Histogram of probabilities",
    )


def twins_table(twins):
    """Levels of the twins: `twin`, `part` (validation, test, ceiling), `value`, `chosen`."""
    table = twins.melt(
        ["twin", "chosen"], ["validation", "test", "ceiling"], "part", "value"
    ).dropna(subset="value")
    return table[["twin", "part", "value", "chosen"]].reset_index(drop=True)


def twins_paint(picture, table):
    """A row per twin: open dots for validation, full ones for test, a bar at the ceiling."""
    axes, names = picture.subplots(), list(dict.fromkeys(table["twin"]))
    looks = {
        "validation": {"marker": "o", "facecolor": "white", "edgecolor": draw.CONTROL},
        "test": {"marker": "o", "color": draw.CONTROL},
        "ceiling": {"marker": "|", "color": draw.CASE, "s": 160},
    }
    for split, look in looks.items():
        rows = table[table["part"] == split]
        if len(rows):
            places = [names.index(name) for name in rows["twin"]]
            axes.scatter(rows["value"], places, label=split, **({"s": 36} | look))
    taken = set(table.loc[table["chosen"] == 1, "twin"])
    axes.set_yticks(range(len(names)), [f"{n} (taken)" if n in taken else n for n in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("Mean correlation with single trials")
    axes.legend(loc="best")


def twins(table, name):
    """All twins that were fitted to the same trials."""
    return draw.figure(
        f"{name}_twins",
        twins_paint,
        data=twins_table(table),
        size=(6.2, 0.5 * len(table) + 1.4),
        caption="How well the twin and the ridges beside it predict single trials of the same "
        "stimuli, mean over units; ceiling: what the true mean responses would reach, where test "
        "stimuli were repeated.",
        how_to_read="The choice goes by validation trials, the test trials judge it. A network "
        "below the ridges has seen too few trials.",
        alt="Dots: validation and test correlation of each twin",
    )


def reliability_table(rows):
    """Cells by their posterior: `low`, `high`, `n`, `probability` (mean), `accuracy`."""
    return pd.DataFrame(rows, columns=["low", "high", "n", "probability", "accuracy"])


def reliability_paint(picture, table):
    """Share that is right against the mean posterior; the diagonal is a calibrated one."""
    axes = picture.subplots()
    axes.plot([0, 1], [0, 1], color=draw.INK, lw=0.8, ls="--")
    axes.plot(table["probability"], table["accuracy"], color=draw.CONTROL, lw=1)
    size = 15 + 120 * table["n"] / table["n"].max()
    axes.scatter(table["probability"], table["accuracy"], s=size, color=draw.CONTROL)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel("Mean posterior of the most probable type")
    axes.set_ylabel("Share that is right")


def reliability(facts, name):
    """Whether the posterior of new cells means what it says."""
    return draw.figure(
        f"{name}_reliability",
        reliability_paint,
        data=reliability_table(facts["reliability"]),
        caption="Reliability of the posterior of new cells; larger dots are more cells. Calibration"
        f" error {facts['calibration_error']:.3f}.",
        how_to_read="Dots on the dashed line: of cells with a posterior of 0.7 seven in ten are "
        "right. Below it the posterior is overconfident.",
        alt="Dots: share of cells that are right against their posterior",
    )
