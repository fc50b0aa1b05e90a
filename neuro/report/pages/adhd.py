"""Pages of the stage `adhd`: scores beside their baselines, masks, graphs and maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.report.figures import adhd as adhd_figures
from neuro.report.figures import adhd_roc, brains, maps
from neuro.report.pages import cortex, group_tests, targets
from neuro.report.pages.adhd_scores import (
    METRICS,
    SCHEMES,
    TEXT,
    input_name,
    interval_text,
    intervals_note,
    order,
    p_text,
    read_scores,
    scheme_name,
)
from neuro.report.pages.overview import read_table
from neuro.report.site import model
from neuro.report.site.labels import Labels


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, as `neuro.report.site.page.SECTIONS` says."""
    folder = results / "adhd"
    scores = read_scores(folder)
    blocks: list = [
        model.Text(
            "One graph per run; how many edges, near and far edges and 3-cycles each of its nodes "
            "has; and whether these maps tell cases from controls. A score means something only "
            "beside what site, age, sex and head motion reach without the brain, and beside what "
            "the same analysis reaches when the diagnoses are shuffled within sites."
        )
    ]
    if scores is None:
        blocks.append(model.Text("The diagnosis has no scores.", "note"))
    else:
        blocks += _scores(folder, scores)
    blocks += targets.blocks(folder)
    blocks += group_tests.blocks(folder, brains.in_template(results, config))
    mask = read_table(folder / "mask.tsv", **TEXT, region=str)
    if mask is not None:
        blocks += adhd_figures.mask_frequency(mask, _primary(scores))
    blocks += _graphs(folder)
    blocks += maps.blocks(folder, _primary(scores), brains.in_template(results, config))
    blocks += cortex.group_maps(folder, config, maps.input_name)
    return [model.Section("adhd", "Graph maps and diagnosis", blocks)]


def _primary(scores) -> tuple[str, str] | None:
    """Input and mask of the variant that was declared in advance."""
    if scores is None or not scores["primary"].any():
        return None
    row = scores[scores["primary"]].iloc[0]
    return row["input"], row["mask"]


def _scores(folder: Path, scores: pd.DataFrame) -> list:
    totals = scores[scores["site"] == ""]
    schemes = [name for name in SCHEMES if (totals["scheme"] == name).any()]
    schemes += sorted(set(totals["scheme"]) - set(SCHEMES))
    metric = METRICS[0][0]
    out: list = [_sentence(totals, name, metric) for name in schemes]
    out = [text for text in out if text]
    figures = []
    for scheme in schemes:
        chosen = totals[(totals["scheme"] == scheme) & (totals["metric"] == metric)]
        if chosen["value"].notna().any():
            figures.append(adhd_figures.score_dots(chosen, scheme))
    predictions = read_table(
        folder / "predictions.tsv", **TEXT, participant_id=str, subtype=str, repeat=str
    )
    if predictions is not None:
        predictions["mask"] = predictions["mask"].fillna("none")
        for scheme in schemes:
            figures += adhd_roc.roc(predictions, totals, scheme)
    permutations = read_table(folder / "permutations.tsv", **TEXT)
    if permutations is not None:
        permutations["mask"] = permutations["mask"].fillna("none")
        for scheme in schemes:
            figures += adhd_figures.null_histogram(permutations, totals, scheme, metric)
    out += figures
    out.append(model.Heading("All variants"))
    out += [_table(totals[totals["scheme"] == scheme], scheme) for scheme in schemes]
    sites = scores[scores["site"] != ""]
    if len(sites):
        out += [model.Heading("Site by site"), _site_table(sites)]
    return out


def _sentence(totals, scheme: str, metric: str) -> model.Text | None:
    of_scheme = totals[(totals["scheme"] == scheme) & (totals["metric"] == metric)]
    chosen = of_scheme[of_scheme["primary"]]
    if chosen.empty or not np.isfinite(chosen["value"].iloc[0]):
        return None
    row = chosen.iloc[0]
    words = (
        f"{scheme_name(scheme)}: {input_name(row['input'], row['mask'])}, declared in advance as "
        f"the primary variant, reaches a balanced accuracy of {model.number(row['value'], 3)}"
    )
    if ci := model.interval(row["ci_low"], row["ci_high"]):
        words += f" (95 % interval {ci})"
    if np.isfinite(row["null_mean"]):
        words += (
            f"; with diagnoses shuffled within sites it reaches "
            f"{model.number(row['null_mean'], 3)} on average"
        )
        if np.isfinite(row["p"]):
            words += f" (p {p_text(row['p'])})"
    best = of_scheme[~of_scheme["imaging"]].sort_values("value", ascending=False)
    if len(best) and np.isfinite(best["value"].iloc[0]):
        name = input_name(best["input"].iloc[0]).lower()
        words += (
            f". The best baseline without the brain, {name}, reaches "
            f"{model.number(best['value'].iloc[0], 3)}"
        )
    return model.Text(words + ".", "note")


