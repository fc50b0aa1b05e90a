"""Figures of the stage `hmmglm`: choosing the number of states, restarts, transitions."""

from __future__ import annotations

import numpy as np

from neuro.report.figures import draw

NAMES = {
    "plain": "free couplings",
    "gaussian": "Gaussian prior",
    "onehot": "one-hot prior",
    "poisson_hmm": "HMM without couplings",
    "homogeneous": "constant rates",
}
COLOURS = {
    "plain": "#009E73",
    "gaussian": "#E69F00",
    "onehot": draw.CONTROL,
    "poisson_hmm": draw.OTHER,
}
STATES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6D31", "#6B7280")


def colour(state: int) -> str:
    """Colour of a state, counted from 0."""
    return STATES[state % len(STATES)]


def model_name(name: str) -> str:
    """Name of a model for readers."""
    kind, _, null = name.partition(":")
    text = NAMES.get(kind, kind)
    return f"{text}, shifted series {null.removeprefix('null-')}" if null else text


def picture(data, name, paint, *, caption, **texts):
    """A figure of a set: sizes in the caption, and the banner above it where there is one."""

    def painted(canvas):
        paint(canvas)
        if data.banner:
            canvas.suptitle(data.banner, fontsize=8.5, color=draw.CASE, x=0.01, ha="left")

    title = f"{data.banner[:1].upper()}{data.banner[1:]}. " if data.banner else ""
    return draw.figure(
        f"{data.name}_{name}", painted, caption=f"{title}{caption} ({data.size}.)", **texts
    )


def _score(data):
    """Column, its error and axis label of the held-out score."""
    if data.facts["Parameters"].get("emission") == "gaussian":
        return "score", "se", "Held-out nats per bin"
    what = "event" if data.source == "fmri" else "spike"
    return "bits_per_spike", "bits_se", f"Held-out bits per {what}"


def _beyond_null(data, column):
    """What the model gains over its fits to shifted series, fold by fold; None without them."""
    sweep = data.tables["sweep"]
    name = "test_ll_per_bin" if column == "score" else "test_bits_per_spike"
    sweep = sweep[sweep["objective"].notna()]
    best = sweep.loc[sweep.groupby(["model", "k", "fold"])["objective"].idxmax()]
    null = best[best["model"].str.startswith(f"{data.kind}:null")]
    if null.empty:
        return None
    chance = null.groupby(["k", "fold"])[name].mean()
    reached = best[best["model"] == data.kind].set_index(["k", "fold"])[name]
    gain = (reached - chance).dropna().groupby("k")
    table = gain.agg(["mean", "std", "size"]).reset_index()
    table["error"] = table["std"] / np.sqrt(table["size"])
    return table.rename(columns={"mean": "value"})


