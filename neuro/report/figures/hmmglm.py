"""Figures of the stage `hmmglm`: choosing the number of states, restarts, transitions."""

from __future__ import annotations

import numpy as np
import pandas as pd

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
    """Colour of a state, counted from 1."""
    return STATES[(int(state) - 1) % len(STATES)]


def model_name(name: str) -> str:
    """Name of a model for readers."""
    kind, _, null = name.partition(":")
    text = NAMES.get(kind, kind)
    return f"{text}, shifted series {null.removeprefix('null-')}" if null else text


def picture(data, name, paint, table, *, caption, **texts):
    """A figure of a set: sizes in the caption, and the banner above it where there is one."""

    def painted(canvas, table):
        paint(canvas, table)
        if data.banner:
            canvas.suptitle(data.banner, fontsize=8.5, color=draw.CASE, x=0.01, ha="left")

    title = f"{data.banner[:1].upper()}{data.banner[1:]}. " if data.banner else ""
    return draw.figure(
        f"{data.name}_{name}",
        painted,
        data=table,
        caption=f"{title}{caption} ({data.size}.)",
        **texts,
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


def selection_table(data):
    """Held-out score, loss against the best number of states, and BIC and AIC of the models.

    Returns
    -------
    pandas.DataFrame
        `panel` (score, loss, criterion, chosen), `series` (model or criterion), `k`, `value`,
        `error` (one standard error), `label` (of the axis).
    """
    curve = data.tables["curve"]
    column, error, label = _score(data)
    beyond = _beyond_null(data, column)
    own = curve[curve["model"] == data.kind].sort_values("k")
    if beyond is None:
        names = [name for name in COLOURS if name in set(curve["model"])]
        scores = pd.concat([curve[curve["model"] == name].sort_values("k") for name in names])
        scores = scores.assign(value=scores[column], error=scores[error], series=scores["model"])
    else:
        scores = beyond.assign(series=data.kind)
        label += ",\nbeyond shifted series"
    loss = own[own["loss"].notna()]
    parts = [
        scores.assign(panel="score", label=label),
        loss.assign(
            panel="loss",
            series=data.kind,
            value=loss["loss"],
            error=loss["loss_se"],
            label="Loss against the best,\nnats per bin (1 SE)",
        ),
    ]
    fits = own[own["bic"].notna()]
    for name in ("bic", "aic"):
        above = (fits[name] - fits[name].min()) / 1000
        text = "Above the best, 1000"
        parts.append(fits.assign(panel="criterion", series=name, value=above, error=np.nan))
        parts[-1]["label"] = text
    parts.append(pd.DataFrame({"panel": ["chosen"], "series": data.kind, "k": data.k}))
    keep = ["panel", "series", "k", "value", "error", "label"]
    return pd.concat([table.reindex(columns=keep) for table in parts], ignore_index=True)


def selection_paint(canvas, table):
    """Three curves against the number of states."""
    drawn = table[table["panel"] != "chosen"]
    chosen = table.loc[table["panel"] == "chosen", "k"].iloc[0]
    panels = canvas.subplots(1, 3)
    for axes, panel in zip(panels, ("score", "loss", "criterion")):
        of_panel = drawn[drawn["panel"] == panel]
        for name, line in of_panel.groupby("series", sort=False):
            axes.errorbar(
                line["k"],
                line["value"],
                None if line["error"].isna().all() else line["error"],
                fmt="s--" if name in ("poisson_hmm", "aic") else "o-",
                ms=4,
                lw=1.2,
                capsize=3 if panel == "loss" else 0,
                color={"bic": draw.INK, "aic": draw.OTHER, **COLOURS}.get(name, draw.CONTROL),
                label=NAMES.get(name, name.upper()),
            )
        if panel == "loss" or (panel == "score" and of_panel["label"].str.contains("bits").any()):
            axes.axhline(0, color=draw.OTHER, lw=0.8, ls=(0, (2, 2)), zorder=0)
        if panel != "loss" and len(of_panel):
            axes.legend(fontsize=7, loc="best")
        axes.set_ylabel(of_panel["label"].iloc[0] if len(of_panel) else "")
        axes.axvline(chosen, color=draw.CASE, lw=1.2, ls=(0, (4, 3)), zorder=0)
        axes.set_xlabel("States K")
        axes.set_xticks(sorted(set(drawn["k"])))


def selection(data):
    """Held-out score, loss against the best number of states, and BIC."""
    table = selection_table(data)
    beyond = table["label"].str.contains("beyond", na=False).any()
    over = "beyond series shifted region by region" if beyond else "over constant rates"
    return picture(
        data,
        "selection",
        selection_paint,
        table,
        size=(9.4, 2.9),
        caption=f"Choosing the number of states. Left: held-out log-likelihood {over}, mean and "
        "standard error over folds. Middle: what each number of states loses against the best, "
        "fold by fold. Right: BIC and AIC of the training folds. Dashed: the chosen number.",
        how_to_read="The smallest number whose loss is within one standard error of zero is taken. "
        "A curve that keeps rising says that more states fit better, not that they are there.",
        alt="Three curves against the number of states",
        wide=True,
    )


RUNGS = {
    "rates": "constant rates",
    "glm": "one state, couplings",
    "history": "+ longer history, if it helps",
    "covariates": "+ covariates",
    "rate_states": "+ states of rates",
    "driven_states": "the same, covariates drive transitions",
    "coupling_states": "+ states of couplings",
    "onehot_states": "the same, one-hot edges",
    "hmm": "HMM without couplings",
    "pooled_days": "one-hot edges, one model of all days",
    "each_day": "a model of each day",
    "shared_days": "one graph of all days",
}
VERDICTS = {"supported": draw.CONTROL, "not supported": draw.CASE}
"""Colour of a verdict; grey otherwise."""


def ladder_table(data):
    """Rungs from bottom to top: `rung`, `label`, `value`, `low`, `high`, `gain`, `verdict`."""
    table = data.tables["ladder"]
    table = table.assign(label=table["rung"].map(RUNGS), value=table["bits_per_spike"])
    keep = ["rung", "label", "value", "low", "high", "gain", "gain_low", "gain_high", "verdict"]
    return table[keep]


def ladder_paint(canvas, table):
    """Held-out bits of every rung, and what it gains over the one below."""
    left, right = canvas.subplots(1, 2, sharey=True)
    heights = np.arange(len(table))
    for axes, names in (
        (left, ("value", "low", "high")),
        (right, ("gain", "gain_low", "gain_high")),
    ):
        value, low, high = (table[name].to_numpy(float) for name in names)
        for k in heights[np.isfinite(value)]:
            colour = VERDICTS.get(table["verdict"].iloc[k], draw.OTHER)
            axes.plot([low[k], high[k]], [k, k], color=colour, lw=2)
            axes.plot(value[k], k, "o", color=colour, ms=5)
        axes.axvline(0, color=draw.OTHER, lw=0.8, ls=(0, (2, 2)), zorder=0)
    left.set_yticks(heights, table["label"])
    left.set_xlabel("Held-out bits per spike over constant rates")
    right.set_xlabel("Gain over the rung below, bits per spike")


def ladder(data):
    """The ladder of models, one figure."""
    table = ladder_table(data)
    days = "shared_days" in set(table["rung"])
    what = "event" if data.source == "fmri" else "spike"
    return picture(
        data,
        "ladder",
        ladder_paint,
        table,
        size=(9.4, 0.9 + 0.32 * len(table)),
        caption=f"What couplings, a longer history and states add to the prediction of unseen "
        f"{what}s, each with its own penalty chosen inside the training folds. Bars: 95 % "
        "intervals of a bootstrap over held-out sequences. Blue: the gain is above zero; orange: "
        "it is below .01; grey: cannot tell. One-hot edges are compared with states of rates, the "
        "HMM without couplings with constant rates"
        + ("; models of days with one of all days, their shared graph with them." if days else "."),
        how_to_read="Read from the bottom up. If states of rates add nothing, one network with "
        "its history is enough. The paper's question, whether couplings switch, is answered by "
        "states of couplings alone.",
        alt="Held-out bits per spike of a ladder of models",
        wide=True,
    )


def restarts_table(data):
    """Distance of every start from the best of its fold, their agreement, and the last course.

    Returns
    -------
    pandas.DataFrame
        `panel` (start, share, course), `k`, `fold`, `iteration`, `value`: nats below the best
        start, percent of starts within 0.01 % of it, objective in nats.
    """
    sweep, path = data.tables["sweep"], data.tables["convergence"]
    agree = data.tables["restarts"]
    chosen = sweep[(sweep["model"] == data.kind) & sweep["objective"].notna()].sort_values("k")
    best = chosen.groupby(["k", "fold"])["objective"].transform("max")
    parts = [chosen[["k", "fold"]].assign(panel="start", value=best - chosen["objective"])]
    if agree is not None:
        share = 100 * agree.groupby("k")["share"].mean()
        share = share[share.index.isin(chosen["k"])]
        parts.append(pd.DataFrame({"panel": "share", "k": share.index, "value": share.to_numpy()}))
    if path is not None:
        line = path[path["what"] == "iteration"]
        line = {"panel": "course", "iteration": line["number"], "value": line["objective"]}
        parts.append(pd.DataFrame(line))
    table = pd.concat(parts, ignore_index=True)
    return table.reindex(columns=["panel", "k", "fold", "iteration", "value"])


def restarts_paint(canvas, table):
    """Dots of the starts by number of states; the objective by iteration."""
    left, right = canvas.subplots(1, 2)
    starts, shares = (table[table["panel"] == name] for name in ("start", "share"))
    sizes = [int(k) for k in starts["k"].unique()]
    for number, k in enumerate(sizes):
        gap = starts.loc[starts["k"] == k, "value"]
        x = number + draw.spread(len(gap), 0.4)
        left.scatter(x, gap, s=16, color=colour(number + 1), alpha=0.8, lw=0)
    for row in shares.itertuples():
        left.annotate(
            f"{row.value:.0f} %",
            (sizes.index(int(row.k)), 1),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=7.5,
        )
    left.set_yscale("symlog", linthresh=1)
    left.set_ylim(bottom=-0.3)
    left.set_xticks(range(len(sizes)), sizes)
    left.set_xlabel("States K")
    left.set_ylabel("Below the best start, nats")
    line = table[table["panel"] == "course"]
    right.plot(line["iteration"], line["value"], "o-", ms=3, color=draw.CONTROL, lw=1.4)
    right.set_xlabel("Iteration")
    right.set_ylabel("Objective, nats")
    right.ticklabel_format(axis="y", useOffset=False, style="plain")


def restarts(data):
    """Objective of every start, and the course of the best one on all data."""
    table = restarts_table(data)
    if not {"start", "course"} <= set(table["panel"]):
        return None
    return picture(
        data,
        "restarts",
        restarts_paint,
        table,
        size=(9.4, 2.7),
        caption="Left: how far each start ended below the best one of its fold; above: share of "
        "starts within 0.01 % of the best. Right: objective of the exported fit by iteration of "
        "its last phase.",
        how_to_read="Starts that end at the same height found the same solution. With few that "
        "agree, take more starts before you believe the states.",
        alt="Objectives of the starts and their course",
        wide=True,
    )


def transitions_table(data):
    """Transition probabilities: `from`, `to` (states from 1), `p`."""
    return data.tables["transitions"][["from", "to", "p"]]


def transitions_paint(canvas, table):
    """Matrix with the present state in rows and the next one in columns."""
    matrix = draw.wide(table, "from", "to", "p")
    axes = canvas.subplots()
    axes.imshow(matrix.to_numpy(float), cmap="Blues", vmin=0, vmax=1)
    size = 8 if len(matrix) <= 6 else 5.5
    for (row, column), value in np.ndenumerate(matrix.to_numpy(float)):
        axes.text(
            column,
            row,
            f"{value:.3f}" if value >= 5e-4 else "< .001",
            ha="center",
            va="center",
            fontsize=size,
            color="white" if value > 0.55 else draw.INK,
        )
    axes.set_xticks(range(len(matrix)), matrix.columns)
    axes.set_yticks(range(len(matrix)), matrix.index)
    axes.set_xlabel("To state")
    axes.set_ylabel("From state")
    for side in axes.spines.values():
        side.set_visible(False)


def transitions(data):
    """Matrix of transition probabilities."""
    if data.k == 1:
        return None
    return picture(
        data,
        "transitions",
        transitions_paint,
        transitions_table(data),
        size=(4.6, 3.4),
        caption="Probability of each state in the next bin, given the present one.",
        how_to_read="Values near 1 on the diagonal are states that last. A state that leads to "
        "one other only has a fixed successor.",
        alt="Matrix of transition probabilities",
    )
