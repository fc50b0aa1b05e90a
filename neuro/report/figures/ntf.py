"""Figures of the stage `ntf`: rank sweep, time courses, loadings, surrogates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw

MAX_COMPONENTS, MAX_ANIMALS = 8, 40  # drawn per figure; the tables have all
SHADE = "#EEF1F4"
AGREEMENT = "Agreement of restarts"
CLOCK = "Time axis of the tensor (s)"


def colour(r) -> str:
    """Colour of a component, counted from 1."""
    return draw.CYCLE[(int(r) - 1) % len(draw.CYCLE)]


def rank_table(sweep, chosen):
    """Error, errors on what was held out, and restart agreement over ranks.

    Returns
    -------
    pandas.DataFrame
        `panel` (axis label; `chosen` for the dashed line), `rank`, `value`, `error` (one standard
        error).
    """
    columns = {
        "Relative error": ("error", ""),
        "Error on held-out fibres": ("cv_error", "cv_se"),
        "Error on left-out animals": ("animal_error", "animal_se"),
        AGREEMENT: ("similarity", ""),
    }
    parts = []
    for label, (name, error) in columns.items():
        # with one recording, or without a common clock, no animal was left out
        if name in sweep and sweep[name].notna().any():
            rows = sweep[["rank"]].assign(panel=label, value=sweep[name], error=np.nan)
            parts.append(rows.assign(error=sweep[error]) if error else rows)
    parts.append(pd.DataFrame({"rank": [chosen], "panel": "chosen"}))
    return pd.concat(parts, ignore_index=True)[["panel", "rank", "value", "error"]]


def rank_paint(picture, table):
    """A curve per panel."""
    from matplotlib.ticker import MaxNLocator

    drawn = table[table["panel"] != "chosen"]
    names = drawn["panel"].unique()
    for axes, name in zip(picture.subplots(1, len(names), squeeze=False)[0], names):
        of_panel = drawn[drawn["panel"] == name]
        axes.plot(of_panel["rank"], of_panel["value"], "o-", color=draw.CONTROL, ms=3.5, lw=1.2)
        if of_panel["error"].notna().any():
            bars = {"fmt": "none", "ecolor": draw.CONTROL, "lw": 1}
            axes.errorbar(of_panel["rank"], of_panel["value"], of_panel["error"], **bars)
        for rank in table.loc[table["panel"] == "chosen", "rank"]:
            axes.axvline(rank, color=draw.CASE, lw=1.2, ls=(0, (4, 3)))
        axes.set_xlabel("Components")
        axes.set_ylabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if name == AGREEMENT:
            axes.set_ylim(min(0.5, float(of_panel["value"].min()) - 0.05), 1.02)


def rank_sweep(sweep, chosen, name):
    """Error, errors on what was held out, and restart agreement over ranks."""
    table = rank_table(sweep, chosen)
    return draw.figure(
        f"{name}_rank",
        rank_paint,
        data=table,
        size=(2.4 * (table["panel"].nunique() - 1) + 2.0, 2.7),
        caption="Error, error on what was held out (bars: one standard error) and agreement of "
        "restarts against the number of components; dashed: the chosen one.",
        how_to_read="Good numbers predict what was held out, and their restarts agree (near 1). "
        "Left-out animals decide where there are any; fibres also reward what a few animals share.",
        alt="Curves against the number of components",
        wide=True,
    )


def common_time(data):
    """Time courses on a common clock, `(n_bins, n_components)`, or None where there is none."""
    time = data["time"][..., :MAX_COMPONENTS]
    time = time[:, 0] if time.ndim == 3 and time.shape[1] == 1 else time
    return time if time.ndim == 2 else None


def shared_time_table(data):
    """Time courses on the common clock, each scaled to its own peak, and the stimuli.

    Returns
    -------
    pandas.DataFrame
        `mark` (course, stimulus), `component`, `start_s`, `end_s`, `value`, `label` (condition).
    """
    time, bin_s = common_time(data), 1.0 / float(data["fs"])
    start = np.arange(len(time)) * bin_s
    scaled = time / np.maximum(time.max(axis=0), 1e-12)
    components = range(1, time.shape[1] + 1)
    table = draw.long(scaled.T, component=components, start_s=start)
    parts = [table.assign(mark="course", end_s=table["start_s"] + bin_s)]
    epochs = data["epoch"]
    for epoch in np.unique(epochs[epochs >= 0]):
        inside = np.flatnonzero((epochs == epoch) & data["on"])
        if len(inside):
            span = {"start_s": start[inside[0]], "end_s": start[inside[-1]] + bin_s}
            label = str(data["condition"][inside[0]])
            parts.append(pd.DataFrame({"mark": "stimulus", **span, "label": label}, index=[0]))
    columns = ["mark", "component", "start_s", "end_s", "value", "label"]
    return pd.concat([one.reindex(columns=columns) for one in parts], ignore_index=True)


def shared_time_paint(picture, table):
    """A ridge per component, the first on top; grey where a stimulus is on."""
    axes = picture.subplots()
    for span in table[table["mark"] == "stimulus"].itertuples():
        axes.axvspan(span.start_s, span.end_s, color=SHADE, lw=0, zorder=0)
        axes.text(
            (span.start_s + span.end_s) / 2,
            1.0,
            span.label,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=7.5,
            color=draw.OTHER,
        )
    courses = table[table["mark"] == "course"]
    components = [int(r) for r in courses["component"].unique()]
    rank = len(components)
    for row, r in enumerate(components):
        of_component, floor = courses[courses["component"] == r], rank - 1 - row
        height = floor + 0.85 * of_component["value"]
        axes.fill_between(of_component["start_s"], floor, height, color=colour(r), lw=0)
    axes.set_yticks(np.arange(rank)[::-1] + 0.4, components)
    axes.set_ylabel("Component")
    axes.set_xlabel(CLOCK)
    axes.set_xlim(courses["start_s"].min(), courses["end_s"].max())
    axes.set_ylim(-0.1, rank + 0.35)


def own_time_table(data, animals):
    """Time courses of every animal on its own clock, weighted by its loading.

    Returns
    -------
    pandas.DataFrame
        `component`, `animal`, `start_s`, `end_s`, `value` (missing where it has no frames).
    """
    time, bin_s = data["time"][:, :MAX_ANIMALS, :MAX_COMPONENTS], 1.0 / float(data["fs"])
    loads = data["animals"][: time.shape[1], : time.shape[2]]
    cube = np.where(data["frame_mask"][:, : time.shape[1], None], time * loads, np.nan)
    labels = {"component": range(1, time.shape[2] + 1), "animal": animals[: time.shape[1]]}
    start = np.arange(len(time)) * bin_s
    table = draw.long(cube.transpose(2, 1, 0), **labels, start_s=start)
    return table.assign(end_s=table["start_s"] + bin_s)


def own_time_paint(picture, table):
    """A map per component, animals in rows."""
    panels = list(table.groupby("component"))
    n_columns = min(len(panels), 4)
    grid = picture.subplots(-(-len(panels) // n_columns), n_columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for panel, (axes, (component, of_component)) in enumerate(zip(grid, panels)):
        cube = draw.wide(of_component, "animal", "start_s").to_numpy(float)
        axes.imshow(
            np.ma.masked_invalid(cube),
            aspect="auto",
            cmap="viridis",
            vmin=0,
            extent=(of_component["start_s"].min(), of_component["end_s"].max(), len(cube), 0),
        )
        axes.set_title(f"Component {component}")
        axes.set_yticks([])
        axes.set_xlabel("Own clock (s)")
        axes.set_ylabel("Animals or subjects" if panel % n_columns == 0 else "")


def time_factors(data, animals, name):
    """Time course of every component; stimuli shaded where there is a common clock."""
    together = common_time(data) is not None
    table = shared_time_table(data) if together else own_time_table(data, animals)
    rank = int(table["component"].max())
    rows = 0.42 * rank + 0.9 if together else 2.1 * -(-rank // 4) + 0.3
    return draw.figure(
        f"{name}_time",
        shared_time_paint if together else own_time_paint,
        data=table,
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


def loadings_table(data, animals):
    """Loading of every component in every animal: `component`, `animal`, `value`."""
    loads = data["animals"].T
    return draw.long(loads, component=range(1, len(loads) + 1), animal=animals)


def animals_paint(picture, table):
    """Bars of the animals, a panel per component."""
    parts = list(table.groupby("component"))
    panels = picture.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, (r, of_component) in zip(panels, parts):
        heights = np.arange(len(of_component))
        axes.barh(heights, of_component["value"], color=colour(r), height=0.75)
        axes.set_title(f"{r}")
        axes.set_ylim(len(of_component) - 0.4, -0.6)
        axes.set_yticks(heights, of_component["animal"], fontsize=7)
    picture.supxlabel("Loading", fontsize=9)


def animal_bars(data, animals, name):
    """Loading of every component in every animal."""
    table = loadings_table(data, animals)
    return draw.figure(
        f"{name}_animals",
        animals_paint,
        data=table[table["component"] <= MAX_COMPONENTS],
        size=(9.4, 0.9 + 0.19 * len(animals)),
        caption="In whom each component (columns) is found.",
        how_to_read="Bars of similar length mean that all animals show the motif; a single long "
        "bar is a component of one animal and proves nothing about the others.",
        alt="Loadings of the components by animal",
        wide=True,
    )


def presence_paint(picture, table):
    """Components in rows, animals in columns."""
    axes, loads = picture.subplots(), draw.wide(table, "component", "animal")
    image = axes.imshow(loads.to_numpy(float), aspect="auto", cmap="viridis", vmin=0)
    axes.set_yticks(range(len(loads)), loads.index)
    axes.set_ylabel("Component")
    axes.set_xlabel("Animals or subjects")
    if loads.shape[1] <= MAX_ANIMALS:
        axes.set_xticks(range(loads.shape[1]), loads.columns, rotation=90, fontsize=6.5)
    picture.colorbar(image, ax=axes, pad=0.02).set_label("Loading")


def presence_map(data, animals, name):
    """Loadings as a map, for many animals."""
    return draw.figure(
        f"{name}_presence",
        presence_paint,
        data=loadings_table(data, animals),
        size=(9.4, 1.6 + 0.22 * data["animals"].shape[1]),
        caption="Presence map: loading of every component (rows) in every animal or subject.",
        how_to_read="Rows that are bright throughout are motifs that everybody shows.",
        alt="Map of loadings",
        wide=True,
    )


def nulls_table(components, null):
    """Surrogate motifs by their statistic, and the components.

    Parameters
    ----------
    components : pandas.DataFrame
        `component`, `statistic`, `significant`, of one search.
    null : array
        The statistic of every surrogate motif of the search.

    Returns
    -------
    pandas.DataFrame
        `mark` (surrogates, component), `low`, `high`, `count` of the bars; `component`, `value`,
        `significant` of the lines.
    """
    count, ends = np.histogram(null, min(30, max(5, len(null) // 4)))
    bars = {"mark": "surrogates", "low": ends[:-1], "high": ends[1:], "count": count}
    lines = components[["component", "significant"]].assign(
        mark="component", value=components["statistic"]
    )
    return pd.concat([pd.DataFrame(bars), lines], ignore_index=True)


def nulls_paint(picture, table):
    """Grey bars of the surrogates, a line per component."""
    axes = picture.subplots()
    bars = table[table["mark"] == "surrogates"]
    axes.bar(bars["low"], bars["count"], bars["high"] - bars["low"], align="edge", color="#C8CDD3")
    top = axes.get_ylim()[1]
    lines = table[table["mark"] == "component"].sort_values("value")
    # labels of lines that are close stand above each other
    near = 0.05 * max(np.ptp([*bars["low"], *bars["high"], *lines["value"]]), 1e-12)
    step, last = 0, -np.inf
    for row in lines.itertuples():
        r, step = int(row.component), step + 1 if row.value - last < near else 0
        last = row.value
        height = (0.8 + 0.07 * (step % 4)) * top
        axes.plot([row.value] * 2, [0, height], color=colour(r), lw=1.6)
        star = "*" if row.significant else ""
        axes.text(row.value, height + 0.015 * top, f"{r}{star}", ha="center", fontsize=8)
    axes.set_ylabel("Surrogate motifs")


NULLS = {
    "shift": "every trace was shifted on its own",
    "rate": "every trace kept the common rate and was otherwise moved by some seconds",
    "dealt": "the kernels of every pair were dealt to another",
}


def nulls(components, null, label, name, kind="rate"):
    """Statistic of every component against all surrogate motifs."""

    def paint(picture, table):
        nulls_paint(picture, table)
        picture.axes[0].set_xlabel(label)

    return draw.figure(
        f"{name}_null",
        paint,
        data=nulls_table(components, null),
        caption=f"{label} of every component (lines) against surrogate motifs (grey), in which "
        f"{NULLS[kind]}. *: beyond chance at the chosen false discovery rate.",
        how_to_read="A line far right of the grey bars has more community structure than chance "
        "gives. Community searches always return communities; only the comparison counts.",
        alt=f"{label} against its null distribution",
    )
