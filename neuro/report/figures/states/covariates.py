"""Weights of covariates over basis and lag, beside what they gain."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.hmmglm import VERDICTS, colour, picture
from neuro.report.figures.hmmglm_graphs import MAX_STATES

GAINS = {"covariates": "on rates", "driven_states": "on transitions"}
"""What is gained where, by rung of the ladder."""


def covariates_table(data):
    """Weights of covariates on rates and on transitions, and what the covariates gain.

    Returns
    -------
    pandas.DataFrame
        `panel` (Rates, Rates in state 1 ..., Transitions, Gain), `row` (column of the design, or
        the rung), `covariate`, `lag_s`, `series` (unit, by its preferred column; or state
        entered), `value`, `low`, `high` (of gains), `limit` (where the colours of the panel end),
        `verdict`.
    """
    table = data.tables["covariates"]
    table = table[table["state"] <= MAX_STATES]
    on_rates = table["acts_on"] == "emissions"
    mean = table[on_rates].groupby(["unit", "column"], sort=False)["weight"].mean().unstack()
    order = mean.reindex(columns=table["column"].unique()).to_numpy().argmax(axis=1)
    rank_of = dict(zip(mean.index, np.lexsort([np.arange(len(order)), order]).argsort()))
    rates = np.where(table["state"] > 0, "Rates in state " + table["state"].astype(str), "Rates")
    entered = "state " + table["state"].astype(str)
    table = table.rename(columns={"column": "row", "weight": "value"}).assign(
        panel=np.where(on_rates, rates, "Transitions"),
        series=table["unit"].where(on_rates, entered),
        rank=table["unit"].map(rank_of).fillna(table["state"]),
        limit=table["weight"].abs().groupby(on_rates).transform("quantile", 0.995).clip(lower=1e-9),
    )
    table = table.sort_values(["panel", "rank"], kind="stable")
    parts = [table]
    rungs = data.tables.get("ladder")
    if rungs is not None:
        rungs = rungs[rungs["rung"].isin(list(GAINS)) & rungs["gain"].notna()]
        gain = {
            "row": rungs["rung"].map(GAINS),
            "value": rungs["gain"],
            "verdict": rungs["verdict"],
        }
        ends = {"low": rungs["gain_low"], "high": rungs["gain_high"]}
        parts.append(pd.DataFrame({"panel": "Gain", **gain, **ends}))
    keep = ["panel", "row", "covariate", "lag_s", "series", "value", "low", "high", "limit"]
    return pd.concat(parts, ignore_index=True).reindex(columns=[*keep, "verdict"])


def covariates_paint(canvas, table, rows, what="Units"):
    """Columns of the design in rows: a matrix over units, one over states entered; gains below."""
    gains, weights = table[table["panel"] == "Gain"], table[table["panel"] != "Gain"]
    panels = list(weights.groupby("panel", sort=False))
    widths = [3.0 if name == "Transitions" and len(panels) > 1 else 9.0 for name, _ in panels]
    heights = [max(len(rows), 4), 2.6] if len(gains) else [1]
    grid = canvas.add_gridspec(
        len(heights), len(panels), width_ratios=widths, height_ratios=heights
    )
    starts = [k for k in range(1, len(rows)) if rows[k][1] != rows[k - 1][1]]
    for number, (name, of_panel) in enumerate(panels):
        axes = canvas.add_subplot(grid[0, number])
        matrix = draw.wide(of_panel, "row", "series").reindex([row for row, _ in rows])
        limit = of_panel["limit"].iloc[0]
        image = axes.imshow(matrix, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit)
        state = name.removeprefix("Rates in state ")
        axes.set_title(name, color=colour(state) if state != name else draw.INK)
        axes.set_facecolor(draw.PALE)
        for start in starts:
            axes.axhline(start - 0.5, color=draw.INK, lw=0.8)
        axes.set_yticks(range(len(rows)), [row for row, _ in rows] if number == 0 else [])
        axes.tick_params(axis="y", labelsize=7 if len(rows) <= 30 else 5, length=0)
        axes.set_xticks([])
        axes.set_xlabel(f"{what}, by preferred column")
        if name == "Transitions":
            axes.set_xticks(range(matrix.shape[1]), matrix.columns.str.removeprefix("state "))
            axes.set_xlabel("State entered")
        if name == "Transitions" or number == 0:
            text = "Log odds per SD" if name == "Transitions" else "Weight per SD"
            canvas.colorbar(image, ax=axes, pad=0.02).set_label(text)
    if len(gains):
        axes = canvas.add_subplot(grid[1, 0])
        for y, row in enumerate(gains.itertuples()):
            shade = VERDICTS.get(row.verdict, draw.OTHER)
            axes.plot([row.low, row.high], [y, y], color=shade, lw=2)
            axes.plot(row.value, y, "o", color=shade, ms=5)
        axes.axvline(0, color=draw.OTHER, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.set_yticks(range(len(gains)), gains["row"], fontsize=7)
        axes.set_ylim(len(gains) - 0.5, -0.5)
        axes.set_xlabel("Held-out gain, bits per spike")


def covariates(data):
    """Weights of covariates over basis and lag, with their held-out gain; None without any."""
    source = data.tables.get("covariates")
    if source is None or source.empty:
        return None
    table = covariates_table(data)
    rows = list(
        source[["column", "covariate"]].drop_duplicates().itertuples(index=False, name=None)
    )
    gains = table[table["panel"] == "Gain"]
    text = "; ".join(f"{g.row}: {g.value:+.3f}, {g.verdict}" for g in gains.itertuples())
    sentence = (
        f" Below: held-out gain over the rung below of the ladder with its 95 % interval ({text})."
    )
    return picture(
        data,
        "covariates",
        partial(covariates_paint, rows=rows, what="Regions" if data.source == "fmri" else "Units"),
        table,
        size=(9.4, 1.2 + min(0.17 * max(len(rows), 6), 7) + 0.35 * len(gains)),
        caption="What covariates do: weights per SD of each column of their basis and lag (red: "
        "more spikes, or the state is entered more often); grey: the column does not act there."
        + (sentence if len(gains) else ""),
        how_to_read="A band that moves through the units from the first to the last column of a "
        "basis is tuning. Weights alone are no evidence, they are never exactly zero: read the "
        "gain first.",
        alt="Weights of covariates by unit and basis",
        wide=True,
    )
