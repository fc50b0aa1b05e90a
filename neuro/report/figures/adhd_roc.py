"""ROC curves of the stage `adhd`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.adhd_scores import input_name, scheme_name
from neuro.report.site import model

LOOK = {
    "primary": (draw.CASE, "-"),
    "combined": (draw.CONTROL, "-"),
    "fc": ("#009E73", "-"),
    "phenotype": (draw.OTHER, "-"),
    "site": (draw.OTHER, (0, (2, 2))),
}
"""Colour and line of each series."""


def curve(y, score) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every distinct score, ties in one step.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,)
    score : array, shape (n,)

    Returns
    -------
    false_positive, true_positive : ndarray
        Both start at 0 and end at 1.
    """
    y, score = np.asarray(y, int), np.asarray(score, float)
    order = np.argsort(-score, kind="stable")
    y, score = y[order], score[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    true = np.cumsum(y)[last] / max(y.sum(), 1)
    false = np.cumsum(1 - y)[last] / max((1 - y).sum(), 1)
    return np.r_[0, false], np.r_[0, true]


def mean_curve(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """ROC curve averaged over the repeats of a cross-validation.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `y`, `score` and `repeat` of one input and scheme.

    Returns
    -------
    false_positive, true_positive : ndarray
        With several repeats the mean sensitivity at equal specificity, so that the area is
        the mean of the areas.
    """
    parts = predictions.groupby(predictions["repeat"].fillna("0").astype(str))
    curves = [curve(fold["y"], fold["score"]) for _, fold in parts if fold["y"].nunique() == 2]
    if len(curves) == 1:
        return curves[0]
    # Each vertical step gets both its ends, so that interpolation keeps the steps.
    grid = np.unique(np.concatenate([false for false, _ in curves]))
    ends = np.sort(np.r_[grid, grid])
    sides = np.tile([0, 1], len(grid))
    heights = []
    for false, true in curves:
        low = np.searchsorted(false, grid, "left")
        high = np.searchsorted(false, grid, "right") - 1
        between = np.interp(grid, false, true)
        first = np.where(low <= high, true[np.minimum(low, len(true) - 1)], between)
        last = np.where(low <= high, true[np.maximum(high, 0)], between)
        heights.append(np.where(sides == 0, np.repeat(first, 2), np.repeat(last, 2)))
    return ends, np.mean(heights, axis=0)


def roc_table(predictions: pd.DataFrame, totals: pd.DataFrame, scheme: str) -> pd.DataFrame:
    """ROC curves of the primary variant and of what it is compared with.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `predictions.tsv`; curves are averaged over repeats.
    totals : pandas.DataFrame
        Rows of `scores.tsv` over all folds, for the AUC.
    scheme : str

    Returns
    -------
    pandas.DataFrame
        One row per corner of a curve: `series` (key of :data:`LOOK`), `label`, `auc`,
        `false_positive_rate` and `true_positive_rate`. Empty where nothing can be drawn.
    """
    chosen = predictions[predictions["scheme"] == scheme]
    curves = []
    for name, mask, series in _compared(totals, scheme):
        one = chosen[(chosen["input"] == name) & (chosen["mask"] == mask)].dropna(
            subset=["y", "score"]
        )
        if len(one) < 4 or one["y"].nunique() < 2:
            continue
        false, true = mean_curve(one)
        row = totals[
            (totals["scheme"] == scheme)
            & (totals["input"] == name)
            & (totals["mask"] == mask)
            & (totals["metric"] == "auc")
        ]
        auc = float(row["value"].iloc[0]) if len(row) else float(np.trapezoid(true, false))
        rates = {"false_positive_rate": false, "true_positive_rate": true}
        words = {"series": series, "label": input_name(name, mask), "auc": auc}
        curves.append(pd.DataFrame(words | rates))
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()


def roc_paint(picture, table: pd.DataFrame) -> None:
    """Curves of :func:`roc_table`, their AUC in the legend."""
    axes = picture.subplots()
    axes.plot([0, 1], [0, 1], color=draw.PALE, lw=1)
    for (series, label, auc), line in table.groupby(["series", "label", "auc"], sort=False):
        colour, style = LOOK[series]
        axes.plot(
            *(line["false_positive_rate"], line["true_positive_rate"]),
            color=colour,
            ls=style,
            lw=1.8,
            label=f"{label} ({model.number(auc, 2)})",
        )
    axes.set_xlabel("1 − specificity")
    axes.set_ylabel("Sensitivity")
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_aspect("equal")
    picture.legend(loc="outside lower left", ncols=2, fontsize=7.5)


def roc(predictions: pd.DataFrame, totals: pd.DataFrame, scheme: str) -> list[model.Figure]:
    """The figure of :func:`roc_table`; an empty list where nothing can be drawn."""
    table = roc_table(predictions, totals, scheme)
    if table.empty:
        return []
    return [
        draw.figure(
            f"roc_{scheme}",
            roc_paint,
            data=table,
            size=(4.6, 4.3),
            caption=f"ROC curves, {scheme_name(scheme).lower()}: held-out "
            "participants, curves averaged over repeats. In brackets: AUC as in the table.",
            how_to_read="The further a curve bends to the upper left, the better; the diagonal is "
            "guessing. Compare the orange curve with the grey ones, not with the diagonal only.",
            alt=f"ROC curves, {scheme_name(scheme).lower()}",
        )
    ]


def _compared(totals, scheme: str) -> list[tuple[str, str, str]]:
    """Which inputs a ROC figure shows: primary, best other brain input, two baselines."""
    chosen = totals[(totals["scheme"] == scheme) & (totals["metric"] == "balanced_accuracy")]
    main = chosen[chosen["primary"]]
    main = chosen[chosen["imaging"]] if main.empty else main
    both = chosen[chosen["input"].str.contains("+", regex=False) & chosen["imaging"]]
    first = {"primary": main, "combined": both}
    out = [
        (row["input"], row["mask"], series)
        for series, rows in first.items()
        for row in rows.to_dict("records")[:1]
    ]
    out += [("fc", "none", "fc")] if (chosen["input"] == "fc").any() else []
    out += [("phenotype", "none", "phenotype"), ("site", "none", "site")]
    kept: dict[tuple, str] = {}
    for name, mask, series in out:
        # an input that is two of these keeps the look of the first
        kept.setdefault((name, mask), series)
    return [(*key, series) for key, series in kept.items()]
