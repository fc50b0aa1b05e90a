"""The last job: every image judged, ranked, and summed up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.base import provenance
from neuro.braindive import stage
from neuro.braindive.verdict.court import PANEL, TEXTS, Court, Found
from neuro.io.formats import tables
from neuro.io.problems import InputProblem


def judge(given, out, params, log) -> None:
    """Judge the images of all objectives.

    Parameters
    ----------
    given : object
        `blocks`, `data`, `encoder`, `card`, `independent`, `independent_card`, `category`,
        `table`.
    out : object
        `own` (folder of this data set's tables and of natural images), and the tables of all data
        sets beside each other: `scores`, `summary`, `natural`, `panel`, `exclusions`, `report`.
    params : object
        `settings`, `names`, `seed`.
    log : callable

    Raises
    ------
    InputProblem
        When every objective was refused.
    """
    court = Court(given, params, log)
    blocks: dict[str, list] = {}
    for path in stage._inputs(given.blocks):
        blocks.setdefault(Path(path).parent.name, []).append(Path(path))
    own = Path(out.own)
    judged = Found()
    left_out = court.data.excluded if court.data else []
    judged.exclusions += [tables.exclusion(row[0], "read", row[1]) for row in left_out]
    for slug, paths in blocks.items():
        court.judge(params.names[slug], slug, paths, own, judged)
    if judged.refused and not judged.scores:
        raise InputProblem([f"no images were made: {line}" for line in judged.refused])
    summary = pd.DataFrame(judged.summaries)
    paths = [given.card, *stage._inputs(given.independent_card)]
    cards = [tables.read_tsv(path) for path in paths if court.data]
    planted = params.settings["images"] == "planted"
    tables.write_tsv(own / "scores.tsv", pd.concat(judged.scores, ignore_index=True))
    tables.write_tsv(own / "summary.tsv", summary)
    naturals = pd.DataFrame(judged.naturals, columns=None if judged.naturals else NATURAL)
    tables.write_tsv(own / "natural.tsv", naturals)
    tables.write_tsv(own / "panel.tsv", pd.DataFrame(judged.judges, columns=PANEL))
    tables.write_exclusions(own / "exclusions.tsv", judged.exclusions)
    if court.data is None:
        rows = unjudged_headline(summary)
    else:
        rows = headline(summary, *cards, planted=planted, shared=court.data.shared())
    provenance.write_json(own / "report.json", rows)
    together(own.parent.parent, own, out)
    provenance.dataset_description(
        "results/braindive", name="neuro braindive: preferred images", config=params.settings
    )


NATURAL = ["objective", "chosen_by", "rank", "A", "B", "J", "response"]


def unjudged_headline(summary) -> list[dict]:
    """Rows of report.json where no responses were measured: what the guide says of its own images.

    Parameters
    ----------
    summary : pandas.DataFrame

    Returns
    -------
    list of dict
        name, value, unit, null, baseline, n.
    """
    made = summary[~summary["refused"].fillna("").astype(bool)]
    return [
        {
            "name": f"{row['objective']}: gain by the guide's own word, {row['verdict']} "
            f"({row['why']})",
            "value": row["gain_A"],
            "unit": "predicted response",
            "null": 0.0,
            "baseline": None,
            "n": int(row["n"]),
        }
        for row in made.to_dict("records")
    ]


def together(top, own, out) -> None:
    """Tables of all data sets below `top` in one, so that none overwrites another's.

    Parameters
    ----------
    top : path-like
        Folder of the stage.
    own : path-like
        Folder of the data set that was judged now.
    out : object
        `scores`, `summary`, `natural`, `panel`, `exclusions`, `report`.
    """
    folders = sorted({Path(own), *(path.parent for path in Path(top).glob("*/judged/report.json"))})
    folders = [folder for folder in folders if (folder / "panel.tsv").is_file()]
    for name in ("scores", "summary", "natural", "panel", "exclusions"):
        parts = []
        for folder in folders:
            table = tables.read_tsv(folder / f"{name}.tsv", dtype=dict.fromkeys(TEXTS, str))
            if name != "exclusions":
                table.insert(0, "dataset", folder.parent.name)
            elif len(folders) > 1:
                table["what"] = f"{folder.parent.name}: " + table["what"].astype(str)
            parts.append(table)
        tables.write_tsv(getattr(out, name), pd.concat(parts, ignore_index=True))
    rows = []
    for folder in folders:
        for row in json.loads((folder / "report.json").read_text("utf-8")):
            named = f"{folder.parent.name}: {row['name']}" if len(folders) > 1 else row["name"]
            rows.append({**row, "name": named})
    provenance.write_json(out.report, rows)


def headline(summary, card, independent_card, *, planted=False, shared=0) -> list[dict]:
    """Rows of report.json.

    Parameters
    ----------
    summary : pandas.DataFrame
    card, independent_card : pandas.DataFrame
    planted : bool
        Whether the category that an objective prefers is planted.
    shared : int
        Pictures that are both in training and test.

    Returns
    -------
    list of dict
        name, value, unit, null, baseline, n; for planted objectives also planted, recovered,
        error.
    """
    rows = [
        {
            "name": f"median R2 of {name} on test images",
            "value": float(table["r2"].median()),
            "unit": "",
            "null": 0.0,
            "baseline": None,
            "n": len(table),
        }
        for name, table in (("the guide", card), ("the independent encoder", independent_card))
    ]
    rows.append(
        {
            "name": "images shared by training and test",
            "value": shared,
            "unit": "images",
            "null": 0,
            "baseline": None,
            "n": len(summary),
        }
    )
    for row in summary.to_dict("records"):
        if isinstance(row.get("refused"), str) and row["refused"]:
            continue
        if "gain" in row:
            rows += _verdict_rows(row)
        entry = {
            "name": f"{row['objective']}: gain under the independent encoder",
            "value": row["gain_B"],
            "unit": "SD of the response",
            "null": 0.0,
            "baseline": None,
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "n": int(row["n"]),
        }
        if planted and row["preferred"]:
            entry |= {
                "planted": f"images of category {row['preferred']}",
                "recovered": f"{100 * row['J']:.0f} % seen as {row['preferred']}",
                "error": f"{100 * (1 - row['J']):.0f} % other (unguided: "
                f"{100 * (1 - row['J_twin']):.0f} %)",
            }
        rows.append(entry)
        if row["J"] == row["J"]:
            rows.append(
                {
                    "name": f"{row['objective']}: share seen as {row['preferred']}",
                    "value": row["J"],
                    "unit": "",
                    "null": None,
                    "baseline": row["J_twin"],
                    "n": int(row["n"]),
                }
            )
    return rows


def _verdict_rows(row) -> list[dict]:
    """The panel's gain, with best-of-N beside it."""
    if not np.isfinite(row["gain"]):
        return []
    words = row["verdict"] + (f" ({row['why']})" if row["why"] else "")
    return [
        {
            "name": f"{row['objective']}: gain under the panel, {words}",
            "value": row["gain"],
            "unit": "natural top images' gain",
            "null": 0.0,
            "baseline": None if np.isnan(row["best_gain"]) else row["best_gain"],
            "ci_low": row["gain_low"],
            "ci_high": row["gain_high"],
            "n": int(row["n"]),
        }
    ]
