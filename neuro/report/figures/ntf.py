"""Figures of the stage `ntf`: rank sweep, factors, motifs, hierarchy, co-membership, nulls."""

from __future__ import annotations

import itertools

import numpy as np

from neuro.report.figures import draw

MAX_COMPONENTS, MAX_ANIMALS = 8, 40  # drawn per figure; the tables have all
MIN_ACTIVE = 3
"""With fewer neurons above the background all are drawn, and their communities called weak."""
_SHADE = "#EEF1F4"


def _colour(r):
    return draw.CYCLE[r % len(draw.CYCLE)]


def rank_sweep(sweep, chosen, name):
    """Error, errors on what was held out, and restart agreement over ranks."""
    panels = [
        ("error", "", "Relative error"),
        ("cv_error", "cv_se", "Error on held-out fibres"),
        ("animal_error", "animal_se", "Error on left-out animals"),
        ("similarity", "", "Agreement of restarts"),
    ]
    # with one recording, or without a common clock, no animal was left out
    panels = [item for item in panels if item[0] in sweep and sweep[item[0]].notna().any()]

    def paint(picture):
        for axes, (column, error, label) in zip(picture.subplots(1, len(panels)), panels):
            axes.plot(sweep["rank"], sweep[column], "o-", color=draw.CONTROL, ms=3.5, lw=1.2)
            if error:
                bars = {"fmt": "none", "ecolor": draw.CONTROL, "lw": 1}
                axes.errorbar(sweep["rank"], sweep[column], sweep[error], **bars)
            axes.axvline(chosen, color=draw.CASE, lw=1.2, ls=(0, (4, 3)))
            axes.set_xlabel("Components")
            axes.set_ylabel(label)

    return draw.figure(
        f"{name}_rank",
        paint,
        size=(2.4 * len(panels) + 2.0, 2.7),
        caption="Error, error on what was held out (bars: one standard error) and agreement of "
        "restarts against the number of components; dashed: the chosen one.",
        how_to_read="Good numbers predict what was held out, and their restarts agree (near 1). "
        "Left-out animals decide where there are any; fibres also reward what a few animals share.",
        alt="Curves against the number of components",
        wide=True,
    )


