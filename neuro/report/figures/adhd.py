"""Figures of the stage `adhd`: scores, nulls, mask frequency, graph density."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.scores import scores_paint, scores_table
from neuro.report.pages.adhd_scores import input_name, order, p_text, scheme_name
from neuro.report.site import model

_TOP = 20


def score_dots(rows: pd.DataFrame, scheme: str) -> model.Figure:
    """Scores of one scheme with their intervals, baselines on top, nulls as bands.

    Parameters
    ----------
    rows : pandas.DataFrame
        Rows of `scores.tsv` of one scheme and metric.
    scheme : str

    Returns
    -------
    neuro.report.site.model.Figure
    """
    rows = order(rows)
    table = scores_table(
        rows,
        np.where(rows["imaging"], "imaging", "baseline"),
        [input_name(name, mask) for name, mask in zip(rows["input"], rows["mask"])],
    )
    return draw.figure(
        f"scores_{scheme}",
        partial(scores_paint, colours={"imaging": draw.CONTROL}),
        data=table,
        size=(4.9, 0.9 + 0.27 * max(len(table), 5)),
        caption=f"{scheme_name(scheme)}: balanced accuracy with 95 % interval. Grey: "
        "baselines without the brain (phenotype is age, sex, IQ and handedness); blue: brain maps; "
        "orange diamond: the primary variant. "
        "Grey bands: 95 % of scores with labels permuted within sites.",
        how_to_read="A score tells something about the brain when it lies right of its own grey "
        "band and of the baselines, not when it lies right of 0.5.",
        alt=f"Balanced accuracy of every input, {scheme_name(scheme).lower()}",
    )


def null_table(permutations, row) -> pd.DataFrame:
    """Scores of one variant with permuted labels, and the observed one.

    Parameters
    ----------
    permutations : pandas.DataFrame
        `permutations.tsv`.
    row : mapping
        Its row of `scores.tsv`.

    Returns
    -------
    pandas.DataFrame
        Bars (`series` is `null`) from `low` to `high` with their `height`, then the lines
        `null mean`, `0.5` and `observed` at `low`, with their words as `label`. Empty where
        there are fewer than 5 permutations.
    """
    same = np.logical_and.reduce(
        [permutations[key] == row[key] for key in ("scheme", "metric", "input", "mask")]
    )
    null = permutations.loc[same, "value"].dropna().to_numpy(float)
    if len(null) < 5:
        return pd.DataFrame()
    edges = np.histogram_bin_edges(null, min(40, max(8, len(null) // 8)))
    observed = f"observed {row['value']:.3f}"
    if np.isfinite(row["p"]):
        observed += f", p {p_text(row['p'])}"
    lines = pd.DataFrame(
        {
            "series": ["null mean", "0.5", "observed"],
            "low": [null.mean(), 0.5, row["value"]],
            "label": [f"null mean {null.mean():.3f}", "0.5", observed],
        }
    )
    return pd.concat([draw.counts({"null": null}, edges), lines], ignore_index=True)


def null_paint(picture, table: pd.DataFrame) -> None:
    """Bars and lines of :func:`null_table`."""
    axes = picture.subplots()
    table = table.set_index("series", drop=False)
    draw.steps(axes, table.loc["null"], color="#B8C0C8")
    for series, look in (
        ("null mean", {"color": draw.INK, "lw": 1.2}),
        ("0.5", {"color": draw.INK, "lw": 0.8, "ls": (0, (2, 2))}),
        ("observed", {"color": draw.CASE, "lw": 2.2}),
    ):
        axes.axvline(table.loc[series, "low"], label=table.loc[series, "label"], **look)
    axes.set_xlabel("Balanced accuracy")
    axes.set_ylabel("Permutations")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def null_histogram(permutations, totals, scheme: str, metric: str) -> list[model.Figure]:
    """The figure of :func:`null_table` for the primary variant of a scheme.

    Parameters
    ----------
    permutations : pandas.DataFrame
    totals : pandas.DataFrame
        Rows of `scores.tsv` over all folds.
    scheme, metric : str

    Returns
    -------
    list
        Empty where the primary variant has fewer than 5 permutations.
    """
    chosen = totals[(totals["scheme"] == scheme) & (totals["metric"] == metric) & totals["primary"]]
    if chosen.empty:
        return []
    row = chosen.iloc[0]
    table = null_table(permutations, row)
    if table.empty:
        return []
    n_permutations = int(table["height"].sum())
    name = input_name(row["input"], row["mask"])
    return [
        draw.figure(
            f"permutations_{scheme}",
            null_paint,
            data=table,
            caption=f"{scheme_name(scheme)}: {name} in {n_permutations} permutations of the "
            "labels within sites, the whole analysis repeated each time.",
            how_to_read="The observed score (orange) should lie beyond the grey heap. The heap "
            "need not be centred at 0.5: sites differ in their share of cases, and the maps "
            "tell sites apart.",
            alt=f"Histogram of permuted scores and the observed score, {name}",
        )
    ]


def mask_table(table: pd.DataFrame) -> pd.DataFrame:
    """Percent of training folds (`value`) that kept each `region`, most frequent first."""
    kept = table["kept"].astype(str).str.lower().isin(("true", "1", "1.0"))
    share = 100 * kept.groupby(table["region"]).mean()
    share = share.sort_values(ascending=False, kind="stable")
    return pd.DataFrame({"region": share.index, "value": share.to_numpy()})


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
    of_input = table[table["input"] == name]
    n_folds = len(of_input[["scheme", "repeat", "fold"]].drop_duplicates())
    share = mask_table(of_input)
    shown = share[share["value"] > 0].head(_TOP)
    if shown.empty:
        return [model.Text("No region entered the mask in any fold.")]
    words = f"{len(shown)} of {len(share)} regions" if len(share) > len(shown) else "all regions"
    figure = draw.figure(
        "mask_frequency",
        partial(draw.bars, label="Training folds that kept the region (%)"),
        data=shown,
        size=(4.6, 0.8 + 0.19 * max(len(shown), 6)),
        caption=f"Region mask of {input_name(name)}: how often each region was kept over "
        f"{n_folds} training folds ({words}, most frequent first).",
        how_to_read="Regions near 100 % are chosen whoever is left out; a flat profile near the "
        "share that the mask keeps means that the choice is noise.",
        alt=f"Bars: share of folds that kept each region, {input_name(name)}",
    )
    return [model.Heading("Region mask"), figure]


def density_table(graphs: pd.DataFrame, across: str, key: str) -> pd.DataFrame:
    """One dot per run, by site.

    Parameters
    ----------
    graphs : pandas.DataFrame
        `graphs.tsv`.
    across, key : str
        Columns across and up; a density becomes percent.

    Returns
    -------
    pandas.DataFrame
        Columns `site`, `across`, `x` (`across` with a little room between equal values) and `y`.
    """
    site = graphs["site"] if "site" in graphs else pd.Series(None, graphs.index, dtype=object)
    width = 0.015 * max(np.ptp(graphs[across]), 1)
    parts = [
        pd.DataFrame(
            {
                "site": name,
                across: group[across],
                "x": group[across] + draw.spread(len(group), width),
                "y": group[key] * (100 if key == "density" else 1),
            }
        )
        for name, group in graphs.groupby(site.fillna("n/a").astype(str))
    ]
    return pd.concat(parts, ignore_index=True)


def density_paint(picture, table: pd.DataFrame, name: str, label: str) -> None:
    """Dots of :func:`density_table`, a colour per site."""
    axes = picture.subplots()
    for number, (site, group) in enumerate(table.groupby("site")):
        colour = draw.CYCLE[number % len(draw.CYCLE)]
        axes.scatter(group["x"], group["y"], s=16, color=colour, alpha=0.75, lw=0, label=site)
    axes.set_xlabel(name)
    axes.set_ylabel(label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)


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
                partial(density_paint, name=name, label=label),
                data=density_table(graphs, across, key),
                caption=f"{label} of the graphs against {name.lower()}, by site.",
                how_to_read=how,
                alt=f"{label} against {name.lower()} by site",
            )
        )
    return out
