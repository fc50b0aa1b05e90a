"""Figures of the stage `ntf` about communities: motifs, hierarchy, co-membership, traces."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.ntf import CLOCK, MAX_COMPONENTS, SHADE, colour

EDGE = "#22262B"
"""Between communities: neither of the two colours of a sign."""
MAX_NEURONS = 300
"""Neurons in the picture of a motif; more have no pixel of their own, and a table of millions."""
MIN_SUPPORT = 0.1
"""As in the stage: motif entries with less support count as not observed."""
MIN_ACTIVE = 3
"""With fewer neurons above the background all are drawn, and their communities called weak."""


def motifs_table(matrices, labels, background, components, names):
    """Interaction of every two neurons in every motif, once per pair.

    Parameters
    ----------
    matrices : array, shape (n_components, n_neurons, n_neurons)
        Symmetric; NaN where a pair was not observed.
    labels, background : arrays, shape (n_components, n_neurons)
    components : pandas.DataFrame
        Components of the back end that decides.
    names : sequence of str
        Of the neurons.

    Returns
    -------
    pandas.DataFrame
        `component`, `title`, `row` and `column` (places from 1, `row <= column`), `a` and `b`
        (their neurons), `community` of `a` (from 1; missing: background), `value` (missing on the
        diagonal), `limit` (where the colours end).
    """
    parts, names = [], np.asarray(names, dtype=object)
    for r in range(min(len(matrices), MAX_COMPONENTS)):
        order = ordering(labels[r], background[r])
        if len(order) > MAX_NEURONS:
            order = order[np.linspace(0, len(order) - 1, MAX_NEURONS).round().astype(int)]
        matrix = np.array(matrices[r])[np.ix_(order, order)]
        np.fill_diagonal(matrix, np.nan)
        finite = matrix[np.isfinite(matrix)]
        limit = max(float(np.quantile(np.abs(finite), 0.99)) if len(finite) else 1.0, 1e-12)
        community = np.where(background[r], np.nan, np.asarray(labels[r], float) + 1)[order]
        rows, columns = np.triu_indices(len(order))
        parts.append(
            pd.DataFrame(
                {
                    "component": r + 1,
                    "title": f"{r + 1}: {_count(labels[r], background[r], components.iloc[r])}",
                    "row": rows + 1,
                    "column": columns + 1,
                    "a": names[order][rows],
                    "b": names[order][columns],
                    "community": community[rows],
                    "value": matrix[rows, columns],
                    "limit": limit,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def motifs_paint(picture, table):
    """A matrix per component, with lines between communities."""
    import matplotlib

    signed = (table["value"] < 0).any()
    colours = matplotlib.colormaps["RdBu_r" if signed else "magma_r"].with_extremes(bad="#C8CDD3")
    motifs = list(table.groupby("component"))
    n_columns = min(len(motifs), 4)
    grid = picture.subplots(-(-len(motifs) // n_columns), n_columns, squeeze=False).ravel()
    for axes in grid[len(motifs) :]:
        axes.set_axis_off()
    for axes, (_, of_motif) in zip(grid, motifs):
        upper = draw.wide(of_motif, "row", "column").to_numpy(float)
        matrix = np.where(np.isfinite(upper), upper, upper.T)
        limit = of_motif["limit"].iloc[0]
        axes.imshow(np.ma.masked_invalid(matrix), cmap=colours, vmin=-limit * signed, vmax=limit)
        community = of_motif.loc[of_motif["row"] == of_motif["column"], "community"].fillna(0)
        for edge in np.flatnonzero(np.diff(community)) + 0.5:
            axes.axhline(edge, color=EDGE, lw=0.8)
            axes.axvline(edge, color=EDGE, lw=0.8)
        axes.set_title(of_motif["title"].iloc[0])
        axes.set_xticks([])
        axes.set_yticks([])
    # every motif ends at a value of its own: the bar names the colours
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(-1 * signed, 1), colours)
    bar = picture.colorbar(scale, ax=list(grid), shrink=0.8, pad=0.015, aspect=25)
    bar.set_ticks([-1, 0, 1] if signed else [0, 1])
    bar.set_ticklabels(["against", "0", "together"] if signed else ["0", "strongest"])
    bar.outline.set_visible(False)


def motif_maps(matrices, labels, background, components, names, name):
    """Motifs with neurons ordered by community, background last; see :func:`motifs_table`."""
    table = motifs_table(matrices, labels, background, components, names)
    n, many = len(names), len(names) > MAX_NEURONS
    signed = bool((table["value"] < 0).any())
    return draw.figure(
        f"{name}_motifs",
        motifs_paint,
        data=table,
        size=(9.4, 2.45 * -(-table["component"].nunique() // 4) + 0.1),
        caption="Motifs: how strongly every two neurons or regions interact while the component "
        "is active" + "; red: they rise together, blue: they run against each other" * signed + ". "
        "Each motif has its own scale. Ordered by community (lines), background last; grey: not "
        "observed; "
        "*: more community structure than surrogates have."
        + f" {MAX_NEURONS} of {n} are drawn, evenly along that order."
        * many,
        how_to_read="Coloured squares on the diagonal are groups that interact among themselves. "
        "Without a star such squares also appear in surrogates.",
        alt="Matrices of the motifs",
        wide=True,
    )


def _count(labels, background, row):
    """Communities in words; weak ones where no neuron stands out of the surrogates."""
    shown = np.unique(np.asarray(labels, float)[~np.asarray(background, bool)])
    count, weak = int(np.isfinite(shown).sum()), "weak " * (int(row["n_active"]) < MIN_ACTIVE)
    return f"{count} {weak}communit{'y' if count == 1 else 'ies'}{' *' * bool(row['significant'])}"


def ordering(labels, background):
    """Order of neurons by community with background and unobserved ones last."""
    labels = np.asarray(labels, float)
    last = np.asarray(background, bool) | ~np.isfinite(labels)
    return np.argsort(np.where(last, np.inf, labels), kind="stable")


def hierarchy_table(levels):
    """Nested blocks of the components that have more than one level.

    Parameters
    ----------
    levels : list of list of array
        Per component the labels of the neurons from the finest level up.

    Returns
    -------
    pandas.DataFrame
        `component`, `level` (0: finest), `block` (from 1, left to right), `label` of the block
        (-1: not observed), `first` and `last` (places of its neurons from 1).
    """
    rows = []
    for r, levels_of in enumerate(levels[:MAX_COMPONENTS], start=1):
        order = np.lexsort([np.nan_to_num(level, nan=1e6) for level in levels_of])
        for height, level in enumerate(levels_of if len(levels_of) > 1 else ()):
            values = np.nan_to_num(np.asarray(level, float)[order], nan=-1)
            ends = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
            for block, (first, last) in enumerate(itertools.pairwise(ends), start=1):
                rows.append((r, height, block, int(values[first]), first + 1, last))
    names = ["component", "level", "block", "label", "first", "last"]
    return pd.DataFrame(rows, columns=names)


def hierarchy_paint(picture, table):
    """An icicle per component: fine blocks below, groups of them above."""
    parts = list(table.groupby("component"))
    panels = picture.subplots(1, len(parts), squeeze=False)[0]
    for axes, (r, of_component) in zip(panels, parts):
        axes.bar(
            of_component["first"] - 1,
            0.9,
            of_component["last"] - of_component["first"] + 1,
            bottom=of_component["level"],
            align="edge",
            color=[colour(block) for block in of_component["block"]],
            edgecolor="white",
            lw=1,
        )
        axes.set_title(f"Component {r}")
        levels = sorted(of_component["level"].unique())
        axes.set_yticks(np.array(levels) + 0.45, levels)
        axes.set_xlabel("Neurons or regions")
    panels[0].set_ylabel("Level")


def hierarchy(levels, name):
    """Nested blocks of every component, or None where there is one level only."""
    table = hierarchy_table(levels)
    if table.empty:
        return None
    return draw.figure(
        f"{name}_hierarchy",
        hierarchy_paint,
        data=table,
        size=(9.4, 2.2),
        caption="Blocks of the weighted block model and how they group again, level by level.",
        how_to_read="Bars side by side are blocks; a bar above several ones is a group of blocks "
        "that interact alike.",
        alt="Nested blocks",
        wide=True,
    )


def together_table(curves, names, bin_s):
    """Co-membership over time: `community` (component and label), `start_s`, `end_s`, `value`."""
    start = np.arange(np.shape(curves)[1]) * bin_s
    table = draw.long(curves, community=names, start_s=start)
    return table.assign(end_s=table["start_s"] + bin_s)


def together_paint(picture, table):
    """A row per community."""
    axes, curves = picture.subplots(), draw.wide(table, "community", "start_s")
    image = axes.imshow(
        np.ma.masked_invalid(curves.to_numpy(float)),
        aspect="auto",
        cmap="viridis",
        vmin=0,
        vmax=1,
        extent=(table["start_s"].min(), table["end_s"].max(), len(curves), 0),
    )
    axes.set_yticks(np.arange(len(curves)) + 0.5, curves.index, fontsize=7)
    axes.set_xlabel(CLOCK)
    picture.colorbar(image, ax=axes, pad=0.02).set_label("Co-membership")


def co_membership(curves, names, bin_s, name, shared=True):
    """How much each community holds together over time, in all animals or in one."""
    return draw.figure(
        f"{name}_together",
        together_paint,
        data=together_table(curves, names, bin_s),
        size=(9.4, 1.1 + 0.19 * len(curves)),
        caption="Co-membership over time: probability that two members of a community (rows) are "
        "in one community at that time, mean over pairs"
        + (" and animals." if shared else ", in the animal whose components are strongest."),
        how_to_read="A row that brightens and fades is a community that forms and dissolves.",
        alt="Co-membership of the communities over time",
        wide=True,
    )


def traces_table(data, fs):
    """Mean traces of the communities of every component.

    Returns
    -------
    pandas.DataFrame
        `component`, `community` (from 1), `time_s`, `value` (z), `active` (1: the component is).
    """
    time, parts = np.arange(data["values"].shape[1]) / fs, []
    for component in np.unique(data["component"])[:MAX_COMPONENTS]:
        active = data["active"][component - 1].astype(int)
        for row in np.flatnonzero(data["component"] == component):
            label = {"component": component, "community": int(data["community"][row]) + 1}
            values = {"time_s": time, "value": data["values"][row], "active": active}
            parts.append(pd.DataFrame({**label, **values}))
    return pd.concat(parts, ignore_index=True)


def traces_paint(picture, table):
    """A panel per component, a line per community; grey where the component is active."""
    parts = list(table.groupby("component"))
    panels = picture.subplots(len(parts), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (component, of_component) in zip(panels, parts):
        for number, (label, line) in enumerate(of_component.groupby("community")):
            if number == 0:
                axes.fill_between(
                    line["time_s"],
                    0,
                    1,
                    where=line["active"] == 1,
                    transform=axes.get_xaxis_transform(),
                    color=SHADE,
                    lw=0,
                )
            axes.plot(line["time_s"], line["value"], color=colour(label), lw=0.9)
        axes.set_ylabel(f"{component}", rotation=0, labelpad=10)
    panels[-1].set_xlabel(CLOCK)


def back_projection(data, fs, name, shared=True):
    """Mean traces of the communities, with the active times of their component shaded."""
    table = traces_table(data, fs)
    return draw.figure(
        f"{name}_traces",
        traces_paint,
        data=table,
        size=(9.4, 0.75 * table["component"].nunique() + 0.8),
        caption="Mean trace (z) of every community of each component, traces turned to one sign"
        + ("" if shared else ", in the animal that carries the component most")
        + "; grey: the component is active.",
        how_to_read="Within grey the members of a community should move, and lines of different "
        "colour should move differently.",
        alt="Mean traces of the communities",
        wide=True,
    )


def signed_motifs(data) -> np.ndarray:
    """Motifs of `factors.npz` as matrices, edges signed where both signs were factorised.

    Parameters
    ----------
    data : mapping
        Arrays of the file.

    Returns
    -------
    ndarray of float32, shape (n_components, n_neurons, n_neurons)
        NaN for pairs that were hardly observed where the component is active.
    """
    n, pairs = len(data["names"]), np.array(data["pairs"], np.float32).T
    left, right = data["pair_index"].T
    if pairs.shape[1] > len(left):
        # both signs of every pair: what rises together, less what runs against each other
        pairs = pairs[:, : len(left)] - pairs[:, len(left) :]
    pairs[data["support"].T[:, : len(left)] < MIN_SUPPORT] = np.nan
    full = np.zeros((len(pairs), n, n), np.float32)
    full[:, left, right] = pairs
    full[:, right, left] = pairs
    return full


def finest_labels(table, backend, rank):
    """Finest labels and background of every component, (rank, n_neurons) each."""
    finest = table[(table["backend"] == backend) & (table["level"] == 0)]
    groups = [finest[finest["component"] == r + 1] for r in range(rank)]
    return (
        np.array([group["label"].to_numpy(float) for group in groups]),
        np.array([group["background"].to_numpy(bool) for group in groups]),
    )


def nested_levels(table, rank):
    """Levels of the block model by component, where one was used."""
    for backend in ("graph_tool", "sbm"):
        levels = table[table["backend"] == backend]
        if len(levels):
            return [
                [
                    level["label"].to_numpy(float)
                    for _, level in levels[levels["component"] == r + 1].groupby("level")
                ]
                for r in range(rank)
            ]
    return None


def together(data, membership, labels, weak, least=3):
    """Mean co-membership of every community's members over time, and names of the rows."""
    time = np.asarray(data["time"], float)
    weight = np.asarray(data["animals"], float) * data["lambda"]
    cube = time[:, None] * weight if time.ndim == 2 else time * weight
    if time.ndim == 3:
        # without a shared clock a mean over animals means nothing
        cube = cube[:, [int(cube.sum(axis=(0, 2)).argmax())]]
    total = cube.sum(axis=2, keepdims=True)
    share = np.divide(cube, total, out=np.full_like(cube, np.nan), where=total > 0)
    seen = np.isfinite(share[..., 0])
    share = (
        np.where(np.isfinite(share), share, 0).sum(axis=1)
        / np.maximum(seen.sum(axis=1), 1)[:, None]
    )
    share[~seen.any(axis=1)] = np.nan
    curves, names = [], []
    for r in range(min(len(labels), MAX_COMPONENTS)):
        for label in np.unique(labels[r][np.isfinite(labels[r])]):
            members = np.flatnonzero((labels[r] == label) & ~weak[r])
            if len(members) < least:
                continue
            inside = membership[:, members][:, :, members]
            pairs = np.triu_indices(len(members), 1)
            held = np.nan_to_num(inside[:, pairs[0], pairs[1]]).mean(axis=1)
            curves.append(share @ held)
            names.append(f"{r + 1}: community {int(label) + 1}")
    return np.array(curves), names
