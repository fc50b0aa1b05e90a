"""Scores beside their intervals and nulls, as the stages `adhd` and `demovae` show them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.adhd_scores import input_name, scheme_name
from neuro.report.site import model

PRIMARY = "primary"
BAND = "#E4E8EC"
_Z95 = 1.96


def scores_table(chosen: pd.DataFrame, series, labels) -> pd.DataFrame:
    """What a figure of scores draws, one row per variant, the first on top.

    Parameters
    ----------
    chosen : pandas.DataFrame
        Rows of a score table: `value`, `ci_low`, `ci_high`, `null_mean`, `null_sd`, `primary`.
    series, labels : sequence of str
        What each row belongs to, and its name in words. The series of primary rows is `primary`.

    Returns
    -------
    pandas.DataFrame
        Columns `series`, `label`, `y`, `value`, `low`, `high` (interval), `null_mean`,
        `null_low` and `null_high` (95 % of a normal null).
    """
    middle, half = chosen["null_mean"].to_numpy(float), _Z95 * chosen["null_sd"].to_numpy(float)
    return pd.DataFrame(
        {
            "series": np.where(chosen["primary"], PRIMARY, list(series)),
            "label": list(labels),
            "y": np.arange(len(chosen)),
            "value": chosen["value"].to_numpy(float),
            "low": chosen["ci_low"].to_numpy(float),
            "high": chosen["ci_high"].to_numpy(float),
            "null_mean": middle,
            "null_low": middle - half,
            "null_high": middle + half,
        }
    )


def scores_paint(
    picture, table: pd.DataFrame, colours: dict, label: str = "Balanced accuracy", chance=0.5
) -> None:
    """Dots with intervals on the bands of their nulls.

    Parameters
    ----------
    picture : matplotlib.figure.Figure
    table : pandas.DataFrame
        Of :func:`scores_table`.
    colours : dict of str to str
        By series; primary rows are orange diamonds, others without a colour grey.
    label : str
        Of the axis.
    chance : float or None
        Where a dashed line stands.
    """
    axes = picture.subplots()
    for row in table.itertuples():
        primary = row.series == PRIMARY
        colour = draw.CASE if primary else colours.get(row.series, draw.OTHER)
        if np.isfinite(row.null_mean) and np.isfinite(row.null_low):
            width = row.null_high - row.null_low
            axes.barh(row.y, width, left=row.null_low, height=0.62, color=BAND, lw=0)
            axes.plot([row.null_mean] * 2, [row.y - 0.31, row.y + 0.31], color="#8A939C", lw=1.2)
        if np.isfinite(row.low) and np.isfinite(row.high):
            axes.plot([row.low, row.high], [row.y, row.y], color=colour, lw=1.6)
        if not np.isfinite(row.value):
            axes.text(
                chance or 0.0, row.y, "not available", va="center", fontsize=7.5, color=draw.OTHER
            )
        marker, size = ("D", 6.5) if primary else ("o", 5)
        axes.plot(row.value, row.y, marker, color=colour, ms=size)
    if chance is not None:
        axes.axvline(chance, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
    axes.set_yticks(table["y"], table["label"], fontsize=8)
    for tick, series in zip(axes.get_yticklabels(), table["series"]):
        tick.set_fontweight("bold" if series == PRIMARY else "normal")
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(label)
    axes.grid(axis="x", color=draw.PALE, lw=0.5)
    axes.set_axisbelow(True)


MAIN = {"number": "r_within_site", "classes": "balanced_accuracy"}
LABELS = {"number": "Correlation within sites", "classes": "Balanced accuracy"}
BLIND = ("constant", "site", "phenotype", "phenotype+site", "motion")


def target_dots(rows: pd.DataFrame, target: str, scheme: str) -> model.Figure:
    """Scores of one target and scheme with their intervals, nulls as bands.

    Parameters
    ----------
    rows : pandas.DataFrame
        Rows of `targets.tsv` of one target and scheme.
    target, scheme : str

    Returns
    -------
    neuro.report.site.model.Figure
    """
    kind = rows["kind"].iloc[0]
    rows = rows[(rows["metric"] == MAIN[kind]) & rows["value"].notna()]
    table = scores_table(
        rows,
        np.where(rows["input"].isin(BLIND), "baseline", "imaging"),
        [input_name(name) for name in rows["input"]],
    )
    chance = 0.0 if kind == "number" else None
    return draw.figure(
        f"target_{target}_{scheme}",
        partial(scores_paint, colours={"imaging": draw.CONTROL}, label=LABELS[kind], chance=chance),
        data=table,
        size=(4.9, 0.9 + 0.27 * max(len(table), 5)),
        caption=f"{scheme_name(scheme)}: {LABELS[kind].lower()} of predicted and true {target}, "
        "with 95 % interval. Grey: baselines without the brain; blue: brain maps; orange diamond: "
        "the primary input. Grey bands: 95 % of scores with values permuted within sites.",
        how_to_read="A score tells something about the brain when it lies right of its own grey "
        "band and of the baselines.",
        alt=f"{LABELS[kind]} of {target} from every input, {scheme_name(scheme).lower()}",
    )
