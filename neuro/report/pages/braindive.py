"""Pages of the stage `braindive`: images that regions prefer, and what other encoders think."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import braindive as braindive_figures
from neuro.report.site import model
from neuro.report.site.labels import Labels
from neuro.report.site.tables import read_table

INTRO = (
    "Images that were made to drive a region or a cluster of voxels, according to an encoder that "
    "predicts voxel responses from images. They are synthetic. An encoder can be fooled by its own "
    "gradient, so the images are judged by an encoder with another architecture that was fitted on "
    "other images, against unguided images from the same noise."
)


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, as `neuro.report.site.page.SECTIONS` says."""
    folder = results / "braindive"
    summary = read_table(folder / "summary.tsv", objective=str, folder=str, mds_verdict=str)
    scores = read_table(folder / "scores.tsv", objective=str)
    blocks: list = [model.Text(INTRO)]
    if summary is None or scores is None:
        blocks.append(model.Text("There are no judged images.", "note"))
        return [model.Section("braindive", "Preferred images", blocks)]
    blocks += [model.Text(text, kind) for text, kind in _sentences(summary, config)]
    blocks += braindive_figures.effects(summary)
    blocks += braindive_figures.categories(summary)
    blocks.append(_table(summary))
    place = _place(folder, summary)
    natural = read_table(folder / "natural.tsv", objective=str, chosen_by=str)
    out = [model.Section("braindive", "Preferred images", blocks)]
    for row in summary.to_dict("records"):
        part = scores[scores["objective"] == row["objective"]]
        out.append(
            model.Section(
                f"braindive-{row['folder']}",
                f"Images for {row['objective']}",
                _objective(folder, place, row, part, natural),
            )
        )
    blocks = [*_card(place)]
    if blocks:
        out.append(model.Section("braindive-encoders", "Encoders", blocks))
    return out


def _place(folder: Path, summary) -> Path:
    """Folder of the data set: the one that holds the objectives."""
    name = summary["folder"].iloc[0]
    found = sorted(
        path.parent for path in folder.glob(f"*/{name}") if path.parent.name != "natural"
    )
    return found[0] if found else folder


def _sentences(summary, config):
    n = int(summary["n"].max())
    believed = summary[~summary["adversarial"] & (summary["t"] >= 3) & (summary["gain_B"] > 0)]
    yield (
        f"{len(believed)} of {len(summary)} objectives gain under the independent encoder (paired "
        f"t at least 3 over {n} seeds, no flag).",
        "note",
    )
    for row in summary[summary["adversarial"]].to_dict("records"):
        yield (
            f"{row['objective']}: flagged as adversarial ({row['reason']}). The images please the "
            "encoder that made them more than they show anything; they are kept, without a rank.",
            "warning",
        )
    for row in summary[summary["collapsed"]].to_dict("records"):
        yield (
            f"{row['objective']}: the images resemble each other (diversity collapsed).",
            "warning",
        )
    verdicts = summary["mds_verdict"].fillna("")
    for row in summary[~verdicts.isin(["", "stable types"])].to_dict("records"):
        yield (
            f"{row['objective']}: made from a cluster whose verdict is '{row['mds_verdict']}'.",
            "warning",
        )
    if summary["J"].isna().all():
        yield (
            "There is no category judge: only the first half of the adversary test applies.",
            "note",
        )
    yield _filter(summary, config)


def _filter(summary, config):
    """What is known about the content of the images."""
    if summary["filtered"].any():
        flagged = int(summary["n_flagged"].sum())
        return (
            f"A content filter looked at the images and would black out {flagged} of "
            f"{int(summary['n'].sum())}; none is changed or left out. Verdicts are in scores.tsv.",
            "warning" if flagged else "note",
        )
    if config.get("braindive", {}).get("generator", {}).get("type") == "tiny":
        return (
            "The generator is the small one, trained on the images of this data set; its pictures "
            "are coarse. No content filter runs: it can draw nothing beyond its training images.",
            "note",
        )
    return "No content filter was applied to the images.", "warning"


def _table(summary) -> model.Table:
    rows = []
    for row in summary.to_dict("records"):
        rows.append(
            {
                **row,
                "ci": model.interval(row["ci_low"], row["ci_high"], 2),
                "flag": "adversarial" if row["adversarial"] else "",
                "n": model.number(int(row["n"])),
                "J": 100 * row["J"],
                "J_twin": 100 * row["J_twin"],
                "shape": f"{row['diversity'] / row['diversity_twin']:.2f}"
                if row["diversity_twin"]
                else "n/a",
            }
        )
    columns = [
        model.Column("objective", "Objective"),
        model.Column("n", "Seeds", 0),
        model.Column("gain_A", "Gain, guide", 2),
        model.Column("gain_B", "Gain, independent", 2),
        model.Column("ci", "95 % interval", 0),
        model.Column("t", "Paired t", 1),
        model.Column("J", "Category, %", 0),
        model.Column("J_twin", "Unguided, %", 0),
        model.Column("shape", "Diversity", 0),
        model.Column("correction_ratio", "Correction", 2),
        model.Column("natural_B", "Best natural, B", 2),
        model.Column("flag", "Flag"),
    ]
    caption = (
        "Gains are in standard deviations of the response, guided minus unguided image of the same "
        "seed. Category is the share of images that the category judge names as the objective's. "
        "Diversity is the mean distance between images relative to the unguided ones. Correction "
        "is the size of the guidance relative to the noise prediction: 0.1 to 0.3 is usual. Best "
        "natural: independent encoder's mean for the test images with the highest prediction."
    )
    return model.Table(caption, columns, rows)


def _objective(folder, place, row, scores, natural):
    blocks = braindive_figures.grid(folder, place / row["folder"], row, scores, natural)
    blocks += braindive_figures.pairs(row, scores)
    blocks += braindive_figures.traces(row, _sidecars(place / row["folder"], scores))
    return blocks


def _sidecars(folder, scores):
    paths = {seed: folder / f"seed-{seed}.json" for seed in scores["seed"]}
    return {
        seed: json.loads(path.read_text("utf-8")) for seed, path in paths.items() if path.is_file()
    }


def _card(place) -> list:
    guide = read_table(place / "encoder_card.tsv", voxel=str, roi=str)
    other = read_table(place / "independent_card.tsv", voxel=str, roi=str)
    if guide is None or other is None:
        return []
    figures = braindive_figures.card(guide, other)
    rows = []
    guide, other = (
        card.assign(roi=card["roi"].str.split("|")).explode("roi") for card in (guide, other)
    )
    for roi, part in guide.groupby("roi", sort=False):
        same = other[other["roi"] == roi]
        rows.append(
            {
                "roi": roi,
                "n": model.number(len(part)),
                "guide": part["r2"].median(),
                "share": _median(part["r2_ceiling"]),
                "other": same["r2"].median(),
            }
        )
    columns = [
        model.Column("roi", "Region"),
        model.Column("n", "Voxels", 0),
        model.Column("guide", "R², guide", 3),
        model.Column("share", "Share of ceiling", 2),
        model.Column("other", "R², independent", 3),
    ]
    caption = "Encoders on test images, median over voxels; the ceiling comes from repeats."
    return [*figures, model.Table(caption, columns, rows)]


def _median(values) -> float:
    values = pd.to_numeric(values, errors="coerce").to_numpy(float)
    return float(np.median(values[np.isfinite(values)])) if np.isfinite(values).any() else np.nan
