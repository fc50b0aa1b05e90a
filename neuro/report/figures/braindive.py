"""Figures of the stage `braindive`: image grids, paired effects, traces, encoder cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.report.figures import draw

GUIDED, UNGUIDED, NATURAL = draw.CASE, draw.OTHER, draw.CONTROL
N_SHOWN = 8


def grid(top: Path, folder: Path, row: dict, scores) -> list:
    """Best guided images, their unguided twins and natural images; pixels as they are."""
    from PIL import Image

    key = "rank_B" if scores["rank_B"].notna().any() else "seed"
    best = scores.sort_values(key)["seed"].head(N_SHOWN)
    natural = top / "natural" / row["folder"]
    lines = [
        ("guided", [folder / f"seed-{seed}.png" for seed in best]),
        ("unguided", [folder / f"seed-{seed}_unguided.png" for seed in best]),
    ]
    for kind, name in (("prediction", "natural,\npredicted"), ("response", "natural,\nmeasured")):
        lines.append((name, [natural / f"{kind}-{k + 1}.png" for k in range(N_SHOWN)]))
    lines = [(name, [path for path in paths if path.is_file()]) for name, paths in lines]
    lines = [(name, paths) for name, paths in lines if paths]
    if not lines:
        return []

    def paint(picture):
        axes = picture.subplots(len(lines), N_SHOWN, squeeze=False)
        for line, (name, paths) in zip(axes, lines):
            for axis in line:
                axis.set_axis_off()
            for axis, path in zip(line, paths):
                pixels = np.asarray(Image.open(path))
                axis.imshow(pixels, cmap="gray" if pixels.ndim == 2 else None, vmin=0, vmax=255)
            line[0].text(
                -0.12, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9
            )
        if row["adversarial"] or str(row["mds_verdict"]) not in ("", "nan", "stable types"):
            words = ["adversarial"] if row["adversarial"] else []
            if str(row["mds_verdict"]) not in ("", "nan", "stable types"):
                words.append(str(row["mds_verdict"]))
            picture.suptitle(", ".join(words), color=draw.MORE, fontweight="bold")

    return [
        draw.figure(
            f"grid_{row['folder']}",
            paint,
            size=(9.4, 1.12 * len(lines) + 0.3),
            caption=f"Synthetic images for {row['objective']}, best first by the independent "
            "encoder; below each the unguided image from the same noise, and natural test images "
            "with the highest predicted and the highest measured response.",
            how_to_read="What changes from the unguided row to the guided one is what the guide "
            "asked for; natural images show what the responses themselves prefer.",
            alt=f"Rows of small images for {row['objective']}",
            wide=True,
        )
    ]


def effects(summary) -> list:
    """Gain under guide and independent encoder, with intervals."""

    def paint(picture):
        axes = picture.subplots()
        place = np.arange(len(summary))[::-1]
        axes.scatter(summary["gain_A"], place + 0.12, color=UNGUIDED, marker="s", label="guide")
        low, high = summary["gain_B"] - summary["ci_low"], summary["ci_high"] - summary["gain_B"]
        axes.errorbar(
            summary["gain_B"],
            place - 0.12,
            xerr=[low, high],
            fmt="o",
            color=GUIDED,
            label="independent (95 % interval)",
            capsize=2,
        )
        axes.axvline(0, color=draw.INK, lw=0.8)
        axes.set_yticks(place, summary["objective"])
        axes.set_ylim(-0.6, len(summary) - 0.4)
        axes.set_xlabel("Gain over unguided images, SD of the response")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return [
        draw.figure(
            "effects",
            paint,
            size=(4.6, max(2.2, 0.5 * len(summary) + 1.2)),
            caption="Gain of guided over unguided images from the same noise.",
            how_to_read="Only the round marks count: the guide always likes its own images. An "
            "interval that spans zero means that another encoder sees no difference.",
            alt="Dots with intervals, one line per objective",
        )
    ]


def categories(summary) -> list:
    """Share of images in the objective's category, guided and unguided."""
    known = summary[summary["J"].notna()]
    if known.empty:
        return []

    def paint(picture):
        axes = picture.subplots()
        place = np.arange(len(known))[::-1]
        axes.barh(place + 0.19, 100 * known["J"], 0.36, color=GUIDED, label="guided")
        axes.barh(place - 0.19, 100 * known["J_twin"], 0.36, color=UNGUIDED, label="unguided")
        names = [f"{o} ({p})" for o, p in zip(known["objective"], known["preferred"])]
        axes.set_yticks(place, names)
        axes.set_ylim(-0.6, len(known) - 0.4)
        axes.set_xlim(0, 100)
        axes.set_xlabel("Seen as the objective's category, %")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    return [
        draw.figure(
            "categories",
            paint,
            size=(4.6, max(2.2, 0.5 * len(known) + 1.2)),
            caption="What a category judge sees that knows no brain responses.",
            how_to_read="The guided bar should be clearly longer than the unguided one.",
            alt="Two bars per objective",
        )
    ]


