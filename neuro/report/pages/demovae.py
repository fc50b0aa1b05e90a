"""Pages of the stage `demovae`: features without demographics, synthetic people, the diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import demovae as figures
from neuro.report.figures import demovae_samples as samples
from neuro.report.pages.adhd_scores import (
    SCHEMES,
    TEXT,
    interval_text,
    intervals_note,
    scheme_name,
)
from neuro.report.pages.demovae_compared import compared, scanned, sharing
from neuro.report.site import model
from neuro.report.site.labels import Labels
from neuro.report.site.tables import read_table

_VALUES = {
    "mean_r": "Correlation of the mean connectomes",
    "mean_rmse": "RMS difference of the mean connectomes",
    "sd_ratio": "Standard deviation of an edge, synthetic over real (median)",
    "min_eigenvalue": "Smallest eigenvalue",
    "tiny_eigenvalues": "Eigenvalues below 1e-4, median",
    "told_apart_eigenvalues": "Told from real people by eigenvalues (area under the curve)",
    "told_apart_linear": "Told from real people, linear machine",
    "told_apart_rbf": "Told from real people, RBF machine",
    "privacy_ratio": "Share of samples nearer to a training person than to any other",
    "membership_auc": "Membership told from the reconstruction error, AUC",
    "attack_samples": "Membership told from these samples alone, AUC",
    "attack_samples_upper": "Its upper bound (do not share above the reference)",
    "attack_samples_many": "Membership told from the largest number of samples tried, AUC",
    "attack_weights": "Membership told from the weights, AUC",
}

_FEW = 100
"""Runs that a fit needs to say something (ours)."""


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, as `neuro.report.site.page.SECTIONS` says."""
    folder = results / "demovae"
    blocks: list = [
        model.Text(
            "Latents of connectomes that carry as little as possible of the demographics, "
            "connectomes of people who do not exist, and the diagnosis again without "
            "demographics. All figures are of held-out subjects unless they say otherwise: on "
            "the subjects of a fit, decorrelation is perfect by construction."
        )
    ]
    readouts = read_table(folder / "readouts.tsv")
    associations = read_table(folder / "associations.tsv")
    if readouts is None or associations is None:
        blocks.append(model.Text("The features have not been judged.", "note"))
    else:
        blocks.append(_size(associations))
        blocks.append(_sentence(readouts, associations))
        blocks += figures.associations(associations)
        blocks += figures.readout_dots(readouts)
        blocks += _readout_tables(readouts)
    reconstruction = read_table(folder / "reconstruction.tsv")
    if reconstruction is not None and len(reconstruction):
        blocks.append(_reconstruction(reconstruction))
    blocks += compared(folder)
    blocks += scanned(folder)
    blocks += _training(folder)
    blocks += _diagnosis(folder)
    blocks += _generation(folder)
    blocks += _planted(folder)
    blocks = [block for block in blocks if block is not None]
    return [model.Section("demovae", "Connectomes without demographics", blocks)]


def _size(associations) -> model.Text | None:
    """A warning where a fit had too few runs to say much."""
    n = int(associations["n_train"].min())
    if n >= _FEW:
        return None
    return model.Text(
        f"The smallest part that a model was fitted on has {n} runs. With fewer than about {_FEW} "
        "the scores below are mostly chance, and synthetic connectomes are little more than the "
        "training ones again.",
        "warning",
    )


def _sentence(readouts, associations) -> model.Text | None:
    """What the deconfounded features hold, beside raw connectomes and compression alone."""
    fresh = readouts[(readouts["fit_on"] == "fresh") & (readouts["model"] == "linear")]
    names = list(dict.fromkeys(fresh["features"]))
    ours = [name for name in names if figures.kind(name) in ("network", "linear")]
    if not ours:
        return None
    main = ours[-1]
    parts = []
    for target in dict.fromkeys(fresh["target"]):
        chosen = fresh[fresh["target"] == target].set_index("features")
        if main not in chosen.index or target == "dx":
            continue
        row, raw = chosen.loc[main], chosen["heldout"].get("raw", np.nan)
        unit = "R²" if row["metric"] == "r2" else "balanced accuracy"
        parts.append(
            f"{figures.target_name(target)} {model.number(row['heldout'], 2)} "
            f"(raw {model.number(raw, 2)}, chance {model.number(row['chance'], 2)}, {unit})"
        )
    held_out = associations[
        (associations["scheme"] == "folds") & (associations["features"] == main)
    ]
    words = f"{figures.features_name(main)} latents, read out of held-out subjects: "
    words += "; ".join(parts) + "."
    if len(held_out):
        over = held_out[held_out["max_abs_r_heldout"] > held_out["null_bound"]]["column"].tolist()
        words += (
            " No latent correlates with a column by more than chance allows."
            if not over
            else f" Beyond what chance allows, a latent correlates with {', '.join(over)}."
        )
    return model.Text(words, "note")


