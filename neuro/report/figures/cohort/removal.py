"""Figures of the ways of removing demographics: the referee, and the scan of all columns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.demovae import target_name
from neuro.report.figures.scores import BAND

METHODS = {
    "none": "Nothing removed",
    "residual": "Linear residuals",
    "combat": "ComBat",
    "combat_residual": "ComBat, then linear residuals",
    "covbat": "CovBat",
    "covbat_residual": "CovBat, then linear residuals",
    "protected": "Closed form that protects biology",
    "linear": "Linear relative",
    "network": "Network",
}
"""Names of the referee's methods in words."""
NONE, SMALL = "#E69F00", draw.CONTROL
"""Colours without a bottleneck, and with it."""
_Z95 = 1.96


def method_name(name: str) -> str:
    """A method in words."""
    return METHODS.get(name, name)


def features_name(name: str, size) -> str:
    """A method and its bottleneck in words: `none` with 60 is `Principal components, 60`."""
    size = int(size)
    if name == "none":
        return f"Principal components, {size}" if size else "Raw connectomes"
    return f"{method_name(name)}, {size}" if size else method_name(name)


def referee_table(compare: pd.DataFrame) -> pd.DataFrame:
    """What every method leaves and keeps, one row per mark.

    Parameters
    ----------
    compare : pandas.DataFrame
        `compare.tsv`.

    Returns
    -------
    pandas.DataFrame
        `panel` (target in words), `metric`, `method`, `label`, `bottleneck`, `y`, `value`,
        `chance`. Fresh linear readouts, and the site by an RBF machine.
    """
    chosen = compare[
        (compare["fit_on"] == "fresh")
        & compare["measure"].isin(("left", "kept"))
        & (compare["bottleneck"] >= 0)
    ]
    if chosen.empty:
        return pd.DataFrame()
    order = {name: row for row, name in enumerate(dict.fromkeys(chosen["method"]))}
    return pd.DataFrame(
        {
            "panel": [
                target_name(target, readout)
                for target, readout in zip(chosen["target"], chosen["readout"])
            ],
            "metric": chosen["metric"].to_numpy(),
            "method": chosen["method"].to_numpy(),
            "label": chosen["method"].map(method_name).to_numpy(),
            "bottleneck": chosen["bottleneck"].to_numpy(int),
            "y": chosen["method"].map(order).to_numpy(),
            "value": chosen["value"].to_numpy(float),
            "chance": chosen["chance"].to_numpy(float),
        }
    )


