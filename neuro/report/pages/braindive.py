"""Pages of the stage `braindive`: images that regions prefer, and what other encoders think."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import braindive as braindive_figures
from neuro.report.figures.cohort import verdicts as verdict_figures
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
    texts = dict.fromkeys(("objective", "folder", "mds_verdict", "refused", "why", "dataset"), str)
    summary = read_table(folder / "summary.tsv", **texts)
    scores = read_table(folder / "scores.tsv", objective=str, dataset=str)
    blocks: list = [model.Text(INTRO)]
    if summary is None or scores is None:
        blocks.append(model.Text("There are no judged images.", "note"))
        return [model.Section("braindive", "Preferred images", blocks)]
    summary, refused = _refused(summary)
    blocks += [
        model.Text(f"{row['objective']}: no images were made: {row['refused']}.", "warning")
        for row in refused
    ]
    panel = read_table(folder / "panel.tsv", objective=str, images=str, judge=str)
    if not len(summary):
        return [model.Section("braindive", "Preferred images", blocks)]
    shown = _named(summary, summary)
    blocks += [model.Text(text, kind) for text, kind in _sentences(shown, config)]
    if panel is not None and "verdict" in summary:
        panel = _named(panel, summary)
        blocks += verdict_figures.verdicts(shown, panel)
        blocks += [_verdicts(shown), _judges(panel)]
    blocks += braindive_figures.effects(shown)
    blocks += braindive_figures.categories(shown)
    blocks.append(_table(shown))
    natural = read_table(folder / "natural.tsv", objective=str, chosen_by=str, dataset=str)
    out = [model.Section("braindive", "Preferred images", blocks)]
    several = "dataset" in summary and summary["dataset"].nunique() > 1
    keys = summary["dataset"] if "dataset" in summary else pd.Series("", index=summary.index)
    for name, own in summary.groupby(keys, sort=False):
        subfolder = _place(folder, own)
        tag, words = (f"{name}-", f" ({name})") if several else ("", "")
        for row in own.to_dict("records"):
            chosen = _of(scores, row)
            out.append(
                model.Section(
                    f"braindive-{tag}{row['folder']}",
                    f"Images for {row['objective']}{words}",
                    _objective(folder, subfolder, row, chosen, _of(natural, row)),
                )
            )
        blocks = [*_card(subfolder)]
        if blocks:
            out.append(model.Section(f"braindive-{tag}encoders", f"Encoders{words}", blocks))
    return out


def _of(table, row):
    """Rows of a table of all data sets that belong to an objective."""
    if table is None:
        return None
    own = table["objective"] == row["objective"]
    if "dataset" in table and "dataset" in row:
        own &= table["dataset"] == row["dataset"]
    return table[own]


def _named(table, summary):
    """Objectives with their data set's name, where there are several."""
    if "dataset" not in summary or summary["dataset"].nunique() < 2:
        return table
    return table.assign(objective=table["objective"] + " (" + table["dataset"] + ")")


def _refused(summary):
    """Objectives with images, and those that were refused."""
    if "refused" not in summary:
        return summary, []
    why = summary["refused"].fillna("").astype(str)
    kept = summary[why == ""].copy()
    for name in ("adversarial", "collapsed", "filtered"):
        kept[name] = kept[name].astype(str).isin(["True", "1", "1.0"])
    return kept, summary[why != ""].to_dict("records")


VERDICT = (
    "Gains are counted in units of each judge's own gain for natural images with the highest "
    "measured responses, so a weak judge is no smaller gain. Supported: more than a quarter of "
    "that gain, and more than half of what the guide says of its own images. Refuted: less than "
    "both. Otherwise nobody can tell, and why stands beside it."
)


def _verdicts(summary) -> model.Table:
    rows = [
        {
            **row,
            "why": row["why"] if isinstance(row["why"], str) else "",
            "ci": model.interval(row["gain_low"], row["gain_high"], 2),
            "n_judges": model.number(int(row["n_judges"])),
        }
        for row in summary.to_dict("records")
    ]
    columns = [
        model.Column("objective", "Objective"),
        model.Column("verdict", "Verdict"),
        model.Column("why", "Why not"),
        model.Column("gain", "Gain, panel", 2),
        model.Column("ci", "90 % interval", 0),
        model.Column("claim", "Guide's claim", 2),
        model.Column("transfer", "Transfer", 2),
        model.Column("best_gain", "Best of unguided", 2),
        model.Column("smallest", "Smallest told apart", 2),
        model.Column("n_judges", "Judges", 0),
    ]
    return model.Table(VERDICT, columns, rows)