def _table(totals, scheme: str) -> model.Table:
    # Not pivot_table: a baseline without any value keeps its row.
    wide = totals.drop_duplicates(["input", "mask", "metric"])
    wide = wide.pivot(index=["input", "mask"], columns="metric", values="value")
    main = totals[totals["metric"] == METRICS[0][0]]
    rows = []
    for row in order(main).to_dict("records"):
        values = wide.loc[(row["input"], row["mask"])]
        rows.append(
            {
                "name": input_name(row["input"], row["mask"]),
                **{key: values.get(key, np.nan) for key, _ in METRICS},
                "ci": interval_text(row),
                "null": _null(row),
                "p": model.p_value(row["p"]) if np.isfinite(row["p"]) else "",
                "n": "" if not np.isfinite(row["n"]) else model.number(int(row["n"])),
                "strong": row["primary"],
            }
        )
    columns = [
        model.Column("name", "Input"),
        model.Column("balanced_accuracy", "Balanced accuracy", 3),
        model.Column("ci", "95 % interval", 0),
        model.Column("null", "Null mean (SD)", 0),
        model.Column("p", "p", 0),
        *(model.Column(key, label, 3) for key, label in METRICS[1:]),
    ]
    if len({row["n"] for row in rows}) > 1:
        columns.append(model.Column("n", "n", 0))
        size = ""
    else:
        size = f" of {rows[0]['n']} participants" if rows[0]["n"] else ""
    caption = (
        f"{scheme_name(scheme)}{size}: every variant that was tried. The primary variant, "
        "declared in advance, is in bold; the best of the others is too good by chance. J is "
        "sensitivity + specificity − 1; phenotype is age, sex, IQ and handedness. Nulls come from "
        f"labels permuted within sites. {intervals_note(main)}".strip()
    )
    return model.Table(caption, columns, rows)


def _null(row) -> str:
    if not np.isfinite(row["null_mean"]):
        return ""
    return f"{model.number(row['null_mean'], 3)} ({model.number(row['null_sd'], 3)})"


def _site_table(sites) -> model.Table:
    main = sites[sites["metric"] == METRICS[0][0]]
    keys = ["scheme", "site", "input", "mask"]
    wide = sites.drop_duplicates([*keys, "metric"])
    wide = wide.pivot(index=keys, columns="metric", values="value")
    # All variants of all sites would fill pages: the primary one and what it is compared with.
    wanted = main["primary"] | ~main["imaging"] | main["input"].isin(_combined_primary(main))
    if not main["primary"].any():
        wanted = wanted | main["imaging"]
    rows = []
    for site, group in main[wanted].groupby("site"):
        for row in order(group).to_dict("records"):
            values = wide.loc[(row["scheme"], site, row["input"], row["mask"])]
            rows.append(
                {
                    "site": site,
                    "name": input_name(row["input"], row["mask"]),
                    "value": row["value"],
                    "ci": model.interval(row["ci_low"], row["ci_high"]),
                    "sensitivity": values.get("sensitivity", np.nan),
                    "specificity": values.get("specificity", np.nan),
                    "auc": values.get("auc", np.nan),
                    "n": "" if not np.isfinite(row["n"]) else model.number(int(row["n"])),
                    "strong": row["primary"],
                }
            )
    columns = [
        model.Column("site", "Held-out site"),
        model.Column("name", "Input"),
        model.Column("value", "Balanced accuracy", 3),
        model.Column("ci", "95 % interval", 0),
        model.Column("sensitivity", "Sensitivity", 3),
        model.Column("specificity", "Specificity", 3),
        model.Column("auc", "AUC", 3),
        model.Column("n", "n", 0),
    ]
    caption = (
        "Leave one site out, site by site: trained on all other sites. A score that holds at one "
        "site only is no diagnosis. Intervals take the model as it is and the site's participants "
        "as drawn (Wilson, Newcombe)."
    )
    return model.Table(caption, columns, rows)


def _combined_primary(main) -> set[str]:
    inputs = set(main.loc[main["primary"], "input"])
    return {f"{name}+phenotype" for name in inputs} | {"imaging+phenotype"}


def _graphs(folder: Path) -> list:
    graphs = read_table(folder / "graphs.tsv", participant_id=str, run_key=str, site=str)
    if graphs is None or graphs.empty:
        return []
    out: list = [model.Heading("Graphs"), *adhd_figures.density(graphs)]
    site = graphs["site"].fillna("n/a").astype(str) if "site" in graphs else "n/a"
    keys = (
        ("n_nodes", "Nodes", 0),
        ("n_volumes", "Volumes", 0),
        ("dof", "Dof", 0),
        ("threshold", "Threshold r", 3),
        ("density", "Density, %", 2),
        ("n_edges", "Edges", 0),
        ("n_triangles", "Triangles", 0),
        ("seconds", "Seconds", 2),
    )
    present = [entry for entry in keys if entry[0] in graphs and graphs[entry[0]].notna().any()]
    rows = []
    for name, group in graphs.groupby(site):
        row = {"site": name, "runs": len(group)}
        for key, _, _ in present:
            row[key] = float(group[key].median()) * (100 if key == "density" else 1)
        rows.append(row)
    columns = [
        model.Column("site", "Site"),
        model.Column("runs", "Runs", 0),
        *(model.Column(key, label, digits) for key, label, digits in present),
    ]
    caption = "Graphs by site, median over runs. Dof are the degrees of freedom of the series."
    out.append(model.Table(caption, columns, rows))
    return out