def _readout_tables(readouts) -> list:
    """Scores by target; the blind kind and whole sites held out are folded."""
    captions = {
        "halves": "Fresh readouts, fitted and tested among held-out subjects (two halves, each "
        "the other's test). These count.",
        "folds": "Readouts fitted on the subjects of the fit, tested on held-out ones. Blind by "
        "construction for latents and linear residuals: on the training subjects these have no "
        "correlation left to learn from.",
        "leave_site_out": "Readouts fitted on all other sites, tested on a site that no fit has "
        "seen; means over sites.",
    }
    made = []
    for scheme, caption in captions.items():
        chosen = readouts[readouts["scheme"] == scheme]
        if len(chosen):
            made.append((scheme, _scores(chosen, caption)))
    out: list = [model.Heading("What can be read out"), made[0][1]] if made else []
    if len(made) > 1:
        rest = [table for _, table in made[1:]]
        out.append(model.Details("Readouts of the other schemes", rest))
    return out


def _scores(scores, caption) -> model.Table:
    keys = list(dict.fromkeys(zip(scores["target"], scores["model"])))
    columns = [model.Column("name", "Features")]
    columns += [
        model.Column(f"{target}|{method}", figures.target_name(target, method), 3)
        for target, method in keys
    ]
    rows = []
    for name in dict.fromkeys(scores["features"]):
        row: dict = {"name": figures.features_name(name)}
        own = scores[scores["features"] == name].set_index(["target", "model"])["heldout"]
        row |= {f"{target}|{method}": own.get((target, method)) for target, method in keys}
        row["strong"] = figures.kind(name) == "network"
        rows.append(row)
    chance = scores.drop_duplicates(["target", "model"]).set_index(["target", "model"])["chance"]
    rows.append(
        {"name": "Chance"}
        | {f"{target}|{method}": chance[target, method] for target, method in keys}
    )
    numbers = "R² for numbers, balanced accuracy for groups; rbf is a non-linear machine."
    return model.Table(f"{caption} {numbers}", columns, rows)


def _reconstruction(table) -> model.Table:
    held_out = table[table["scheme"] == "folds"]
    rows = [
        {
            "name": figures.features_name(row["features"]),
            "train": row["rmse_train"],
            "new": row["rmse_heldout"],
        }
        for row in held_out.to_dict("records")
    ]
    columns = [
        model.Column("name", "Features"),
        model.Column("train", "Training subjects", 4),
        model.Column("new", "Held-out subjects", 4),
    ]
    return model.Table("Reconstruction, RMSE per edge (mean over folds).", columns, rows)


def _training(folder: Path) -> list:
    history = read_table(folder / "history.tsv")
    if history is None or history.empty:
        return []
    path, epoch = folder / "model.json", None
    if path.is_file():
        epoch = json.loads(path.read_text("utf-8")).get("Epoch")
    drawn = figures.losses(history, epoch)
    return [model.Heading("Training"), *drawn] if drawn else []


def _diagnosis(folder: Path) -> list:
    scores = read_table(folder / "dx_without_demographics.tsv", **TEXT)
    if scores is None or scores.empty:
        return []
    scores = scores.copy()
    scores["primary"] = scores["primary"].astype(str).str.lower().isin(("true", "1", "1.0"))
    if "interval" not in scores:
        scores["interval"] = np.nan
    totals = scores[(scores["fold"] == "all") & scores["site"].fillna("all").isin(("all", ""))]
    out: list = [model.Heading("The diagnosis without demographics")]
    drawn, tables = [], []
    for scheme in [name for name in SCHEMES if (totals["scheme"] == name).any()]:
        chosen = totals[totals["scheme"] == scheme]
        main = chosen[chosen["metric"] == "balanced_accuracy"]
        drawn.append(figures.diagnosis(main, scheme))
        tables.append(_diagnosis_table(chosen, main, scheme))
    alone = totals[(totals["input"] == "demographics") & (totals["metric"] == "balanced_accuracy")]
    if len(alone):
        out.append(
            model.Text(
                f"Age, sex and site alone, without any brain, reach "
                f"{model.number(float(alone['value'].iloc[0]), 3)}. Removing demographics can "
                "remove disease with them where the two go together.",
                "note",
            )
        )
    return [*out, *drawn, *tables]