def _judges(panel) -> model.Table:
    chosen = panel[panel["images"] == "guided"]
    rows = [
        {
            **row,
            "part": "yes" if str(row["gated"]) in ("True", "1", "1.0") else "abstains",
            "ci": model.interval(row["low"], row["high"], 2),
        }
        for row in chosen.to_dict("records")
    ]
    columns = [
        model.Column("objective", "Objective"),
        model.Column("judge", "Judge"),
        model.Column("r", "r, natural", 2),
        model.Column("quality", "Unit / its error", 1),
        model.Column("part", "Takes part"),
        model.Column("gain", "Gain", 2),
        model.Column("ci", "90 % interval", 0),
        model.Column("transfer", "Transfer", 2),
    ]
    caption = (
        "The judges, on natural images that they never saw: correlation of predicted and measured "
        "responses, and their unit in standard errors (3 are needed, 2 below 100 images)."
    )
    return model.Table(caption, columns, rows)


def _place(folder: Path, summary) -> Path:
    """Folder of the data set: the one that holds the objectives."""
    if "dataset" in summary and len(summary):
        return folder / str(summary["dataset"].iloc[0])
    name = summary["folder"].iloc[0]
    files = sorted(
        path.parent for path in folder.glob(f"*/{name}") if path.parent.name != "natural"
    )
    return files[0] if files else folder


def _sentences(summary, config):
    n = int(summary["n"].max())
    if "verdict" in summary:
        yield from _told(summary, n)
    else:
        yield from _flags(summary, n)
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


def _told(summary, n):
    """Verdicts in words, and what a control without gradients gives."""
    counts = [f"{(summary['verdict'] == word).sum()} {word}" for word in OUTCOMES]
    yield f"Of {len(summary)} objectives ({n} seeds each): {', '.join(counts)}.", "note"
    for row in summary[summary["verdict"] == "refuted"].to_dict("records"):
        yield (
            f"{row['objective']}: refuted. The images please the encoder that made them more than "
            "they show anything; they are kept, without a rank.",
            "warning",
        )
    level = summary[(summary["best_high"] >= summary["gain"]) & (summary["best_gain"] > 0)]
    if len(level):
        names = ", ".join(level["objective"].astype(str))
        yield (
            f"The best of several unguided images is as good for the panel as guidance: {names}.",
            "note",
        )


OUTCOMES = ("supported", "refuted", "cannot tell")


def _flags(summary, n):
    """What results without a verdict say."""
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


def _objective(folder, subfolder, row, scores, natural):
    blocks = braindive_figures.grid(folder, subfolder / row["folder"], row, scores, natural)
    blocks += braindive_figures.pairs(row, scores)
    blocks += braindive_figures.traces(row, _sidecars(subfolder / row["folder"], scores))
    return blocks


def _sidecars(folder, scores):
    paths = {seed: folder / f"seed-{seed}.json" for seed in scores["seed"]}
    return {
        seed: json.loads(path.read_text("utf-8")) for seed, path in paths.items() if path.is_file()
    }


def _card(subfolder) -> list:
    guide = read_table(subfolder / "encoder_card.tsv", voxel=str, roi=str)
    other = read_table(subfolder / "independent_card.tsv", voxel=str, roi=str)
    if guide is None or other is None:
        return []
    figures = braindive_figures.card(guide, other)
    rows = []
    guide, other = (
        card.assign(roi=card["roi"].str.split("|")).explode("roi") for card in (guide, other)
    )
    for roi, of_region in guide.groupby("roi", sort=False):
        same = other[other["roi"] == roi]
        rows.append(
            {
                "roi": roi,
                "n": model.number(len(of_region)),
                "guide": of_region["r2"].median(),
                "share": _median(of_region["r2_ceiling"]),
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
