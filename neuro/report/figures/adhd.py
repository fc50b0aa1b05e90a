"""Figures of the stage `adhd`: scores, ROC curves, nulls, mask frequency, graph density."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.pages.adhd_scores import input_name, order, p_text, scheme_name
from neuro.report.site import model

_TOP = 20
_Z95 = 1.96


def score_dots(part: pd.DataFrame, scheme: str) -> model.Figure:
    """Scores of one scheme with their intervals, baselines on top, nulls as bands.

    Parameters
    ----------
    part : pandas.DataFrame
        Rows of `scores.tsv` of one scheme and metric.
    scheme : str

    Returns
    -------
    neuro.report.site.model.Figure
    """
    part = order(part)
    rows = part.to_dict("records")

    def paint(picture):
        axes = picture.subplots()
        names = []
        for y, row in enumerate(rows):
            colour = draw.CASE if row["primary"] else draw.CONTROL if row["imaging"] else draw.OTHER
            if np.isfinite(row["null_mean"]) and np.isfinite(row["null_sd"]):
                half = _Z95 * row["null_sd"]
                axes.barh(
                    y, 2 * half, left=row["null_mean"] - half, height=0.62, color="#E4E8EC", lw=0
                )
                axes.plot([row["null_mean"]] * 2, [y - 0.31, y + 0.31], color="#8A939C", lw=1.2)
            if np.isfinite(row["ci_low"]) and np.isfinite(row["ci_high"]):
                axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=1.6)
            if not np.isfinite(row["value"]):
                axes.text(0.5, y, "not available", va="center", fontsize=7.5, color=draw.OTHER)
            axes.plot(
                row["value"],
                y,
                "D" if row["primary"] else "o",
                color=colour,
                ms=6.5 if row["primary"] else 5,
            )
            names.append(input_name(row["input"], row["mask"]))
        axes.axvline(0.5, color=draw.INK, lw=0.8, ls=(0, (2, 2)), zorder=0)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        for tick, row in zip(axes.get_yticklabels(), rows):
            tick.set_fontweight("bold" if row["primary"] else "normal")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("Balanced accuracy")
        axes.grid(axis="x", color=draw.PALE, lw=0.5)
        axes.set_axisbelow(True)

    return draw.figure(
        f"scores_{scheme}",
        paint,
        size=(4.9, 0.9 + 0.27 * max(len(rows), 5)),
        caption=f"{scheme_name(scheme)}: balanced accuracy with 95 % interval. Grey: "
        "baselines without the brain (phenotype is age, sex, IQ and handedness); blue: brain maps; "
        "orange diamond: the primary variant. "
        "Grey bands: 95 % of scores with labels permuted within sites.",
        how_to_read="A score tells something about the brain when it lies right of its own grey "
        "band and of the baselines, not when it lies right of 0.5.",
        alt=f"Balanced accuracy of every input, {scheme_name(scheme).lower()}",
    )


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
    curves = [curve(part["y"], part["score"]) for _, part in parts if part["y"].nunique() == 2]
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


def roc(predictions: pd.DataFrame, totals: pd.DataFrame, scheme: str) -> list[model.Figure]:
    """ROC curves of the primary variant and of what it is compared with.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `predictions.tsv`; curves are averaged over repeats.
    totals : pandas.DataFrame
        Rows of `scores.tsv` over all folds, for the AUC in the legend.
    scheme : str

    Returns
    -------
    list
        Empty where nothing can be drawn.
    """
    part = predictions[predictions["scheme"] == scheme]
    lines = []
    for name, mask, colour, style in _compared(totals, scheme):
        one = part[(part["input"] == name) & (part["mask"] == mask)].dropna(subset=["y", "score"])
        if len(one) >= 4 and one["y"].nunique() == 2:
            lines.append((name, mask, colour, style, mean_curve(one)))
    if not lines:
        return []

    def paint(picture):
        axes = picture.subplots()
        axes.plot([0, 1], [0, 1], color=draw.PALE, lw=1)
        for name, mask, colour, style, (false, true) in lines:
            row = totals[
                (totals["scheme"] == scheme)
                & (totals["input"] == name)
                & (totals["mask"] == mask)
                & (totals["metric"] == "auc")
            ]
            value = row["value"].iloc[0] if len(row) else np.trapezoid(true, false)
            text = f"{input_name(name, mask)} ({model.number(float(value), 2)})"
            axes.plot(false, true, color=colour, ls=style, lw=1.8, label=text)
        axes.set_xlabel("1 − specificity")
        axes.set_ylabel("Sensitivity")
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.01, 1.01)
        axes.set_aspect("equal")
        picture.legend(loc="outside lower left", ncols=2, fontsize=7.5)

    return [
        draw.figure(
            f"roc_{scheme}",
            paint,
            size=(4.6, 4.3),
            caption=f"ROC curves, {scheme_name(scheme).lower()}: held-out "
            "participants, curves averaged over repeats. In brackets: AUC as in the table.",
            how_to_read="The further a curve bends to the upper left, the better; the diagonal is "
            "guessing. Compare the orange curve with the grey ones, not with the diagonal only.",
            alt=f"ROC curves, {scheme_name(scheme).lower()}",
        )
    ]


def _compared(totals, scheme: str):
    """Which inputs a ROC figure shows: primary, best other brain input, two baselines."""
    part = totals[(totals["scheme"] == scheme) & (totals["metric"] == "balanced_accuracy")]
    chosen = part[part["primary"]]
    out: list[tuple] = [
        (row["input"], row["mask"], draw.CASE, "-") for row in chosen.to_dict("records")[:1]
    ]
    if not out and part["imaging"].any():
        row = part[part["imaging"]].iloc[0]
        out.append((row["input"], row["mask"], draw.CASE, "-"))
    both = part[part["input"].str.contains("+", regex=False) & part["imaging"]]
    out += [(row["input"], row["mask"], draw.CONTROL, "-") for row in both.to_dict("records")[:1]]
    out += [("fc", "none", "#009E73", "-")] if (part["input"] == "fc").any() else []
    out += [("phenotype", "none", draw.OTHER, "-"), ("site", "none", draw.OTHER, (0, (2, 2)))]
    return list(dict.fromkeys(out))


def null_histogram(permutations, totals, scheme: str, metric: str) -> list[model.Figure]:
    """Scores of the primary variant with permuted labels, and the observed one.

    Parameters
    ----------
    permutations : pandas.DataFrame
        `permutations.tsv`.
    totals : pandas.DataFrame
    scheme, metric : str

    Returns
    -------
    list
        Empty where the primary variant has fewer than 5 permutations.
    """
    part = totals[(totals["scheme"] == scheme) & (totals["metric"] == metric) & totals["primary"]]
    if part.empty:
        return []
    row = part.iloc[0]
    null = permutations[
        (permutations["scheme"] == scheme)
        & (permutations["metric"] == metric)
        & (permutations["input"] == row["input"])
        & (permutations["mask"] == row["mask"])
    ]["value"].dropna()
    if len(null) < 5:
        return []

    def paint(picture):
        axes = picture.subplots()
        axes.hist(null, min(40, max(8, len(null) // 8)), color="#B8C0C8")
        axes.axvline(null.mean(), color=draw.INK, lw=1.2, label=f"null mean {null.mean():.3f}")
        axes.axvline(0.5, color=draw.INK, lw=0.8, ls=(0, (2, 2)), label="0.5")
        label = f"observed {row['value']:.3f}"
        if np.isfinite(row["p"]):
            label += f", p {p_text(row['p'])}"
        axes.axvline(row["value"], color=draw.CASE, lw=2.2, label=label)
        axes.set_xlabel("Balanced accuracy")
        axes.set_ylabel("Permutations")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    name = input_name(row["input"], row["mask"])
    return [
        draw.figure(
            f"permutations_{scheme}",
            paint,
            caption=f"{scheme_name(scheme)}: {name} in {len(null)} permutations of the "
            "labels within sites, the whole analysis repeated each time.",
            how_to_read="The observed score (orange) should lie beyond the grey heap. The heap "
            "need not be centred at 0.5: sites differ in their share of cases, and the maps "
            "tell sites apart.",
            alt=f"Histogram of permuted scores and the observed score, {name}",
        )
    ]


def mask_frequency(table: pd.DataFrame, primary) -> list:
    """How often each region entered the mask of a training fold.

    Parameters
    ----------
    table : pandas.DataFrame
        `mask.tsv`.
    primary : tuple of str or None
        Input and mask of the primary variant.

    Returns
    -------
    list
    """
    if table.empty or not {"input", "region", "kept"} <= set(table):
        return []
    name = primary[0] if primary and (table["input"] == primary[0]).any() else table["input"][0]
    part = table[table["input"] == name].copy()
    part["kept"] = part["kept"].astype(str).str.lower().isin(("true", "1", "1.0")).astype(float)
    n_folds = len(part[["scheme", "repeat", "fold"]].drop_duplicates())
    share = part.groupby("region")["kept"].mean().sort_values(ascending=False, kind="stable")
    shown = share[share > 0].head(_TOP)
    if shown.empty:
        return [model.Text("No region entered the mask in any fold.")]
    words = f"{len(shown)} of {len(share)} regions" if len(share) > len(shown) else "all regions"
    figure = draw.figure(
        "mask_frequency",
        lambda picture: draw.bars(
            picture.subplots(),
            list(shown.index),
            100 * shown.to_numpy(),
            label="Training folds that kept the region (%)",
        ),
        size=(4.6, 0.8 + 0.19 * max(len(shown), 6)),
        caption=f"Region mask of {input_name(name)}: how often each region was kept over "
        f"{n_folds} training folds ({words}, most frequent first).",
        how_to_read="Regions near 100 % are chosen whoever is left out; a flat profile near the "
        "share that the mask keeps means that the choice is noise.",
        alt=f"Bars: share of folds that kept each region, {input_name(name)}",
    )
    return [model.Heading("Region mask"), figure]


def density(graphs: pd.DataFrame) -> list[model.Figure]:
    """Density, or the threshold where the density is fixed, against the length of the run.

    Parameters
    ----------
    graphs : pandas.DataFrame
        `graphs.tsv`.

    Returns
    -------
    list
    """
    if not {"density", "n_volumes"} <= set(graphs):
        return []
    values = graphs["density"].dropna()
    fixed = len(values) and np.ptp(values) < 0.02 * values.mean()
    if fixed and ("threshold" not in graphs or graphs["threshold"].isna().all()):
        return []
    key, label = ("threshold", "Correlation threshold r") if fixed else ("density", "Density (%)")
    site = graphs["site"].fillna("n/a").astype(str) if "site" in graphs else None
    groups = [("", graphs)] if site is None else list(graphs.groupby(site))

    def paint(picture, across, name):
        axes = picture.subplots()
        for number, (site_name, part) in enumerate(groups):
            axes.scatter(
                part[across] + draw.spread(len(part), 0.015 * max(np.ptp(graphs[across]), 1)),
                part[key] * (1 if fixed else 100),
                s=16,
                color=draw.CYCLE[number % len(draw.CYCLE)],
                alpha=0.75,
                lw=0,
                label=site_name or None,
            )
        axes.set_xlabel(name)
        axes.set_ylabel(label)
        if site is not None:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)

    how = (
        "All graphs have the same density, so the threshold moves: with few degrees of freedom "
        "chance makes large correlations and pushes it up. A site that lies apart has shorter or "
        "differently filtered scans, and its graphs differ for that reason."
        if fixed
        else "The threshold is the same for all, so the density moves: with few degrees of "
        "freedom more pairs exceed it by chance, which a comparison of sites would take for "
        "biology. Points should not fall on a slope."
    )
    out = []
    for across, name, slug in (
        ("n_volumes", "Volumes used", "length"),
        ("dof", "Degrees of freedom", "dof"),
    ):
        if across not in graphs or graphs[across].isna().all():
            continue
        # Runs of one length tell nothing about length; the degrees of freedom still differ.
        if across == "n_volumes" and np.ptp(graphs[across].dropna()) == 0 and "dof" in graphs:
            continue
        out.append(
            draw.figure(
                f"{key}_{slug}",
                lambda picture, across=across, name=name: paint(picture, across, name),
                caption=f"{label} of the graphs against {name.lower()}, by site.",
                how_to_read=how,
                alt=f"{label} against {name.lower()} by site",
            )
        )
    return out
