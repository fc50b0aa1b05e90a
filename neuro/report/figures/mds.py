"""Figures of the stage `mds`: response matrix, sizes, agreement, known types, confidence."""

from __future__ import annotations

import numpy as np

from neuro.report.figures import draw


def _order(matrix):
    from scipy.cluster.hierarchy import leaves_list, linkage

    if len(matrix) < 3:
        return np.arange(len(matrix))
    return leaves_list(linkage(np.nan_to_num(matrix), "average"))


def response_matrix(matrices, name):
    """Mean response of every cluster to every stimulus, held-out units where there are enough."""
    held = matrices["response_matrix_held_out"]
    use_held = np.isfinite(held).all()
    matrix = held if use_held else matrices["response_matrix"]
    order = _order(matrix)
    matrix = matrix[order][:, order]
    k = len(matrix)

    def paint(picture):
        axes = picture.subplots()
        image = axes.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
        if k <= 12:
            for row in range(k):
                for column in range(k):
                    value = matrix[row, column]
                    axes.text(
                        column,
                        row,
                        f"{value:.2f}" if np.isfinite(value) else "",
                        ha="center",
                        va="center",
                        fontsize=6.5,
                        color="white" if value < 0.6 else draw.INK,
                    )
        axes.set_xticks(range(k), [str(c + 1) for c in order])
        axes.set_yticks(range(k), [str(c + 1) for c in order])
        axes.set_xlabel("Stimulus")
        axes.set_ylabel("Cluster")
        picture.colorbar(image, ax=axes, label="Response / diagonal")

    return draw.figure(
        f"{name}_responses",
        paint,
        size=(4.6, 3.8),
        caption="Mean response of each cluster to each stimulus, every column divided by its "
        + ("diagonal; units held out of the search." if use_held else "diagonal; all units."),
        how_to_read="A bright diagonal means that each stimulus drives its own cluster. It is no "
        "evidence for types: stimuli are made to give one.",
        alt="Matrix of responses, cluster by stimulus",
    )


def sizes(clusters, name):
    """Units per cluster, held-out ones apart."""
    used = clusters[clusters["cluster"] > 0]
    held = used["held_out"] == 1
    numbers = np.arange(1, int(used["cluster"].max()) + 1)
    inside = used[~held]["cluster"].value_counts().reindex(numbers, fill_value=0)
    outside = used[held]["cluster"].value_counts().reindex(numbers, fill_value=0)

    def paint(picture):
        axes = picture.subplots()
        axes.bar(numbers, inside, color=draw.CONTROL, label="in the search")
        if held.any():
            axes.bar(numbers, outside, bottom=inside, color=draw.PALE, label="held out")
            axes.legend(loc="upper right")
        axes.set_ylim(0, 1.25 * float((inside + outside).max()))
        axes.set_xticks(numbers if len(numbers) <= 24 else numbers[::4])
        axes.set_xlabel("Cluster")
        axes.set_ylabel("Units")

    return draw.figure(
        f"{name}_sizes",
        paint,
        size=(4.6, 3.8),
        caption="Units per cluster.",
        how_to_read="Clusters of a handful of units are easily products of chance.",
        alt="Bars: units per cluster",
    )


def agreement(matrices, found, name):
    """Adjusted Rand index of all pairs of restarts."""
    ari = matrices["ari"]
    n = len(ari)

    def paint(picture):
        axes = picture.subplots()
        image = axes.imshow(ari, cmap="cividis", vmin=0, vmax=1)
        if n <= 10:
            for row in range(n):
                for column in range(n):
                    axes.text(
                        column,
                        row,
                        f"{ari[row, column]:.2f}",
                        ha="center",
                        va="center",
                        fontsize=7,
                        color="white" if ari[row, column] < 0.6 else draw.INK,
                    )
            axes.set_xticks(range(n), range(1, n + 1))
            axes.set_yticks(range(n), range(1, n + 1))
        axes.set_xlabel("Restart")
        axes.set_ylabel("Restart")
        picture.colorbar(image, ax=axes, label="Adjusted Rand index")

    return draw.figure(
        f"{name}_agreement",
        paint,
        size=(4.6, 3.6),
        caption=f"Agreement of restarts; mean {found['restart_ari']:.2f}.",
        how_to_read="Types that are there are found again: values near 1 everywhere. Below a mean "
        "of 0.8 the clusters are not called types.",
        alt="Matrix of agreement between restarts",
    )


def co_assignment(matrices, name):
    """Share of restarts in which two units were together, sorted by cluster."""
    together = matrices["co_assignment"]
    edges = np.flatnonzero(np.diff(matrices["co_assignment_cluster"])) + 0.5

    def paint(picture):
        axes = picture.subplots()
        image = axes.imshow(together, cmap="cividis", vmin=0, vmax=1, aspect="equal")
        for edge in edges:
            axes.axhline(edge, color="white", lw=0.4)
            axes.axvline(edge, color="white", lw=0.4)
        axes.set_xlabel("Units, by cluster")
        axes.set_ylabel("Units, by cluster")
        axes.set_xticks([])
        axes.set_yticks([])
        picture.colorbar(image, ax=axes, label="Share of restarts together")

    return draw.figure(
        f"{name}_together",
        paint,
        size=(4.6, 3.6),
        caption="How often two units fell into one cluster over the restarts; white lines: "
        "clusters of the restart that was kept.",
        how_to_read="Blocks with sharp edges are types; a smear along the diagonal is a continuum.",
        alt="Matrix of shared clusters over restarts",
    )