def _diagnosis_table(scores, main, scheme) -> model.Table:
    auc = scores[scores["metric"] == "auc"].set_index("input")["value"]
    rows = [
        {
            "name": figures.features_name(row["input"]),
            "value": row["value"],
            "ci": interval_text(row),
            "null": model.number(row["null_mean"], 3) if np.isfinite(row["null_mean"]) else "",
            "p": model.p_value(row["p"]) if np.isfinite(row["p"]) else "",
            "auc": auc.get(row["input"]),
            "n": int(row["n"]),
            "strong": row["primary"],
        }
        for row in main.to_dict("records")
    ]
    columns = [
        model.Column("name", "Input"),
        model.Column("value", "Balanced accuracy", 3),
        model.Column("ci", "95 % interval", 0),
        model.Column("null", "Null mean", 0),
        model.Column("p", "p", 0),
        model.Column("auc", "AUC", 3),
        model.Column("n", "n", 0),
    ]
    caption = (
        f"{scheme_name(scheme)}: diagnosis from every kind of features, same folds and same "
        f"linear machine. The row declared in advance is in bold. {intervals_note(main)}".strip()
    )
    return model.Table(caption, columns, rows)


def _generation(folder: Path) -> list:
    table = read_table(folder / "generation.tsv")
    maps = read_table(folder / "map_comparison.tsv", map=str)
    path = folder / "generation.npz"
    if table is None or maps is None or not path.is_file():
        return []
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    regions = len(arrays["region"])
    values = table.set_index("name")["value"]
    out: list = [
        model.Heading("Synthetic connectomes"),
        model.Text(
            "A model of one half of the people makes synthetic people; the other half of the real "
            "people judges them. Both halves take their turn."
        ),
        sharing(values),
    ]
    out += samples.group_maps(arrays, maps, regions)
    out += samples.edge_statistics(arrays)
    out += [*samples.eigenvalues(arrays), *samples.privacy(arrays, values)]
    out.append(_map_table(maps))
    out.append(_value_table(table))
    return out


def _map_table(maps) -> model.Table:
    rows = [
        {**row, "name": figures.target_name(str(row["map"]).replace("=", " = "))}
        for row in maps.to_dict("records")
    ]
    columns = [
        model.Column("name", "Group difference"),
        model.Column("r", "r", 3),
        model.Column("r_halves", "r of real halves", 3),
        model.Column("amplitude", "Amplitude", 2),
        *(
            [model.Column("amplitude_halves", "Amplitude of real halves", 2)]
            if "amplitude_halves" in maps
            else []
        ),
        model.Column("rmse", "RMSE", 4),
        model.Column("rms_real", "RMSE of a zero map", 4),
    ]
    caption = (
        "Group maps of synthetic against held-out real people. Columns of real halves are what one "
        "half of the real people reaches on the other: noise in the judge makes both smaller."
    )
    return model.Table(caption, columns, rows)


def _value_table(table: pd.DataFrame) -> model.Table:
    rows = []
    for row in table.to_dict("records"):
        name = str(row["name"])
        words = _VALUES.get(name)
        for start, unit in (("readout_", ""), ("rmse_", ", RMSE in its unit")):
            if words is None and name.startswith(start):
                target = figures.target_name(name.removeprefix(start))
                words = f"Readout of {target} trained on synthetic, tested on real people{unit}"
        if words:
            reference = row["reference"]
            rows.append(
                {
                    "name": words,
                    "value": model.compact(row["value"]),
                    "reference": "" if reference != reference else model.compact(reference),
                }
            )
    columns = [
        model.Column("name", "Measure"),
        model.Column("value", "Synthetic", 0),
        model.Column("reference", "Reference", 0),
    ]
    caption = (
        "Synthetic connectomes in numbers. References: real people for eigenvalues and readouts, "
        "0.5 for nearness and membership."
    )
    return model.Table(caption, columns, rows)


def _planted(folder: Path) -> list:
    table = read_table(folder / "planted.tsv")
    if table is None or table.empty:
        return []
    out: list = [
        model.Heading("A planted cohort: what comes back"),
        model.Text(
            "Connectomes with known effects of age, sex and site, made beside the simulated "
            "images: the same method, with a truth to compare with."
        ),
    ]
    ours = table["features"].map(figures.kind).isin(("network", "linear"))
    main = table.loc[ours, "features"].iloc[-1] if ours.any() else None
    rows = [
        {
            **row,
            "name": figures.target_name(str(row["name"]).replace("=", " = ")),
            "group": {"removed": "left in features", "kept": "kept in features"}.get(
                row["group"], f"map of samples, {row['unit']}"
            ),
        }
        for row in table[table["features"] == main].to_dict("records")
    ]
    columns = [
        model.Column("group", "What"),
        model.Column("name", "Effect"),
        model.Column("planted", "Planted", 2),
        model.Column("recovered", "Recovered", 3),
        model.Column("error", "Error", 3),
        model.Column("baseline", "Raw, or regression on real", 3),
    ]
    caption = (
        f"Planted truth and what came back, {figures.features_name(str(main)).lower()} latents. "
        "Left in features: planted is chance level, nothing should be left. Kept: R² of the "
        "subjects' own factors, 1 is perfect."
    )
    return [*out, *samples.planted(table), model.Table(caption, columns, rows)]
