"""Figures of the stage `braindive`: image grids, paired effects, traces, encoder cards."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.cohort.verdicts import verdict_words

GUIDED, UNGUIDED, NATURAL = draw.CASE, draw.OTHER, draw.CONTROL
N_SHOWN = 8
NATURAL_LINES = {"prediction": "natural,\npredicted", "response": "natural,\nmeasured"}
LINES = {**NATURAL_LINES, "best": "best of\nunguided"}


def natural_folder(top: Path, folder: Path) -> Path:
    """Where the natural images of an objective are: beside the verdict of its data set."""
    own = folder.parent / "judged" / "natural" / folder.name
    return own if own.is_dir() else top / "natural" / folder.name


def grid_table(top: Path, folder: Path, row: dict, scores, natural=None):
    """Best guided images, their unguided twins and natural images that there are.

    Parameters
    ----------
    top, folder : path-like
        Of the stage and of the objective's images.
    row : dict
        The objective's row of the summary.
    scores : pandas.DataFrame
        Its rows of the scores.
    natural : pandas.DataFrame, optional
        Scores of natural images.

    Returns
    -------
    pandas.DataFrame
        A row per image: `objective`, `line` (guided, best, unguided, prediction, response), `place`
        (column from 1), `seed`, `score` (of the independent encoder), `file` (below `top`).
    """
    key = "rank_B" if scores["rank_B"].notna().any() else "seed"
    best = scores.sort_values(key).head(N_SHOWN)
    rows = []
    endings = (("guided", "", "B"), ("best", "_best", None), ("unguided", "_unguided", "B_twin"))
    for line, ending, score in endings:
        for rank, image in enumerate(best.to_dict("records"), start=1):
            path = folder / f"seed-{image['seed']}{ending}.png"
            value = image[score] if score else np.nan
            rows.append((line, rank, image["seed"], value, path))
    natural_scores = {}
    if natural is not None:
        mine = natural[natural["objective"] == row["objective"]]
        natural_scores = {(one.chosen_by, one.rank): one.B for one in mine.itertuples()}
    for line in NATURAL_LINES:
        for rank in range(1, N_SHOWN + 1):
            path = natural_folder(top, folder) / f"{line}-{rank}.png"
            rows.append((line, rank, None, natural_scores.get((line, rank), np.nan), path))
    rows = [one for one in rows if one[-1].is_file()]
    table = pd.DataFrame(rows, columns=["line", "place", "seed", "score", "file"])
    table["file"] = [path.relative_to(top).as_posix() for path in table["file"]]
    table["seed"] = table["seed"].astype("Int64")
    table.insert(0, "objective", row["objective"])
    return table


def grid_paint(picture, table, top, warning=""):
    """A line of images per kind; pixels as they are."""
    from PIL import Image

    lines = list(table.groupby("line", sort=False))
    axes = picture.subplots(len(lines), N_SHOWN, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for line, (name, chosen) in zip(axes, lines):
        for image in chosen.itertuples():
            pixels = np.asarray(Image.open(Path(top) / image.file))
            shades = "gray" if pixels.ndim == 2 else None
            line[image.place - 1].imshow(pixels, cmap=shades, vmin=0, vmax=255)
        line[0].text(
            -0.12,
            0.5,
            LINES.get(name, name),
            transform=line[0].transAxes,
            ha="right",
            va="center",
            fontsize=9,
        )
    if warning:
        shade = draw.INK if warning.startswith(("supported", "cannot tell")) else draw.MORE
        picture.suptitle(warning, color=shade, fontweight="bold")


def grid(top: Path, folder: Path, row: dict, scores, natural=None) -> list:
    """Best guided images, their unguided twins and natural images; see :func:`grid_table`."""
    table = grid_table(top, folder, row, scores, natural)
    if table.empty:
        return []
    words = ["adversarial"] if row["adversarial"] and "verdict" not in row else []
    if isinstance(row.get("verdict"), str):
        words.append(verdict_words(row))
    if str(row["mds_verdict"]) not in ("", "nan", "stable types"):
        words.append(str(row["mds_verdict"]))
    return [
        draw.figure(
            f"grid_{row['folder']}",
            partial(grid_paint, top=top, warning=", ".join(words)),
            data=table,
            size=(9.4, 1.12 * table["line"].nunique() + 0.3),
            caption=f"Synthetic images for {row['objective']}, best first by the independent "
            "encoder; below each the unguided image from the same noise, and natural test images "
            "with the highest predicted and the highest measured response.",
            how_to_read="What changes from the unguided row to the guided one is what the guide "
            "asked for; natural images show what the responses themselves prefer.",
            alt=f"Rows of small images for {row['objective']}",
            wide=True,
        )
    ]


def effects_table(summary):
    """Gain of every objective under both encoders.

    Returns
    -------
    pandas.DataFrame
        `objective`, `encoder` (guide, independent), `value` and its 95 % interval `low`, `high`
        (SD of the response; none for the guide).
    """
    names = {"objective": summary["objective"]}
    guide = pd.DataFrame({**names, "encoder": "guide", "value": summary["gain_A"]})
    other = {"value": summary["gain_B"], "low": summary["ci_low"], "high": summary["ci_high"]}
    return pd.concat(
        [guide, pd.DataFrame({**names, "encoder": "independent", **other})], ignore_index=True
    )


def effects_paint(picture, table):
    """A line per objective, the first on top: squares of the guide, dots with intervals."""
    axes = picture.subplots()
    names = table["objective"].unique()
    heights = np.arange(len(names))[::-1]
    guide = table[table["encoder"] == "guide"]
    axes.scatter(guide["value"], heights + 0.12, color=UNGUIDED, marker="s", label="guide")
    other = table[table["encoder"] == "independent"]
    axes.errorbar(
        other["value"],
        heights - 0.12,
        xerr=[other["value"] - other["low"], other["high"] - other["value"]],
        fmt="o",
        color=GUIDED,
        label="independent (95 % interval)",
        capsize=2,
    )
    axes.axvline(0, color=draw.INK, lw=0.8)
    axes.set_yticks(heights, names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("Gain over unguided images, SD of the response")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def effects(summary) -> list:
    """Gain under guide and independent encoder, with intervals."""
    return [
        draw.figure(
            "effects",
            effects_paint,
            data=effects_table(summary),
            size=(4.6, max(2.2, 0.5 * len(summary) + 1.2)),
            caption="Gain of guided over unguided images from the same noise.",
            how_to_read="Only the round marks count: the guide always likes its own images. An "
            "interval that spans zero means that another encoder sees no difference.",
            alt="Dots with intervals, one line per objective",
        )
    ]


def categories_table(summary):
    """Images in the objective's category; objectives that no judge knows are left out.

    Returns
    -------
    pandas.DataFrame
        `objective`, `category`, `images` (guided, unguided), `percent`.
    """
    judged = summary[summary["J"].notna()]
    names = {"objective": judged["objective"], "category": judged["preferred"]}
    parts = [
        pd.DataFrame({**names, "images": images, "percent": 100 * judged[column]})
        for images, column in (("guided", "J"), ("unguided", "J_twin"))
    ]
    return pd.concat(parts, ignore_index=True)


def categories_paint(picture, table):
    """Two bars per objective, the first objective on top."""
    axes = picture.subplots()
    for images, shift, shade in (("guided", 0.19, GUIDED), ("unguided", -0.19, UNGUIDED)):
        chosen = table[table["images"] == images]
        heights = np.arange(len(chosen))[::-1]
        axes.barh(heights + shift, chosen["percent"], 0.36, color=shade, label=images)
    names = [f"{row.objective} ({row.category})" for row in chosen.itertuples()]
    axes.set_yticks(heights, names)
    axes.set_ylim(-0.6, len(chosen) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Seen as the objective's category, %")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def categories(summary) -> list:
    """Share of images in the objective's category, guided and unguided."""
    table = categories_table(summary)
    if table.empty:
        return []
    return [
        draw.figure(
            "categories",
            categories_paint,
            data=table,
            size=(4.6, max(2.2, 0.25 * len(table) + 1.2)),
            caption="What a category judge sees that knows no brain responses.",
            how_to_read="The guided bar should be clearly longer than the unguided one.",
            alt="Two bars per objective",
        )
    ]


