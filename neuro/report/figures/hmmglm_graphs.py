"""Figures of the stage `hmmglm` about units: couplings, the shared graph, rates by state."""

from __future__ import annotations

import numpy as np

from neuro.report.figures import draw
from neuro.report.figures.hmmglm import colour, picture

MAX_STATES = 7
MAX_NODES = 60
MAX_EDGES = 250


def _cube(table, column, units, k=None):
    """Column of a long table as (states, targets, sources), or (targets, sources)."""
    n = len(units)
    values = table[column].to_numpy(float)
    return values.reshape(n, n) if k is None else values.reshape(k, n, n)


def _what(data):
    return "Source region" if data.source == "fmri" else "Source unit"


def couplings(data):
    """Couplings of every state beside the prior that all states share."""
    units = data.units
    weights = _cube(data.tables["weights"], "w", units, data.k)[:MAX_STATES]
    prior = data.tables["prior"]
    onehot = prior["p_exc"].notna().any()
    shared = (
        _cube(prior, "p_exc", units) - _cube(prior, "p_inh", units)
        if onehot
        else _cube(prior, "sign", units)
    )
    # self-history is often far stronger than any coupling and would hide them all
    apart = weights[:, ~np.eye(len(units), dtype=bool)]
    limit = max(float(np.quantile(np.abs(apart), 0.995)), 1e-6)
    count = len(weights) + 1
    n_columns = count if count <= 5 else 4
    n_rows = -(-count // n_columns)

    def paint(canvas):
        grid = canvas.subplots(n_rows, n_columns, squeeze=False)
        flat, last = list(grid.ravel()[: len(weights)]), grid[-1, -1]
        for axes in grid.ravel()[len(weights) : -1]:
            axes.set_axis_off()
        for state, (axes, matrix) in enumerate(zip(flat, weights)):
            image = axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_title(f"State {state + 1}", color=colour(state))
        right = last.imshow(shared, cmap="RdBu_r", vmin=-1, vmax=1)
        last.set_title("Shared prior" if onehot else "Shared sign")
        for axes in (*flat, last):
            axes.set_xticks([])
            axes.set_yticks([])
        flat[0].set_ylabel("Target")
        flat[0].set_xlabel(_what(data))
        shrink = 0.8
        bar = canvas.colorbar(image, ax=flat, shrink=shrink, pad=0.01, aspect=25)
        bar.set_label("Coupling")
        other = canvas.colorbar(right, ax=last, shrink=shrink, pad=0.03, aspect=25)
        other.set_label("P(excitatory) − P(inhibitory)" if onehot else "Sign")

    note = f" The first {MAX_STATES} of {data.k} states." if data.k > MAX_STATES else ""
    return picture(
        data,
        "couplings",
        paint,
        size=(9.4, (2.7 if n_columns < 5 else 2.2) * n_rows + 0.2),
        caption="Couplings in each state (row: target, column: source; red excitatory, blue "
        "inhibitory; per spike, history kernel of unit area) beside the graph that all states "
        f"share.{note}",
        how_to_read="Entries that are red in all states and in the shared prior are edges of the "
        "anatomy; entries that change between states are what switches. The diagonal is a unit's "
        "own history; colours end at the strongest couplings of others.",
        alt="Coupling matrices by state and the shared prior",
        wide=True,
    )


def signed_graph(data):
    """The shared signed graph on a circle."""
    units, prior = data.units, data.tables["prior"]
    n = len(units)
    sign = _cube(prior, "sign", units)
    certain = np.ones((n, n))
    if prior["p_none"].notna().any():
        certain = 1 - _cube(prior, "p_none", units)
    np.fill_diagonal(sign, 0)
    edges = np.argwhere(sign != 0)
    total, n_positive = len(edges), int((sign > 0).sum())
    if total == 0:
        return None
    order = np.argsort(-certain[edges[:, 0], edges[:, 1]], kind="stable")[:MAX_EDGES]
    edges = edges[order]
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    place = np.column_stack([np.cos(angle), np.sin(angle)])

    def paint(canvas):
        from matplotlib.patches import FancyArrowPatch

        axes = canvas.subplots()
        for target, source in edges:
            positive = sign[target, source] > 0
            axes.add_patch(
                FancyArrowPatch(
                    place[source],
                    place[target],
                    connectionstyle="arc3,rad=0.14",
                    arrowstyle="-|>" if positive else "-[,widthB=0.25,lengthB=0.01",
                    mutation_scale=8,
                    shrinkA=6,
                    shrinkB=6,
                    lw=0.9,
                    alpha=float(np.clip(certain[target, source], 0.25, 0.9)),
                    color=draw.MORE if positive else draw.LESS,
                )
            )
        axes.scatter(*place.T, s=26, color=draw.INK, zorder=3)
        size = 7.5 if n <= 30 else 5.5
        for number, (x, y) in enumerate(1.09 * place):
            if n > MAX_NODES and number % 5:
                continue
            turn = np.degrees(angle[number])
            left = np.cos(angle[number]) < -1e-9
            axes.text(
                x,
                y,
                str(units[number])[:14],
                fontsize=size,
                rotation=turn + 180 * left,
                rotation_mode="anchor",
                ha="right" if left else "left",
                va="center",
            )
        reach = 1.35 if max(len(str(name)) for name in units) <= 6 else 1.6
        axes.set_xlim(-reach, reach)
        axes.set_ylim(-reach, reach)
        axes.set_aspect("equal")
        axes.set_axis_off()

    shown = f" The {MAX_EDGES} surest are drawn." if total > MAX_EDGES else ""
    return picture(
        data,
        "signed",
        paint,
        size=(4.9, 4.9),
        caption=f"The signed graph that all states share: {n_positive} excitatory (red arrows) and "
        f"{total - n_positive} inhibitory edges (blue bars) of {n * (n - 1)} possible ones.{shown}",
        how_to_read="An edge says that spikes of the source change the rate of the target in the "
        "next bins. Unseen common input makes such edges too; also in graphs/signed.graphml."
        if data.source != "fmri"
        else "An edge says that events of the source region come before more or fewer events of "
        "the target. It is no neural connection; also in graphs/signed.graphml.",
        alt="Graph of excitatory and inhibitory edges on a circle",
    )


def confidence(data):
    """How sure the model is of the class of every edge."""
    table = data.tables["weights"]
    if not table["q_exc"].notna().any():
        return None
    surest = table[["q_inh", "q_none", "q_exc"]].max(axis=1).to_numpy(float)
    sign = table["sign"].to_numpy(int)

    def paint(canvas):
        axes = canvas.subplots()
        edges = np.linspace(1 / 3, 1, 21)
        groups = (
            (0, "none", "#C8CDD3"),
            (1, "excitatory", draw.MORE),
            (-1, "inhibitory", draw.LESS),
        )
        axes.hist(
            [surest[sign == value] for value, _, _ in groups],
            bins=edges,
            stacked=True,
            color=[shade for _, _, shade in groups],
            label=[f"{name} ({int((sign == value).sum())})" for value, name, _ in groups],
        )
        axes.set_yscale("symlog", linthresh=1)
        axes.set_xlabel("Posterior of the chosen class")
        axes.set_ylabel("Edges of all states")
        axes.legend(loc="upper left")

    return picture(
        data,
        "confidence",
        paint,
        caption="Posterior probability of the class that every edge of every state was given.",
        how_to_read="Edges near 1 are certain. Many edges near 1/3 to 1/2 mean that the data do "
        "not decide, and the prior does.",
        alt="Histogram of edge confidence",
    )


def rates(data):
    """Rate of every unit in every state against its mean."""
    table = data.tables["rates"]
    if data.k == 1 or data.facts["Parameters"].get("emission") == "gaussian":
        return None
    n = len(data.units)
    rate = table["rate_hz"].to_numpy(float).reshape(data.k, n)
    overall = table["overall_hz"].to_numpy(float)[:n]
    ratio = np.log2(np.maximum(rate, 1e-9) / np.maximum(overall, 1e-9))
    order = np.lexsort([-ratio.max(axis=0), ratio.argmax(axis=0)])
    limit = float(np.clip(np.quantile(np.abs(ratio), 0.98), 0.2, 4))

    def paint(canvas):
        axes = canvas.subplots()
        image = axes.imshow(ratio[:, order], aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_yticks(range(data.k), range(1, data.k + 1))
        axes.set_ylabel("State")
        axes.set_xlabel(f"{'Regions' if data.source == 'fmri' else 'Units'}, by preferred state")
        axes.set_xticks([])
        canvas.colorbar(image, ax=axes, pad=0.02).set_label("log2 (rate / mean)")

    return picture(
        data,
        "rates",
        paint,
        size=(4.6, 3.0),
        caption="Rate in each state against the unit's own mean (log2; 1 is twice as much).",
        how_to_read="A red row is a state in which everything fires more; rows of both colours "
        "are patterns.",
        alt="Rates by state and unit",
    )