def pairs(row, scores) -> list:
    """Independent encoder's value of each image and its twin."""

    def paint(picture):
        axes = picture.subplots()
        for _, score in scores.iterrows():
            axes.plot([0, 1], [score["B_twin"], score["B"]], color=draw.PALE, lw=0.8, zorder=0)
        axes.scatter(np.zeros(len(scores)), scores["B_twin"], s=14, color=UNGUIDED)
        axes.scatter(np.ones(len(scores)), scores["B"], s=14, color=GUIDED)
        axes.plot([0, 1], [scores["B_twin"].mean(), scores["B"].mean()], color=draw.INK, lw=2)
        axes.axhline(row["natural_B"], color=NATURAL, lw=1, ls=(0, (4, 3)))
        axes.annotate(
            "best natural",
            (0.5, row["natural_B"]),
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=NATURAL,
        )
        axes.set_xticks([0, 1], ["unguided", "guided"])
        axes.set_xlim(-0.4, 1.4)
        axes.set_ylabel("Independent encoder, SD")

    return [
        draw.figure(
            f"pairs_{row['folder']}",
            paint,
            caption=f"{row['objective']}: every seed with and without guidance, as the independent "
            f"encoder sees it (paired t {row['t']:.1f}).",
            how_to_read="Lines that rise are seeds whose guided image is better also for an "
            "encoder that did not guide.",
            alt="Paired dots of unguided and guided images",
        )
    ]


def traces(row, sidecars) -> list:
    """Predicted activation and correction ratio over the steps of the sampler."""
    sidecars = [item for item in sidecars if item.get("trace")]
    if not sidecars:
        return []

    def paint(picture):
        left, right = picture.subplots(1, 2)
        for item in sidecars:
            steps = range(1, len(item["trace"]) + 1)
            left.plot(
                steps, [s["activation"] for s in item["trace"]], color=GUIDED, lw=0.6, alpha=0.6
            )
            right.plot(steps, [s["ratio"] for s in item["trace"]], color=NATURAL, lw=0.6, alpha=0.6)
        left.set_ylabel("Objective, guide")
        right.set_ylabel("Correction / noise")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set_xlabel("Guided step")

    return [
        draw.figure(
            f"traces_{row['folder']}",
            paint,
            caption=f"{row['objective']}: the guide's prediction and the size of the correction "
            "while the images form.",
            how_to_read="The prediction should rise steadily; corrections far above 0.3 of the "
            "noise prediction leave the range in which images stay natural.",
            alt="Lines over steps, one per seed",
        )
    ]


def card(guide, other) -> list:
    """R2 of both encoders, voxel by voxel."""

    def paint(picture):
        axes = picture.subplots()
        for place, (roi, part) in enumerate(guide.groupby("roi", sort=False)):
            same = other.set_index("voxel").loc[part["voxel"], "r2"]
            colour = draw.CYCLE[place % len(draw.CYCLE)]
            axes.scatter(part["r2"], same, s=10, color=colour, alpha=0.8, linewidths=0, label=roi)
        ends = [
            min(guide["r2"].min(), other["r2"].min()),
            max(guide["r2"].max(), other["r2"].max()),
        ]
        axes.plot(ends, ends, color=draw.PALE, lw=1, zorder=0)
        axes.set_xlabel("R² of the guide")
        axes.set_ylabel("R² of the independent encoder")
        if guide["roi"].nunique() <= 8:
            axes.legend(fontsize=7, loc="upper left", handletextpad=0.1)

    return [
        draw.figure(
            "card",
            paint,
            caption="How well the two encoders predict each voxel on test images that neither saw.",
            how_to_read="Both encoders must predict the voxels: a judge that predicts nothing "
            "cannot confirm anything.",
            alt="Scatter plot of R squared of two encoders",
        )
    ]