def pairs_table(row, scores):
    """Independent encoder's value of each image and its twin.

    Returns
    -------
    pandas.DataFrame
        `mark` (seed, mean, natural), `seed`, `unguided`, `guided` (SD; the natural images' value
        stands in both).
    """
    seeds = {"seed": scores["seed"], "unguided": scores["B_twin"], "guided": scores["B"]}
    mean = {"unguided": scores["B_twin"].mean(), "guided": scores["B"].mean()}
    best = dict.fromkeys(("unguided", "guided"), row["natural_B"])
    parts = [pd.DataFrame({"mark": "seed", **seeds})]
    for mark, values in (("mean", mean), ("natural", best)):
        parts.append(pd.DataFrame({"mark": mark, **values}, index=[0]))
    table = pd.concat(parts, ignore_index=True)
    return table.astype({"seed": "Int64"})


def pairs_paint(picture, table):
    """Lines from the unguided image to the guided one, and their mean."""
    axes = picture.subplots()
    seeds = table[table["mark"] == "seed"]
    for pair in seeds.itertuples():
        axes.plot([0, 1], [pair.unguided, pair.guided], color=draw.PALE, lw=0.8, zorder=0)
    axes.scatter(np.zeros(len(seeds)), seeds["unguided"], s=14, color=UNGUIDED)
    axes.scatter(np.ones(len(seeds)), seeds["guided"], s=14, color=GUIDED)
    for mean in table[table["mark"] == "mean"].itertuples():
        axes.plot([0, 1], [mean.unguided, mean.guided], color=draw.INK, lw=2)
    for height in table.loc[table["mark"] == "natural", "guided"]:
        axes.axhline(height, color=NATURAL, lw=1, ls=(0, (4, 3)))
        alignment = {"ha": "center", "va": "bottom"}
        axes.annotate("best natural", (0.5, height), fontsize=7.5, color=NATURAL, **alignment)
    axes.set_xticks([0, 1], ["unguided", "guided"])
    axes.set_xlim(-0.4, 1.4)
    axes.set_ylabel("Independent encoder, SD")


