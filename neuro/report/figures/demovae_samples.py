"""Figures of the stage `demovae`: synthetic connectomes, and planted ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw
from neuro.report.figures.demovae import COLOURS, SYNTHETIC, features_name, kind, target_name
from neuro.report.site import model


def group_maps(arrays: dict, comparison: pd.DataFrame, regions: int) -> list:
    """Group differences of real people above the diagonal, of synthetic ones below."""
    names = [name for name in comparison["map"] if f"synthetic_{name}" in arrays]
    # every level of a many-levelled column would fill pages
    names = sorted(names, key=lambda name: "=" in name)[:8]
    if not names:
        return []
    table = comparison.set_index("map")
    upper = np.triu_indices(regions, 1)

    def paint(picture):
        n_columns = min(len(names), 4)
        n_rows = -(-len(names) // n_columns)
        several = picture.subplots(n_rows, n_columns, squeeze=False).ravel()
        for axes in several[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(several, names):
            real, made = arrays[f"real_{name}"], arrays[f"synthetic_{name}"]
            both = np.full((regions, regions), np.nan)
            both[upper] = real
            both.T[upper] = made
            limit = float(np.quantile(np.abs(real), 0.99)) or 1.0
            image = axes.imshow(both, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_xticks([])
            axes.set_yticks([])
            row = table.loc[name]
            axes.set_title(target_name(name.replace("=", " = ")))
            axes.set_xlabel(f"r {row['r']:.2f}, amplitude {row['amplitude']:.2f}", fontsize=8)
            bar = picture.colorbar(image, ax=axes, shrink=0.75, pad=0.02)
            bar.ax.tick_params(labelsize=7)
            bar.outline.set_visible(False)

    rows = -(-len(names) // 4)
    return [
        draw.figure(
            "group_maps",
            paint,
            size=(9.4, 2.55 * rows),
            wide=True,
            caption="Group differences of edges, each given all other columns: held-out real "
            "people above the diagonal, synthetic people below. Per standard deviation of a "
            "number and of its square, last minus first of two levels, a level minus the mean of "
            "all.",
            how_to_read="The two triangles should mirror each other. r is the correlation of the "
            "two maps over edges, amplitude the factor of the synthetic on the real map; one half "
            "of the real people against the other half (table) is the best that can be expected.",
            alt="Maps of group differences, real and synthetic",
        )
    ]


def edge_statistics(arrays: dict) -> list:
    """Mean and standard deviation of every edge, synthetic against real."""
    if "mean_synthetic" not in arrays:
        return []

    def paint(picture):
        several = picture.subplots(1, 2)
        for axes, name, word in zip(several, ("mean", "sd"), ("Mean", "Standard deviation")):
            real, made = arrays[f"{name}_real"], arrays[f"{name}_synthetic"]
            ends = [float(min(real.min(), made.min())), float(max(real.max(), made.max()))]
            if len(real) < 3000:
                axes.scatter(real, made, s=7, color=draw.CONTROL, alpha=0.5, lw=0)
            else:
                axes.hexbin(
                    real, made, gridsize=60, bins="log", cmap="Blues", mincnt=1, linewidths=0
                )
            axes.plot(ends, ends, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
            axes.set_xlabel(f"{word} of an edge, held-out real")
            axes.set_ylabel("Synthetic")
        several[0].set_title("Means")
        several[1].set_title("Standard deviations")

    return [
        draw.figure(
            "edges",
            paint,
            size=(8.2, 3.5),
            wide=True,
            caption="Distribution of every edge over people: mean and standard deviation, "
            "synthetic against held-out real people. Darker: more edges.",
            how_to_read="Points on the dashed line agree. Standard deviations below the line are "
            "what a decoder without residual noise gives: synthetic people too much alike.",
            alt="Edge means and standard deviations, synthetic against real",
        )
    ]


def eigenvalues(arrays: dict) -> list:
    """Smallest eigenvalues of synthetic and real matrices."""
    if "eigenvalue_synthetic" not in arrays:
        return []
    values = {name: arrays[f"eigenvalue_{name}"] for name in ("real", "synthetic")}

    def paint(picture):
        axes = picture.subplots()
        everything = np.concatenate(list(values.values()))
        spread = max(float(np.ptp(everything)), 1e-6)
        edges = np.linspace(everything.min() - 0.02 * spread, everything.max() + 0.02 * spread, 31)
        for name, colour in (("real", draw.CONTROL), ("synthetic", SYNTHETIC)):
            axes.hist(values[name], edges, color=colour, alpha=0.6, label=name)
        axes.axvline(0, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
        axes.set_xlabel("Smallest eigenvalue")
        axes.set_ylabel("Matrices")
        axes.legend()

    low = float(values["synthetic"].min())
    return [
        draw.figure(
            "eigenvalues",
            paint,
            caption=f"Smallest eigenvalue of each matrix. The smallest of all synthetic ones is "
            f"{model.compact(low)}.",
            how_to_read="A matrix with a negative eigenvalue is no correlation matrix of any "
            "signals; every decoded matrix is one until it is repaired. Real matrices of more "
            "regions than volumes have zeros, give or take rounding.",
            alt="Smallest eigenvalues of real and synthetic matrices",
        )
    ]


def privacy(arrays: dict, generation: pd.Series) -> list:
    """Distance to the nearest training person against the nearest other person."""
    if "nearest_train" not in arrays:
        return []
    near, far = arrays["nearest_train"], arrays["nearest_heldout"]
    ratio = float((near < far).mean())

    def paint(picture):
        axes = picture.subplots()
        ends = [float(min(near.min(), far.min())), float(max(near.max(), far.max()))]
        pad = 0.04 * (ends[1] - ends[0] or 1)
        ends = [ends[0] - pad, ends[1] + pad]
        axes.plot(ends, ends, color=draw.INK, lw=0.9, ls=(0, (3, 2)))
        closer = near < far
        for mask, colour, word in (
            (closer, SYNTHETIC, f"nearer to training: {100 * ratio:.0f} %"),
            (~closer, draw.CONTROL, f"nearer to others: {100 * (1 - ratio):.0f} %"),
        ):
            axes.scatter(far[mask], near[mask], s=9, color=colour, alpha=0.7, lw=0, label=word)
        axes.set_xlim(ends)
        axes.set_ylim(ends)
        axes.set_xlabel("Distance to the nearest held-out person")
        axes.set_ylabel("Distance to the nearest training person")
        axes.legend(loc="upper left")

    auc = generation.get("membership_auc", np.nan)
    return [
        draw.figure(
            "privacy",
            paint,
            size=(4.6, 3.9),
            caption=f"Nearest neighbours of synthetic connectomes (RMS difference per edge), "
            f"training against as many held-out people. The reconstruction error tells training "
            f"from other people with an AUC of {model.number(float(auc), 2)}.",
            how_to_read="Half of the samples on each side: they know nothing about single people. "
            "An AUC far above 0.5 means that whoever holds the weights can tell who was in the "
            "training set: released weights identify participants.",
            alt="Distances of synthetic connectomes to training and to held-out people",
        )
    ]


def planted(table: pd.DataFrame) -> list:
    """Planted cohort: what is left in the features, and how well maps come back."""
    removed, maps = table[table["group"] == "removed"], table[table["group"] == "maps"]
    maps = maps[maps["unit"] == "r"]
    features = list(dict.fromkeys(removed["features"]))
    targets = list(dict.fromkeys(removed["name"]))
    if not targets:
        return []

    def paint(picture):
        left, right = picture.subplots(1, 2, width_ratios=(3, 2))
        height = 0.8 / len(features)
        for i, name in enumerate(features):
            part = removed[removed["features"] == name].set_index("name").reindex(targets)
            place = np.arange(len(targets)) + (i - (len(features) - 1) / 2) * height
            colour = COLOURS.get(kind(name), draw.OTHER)
            left.barh(place, part["error"], height=0.9 * height, color=colour)
            left.barh(0, 0, height=0, color=colour, label=features_name(name))
        left.set_yticks(range(len(targets)), [target_name(name) for name in targets])
        left.set_ylim(len(targets) - 0.5, -0.5)
        left.axvline(0, color=draw.INK, lw=0.8)
        left.set_xlabel("Score above chance in new subjects")
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        place = np.arange(len(maps))
        right.barh(place - 0.19, maps["baseline"], height=0.34, color=draw.OTHER, label="real")
        right.barh(place + 0.19, maps["recovered"], height=0.34, color=SYNTHETIC, label="samples")
        right.set_yticks(place, [target_name(name.replace("=", " = ")) for name in maps["name"]])
        right.set_ylim(len(maps) - 0.5, -0.5)
        right.set_xlim(0, 1)
        right.set_xlabel("Correlation with the planted map")
        right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return [
        draw.figure(
            "planted",
            paint,
            size=(9.4, 3.4),
            wide=True,
            caption="Planted cohort. Left: age, its square, sex and site in the features of new "
            "subjects, as score above chance (R² or balanced accuracy). Right: group maps of "
            "synthetic subjects against the planted ones, beside a regression on the real "
            "subjects that the network learned from.",
            how_to_read="Left, deconfounded features should be near zero where raw connectomes "
            "are not. Right, samples cannot know more of a map than the people behind them.",
            alt="What is left of planted demographics, and how well planted maps come back",
        )
    ]
