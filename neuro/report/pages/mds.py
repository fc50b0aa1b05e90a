"""Pages of the stage `mds`: types, their stimuli, and whether they are types at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from neuro.report.figures import mds as mds_figures
from neuro.report.figures import mds_restarts, mds_stimuli
from neuro.report.pages import sets
from neuro.report.site import model
from neuro.report.site.labels import Labels
from neuro.report.site.tables import read_table

TITLES = {"planted": "planted cells", "voxels": "simulated voxels"}
VERDICTS = {
    "single type": (
        "One type: no split told two groups of units apart.",
        "note",
    ),
    "no stable types": (
        "No stable types: restarts disagree about who belongs together. The clusters below are "
        "one of many ways to cut a continuum; do not read them as types.",
        "warning",
    ),
    "saturated": (
        "Saturated: the objective is near its ceiling, so the number of clusters is set by the "
        "temperature and the norm of the stimuli rather than by the data.",
        "warning",
    ),
    "stable types": (
        "Stable types: restarts agree about who belongs together.",
        "note",
    ),
}
N_REPEAT_SECONDS = (1, 3, 9)


def sections(results: Path, config: dict, labels: Labels, max_subject_figures: int = 40) -> list:
    """Sections of the stage, one per data set, as `neuro.report.site.page.SECTIONS` says."""
    return sets.sections(results / "mds", "Functional types", TITLES, _blocks)


def _blocks(folder: Path, name: str) -> list:
    path = folder / "summary.json"
    clusters = read_table(folder / "clusters.tsv", unit=str, known_type=str, session=str, roi=str)
    if not path.is_file() or clusters is None:
        return [model.Text("The search for types of this set has no results.", "note")]
    found = json.loads(path.read_text("utf-8"))
    matrices = sets.arrays(folder / "matrices.npz")
    stimuli = sets.arrays(folder / "mds_stimuli.npz")
    blocks: list = [_banner(found), _introduction(found)]
    blocks += [model.Text(note, "note") for note in found["notes"]]
    blocks += [model.Text(line) for line in found["messages"]]
    if stimuli is not None:
        facts = json.loads(str(stimuli["facts"]))
        blocks += mds_stimuli.stimuli(stimuli, facts, name)
    if matrices is not None:
        blocks.append(mds_figures.response_matrix(matrices, name))
    blocks.append(mds_figures.sizes(clusters, name))
    if matrices is not None and "ari" in matrices:
        blocks.append(mds_restarts.agreement(matrices, found, name))
        blocks.append(mds_restarts.co_assignment(matrices, name))
    history = read_table(folder / "history.tsv", phase=str)
    restarts = read_table(folder / "restarts.tsv")
    if history is not None and restarts is not None:
        blocks.append(mds_restarts.history(history, restarts, name))
    ladder = read_table(folder / "k_ladder.tsv")
    if ladder is not None and len(ladder):
        blocks += _rungs(ladder)
        blocks.append(mds_restarts.ladder(ladder, name))
    if "known_type_ari" in found:
        blocks.append(mds_figures.confusion(clusters, found, name))
    if clusters["twin_corr"].nunique() > 1:
        blocks.append(mds_figures.twin_quality(clusters, name))
    blocks += _typed(folder, found, stimuli, name)
    blocks.append(_table(clusters, found))
    if restarts is not None:
        blocks.append(_restarts(restarts))
    return blocks


def _banner(found):
    text, kind = VERDICTS[found["verdict"]]
    if found["restart_ari"] is not None:
        text += (
            f" Mean adjusted Rand index of {found['n_restarts']} restarts "
            f"{model.number(found['restart_ari'], 2)} (pairs "
            f"{model.number(found['restart_ari_min'], 2)} to "
            f"{model.number(found['restart_ari_max'], 2)}; 0.8 is needed)."
        )
    else:
        text += " One restart only: agreement is not known."
    return model.Text(text, kind)


def _introduction(found):
    parts = [
        f"{found['n_units']} units in {found['K']} clusters, objective J "
        f"{model.number(found['J'], 3)} of at most {model.number(float(np.log(found['K'])), 3)}, "
        f"saturation exp(J)/K {model.number(found['saturation'], 2)}.",
        f"{found['n_excluded']} units were left out beforehand and are listed among the "
        f"exclusions; {found['n_held_out']} took no part in the search and were typed at the end.",
    ]
    if found.get("even_typing_ari") is not None:
        parts.append(
            "Typing by even repeats, with stimuli picked on odd ones: adjusted Rand index "
            f"{model.number(found['even_typing_ari'], 2)}, shuffled conditions "
            f"{model.number(found['even_typing_shuffled'], 3)}."
        )
    return model.Text(" ".join(parts))


def _rungs(ladder) -> list:
    """A line per number of clusters at which restarts of plain EM agree."""
    lines = []
    for row in ladder[ladder["restart_ari"] >= 0.8].itertuples():
        text = (
            f"Plain EM from {row.n_clusters_init} clusters: restarts agree "
            f"({model.number(row.restart_ari, 2)}), exp(J)/K {model.number(row.saturation, 2)}"
        )
        if row.known_type_ari == row.known_type_ari:
            text += f", adjusted Rand index with known types {model.number(row.known_type_ari, 2)}"
        lines.append(model.Text(text + ".", "note"))
    return lines


def _typed(folder, found, stimuli, name) -> list:
    table = read_table(folder / "assignments.tsv", unit=str, known_type=str)
    if table is None:
        return []
    path = folder / "assignments_summary.json"
    facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    text = (
        f"{len(table)} new cells were typed from {facts.get('n_repeats', 'n/a')} repeats of the "
        f"{found['K']} stimuli, without the twin; {facts.get('n_ties', 0)} had several best "
        "stimuli."
    )
    if "ari" in facts:
        text += f" Adjusted Rand index with their types: {model.number(facts['ari'], 2)}."
    return [
        model.Heading("New cells typed on the fly"),
        model.Text(text + _minutes(stimuli, found["K"])),
        mds_figures.margins(table, name),
    ]


def _minutes(stimuli, k) -> str:
    facts = json.loads(str(stimuli["facts"])) if stimuli is not None else {}
    if not facts.get("fs") or "shown" not in stimuli or stimuli["shown"].ndim != 3:
        return ""
    seconds = k * stimuli["shown"].shape[1] / facts["fs"]
    times = ", ".join(
        f"{r} repeat{'s' * (r > 1)} {model.number(r * seconds, 0)} s" for r in N_REPEAT_SECONDS
    )
    return f" Recording time without gaps: {times}."


def _table(clusters, found):
    rows = []
    for cluster, part in clusters[clusters["cluster"] > 0].groupby("cluster"):
        known = part["known_type"].dropna() if "known_type" in part else []
        most = known.value_counts() if len(known) else None
        rows.append(
            {
                "cluster": str(cluster),
                "n": len(part),
                "held": int(part["held_out"].sum()),
                "margin": float(part["margin"].median()),
                "probability": float(part["probability"].median()),
                "corr": float(part["twin_corr"].mean()),
                "known": f"{most.index[0]} ({most.iloc[0]} of {len(known)})"
                if most is not None
                else "",
            }
        )
    return model.Table(
        "Clusters. Margin: median of best minus second-best response, in SD of a unit; "
        "probability: median of the softmax; twin: mean test correlation of its units.",
        [
            model.Column("cluster", "Cluster"),
            model.Column("n", "Units", 0),
            model.Column("held", "Held out", 0),
            model.Column("margin", "Margin", 2),
            model.Column("probability", "Probability", 2),
            model.Column("corr", "Twin", 2),
            model.Column("known", "Most frequent known type"),
        ],
        rows,
    )


def _restarts(table):
    rows = [
        {
            "restart": str(row.restart),
            "k": int(row.n_clusters),
            "j": float(row.objective),
            "seen": int(row.n_seen),
            "strong": bool(row.kept),
        }
        for row in table.itertuples()
    ]
    return model.Table(
        "Restarts; bold: kept. The objective counts all units that took part in the search, also "
        "those that a restart did not see.",
        [
            model.Column("restart", "Restart"),
            model.Column("k", "Clusters", 0),
            model.Column("j", "Objective J", 3),
            model.Column("seen", "Units seen", 0),
        ],
        rows,
    )
