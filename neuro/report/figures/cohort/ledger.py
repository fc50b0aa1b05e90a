"""The ledger of strategies in the report: what each costs and what it leaves, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.overview import read_table
from neuro.report.site import model

MEASURES = (
    # column, label, factor, where chance or the ideal lies
    ("qc_fc_share", "Edges that follow\nmotion (p < .05)", 1.0, 0.05),
    ("qc_fc_median_abs_r", "Median |r| with\nmean FD", 1.0, None),
    ("distance_slope", "Slope with distance,\nr per 100 mm", 100.0, 0.0),
    ("dof_lost", "Degrees of\nfreedom lost", 1.0, None),
    ("runs_lost", "Runs lost", 1.0, None),
    ("network_contrast", "Within − between\nnetworks (z)", 1.0, None),
    ("modularity", "Modularity Q", 1.0, None),
    ("identified", "People told by\na second run", 1.0, None),
)
"""Columns of the ledger that are drawn, where any strategy has a value."""
ACROSS = 5
"""Panels in a row."""
DIAGNOSIS = "Balanced accuracy,\nedges ({})"
_SCHEMES = {"pooled": "pooled", "leave_site_out": "site left out"}


def blocks(folder: Path) -> list:
    """Figure and table of the compared strategies; empty where none were compared.

    Parameters
    ----------
    folder : pathlib.Path
        `results`.

    Returns
    -------
    list
    """
    ledger = read_table(folder / "fmri" / "compare.tsv", strategy=str, communities=str)
    if ledger is None or not len(ledger):
        return []
    scores = read_table(folder / "adhd" / "compare.tsv", strategy=str, scheme=str, metric=str)
    table = ledger_table(ledger, scores)
    n_panels = table["measure"].nunique()
    how = (
        "The first three columns should lie at their dashed lines or at 0; lost degrees of freedom "
        "and runs are the price, networks and people what should survive it. A strategy that "
        "leaves few degrees of freedom can look clean because nothing is left."
    )
    if scores is not None:
        how += (
            " The diagnosis stands beside its own null (grey band). Do not choose the strategy by "
            "it: the best of several scores is too good, and its p is no longer one."
        )
    return [
        model.Heading("Strategies side by side"),
        model.Text(
            "The same runs, cleaned with each strategy; censoring, filter and everything else are "
            "the same. Motion, networks and people are judged on the runs that every strategy "
            "keeps that keeps any. The strategy of this study is marked."
        ),
        draw.figure(
            "strategies",
            ledger_paint,
            data=table,
            size=(9.4, -(-n_panels // ACROSS) * (0.9 + 0.22 * len(ledger))),
            wide=True,
            caption="Cost and effect of each strategy of confound removal.",
            how_to_read=how,
            alt="Dots of motion, cost, networks and diagnosis for every strategy",
        ),
        _table(ledger, scores),
    ]


def ledger_table(ledger: pd.DataFrame, scores: pd.DataFrame | None) -> pd.DataFrame:
    """What the figure draws: a row per strategy and measure.

    Parameters
    ----------
    ledger : pandas.DataFrame
        `results/fmri/compare.tsv`.
    scores : pandas.DataFrame or None
        `results/adhd/compare.tsv`.

    Returns
    -------
    pandas.DataFrame
        Columns `measure` (label of the panel), `strategy`, `y`, `value`, `low`, `high` (95 %
        interval), `null_mean`, `null_low`, `null_high` (95 % of the null), `mark` (where a dashed
        line stands) and `used`; NaN where there is none.
    """
    rows = []
    row_of = {name: number for number, name in enumerate(ledger["strategy"])}
    used = dict(zip(ledger["strategy"], ledger["used"].astype(int)))
    empty = dict.fromkeys(("low", "high", "null_mean", "null_low", "null_high", "mark"), np.nan)
    for column, label, factor, mark in MEASURES:
        if column not in ledger or not ledger[column].notna().any():
            continue
        for name, value in zip(ledger["strategy"], ledger[column].to_numpy(float)):
            row = {"measure": label, "strategy": name, "y": row_of[name], "value": factor * value}
            rows.append(row | empty | {"mark": np.nan if mark is None else mark})
    if scores is not None and len(scores):
        chosen = scores[scores["metric"] == "balanced_accuracy"]
        for row in chosen.itertuples():
            half = 1.96 * row.null_sd
            rows.append(
                {
                    "measure": DIAGNOSIS.format(_SCHEMES.get(row.scheme, row.scheme)),
                    "strategy": row.strategy,
                    "y": row_of[row.strategy],
                    "value": row.value,
                    "low": row.ci_low,
                    "high": row.ci_high,
                    "null_mean": row.null_mean,
                    "null_low": row.null_mean - half,
                    "null_high": row.null_mean + half,
                    "mark": 0.5,
                }
            )
    table = pd.DataFrame(rows)
    table["used"] = table["strategy"].map(used)
    return table


def ledger_paint(picture, table: pd.DataFrame) -> None:
    """A panel per measure of :func:`ledger_table`, strategies from top to bottom."""
    measures = list(dict.fromkeys(table["measure"]))
    names = table.drop_duplicates("strategy").sort_values("y")
    across = min(ACROSS, len(measures))
    panels = picture.subplots(-(-len(measures) // across), across, squeeze=False).ravel()
    for axes in panels[len(measures) :]:
        axes.set_axis_off()
    for number, (axes, measure) in enumerate(zip(panels, measures)):
        chosen = table[table["measure"] == measure]
        for row in chosen.itertuples():
            colour = draw.CASE if row.used else draw.CONTROL
            if np.isfinite(row.null_low):
                width = row.null_high - row.null_low
                axes.barh(row.y, width, left=row.null_low, height=0.62, color="#E4E8EC", lw=0)
                axes.plot([row.null_mean] * 2, [row.y - 0.31, row.y + 0.31], color="#8A939C", lw=1)
            if np.isfinite(row.low) and np.isfinite(row.high):
                axes.plot([row.low, row.high], [row.y, row.y], color=colour, lw=1.5)
            marker = "D" if row.used else "o"
            axes.plot(row.value, row.y, marker, color=colour, ms=5, clip_on=False, zorder=3)
        if chosen["mark"].notna().any():
            axes.axvline(chosen["mark"].iloc[0], color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.margins(x=0.1)
        if not (chosen["value"].dropna() < 0).any() and not chosen["low"].notna().any():
            axes.set_xlim(left=0)
        named = names["strategy"] if number % across == 0 else [""] * len(names)
        axes.set_yticks(names["y"], named, fontsize=8)
        for tick, used in zip(axes.get_yticklabels(), names["used"]):
            tick.set_fontweight("bold" if used else "normal")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_title(measure, fontsize=7.5, loc="left", fontweight="normal")
        axes.grid(axis="x", color=draw.PALE, lw=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="x", labelsize=7)
        axes.locator_params(axis="x", nbins=4)


def _table(ledger: pd.DataFrame, scores: pd.DataFrame | None) -> model.Table:
    columns = [
        model.Column("strategy", "Strategy"),
        model.Column("runs_lost", "Runs lost", 0),
        model.Column("dof_lost", "Dof lost, median", 1),
        model.Column("dof_left", "Dof left, median", 1),
        model.Column("n_people", "People", 0),
        model.Column("qc_fc_share", "Edges p < .05", 3),
        model.Column("qc_fc_median_abs_r", "Median |r|", 3),
        model.Column("slope", "Slope per 100 mm", 4),
        model.Column("network_contrast", "Within − between", 3),
        model.Column("modularity", "Modularity", 3),
        model.Column("identified", "Identified", 3),
    ]
    rows = ledger.assign(slope=100 * ledger["distance_slope"], strong=ledger["used"] == 1)
    records = rows.to_dict("records")
    for record in records:
        record["n_people"] = record["n_people"] if np.isfinite(record["n_people"]) else 0
    if scores is not None and len(scores):
        for scheme in dict.fromkeys(scores["scheme"]):
            chosen = scores[
                (scores["scheme"] == scheme) & (scores["metric"] == "balanced_accuracy")
            ]
            chosen = chosen.set_index("strategy")
            words = _SCHEMES.get(scheme, scheme)
            columns += [
                model.Column(f"{scheme}_value", f"Balanced accuracy, {words}", 3),
                model.Column(f"{scheme}_null", f"Null, {words}", 3),
                model.Column(f"{scheme}_p", f"p, {words}", 0),
            ]
            for record in records:
                own = chosen.reindex([record["strategy"]]).iloc[0]
                record[f"{scheme}_value"] = float(own["value"])
                record[f"{scheme}_null"] = float(own["null_mean"])
                tested = np.isfinite(own["p"])
                record[f"{scheme}_p"] = model.p_value(float(own["p"])) if tested else ""
    source = ledger["communities"].dropna().iloc[0] if ledger["communities"].notna().any() else ""
    caption = (
        "The ledger; bold: the strategy of this study. Dof lost: volumes of a run less the degrees "
        "of freedom that are left. Identified: share of people whose second run is most like "
        "their first. Modularity is that of "
        + ("the known networks." if source == "networks" else "communities found in the mean.")
    )
    return model.Table(caption, columns, records)
