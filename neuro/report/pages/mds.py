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
GAPS = {
    "stable types": (
        "Types with gaps between them: groups made on half of the units are told apart by the "
        "other half.",
        "note",
    ),
    "number uncertain": (
        "Groups with gaps between them, but their number is uncertain: at a stricter level of the "
        "test it differs.",
        "warning",
    ),
    "none found by this search": (
        "None found by this search: no groups of units with reproducible gaps between them. That "
        "does not say that there are no types; many similar types with noise leave no gaps.",
        "warning",
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
    content = json.loads(path.read_text("utf-8"))
    matrices = sets.arrays(folder / "matrices.npz")
    stimuli = sets.arrays(folder / "mds_stimuli.npz")
    blocks: list = [_banner(content), _introduction(content)]
    if "agreement" in content:
        blocks.append(_published(content))
    blocks += [model.Text(note, "note") for note in content["notes"]]
    blocks += [model.Text(line) for line in content["messages"]]
    if stimuli is not None:
        facts = json.loads(str(stimuli["facts"]))
        blocks += mds_stimuli.stimuli(stimuli, facts, name)
    if matrices is not None:
        blocks.append(mds_figures.response_matrix(matrices, name))
    blocks.append(mds_figures.sizes(clusters, name))
    if matrices is not None and "ari" in matrices:
        blocks.append(mds_restarts.agreement(matrices, content, name))
        blocks.append(mds_restarts.co_assignment(matrices, name))
    history = read_table(folder / "history.tsv", phase=str)
    restarts = read_table(folder / "restarts.tsv")
    if history is not None and restarts is not None:
        blocks.append(mds_restarts.history(history, restarts, name))
    ladder = read_table(folder / "k_ladder.tsv")
    if ladder is not None and len(ladder):
        blocks += _rungs(ladder)
        blocks.append(mds_restarts.ladder(ladder, name))
    if "known_type_ari" in content:
        blocks.append(mds_figures.confusion(clusters, content, name))
    if clusters["twin_corr"].nunique() > 1:
        blocks.append(mds_figures.twin_quality(clusters, name))
    blocks += _twins(folder, name)
    blocks += _typed(folder, content, stimuli, name)
    blocks.append(_table(clusters, content))
    baselines = read_table(folder / "baselines.tsv", method=str, features=str)
    if baselines is not None and len(baselines):
        blocks.append(_baselines(baselines))
    protocols = read_table(folder / "protocols.tsv", protocol=str, stimuli=str)
    if protocols is not None and len(protocols):
        blocks.append(_protocols(protocols))
    if restarts is not None:
        blocks.append(_restarts(restarts))
    return blocks


def _twins(folder, name) -> list:
    """Twins side by side, and why one of them was taken."""
    table = read_table(folder / "twins.tsv", twin=str)
    if table is None or len(table) < 2:
        return []
    path = folder / "twin_metrics.json"
    why = json.loads(path.read_text("utf-8")).get("why") if path.is_file() else None
    names = ["twin", "validation", "test", "ceiling", "fev", "n_units_fev"]
    rows = [
        {key: getattr(row, key) for key in names} | {"strong": bool(row.chosen)}
        for row in table.itertuples()
    ]
    return [
        *([model.Text(why)] if why else []),
        mds_figures.twins(table, name),
        model.Table(
            "Twins on the same trials; bold: taken. Correlations with single trials, mean over "
            "units. Explained: fraction of the explainable variance, over units whose stimuli "
            "explain at least 15 % of it; it needs repeats of test stimuli.",
            [
                model.Column("twin", "Twin"),
                model.Column("validation", "Validation", 3),
                model.Column("test", "Test", 3),
                model.Column("ceiling", "Ceiling", 3),
                model.Column("fev", "Explained", 3),
                model.Column("n_units_fev", "Units", 0),
            ],
            rows,
        ),
    ]


def _plain(facts) -> str:
    """What plain clustering finds, method by method."""
    parts = [
        f"{method} (on {figures['features']}) {figures['n_clusters']}, agreement "
        f"{model.number(figures['agreement'], 2)}"
        for method, figures in facts.get("plain", {}).items()
    ]
    return f" Plain clustering finds: {'; '.join(parts)}." if parts else ""


def _gaps(facts):
    """Banner of a search for gaps."""
    text, kind = GAPS[facts["verdict"]]
    text += (
        f" {facts['K']} groups, {facts['n_groups_strict']} at the stricter level; partitions from "
        f"halves of units and stimuli agree {model.number(facts['agreement'], 2)} (0.6 is needed)."
    )
    if "continuum" in facts["inside"]:
        inside = [
            str(k) for k, verdict in enumerate(facts["inside"], start=1) if verdict == "continuum"
        ]
        text += f" Inside group {', '.join(inside)} units lie evenly along a line: a continuum."
    if len(set(facts["branch"])) > 1:
        first = [str(k) for k, side in enumerate(facts["branch"], start=1) if side == 1]
        text += f" Above them are two branches: groups {', '.join(first)} against the others"
        if "branch_ari" in facts:
            text += (
                f" (adjusted Rand index with known types {model.number(facts['branch_ari'], 2)})"
            )
        text += "."
    return model.Text(text + _plain(facts), kind)


def _published(facts):
    """What the published search finds beside the gaps."""
    text = (
        f"The published search, which lets the objective decide who belongs together, ends with "
        f"{facts['search_K']} clusters and J {model.number(facts['search_J'], 3)}; adjusted Rand "
        f"index with the groups above {model.number(facts['search_ari'], 2)}"
    )
    if facts["restart_ari"] is not None:
        text += (
            f", agreement of its {facts['n_restarts']} restarts "
            f"{model.number(facts['restart_ari'], 2)}"
        )
    return model.Text(text + ". Its objective makes good stimuli and says little about types.")


def _baselines(table):
    """Every plain clustering that was tried."""
    rows = [
        {
            "method": row.method,
            "on": f"{row.n_dims} {'whitened ' * int(row.whitened)}components of {row.features}",
            "k": int(row.n_clusters),
            "agree": float(row.agreement),
            "same": float(row.ari_with_types),
            "known": float(row.known_type_ari),
        }
        for row in table.itertuples()
    ]
    return model.Table(
        "Plain clustering, all that was tried. Agreement: mean adjusted Rand index of partitions "
        "from halves of units and stimuli (filters: of units). Number of groups by the lowest BIC "
        "(GMM) or the highest silhouette, which has at least two.",
        [
            model.Column("method", "Method"),
            model.Column("on", "Features"),
            model.Column("k", "Groups", 0),
            model.Column("agree", "Agreement", 2),
            model.Column("same", "ARI with the groups above", 2),
            model.Column("known", "ARI with known types", 2),
        ],
        rows,
    )


def _protocols(table):
    """Ways to type new cells, by the stimuli above and by ordinary ones."""
    columns = [
        model.Column("protocol", "Typed by"),
        model.Column("stimuli", "Stimuli"),
        model.Column("n_repeats", "Repeats", 0),
        *(model.Column(key, key.capitalize(), 2) for key in ("accuracy", "low", "high", "chance")),
    ]
    keys = [column.key for column in columns]
    return model.Table(
        "Typing of cells that took no part in making the profiles, with Poisson counts about the "
        "twin's rates (2.8 events for the best stimulus): the stimuli above, and as many ordinary "
        "ones, drawn five times. Where a linear discriminant on ordinary stimuli is as good, these "
        "stimuli are not needed for typing.",
        columns,
        table[keys].to_dict("records"),
    )


def _banner(facts):
    if "agreement" in facts:
        return _gaps(facts)
    text, kind = VERDICTS[facts["verdict"]]
    if facts["restart_ari"] is not None:
        text += (
            f" Mean adjusted Rand index of {facts['n_restarts']} restarts "
            f"{model.number(facts['restart_ari'], 2)} (pairs "
            f"{model.number(facts['restart_ari_min'], 2)} to "
            f"{model.number(facts['restart_ari_max'], 2)}; 0.8 is needed)."
        )
    else:
        text += " One restart only: agreement is not known."
    return model.Text(text, kind)


def _introduction(facts):
    parts = [
        f"{facts['n_units']} units in {facts['K']} clusters, objective J "
        f"{model.number(facts['J'], 3)} of at most {model.number(float(np.log(facts['K'])), 3)}, "
        f"saturation exp(J)/K {model.number(facts['saturation'], 2)}.",
        f"{facts['n_excluded']} units were left out beforehand and are listed among the "
        f"exclusions; {facts['n_held_out']} took no part in the search and were typed at the end.",
    ]
    if facts.get("even_typing_ari") is not None:
        parts.append(
            "Typing by even repeats, with stimuli picked on odd ones: adjusted Rand index "
            f"{model.number(facts['even_typing_ari'], 2)}, shuffled conditions "
            f"{model.number(facts['even_typing_shuffled'], 3)}."
        )
    return model.Text(" ".join(parts))


def _rungs(ladder) -> list:
    """A line per number of clusters at which restarts of plain EM agree."""
    lines = []
    for row in ladder[ladder["restart_ari"] >= 0.8].itertuples():
        text = (
            f"Plain EM from {row.n_clusters_init} cluster{'s' * (row.n_clusters_init > 1)}: "
            "restarts agree "
            f"({model.number(row.restart_ari, 2)}), exp(J)/K {model.number(row.saturation, 2)}"
        )
        if row.known_type_ari == row.known_type_ari:
            text += f", adjusted Rand index with known types {model.number(row.known_type_ari, 2)}"
        lines.append(model.Text(text + ".", "note"))
    return lines


def _typed(folder, summary, stimuli, name) -> list:
    table = read_table(folder / "assignments.tsv", unit=str, known_type=str)
    if table is None:
        return []
    path = folder / "assignments_summary.json"
    facts = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    text = (
        f"{len(table)} new cells were typed from {facts.get('n_repeats', 'n/a')} repeats of the "
        f"{summary['K']} stimuli, without the twin; {facts.get('n_ties', 0)} had several best "
        "stimuli."
    )
    if "n_untyped" in facts:
        text += f" {facts['n_untyped']} are untyped: no type reaches a posterior of 0.8."
    if "calibration_error" in facts:
        text += f" Calibration error {model.number(facts['calibration_error'], 3)}."
    if "ari" in facts:
        text += f" Adjusted Rand index with their types: {model.number(facts['ari'], 2)}."
    return [
        model.Heading("New cells typed on the fly"),
        model.Text(text + _minutes(stimuli, summary["K"])),
        mds_figures.margins(table, name),
        *([mds_figures.reliability(facts, name)] if facts.get("reliability") else []),
        *_reliability(facts),
    ]


def _reliability(facts) -> list:
    """The reliability diagram's table."""
    if not facts.get("reliability"):
        return []
    rows = [
        {"level": f"{row['low']:.1f} to {row['high']:.1f}"} | row for row in facts["reliability"]
    ]
    return [
        model.Table(
            "Reliability of the posterior of new cells: mean posterior and share that is right.",
            [
                model.Column("level", "Posterior"),
                model.Column("n", "Cells", 0),
                model.Column("probability", "Mean posterior", 3),
                model.Column("accuracy", "Right", 3),
            ],
            rows,
        )
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


def _table(clusters, facts):
    rows = []
    for cluster, of_cluster in clusters[clusters["cluster"] > 0].groupby("cluster"):
        types = of_cluster["known_type"].dropna() if "known_type" in of_cluster else []
        most = types.value_counts() if len(types) else None
        rows.append(
            {
                "cluster": str(cluster),
                "n": len(of_cluster),
                "held": int(of_cluster["held_out"].sum()),
                "margin": float(of_cluster["margin"].median()),
                "probability": float(of_cluster["probability"].median()),
                "corr": float(of_cluster["twin_corr"].mean()),
                "known": f"{most.index[0]} ({most.iloc[0]} of {len(types)})"
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
