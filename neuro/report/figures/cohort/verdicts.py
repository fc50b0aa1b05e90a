"""Figures of verdicts: what a panel of judges says about images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.report.figures import draw

GUIDED, BEST = draw.CASE, draw.CONTROL


def verdict_words(row) -> str:
    """A verdict with its figures, for a title: in units of natural top images."""
    text = row["verdict"]
    if np.isfinite(row["gain"]):
        text += f": gain {row['gain']:.2f} [{row['gain_low']:.2f}, {row['gain_high']:.2f}]"
        text += f", the guide says {row['claim']:.2f}"
    why = row["why"]
    return f"{text} ({why})" if isinstance(why, str) and why else text


def verdicts_table(summary, panel):
    """Gains of guided images, and of the control without gradients, by judge and objective.

    Parameters
    ----------
    summary, panel : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
        `objective`, `images` (guided, best), `who` (panel, guide, or a judge's name), `value`,
        `low`, `high` (90 % interval; none for the guide). Units: gain of natural top images.
        Judges that abstain are not in it.
    """
    rows = []
    for row in summary.to_dict("records"):
        for images, names in (
            ("guided", ("gain", "gain_low", "gain_high", "claim")),
            ("best", ("best_gain", "best_low", "best_high", "best_claim")),
        ):
            gain, low, high, claim = (row[name] for name in names)
            rows.append((row["objective"], images, "panel", gain, low, high))
            rows.append((row["objective"], images, "guide", claim, np.nan, np.nan))
        own = panel[(panel["objective"] == row["objective"]) & panel["gated"].astype(bool)]
        rows += [
            (
                row["objective"],
                verdict.images,
                verdict.judge,
                verdict.gain,
                verdict.low,
                verdict.high,
            )
            for verdict in own.itertuples()
        ]
    columns = ["objective", "images", "who", "value", "low", "high"]
    table = pd.DataFrame(rows, columns=columns).astype({"value": float, "low": float})
    return table[np.isfinite(table["value"])].reset_index(drop=True)


def verdicts_paint(picture, table):
    """A line per objective: diamonds of the panel, dots of its judges, circles of the guide."""
    axes = picture.subplots()
    names = list(table["objective"].unique())
    for images, shade, shift in (("guided", GUIDED, 0.16), ("best", BEST, -0.16)):
        chosen = table[table["images"] == images]
        heights = (
            np.array([len(names) - 1 - names.index(name) for name in chosen["objective"]]) + shift
        )
        alone = ~chosen["who"].isin(["panel", "guide"]).to_numpy()
        guide, panel = (chosen["who"] == "guide").to_numpy(), (chosen["who"] == "panel").to_numpy()
        label = {"guided": "guided", "best": "best of unguided"}[images]
        axes.scatter(chosen["value"][alone], heights[alone], s=12, color=shade, alpha=0.5, lw=0)
        axes.scatter(chosen["value"][guide], heights[guide], s=22, color="none", edgecolor=shade)
        axes.errorbar(
            chosen["value"][panel],
            heights[panel],
            xerr=[
                (chosen["value"] - chosen["low"])[panel],
                (chosen["high"] - chosen["value"])[panel],
            ],
            fmt="D",
            ms=5,
            color=shade,
            label=f"{label}: panel",
            capsize=2,
        )
    axes.axvline(0, color=draw.INK, lw=0.8)
    axes.axvline(1, color=draw.PALE, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("Gain, in units of natural top images")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def verdicts(summary, panel) -> list:
    """Gains of guided images and of the control, see :func:`verdicts_table`."""
    table = verdicts_table(summary, panel)
    if table.empty:
        return []
    return [
        draw.figure(
            "verdicts",
            verdicts_paint,
            data=table,
            size=(5.2, max(2.2, 0.6 * summary["objective"].nunique() + 1.2)),
            caption="What judges see in the images that took no part in making them, in units of "
            "what each sees in natural images with the highest measured responses (diamonds: the "
            "panel with its 90 % interval; small dots: its judges; circles: what the guide says).",
            how_to_read="Guided images as good as natural top images stand at 1. Where the best of "
            "some unguided images stands beside the guided ones, guidance adds nothing.",
            alt="Dots with intervals, one line per objective",
        )
    ]