def time_factors(data, name):
    """Time course of every component; stimuli shaded where there is a common clock."""
    time = data["time"][..., :MAX_COMPONENTS]
    time = time[:, 0] if time.ndim == 3 and time.shape[1] == 1 else time
    rank, bin_s = time.shape[-1], 1.0 / float(data["fs"])

    def shared(picture):
        axes = picture.subplots()
        x = np.arange(len(time)) * bin_s
        _shade(axes, data, x, bin_s)
        for r in range(rank):
            curve = time[:, r] / max(time[:, r].max(), 1e-12)
            axes.fill_between(x, rank - 1 - r, rank - 1 - r + 0.85 * curve, color=_colour(r), lw=0)
        axes.set_yticks(np.arange(rank) + 0.4, [f"{rank - r}" for r in range(rank)])
        axes.set_ylabel("Component")
        axes.set_xlabel("Time axis of the tensor (s)")
        axes.set_xlim(x[0], x[-1] + bin_s)
        axes.set_ylim(-0.1, rank + 0.35)

    def own(picture):
        n_columns = min(rank, 4)
        grid = picture.subplots(-(-rank // n_columns), n_columns, squeeze=False)
        for r, axes in enumerate(grid.ravel()):
            if r >= rank:
                axes.set_axis_off()
                continue
            cube = time[:, :MAX_ANIMALS, r].T * data["animals"][:MAX_ANIMALS, r][:, None]
            cube = np.where(data["frame_mask"][:, :MAX_ANIMALS].T, cube, np.nan)
            axes.imshow(
                np.ma.masked_invalid(cube),
                aspect="auto",
                cmap="viridis",
                vmin=0,
                extent=(0, cube.shape[1] * bin_s, len(cube), 0),
            )
            axes.set_title(f"Component {r + 1}")
            axes.set_yticks([])
            axes.set_xlabel("Own clock (s)")
            axes.set_ylabel("Animals or subjects" if r % n_columns == 0 else "")

    together = time.ndim == 2
    rows = 0.42 * rank + 0.9 if together else 2.1 * -(-rank // 4) + 0.3
    return draw.figure(
        f"{name}_time",
        shared if together else own,
        size=(9.4, max(rows, 2.2)),
        caption="When each component is active"
        + (
            ", each scaled to its own peak; grey: a stimulus is on."
            if together
            else " in each animal or subject, every row on its own clock."
        ),
        how_to_read="A component that is high during one stimulus only belongs to that stimulus; "
        "one that is high throughout is background."
        if together
        else "Bright stretches are times at which the motif was present. Rows share no clock, "
        "so columns cannot be compared.",
        alt="Activity of the components over time",
        wide=True,
    )


def _shade(axes, data, x, bin_s):
    """Grey where a stimulus is on, with the name of the condition once per epoch."""
    epochs = data["epoch"]
    for epoch in np.unique(epochs[epochs >= 0]):
        inside = np.flatnonzero((epochs == epoch) & data["on"])
        if not len(inside):
            continue
        first, last = x[inside[0]], x[inside[-1]] + bin_s
        axes.axvspan(first, last, color=_SHADE, lw=0, zorder=0)
        axes.text(
            (first + last) / 2,
            1.0,
            str(data["condition"][inside[0]]),
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=7.5,
            color=draw.OTHER,
        )


def animal_bars(data, animals, name):
    """Loading of every component in every animal."""
    loads = data["animals"][:, :MAX_COMPONENTS]

    def paint(picture):
        rank = loads.shape[1]
        for r, axes in enumerate(picture.subplots(1, rank, sharey=True, squeeze=False)[0]):
            axes.barh(np.arange(len(loads)), loads[:, r], color=_colour(r), height=0.75)
            axes.set_title(f"{r + 1}")
            axes.set_ylim(len(loads) - 0.4, -0.6)
            axes.set_yticks(np.arange(len(loads)), animals, fontsize=7)
        picture.supxlabel("Loading", fontsize=9)

    return draw.figure(
        f"{name}_animals",
        paint,
        size=(9.4, 0.9 + 0.19 * len(loads)),
        caption="In whom each component (columns) is found.",
        how_to_read="Bars of similar length mean that all animals show the motif; a single long "
        "bar is a component of one animal and proves nothing about the others.",
        alt="Loadings of the components by animal",
        wide=True,
    )


def presence_map(data, animals, name):
    """Loadings as a map, for many animals."""
    loads = data["animals"]

    def paint(picture):
        axes = picture.subplots()
        image = axes.imshow(loads.T, aspect="auto", cmap="viridis", vmin=0)
        axes.set_yticks(range(loads.shape[1]), range(1, loads.shape[1] + 1))
        axes.set_ylabel("Component")
        axes.set_xlabel("Animals or subjects")
        if len(animals) <= MAX_ANIMALS:
            axes.set_xticks(range(len(animals)), animals, rotation=90, fontsize=6.5)
        picture.colorbar(image, ax=axes, pad=0.02).set_label("Loading")

    return draw.figure(
        f"{name}_presence",
        paint,
        size=(9.4, 1.6 + 0.22 * loads.shape[1]),
        caption="Presence map: loading of every component (rows) in every animal or subject.",
        how_to_read="Rows that are bright throughout are motifs that everybody shows.",
        alt="Map of loadings",
        wide=True,
    )


def motif_maps(matrices, labels, background, table, name):
    """Motifs with neurons ordered by community, background last.

    Parameters
    ----------
    matrices : array, shape (n_components, n_neurons, n_neurons)
    labels, background : arrays, shape (n_components, n_neurons)
    table : pandas.DataFrame
        Components of the back end that decides.
    name : str
    """
    shown = min(len(matrices), MAX_COMPONENTS)

    def paint(picture):
        import matplotlib

        colours = matplotlib.colormaps["magma_r"].with_extremes(bad="#C8CDD3")
        n_columns = min(shown, 4)
        grid = picture.subplots(-(-shown // n_columns), n_columns, squeeze=False)
        for r, axes in enumerate(grid.ravel()):
            if r >= shown:
                axes.set_axis_off()
                continue
            order, edges = ordering(labels[r], background[r])
            matrix = np.array(matrices[r])[np.ix_(order, order)]
            np.fill_diagonal(matrix, np.nan)
            finite = matrix[np.isfinite(matrix)]
            top = np.quantile(finite, 0.99) if len(finite) else 1
            axes.imshow(np.ma.masked_invalid(matrix), cmap=colours, vmin=0, vmax=max(top, 1e-12))
            for edge in edges:
                axes.axhline(edge - 0.5, color=draw.CONTROL, lw=0.7)
                axes.axvline(edge - 0.5, color=draw.CONTROL, lw=0.7)
            row = table.iloc[r]
            axes.set_title(f"{r + 1}: {_count(labels[r], background[r], row)}")
            axes.set_xticks([])
            axes.set_yticks([])

    return draw.figure(
        f"{name}_motifs",
        paint,
        size=(9.4, 2.45 * -(-shown // 4) + 0.1),
        caption="Motifs: how strongly every two neurons or regions interact while the component "
        "is active. Ordered by community (blue lines), background last; grey: not observed; "
        "*: more community structure than surrogates have.",
        how_to_read="Dark squares on the diagonal are groups that interact among themselves. "
        "Without a star such squares also appear in shifted data.",
        alt="Matrices of the motifs",
        wide=True,
    )


def _count(labels, background, row):
    """Communities in words; weak ones where no neuron stands out of the surrogates."""
    shown = np.unique(np.asarray(labels, float)[~np.asarray(background, bool)])
    count, weak = int(np.isfinite(shown).sum()), "weak " * (int(row["n_active"]) < MIN_ACTIVE)
    return f"{count} {weak}communit{'y' if count == 1 else 'ies'}{' *' * bool(row['significant'])}"


def ordering(labels, background):
    """Order of neurons by community with background and unobserved ones last.

    Returns
    -------
    order : ndarray of int
    edges : list of int
        Places between communities.
    """
    labels = np.asarray(labels, float)
    last = np.asarray(background, bool) | ~np.isfinite(labels)
    key = np.where(last, np.nanmax(labels, initial=0) + 1, np.nan_to_num(labels))
    order = np.argsort(key, kind="stable")
    return order, [int(k) for k in np.flatnonzero(np.diff(key[order])) + 1]


def hierarchy(levels, name):
    """Nested blocks of every component, as an icicle: fine blocks below, groups of them above.

    Parameters
    ----------
    levels : list of list of array
        Per component the labels from the finest level up; components with one level are left
        out.
    name : str

    Returns
    -------
    neuro.report.site.model.Figure or None
    """
    kept = [(r, item) for r, item in enumerate(levels[:MAX_COMPONENTS]) if len(item) > 1]
    if not kept:
        return None

    def paint(picture):
        panels = picture.subplots(1, len(kept), squeeze=False)[0]
        for axes, (r, item) in zip(panels, kept):
            order = np.lexsort([np.nan_to_num(level, nan=1e6) for level in item])
            for height, level in enumerate(item):
                values = np.nan_to_num(np.asarray(level, float)[order], nan=-1)
                ends = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1, [len(values)]])
                for place, (first, last) in enumerate(itertools.pairwise(ends)):
                    axes.bar(
                        first,
                        0.9,
                        last - first,
                        bottom=height,
                        align="edge",
                        color=_colour(place),
                        edgecolor="white",
                        lw=1,
                    )
            axes.set_title(f"Component {r + 1}")
            axes.set_yticks(np.arange(len(item)) + 0.45, range(len(item)))
            axes.set_xlabel("Neurons or regions")
        panels[0].set_ylabel("Level")

    return draw.figure(
        f"{name}_hierarchy",
        paint,
        size=(9.4, 2.2),
        caption="Blocks of the weighted block model and how they group again, level by level.",
        how_to_read="Bars side by side are blocks; a bar above several ones is a group of blocks "
        "that interact alike.",
        alt="Nested blocks",
        wide=True,
    )


def co_membership(curves, names, bin_s, name, shared=True):
    """How much each community holds together over time, in all animals or in one."""

    def paint(picture):
        axes = picture.subplots()
        image = axes.imshow(
            np.ma.masked_invalid(curves),
            aspect="auto",
            cmap="viridis",
            vmin=0,
            vmax=1,
            extent=(0, curves.shape[1] * bin_s, len(curves), 0),
        )
        axes.set_yticks(np.arange(len(names)) + 0.5, names, fontsize=7)
        axes.set_xlabel("Time axis of the tensor (s)")
        picture.colorbar(image, ax=axes, pad=0.02).set_label("Co-membership")

    return draw.figure(
        f"{name}_together",
        paint,
        size=(9.4, 1.1 + 0.19 * len(curves)),
        caption="Co-membership over time: probability that two members of a community (rows) are "
        "in one community at that time, mean over pairs"
        + (" and animals." if shared else ", in the animal whose components are strongest."),
        how_to_read="A row that brightens and fades is a community that forms and dissolves.",
        alt="Co-membership of the communities over time",
        wide=True,
    )


def back_projection(data, fs, name, shared=True):
    """Mean traces of the communities, with the active times of their component shaded."""
    components = np.unique(data["component"])[:MAX_COMPONENTS]

    def paint(picture):
        x = np.arange(data["values"].shape[1]) / fs
        panels = picture.subplots(len(components), 1, sharex=True, squeeze=False)[:, 0]
        for axes, component in zip(panels, components):
            active = data["active"][component - 1]
            axes.fill_between(
                x, 0, 1, where=active, transform=axes.get_xaxis_transform(), color=_SHADE, lw=0
            )
            for row in np.flatnonzero(data["component"] == component):
                label = int(data["community"][row])
                axes.plot(x, data["values"][row], color=_colour(label), lw=0.9)
            axes.set_ylabel(f"{component}", rotation=0, labelpad=10)
        panels[-1].set_xlabel("Time axis of the tensor (s)")

    return draw.figure(
        f"{name}_traces",
        paint,
        size=(9.4, 0.75 * len(components) + 0.8),
        caption="Mean trace (z) of every community of each component, traces turned to one sign"
        + ("" if shared else ", in the animal that carries the component most")
        + "; grey: the component is active.",
        how_to_read="Within grey the members of a community should move, and lines of different "
        "colour should move differently.",
        alt="Mean traces of the communities",
        wide=True,
    )


def nulls(observed, null, label, name):
    """Statistic of every component against all surrogate motifs."""

    def paint(picture):
        axes = picture.subplots()
        axes.hist(null, bins=min(30, max(5, len(null) // 4)), color="#C8CDD3")
        top = axes.get_ylim()[1]
        for r, (value, significant) in enumerate(observed):
            axes.plot([value, value], [0, 0.86 * top], color=_colour(r), lw=1.6)
            axes.text(
                value, 0.88 * top, f"{r + 1}{'*' if significant else ''}", ha="center", fontsize=8
            )
        axes.set_xlabel(label)
        axes.set_ylabel("Surrogate motifs")

    return draw.figure(
        f"{name}_null",
        paint,
        caption=f"{label} of every component (lines) against surrogate motifs (grey), in which "
        "every trace was shifted on its own. *: beyond chance at the chosen false discovery rate.",
        how_to_read="A line far right of the grey bars has more community structure than chance "
        "gives. Community searches always return communities; only the comparison counts.",
        alt=f"{label} against its null distribution",
    )