def pairs(row, scores) -> list:
    """Independent encoder's value of each image and its twin."""
    return [
        draw.figure(
            f"pairs_{row['folder']}",
            pairs_paint,
            data=pairs_table(row, scores),
            caption=f"{row['objective']}: every seed with and without guidance, as the independent "
            f"encoder sees it (paired t {row['t']:.1f}).",
            how_to_read="Lines that rise are seeds whose guided image is better also for an "
            "encoder that did not guide.",
            alt="Paired dots of unguided and guided images",
        )
    ]


def traces_table(sidecars):
    """Steps of the sampler: `seed`, `step` (from 1), `activation` (of the guide), `ratio`.

    Parameters
    ----------
    sidecars : dict of int to dict
        Sidecar of the image of each seed.
    """
    rows = [
        (seed, step, value["activation"], value["ratio"])
        for seed, sidecar in sidecars.items()
        for step, value in enumerate(sidecar.get("trace") or (), start=1)
    ]
    return pd.DataFrame(rows, columns=["seed", "step", "activation", "ratio"])


def traces_paint(picture, table):
    """A line per seed: the guide's prediction, and the size of the correction."""
    left, right = picture.subplots(1, 2)
    for _, of_seed in table.groupby("seed", sort=False):
        left.plot(of_seed["step"], of_seed["activation"], color=GUIDED, lw=0.6, alpha=0.6)
        right.plot(of_seed["step"], of_seed["ratio"], color=NATURAL, lw=0.6, alpha=0.6)
    left.set_ylabel("Objective, guide")
    right.set_ylabel("Correction / noise")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("Guided step")


def traces(row, sidecars) -> list:
    """Predicted activation and correction ratio over the steps of the sampler."""
    table = traces_table(sidecars)
    if table.empty:
        return []
    return [
        draw.figure(
            f"traces_{row['folder']}",
            traces_paint,
            data=table,
            caption=f"{row['objective']}: the guide's prediction and the size of the correction "
            "while the images form.",
            how_to_read="The prediction should rise steadily; corrections far above 0.3 of the "
            "noise prediction leave the range in which images stay natural.",
            alt="Lines over steps, one per seed",
        )
    ]


def card_table(guide, other):
    """R2 of both encoders on test images: `voxel`, `roi`, `guide`, `independent`."""
    same = other.set_index("voxel")["r2"].loc[guide["voxel"]].to_numpy()
    return guide[["voxel", "roi"]].assign(guide=guide["r2"], independent=same)


def card_paint(picture, table):
    """A dot per voxel, coloured by region."""
    axes = picture.subplots()
    for number, (roi, of_region) in enumerate(table.groupby("roi", sort=False)):
        shade = draw.CYCLE[number % len(draw.CYCLE)]
        style = {"s": 10, "alpha": 0.8, "linewidths": 0}
        axes.scatter(of_region["guide"], of_region["independent"], color=shade, label=roi, **style)
    values = table[["guide", "independent"]].to_numpy()
    ends = [np.nanmin(values), np.nanmax(values)]
    axes.plot(ends, ends, color=draw.PALE, lw=1, zorder=0)
    axes.set_xlabel("R² of the guide")
    axes.set_ylabel("R² of the independent encoder")
    if table["roi"].nunique() <= 8:
        axes.legend(fontsize=7, loc="upper left", handletextpad=0.1)


def card(guide, other) -> list:
    """R2 of both encoders, voxel by voxel."""
    return [
        draw.figure(
            "card",
            card_paint,
            data=card_table(guide, other),
            caption="How well the two encoders predict each voxel on test images that neither saw.",
            how_to_read="Both encoders must predict the voxels: a judge that predicts nothing "
            "cannot confirm anything.",
            alt="Scatter plot of R squared of two encoders",
        )
    ]