def history(table, restarts, name):
    """Objective over the iterations of every restart."""
    kept = set(restarts.loc[restarts["kept"] == 1, "restart"])

    def paint(picture):
        axes = picture.subplots()
        for number, part in table.groupby("restart"):
            best = number in kept
            axes.plot(
                part["iteration"],
                part["objective"],
                color=draw.CASE if best else draw.OTHER,
                lw=1.8 if best else 0.9,
                label="kept" if best else None,
                zorder=3 if best else 2,
            )
            splits = part[(part["phase"] == "split") & (part["moved"] > 0)]
            axes.plot(
                splits["iteration"],
                splits["objective"],
                "o",
                ms=3,
                color=draw.CASE if best else draw.OTHER,
            )
        axes.set_xlabel("Iteration")
        axes.set_ylabel("Objective J")
        axes.legend(loc="lower right")

    return draw.figure(
        f"{name}_history",
        paint,
        caption="Objective over the iterations of all restarts; dots: accepted splits.",
        how_to_read="Steps up are clusters that split. The end is the polish on all units.",
        alt="Curves: objective over iterations",
    )


def ladder(table, name):
    """Agreement of restarts and saturation against the number of clusters."""

    def paint(picture):
        axes = picture.subplots()
        x = table["n_clusters_init"]
        axes.fill_between(
            x, table["restart_ari_min"], table["restart_ari_max"], color=draw.PALE, lw=0
        )
        axes.plot(x, table["restart_ari"], "o-", color=draw.CONTROL, label="agreement of restarts")
        axes.plot(x, table["saturation"], "s--", color=draw.CASE, label="exp(J)/K")
        if table["even_typing_ari"].notna().any():
            axes.plot(x, table["even_typing_ari"], "^-", color=draw.OTHER, label="typing")
        axes.axhline(0.8, color=draw.OTHER, lw=0.8, ls=":")
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("Clusters at the start")
        picture.legend(loc="outside upper center", ncols=3)

    return draw.figure(
        f"{name}_ladder",
        paint,
        caption="Plain EM at several numbers of clusters: agreement of restarts (band: lowest and "
        "highest pair), saturation, and, where conditions were repeated, typing by even repeats "
        "with stimuli picked on odd ones (adjusted Rand index).",
        how_to_read="A peak of the agreement at one number is the sign of types; a slow fall is "
        "that of a continuum.",
        alt="Curves against the number of clusters",
    )


def confusion(clusters, found, name):
    """Known types against clusters."""
    used = clusters[(clusters["cluster"] > 0) & clusters["known_type"].notna()]
    types = sorted(used["known_type"].unique())
    numbers = sorted(used["cluster"].unique())
    counts = np.array(
        [
            [int(((used["known_type"] == t) & (used["cluster"] == c)).sum()) for c in numbers]
            for t in types
        ]
    )
    share = counts / counts.sum(axis=1, keepdims=True)

    def paint(picture):
        axes = picture.subplots()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        if counts.size <= 300:
            for row in range(len(types)):
                for column in range(len(numbers)):
                    if counts[row, column]:
                        axes.text(
                            column,
                            row,
                            str(counts[row, column]),
                            ha="center",
                            va="center",
                            fontsize=7,
                            color="white" if share[row, column] > 0.6 else draw.INK,
                        )
        axes.set_xticks(range(len(numbers)), numbers)
        axes.set_yticks(range(len(types)), types)
        axes.set_xlabel("Cluster")
        axes.set_ylabel("Known type")

    held = found.get("held_out_ari")
    return draw.figure(
        f"{name}_known",
        paint,
        size=(4.6, max(2.4, 0.24 * len(types) + 1.2)),
        caption=f"Known types against clusters: adjusted Rand index {found['known_type_ari']:.2f}"
        + (f" (held-out units {held:.2f})" if held is not None else "")
        + f", homogeneity {found['homogeneity']:.2f}, completeness {found['completeness']:.2f}.",
        how_to_read="Homogeneity 1: clusters are pure. Completeness 1: no type is cut in two. "
        "The known types took no part in the search.",
        alt="Table of known types by cluster",
    )


def twin_quality(clusters, name):
    """Test correlation of the twin by cluster."""
    used = clusters[clusters["cluster"] > 0]
    numbers = sorted(used["cluster"].unique())

    def paint(picture):
        axes = picture.subplots()
        for place, number in enumerate(numbers):
            values = np.sort(used.loc[used["cluster"] == number, "twin_corr"].to_numpy(float))
            axes.scatter(
                place + draw.spread(len(values), 0.6), values, s=8, color=draw.CONTROL, alpha=0.6
            )
            axes.hlines(np.median(values), place - 0.35, place + 0.35, color=draw.CASE, lw=1.6)
        axes.set_xticks(range(len(numbers)), numbers)
        axes.set_xlabel("Cluster")
        axes.set_ylabel("Test correlation of the twin")

    return draw.figure(
        f"{name}_twin",
        paint,
        caption="How well the twin predicts single test trials of the units of each cluster; bar: "
        "median.",
        how_to_read="What the twin does not predict cannot be told apart. A cluster of badly "
        "predicted units is a cluster of noise.",
        alt="Dots: twin quality by cluster",
    )


def margins(table, name):
    """Confidence of the typing of new cells."""

    def paint(picture):
        axes = picture.subplots()
        axes.hist(table["probability"], bins=np.linspace(0, 1, 21), color=draw.CONTROL)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Probability of the cell's cluster")
        axes.set_ylabel("New cells")

    return draw.figure(
        f"{name}_typed",
        paint,
        caption="Confidence of the typing: softmax of the mean responses at the temperature of "
        "the search.",
        how_to_read="Cells near 1 are typed safely; those further left need more repeats.",
        alt="Histogram of probabilities",
    )