def referee_paint(picture, table: pd.DataFrame) -> None:
    """Dots of :func:`referee_table`, a panel per target; open without a bottleneck."""
    panels = list(table.groupby("panel", sort=False))
    n_columns = min(len(panels), 4)
    rows = -(-len(panels) // n_columns)
    several = picture.subplots(rows, n_columns, squeeze=False, sharey=True)
    for axes in several.ravel()[len(panels) :]:
        axes.set_visible(False)
    labels = table.drop_duplicates("y").sort_values("y")
    for axes, (panel, of_panel) in zip(several.ravel(), panels):
        for row in of_panel.itertuples():
            colour = SMALL if row.bottleneck else NONE
            marker = "o" if row.bottleneck else "D"
            axes.plot(row.value, row.y, marker, color=colour, ms=5)
        chance = float(of_panel["chance"].iloc[0])
        axes.axvline(chance, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        # a readout far below chance would squeeze the others
        low = max(float(of_panel["value"].min()), chance - 0.5)
        high = float(of_panel["value"].max())
        axes.set_xlim(min(low, chance) - 0.05, max(high, chance) + 0.05)
        axes.set_title(panel)
        axes.set_xlabel("R²" if of_panel["metric"].iloc[0] == "r2" else "Balanced accuracy")
        axes.grid(axis="y", color=draw.PALE, lw=0.5)
        axes.set_axisbelow(True)
    for axes in several[:, 0]:
        axes.set_yticks(labels["y"], labels["label"], fontsize=8)
        axes.set_ylim(len(labels) - 0.5, -0.5)


def referee(compare: pd.DataFrame) -> list:
    """The figure of :func:`referee_table`."""
    table = referee_table(compare)
    if table.empty:
        return []
    size = int(table["bottleneck"].max())
    rows = -(-table["panel"].nunique() // 4)
    return [
        draw.figure(
            "referee",
            referee_paint,
            data=table,
            size=(9.4, rows * (0.9 + 0.27 * table["method"].nunique())),
            wide=True,
            caption="What every way of removing demographics leaves in new people: readouts fitted "
            f"and tested among people whom no fit has seen. Blue dots: cut to {size} numbers; "
            "orange diamonds: without a bottleneck; dashed: chance.",
            how_to_read="Compare blue with blue: much of what seems removed is removed by the "
            "bottleneck. For what should go, the dashed line is the aim; for what should stay (a "
            "diagnosis, protected columns), further right is better.",
            alt="Fresh readouts of every column after every way of removing demographics",
        )
    ]


def scan_table(scan: pd.DataFrame) -> pd.DataFrame:
    """Scores of every column from every kind of features, one row per mark.

    Parameters
    ----------
    scan : pandas.DataFrame
        `phenotypes.tsv`; rows of all runs are drawn.

    Returns
    -------
    pandas.DataFrame
        `panel` (metric), `series` (features in words), `column`, `label`, `y`, `value`,
        `null_low`, `null_high` (95 % of a normal null), `found` (q < .05).
    """
    chosen = scan[(scan["fit"] == "all") & (scan["test"] == "all") & scan["value"].notna()]
    parts = []
    for metric in ("r2", "auc"):
        own = chosen[chosen["metric"] == metric]
        if own.empty:
            continue
        columns = list(dict.fromkeys(own["column"]))
        kinds = list(dict.fromkeys(zip(own["features"], own["bottleneck"])))
        row_of = {name: row for row, name in enumerate(columns)}
        shift = {kind: 0.72 * ((k + 0.5) / len(kinds) - 0.5) for k, kind in enumerate(kinds)}
        keys = list(zip(own["features"], own["bottleneck"]))
        half = _Z95 * own["null_sd"].to_numpy(float)
        parts.append(
            pd.DataFrame(
                {
                    "panel": metric,
                    "series": [features_name(*key) for key in keys],
                    "column": own["column"].to_numpy(),
                    "label": [
                        f"{name} (removed)" if role == "remove" else name
                        for name, role in zip(own["column"], own["role"])
                    ],
                    "row": own["column"].map(row_of).to_numpy(),
                    "y": [row_of[name] + shift[key] for name, key in zip(own["column"], keys)],
                    "value": own["value"].to_numpy(float),
                    "null_low": own["null_mean"].to_numpy(float) - half,
                    "null_high": own["null_mean"].to_numpy(float) + half,
                    "found": (own["q"] < 0.05).to_numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def scan_paint(picture, table: pd.DataFrame) -> None:
    """Dots of :func:`scan_table` on the bands of their nulls; filled where found."""
    panels = list(table.groupby("panel", sort=False))
    names = list(dict.fromkeys(table["series"]))
    colours = dict(zip(names, (draw.OTHER, "#E69F00", "#CC79A7", draw.CONTROL, *draw.CYCLE)))
    several = picture.subplots(1, len(panels), squeeze=False)[0]
    for axes, (metric, of_panel) in zip(several, panels):
        for row in of_panel.itertuples():
            if np.isfinite(row.null_low):
                width = row.null_high - row.null_low
                axes.barh(row.y, width, left=row.null_low, height=0.15, color=BAND, lw=0)
            face = colours[row.series] if row.found else "white"
            axes.plot(row.value, row.y, "o", mfc=face, mec=colours[row.series], ms=5)
        rows = of_panel.drop_duplicates("row").sort_values("row")
        axes.set_yticks(rows["row"], rows["label"], fontsize=8)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        chance = 0.0 if metric == "r2" else 0.5
        axes.axvline(chance, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        low = max(float(of_panel[["value", "null_low"]].min().min()), chance - 0.5)
        axes.set_xlim(low - 0.03, max(float(of_panel["value"].max()), chance) + 0.06)
        axes.set_xlabel("R²" if metric == "r2" else "Area under the curve")
    for name in names:
        several[0].plot([], [], "o", color=colours[name], ms=5, label=name)
    picture.legend(
        *several[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8
    )


def scan(table: pd.DataFrame) -> list:
    """The figure of :func:`scan_table`."""
    marks = scan_table(table)
    if marks.empty:
        return []
    rows = int(marks.groupby("panel")["column"].nunique().max())
    return [
        draw.figure(
            "phenotypes",
            scan_paint,
            data=marks,
            size=(9.4, 1.5 + 0.52 * max(rows, 3)),
            wide=True,
            caption="Every column of the participants table, read out of people whom no fit has "
            "seen, before and after demographics are removed. Filled: q < .05 over the columns; "
            "grey bars: 95 % of scores with values permuted within sites; dashed: chance.",
            how_to_read="What was removed should be open and near the dashed line; what was not, "
            "such as a test score, may stay. Grey is before removal, blue the latents, pink a "
            "control of the same size.",
            alt="Scores of every column from raw and deconfounded features",
        )
    ]
