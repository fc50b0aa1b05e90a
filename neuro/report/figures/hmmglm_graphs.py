"""Figures of the stage `hmmglm` about units: couplings, the shared graph, rates by state."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.hmmglm import colour, picture

MAX_STATES = 7
MAX_NODES = 60
MAX_EDGES = 250
CLASSES = {
    0: ("none", "#C8CDD3"),
    1: ("excitatory", draw.MORE),
    -1: ("inhibitory", draw.LESS),
}
"""Name and colour of an edge by its sign."""


def couplings_table(data):
    """Couplings of every state and what all states share, one row per directed pair.

    Returns
    -------
    pandas.DataFrame
        `panel` (State 1 ..., then Shared prior or Shared sign), `target`, `source`, `value`,
        `limit` (where the colours of the panel end).
    """
    weights = data.tables["weights"]
    weights = weights[weights["state"] <= MAX_STATES]
    # self-history is often far stronger than any coupling and would hide them all
    apart = weights.loc[weights["target"] != weights["source"], "w"].abs()
    limit = max(float(apart.quantile(0.995)), 1e-6) if len(apart) else 1e-6
    states = pd.DataFrame(
        {
            "panel": [f"State {state}" for state in weights["state"]],
            "target": weights["target"],
            "source": weights["source"],
            "value": weights["w"],
            "limit": limit,
        }
    )
    prior = data.tables["prior"]
    onehot = prior["p_exc"].notna().any()
    shared = prior[["target", "source"]].assign(
        panel="Shared prior" if onehot else "Shared sign",
        value=prior["p_exc"] - prior["p_inh"] if onehot else prior["sign"],
        limit=1.0,
    )
    return pd.concat([states, shared], ignore_index=True)


def couplings_paint(canvas, table, what="Source unit"):
    """A matrix per state, targets in rows, and the shared one last."""
    panels = list(table.groupby("panel", sort=False))
    n_columns = len(panels) if len(panels) <= 5 else 4
    grid = canvas.subplots(-(-len(panels) // n_columns), n_columns, squeeze=False).ravel()
    chosen = [*grid[: len(panels) - 1], grid[-1]]
    for axes in grid[len(panels) - 1 : -1]:
        axes.set_axis_off()
    images = []
    for axes, (name, of_panel) in zip(chosen, panels):
        matrix, limit = draw.wide(of_panel, "target", "source"), of_panel["limit"].iloc[0]
        images.append(axes.imshow(matrix.to_numpy(float), cmap="RdBu_r", vmin=-limit, vmax=limit))
        state = name.removeprefix("State ")
        axes.set_title(name, color=colour(state) if state != name else draw.INK)
        axes.set_xticks([])
        axes.set_yticks([])
    chosen[0].set_ylabel("Target")
    chosen[0].set_xlabel(what)
    bar = canvas.colorbar(images[0], ax=chosen[:-1], shrink=0.8, pad=0.01, aspect=25)
    bar.set_label("Coupling")
    other = canvas.colorbar(images[-1], ax=chosen[-1], shrink=0.8, pad=0.03, aspect=25)
    prior = panels[-1][0] == "Shared prior"
    other.set_label("P(excitatory) − P(inhibitory)" if prior else "Sign")


def couplings(data):
    """Couplings of every state beside the prior that all states share."""
    table = couplings_table(data)
    count = table["panel"].nunique()
    n_columns = count if count <= 5 else 4
    note = f" The first {MAX_STATES} of {data.k} states." if data.k > MAX_STATES else ""
    what = "Source region" if data.source == "fmri" else "Source unit"
    return picture(
        data,
        "couplings",
        partial(couplings_paint, what=what),
        table,
        size=(9.4, (2.7 if n_columns < 5 else 2.2) * -(-count // n_columns) + 0.2),
        caption="Couplings in each state (row: target, column: source; red excitatory, blue "
        "inhibitory; per spike, history kernel of unit area) beside the graph that all states "
        f"share.{note}",
        how_to_read="Entries that are red in all states and in the shared prior are edges of the "
        "anatomy; entries that change between states are what switches. The diagonal is a unit's "
        "own history; colours end at the strongest couplings of others.",
        alt="Coupling matrices by state and the shared prior",
        wide=True,
    )


def signed_table(data):
    """Units on a circle, and the surest edges of the shared graph.

    Returns
    -------
    pandas.DataFrame
        `mark` (unit, edge), `label`, `x`, `y` of units; `source`, `target`, `sign`, `certainty`
        (probability that there is an edge) of edges, the surest first.
    """
    angle = np.pi / 2 - 2 * np.pi * np.arange(len(data.units)) / len(data.units)
    nodes = {"mark": "unit", "label": data.units, "x": np.cos(angle), "y": np.sin(angle)}
    prior = data.tables["prior"]
    edges = prior[(prior["sign"] != 0) & (prior["target"] != prior["source"])]
    edges = edges.assign(mark="edge", certainty=1 - edges["p_none"].fillna(0))
    edges = edges.sort_values("certainty", ascending=False, kind="stable").head(MAX_EDGES)
    keep = ["mark", "source", "target", "sign", "certainty"]
    return pd.concat([edges[keep], pd.DataFrame(nodes)], ignore_index=True)


def signed_paint(canvas, table):
    """Arrows for excitation, bars for inhibition, from source to target."""
    from matplotlib.patches import FancyArrowPatch

    axes = canvas.subplots()
    nodes = table[table["mark"] == "unit"]
    positions = {row.label: (row.x, row.y) for row in nodes.itertuples()}
    for edge in table[table["mark"] == "edge"].itertuples():
        positive = edge.sign > 0
        axes.add_patch(
            FancyArrowPatch(
                positions[edge.source],
                positions[edge.target],
                connectionstyle="arc3,rad=0.14",
                arrowstyle="-|>" if positive else "-[,widthB=0.25,lengthB=0.01",
                mutation_scale=8,
                shrinkA=6,
                shrinkB=6,
                lw=0.9,
                alpha=float(np.clip(edge.certainty, 0.25, 0.9)),
                color=draw.MORE if positive else draw.LESS,
            )
        )
    axes.scatter(nodes["x"], nodes["y"], s=26, color=draw.INK, zorder=3)
    n = len(nodes)
    for number, node in enumerate(nodes.itertuples()):
        if n > MAX_NODES and number % 5:
            continue
        left = node.x < -1e-9
        axes.text(
            1.09 * node.x,
            1.09 * node.y,
            str(node.label)[:14],
            fontsize=7.5 if n <= 30 else 5.5,
            rotation=np.degrees(np.arctan2(node.y, node.x)) + 180 * left,
            rotation_mode="anchor",
            ha="right" if left else "left",
            va="center",
        )
    reach = 1.35 if nodes["label"].astype(str).str.len().max() <= 6 else 1.6
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_axis_off()


def signed_graph(data):
    """The shared signed graph on a circle."""
    table, prior, n = signed_table(data), data.tables["prior"], len(data.units)
    sign = prior.loc[prior["target"] != prior["source"], "sign"]
    total, n_positive = int((sign != 0).sum()), int((sign > 0).sum())
    if total == 0:
        return None
    shown = f" The {MAX_EDGES} surest are drawn." if total > MAX_EDGES else ""
    return picture(
        data,
        "signed",
        signed_paint,
        table,
        size=(4.9, 4.9),
        caption=f"The signed graph that all states share: {n_positive} excitatory (red arrows) and "
        f"{total - n_positive} inhibitory edges (blue bars) of {n * (n - 1)} possible ones.{shown}"
        f"{_why_few(data)}",
        how_to_read="An edge says that spikes of the source change the rate of the target in the "
        "next bins. Unseen common input makes such edges too; also in graphs/signed.graphml."
        if data.source != "fmri"
        else "An edge says that events of the source region come before more or fewer events of "
        "the target. It is no neural connection; also in graphs/signed.graphml.",
        alt="Graph of excitatory and inhibitory edges on a circle",
    )


def _why_few(data) -> str:
    """Why the shared graph has fewer edges than the states."""
    if data.kind != "onehot" or data.k == 1:
        return ""
    every = "all" if data.k < 4 else "most"
    return (
        f" An edge counts here only where {every} of the {data.k} states have it with one sign: "
        "one that is missed in a single state may be missed here."
    )


def confidence_table(data):
    """Edges of all states by class and by its posterior: `class`, `low`, `high`, `count`."""
    table = data.tables["weights"]
    surest = table[["q_inh", "q_none", "q_exc"]].max(axis=1).clip(1 / 3, 1)
    ends = np.linspace(1 / 3, 1, 21)
    parts = []
    for sign, (name, _) in CLASSES.items():
        count = np.histogram(surest[table["sign"] == sign], ends)[0]
        parts.append(
            pd.DataFrame({"class": name, "low": ends[:-1], "high": ends[1:], "count": count})
        )
    return pd.concat(parts, ignore_index=True)


def confidence_paint(canvas, table):
    """Bars of the classes on top of each other."""
    axes = canvas.subplots()
    below = 0
    for name, shade in CLASSES.values():
        of_class = table[table["class"] == name]
        axes.bar(
            of_class["low"],
            of_class["count"],
            of_class["high"] - of_class["low"],
            bottom=below,
            align="edge",
            color=shade,
            label=f"{name} ({of_class['count'].sum()})",
        )
        below = below + of_class["count"].to_numpy()
    axes.set_yscale("symlog", linthresh=1)
    axes.set_xlabel("Posterior of the chosen class")
    axes.set_ylabel("Edges of all states")
    axes.legend(loc="upper left")


def confidence(data):
    """How sure the model is of the class of every edge."""
    if not data.tables["weights"]["q_exc"].notna().any():
        return None
    return picture(
        data,
        "confidence",
        confidence_paint,
        confidence_table(data),
        caption="Posterior probability of the class that every edge of every state was given.",
        how_to_read="Edges near 1 are certain. Many edges near 1/3 to 1/2 mean that the data do "
        "not decide, and the prior does.",
        alt="Histogram of edge confidence",
    )


def rates_table(data):
    """Rate of every unit in every state against its mean, units by their preferred state.

    Returns
    -------
    pandas.DataFrame
        `state`, `unit`, `value` (log2 of the ratio), `limit` (where the colours end).
    """
    table = data.tables["rates"]
    ratio = table["rate_hz"].clip(lower=1e-9) / table["overall_hz"].clip(lower=1e-9)
    matrix = draw.wide(table.assign(value=np.log2(ratio)), "state", "unit")
    values = matrix.to_numpy(float)
    order = np.lexsort([-values.max(axis=0), values.argmax(axis=0)])
    limit = float(np.clip(np.quantile(np.abs(values), 0.98), 0.2, 4))
    labels = {"state": matrix.index, "unit": matrix.columns[order]}
    return draw.long(values[:, order], **labels).assign(limit=limit)


def rates_paint(canvas, table, what="Units"):
    """States in rows, units in columns."""
    axes, matrix = canvas.subplots(), draw.wide(table, "state", "unit")
    limit = table["limit"].iloc[0]
    image = axes.imshow(
        matrix.to_numpy(float), aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    axes.set_yticks(range(len(matrix)), matrix.index)
    axes.set_ylabel("State")
    axes.set_xlabel(f"{what}, by preferred state")
    axes.set_xticks([])
    canvas.colorbar(image, ax=axes, pad=0.02).set_label("log2 (rate / mean)")


def rates(data):
    """Rate of every unit in every state against its mean."""
    if data.k == 1 or data.facts["Parameters"].get("emission") == "gaussian":
        return None
    return picture(
        data,
        "rates",
        partial(rates_paint, what="Regions" if data.source == "fmri" else "Units"),
        rates_table(data),
        size=(4.6, 3.0),
        caption="Rate in each state against the unit's own mean (log2; 1 is twice as much).",
        how_to_read="A red row is a state in which everything fires more; rows of both colours "
        "are patterns.",
        alt="Rates by state and unit",
    )