def selection(data):
    """Held-out score, loss against the best number of states, and BIC."""
    curve = data.tables["curve"]
    column, error, label = _score(data)
    beyond = _beyond_null(data, column)

    def scores(axes):
        names = [name for name in NAMES if name in set(curve["model"]) and name in COLOURS]
        for name in [data.kind] if beyond is not None else names:
            part = curve[curve["model"] == name].sort_values("k")
            part = part.rename(columns={column: "value", error: "error"})
            part = part if beyond is None else beyond
            axes.errorbar(
                part["k"],
                part["value"],
                part["error"],
                fmt="s--" if name == "poisson_hmm" else "o-",
                ms=4,
                lw=1.2,
                color=COLOURS[name],
                label=NAMES[name],
            )
        if column == "bits_per_spike":
            axes.axhline(0, color=draw.OTHER, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.set_ylabel(f"{label},\nbeyond shifted series" if beyond is not None else label)
        axes.legend(fontsize=7, loc="best")

    def loss(axes):
        part = curve[(curve["model"] == data.kind) & curve["loss"].notna()].sort_values("k")
        axes.axhspan(0, 0, color=draw.PALE)
        axes.errorbar(
            part["k"],
            part["loss"],
            part["loss_se"],
            fmt="o-",
            ms=4,
            lw=1.2,
            capsize=3,
            color=COLOURS.get(data.kind, draw.CONTROL),
        )
        axes.axhline(0, color=draw.OTHER, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.set_ylabel("Loss against the best,\nnats per bin (1 SE)")

    def criterion(axes):
        part = curve[(curve["model"] == data.kind) & curve["bic"].notna()].sort_values("k")
        for name, style in (("bic", "o-"), ("aic", "s--")):
            values = part[name].to_numpy(float)
            axes.plot(
                part["k"],
                (values - values.min()) / 1000,
                style,
                ms=4,
                lw=1.2,
                color=draw.INK if name == "bic" else draw.OTHER,
                label=name.upper(),
            )
        axes.set_ylabel("Above the best, 1000")
        axes.legend(fontsize=7, loc="best")

    def paint(canvas):
        for axes, drawn in zip(canvas.subplots(1, 3), (scores, loss, criterion)):
            drawn(axes)
            axes.axvline(data.k, color=draw.CASE, lw=1.2, ls=(0, (4, 3)), zorder=0)
            axes.set_xlabel("States K")
            axes.set_xticks(sorted(set(curve["k"])))

    over = "over constant rates" if beyond is None else "beyond series shifted region by region"
    return picture(
        data,
        "selection",
        paint,
        size=(9.4, 2.9),
        caption=f"Choosing the number of states. Left: held-out log-likelihood {over}, mean and "
        "standard error over folds. Middle: what each number of states loses against the best, "
        "fold by fold. Right: BIC and AIC of the training folds. Dashed: the chosen number.",
        how_to_read="The smallest number whose loss is within one standard error of zero is taken. "
        "A curve that keeps rising says that more states fit better, not that they are there.",
        alt="Three curves against the number of states",
        wide=True,
    )


def restarts(data):
    """Objective of every start, and the course of the best one on all data."""
    sweep, path = data.tables["sweep"], data.tables["convergence"]
    part = sweep[(sweep["model"] == data.kind) & sweep["objective"].notna()]
    agree = data.tables["restarts"]
    if part.empty or path is None:
        return None

    def starts(axes):
        sizes = sorted(set(part["k"]))
        for place, k in enumerate(sizes):
            cells = part[part["k"] == k].groupby("fold")["objective"]
            gap = (cells.transform("max") - part.loc[part["k"] == k, "objective"]).to_numpy(float)
            x = place + draw.spread(len(gap), 0.4)
            axes.scatter(x, gap, s=16, color=colour(place), alpha=0.8, lw=0)
            if agree is not None and (agree["k"] == k).any():
                share = 100 * float(agree.loc[agree["k"] == k, "share"].mean())
                axes.annotate(
                    f"{share:.0f} %",
                    (place, 1),
                    xycoords=("data", "axes fraction"),
                    ha="center",
                    va="bottom",
                    fontsize=7.5,
                )
        axes.set_yscale("symlog", linthresh=1)
        axes.set_ylim(bottom=-0.3)
        axes.set_xticks(range(len(sizes)), sizes)
        axes.set_xlabel("States K")
        axes.set_ylabel("Below the best start, nats")

    def converge(axes):
        line = path[path["what"] == "iteration"]
        axes.plot(line["number"], line["objective"], "o-", ms=3, color=draw.CONTROL, lw=1.4)
        axes.set_xlabel("Iteration")
        axes.set_ylabel("Objective, nats")
        axes.ticklabel_format(axis="y", useOffset=False, style="plain")

    def paint(canvas):
        left, right = canvas.subplots(1, 2)
        starts(left)
        converge(right)

    return picture(
        data,
        "restarts",
        paint,
        size=(9.4, 2.7),
        caption="Left: how far each start ended below the best one of its fold; above: share of "
        "starts within 0.01 % of the best. Right: objective of the exported fit by iteration of "
        "its last phase.",
        how_to_read="Starts that end at the same height found the same solution. With few that "
        "agree, take more starts before you believe the states.",
        alt="Objectives of the starts and their course",
        wide=True,
    )


def transitions(data):
    """Matrix of transition probabilities."""
    table = data.tables["transitions"]
    if data.k == 1:
        return None
    matrix = table.pivot(index="from", columns="to", values="p").to_numpy(float)

    def paint(canvas):
        axes = canvas.subplots()
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        size = 8 if data.k <= 6 else 5.5
        for row, column in np.ndindex(matrix.shape):
            value = matrix[row, column]
            axes.text(
                column,
                row,
                f"{value:.3f}" if value >= 5e-4 else "< .001",
                ha="center",
                va="center",
                fontsize=size,
                color="white" if value > 0.55 else draw.INK,
            )
        ticks = range(data.k), range(1, data.k + 1)
        axes.set_xticks(*ticks)
        axes.set_yticks(*ticks)
        axes.set_xlabel("To state")
        axes.set_ylabel("From state")
        for side in axes.spines.values():
            side.set_visible(False)

    return picture(
        data,
        "transitions",
        paint,
        size=(4.6, 3.4),
        caption="Probability of each state in the next bin, given the present one.",
        how_to_read="Values near 1 on the diagonal are states that last. A state that leads to "
        "one other only has a fixed successor.",
        alt="Matrix of transition probabilities",
    )
