"""Tables and figures of one data set."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.mds.clusters.agreement import homogeneity_completeness
from neuro.stats.agreement import adjusted_rand

LADDER = [
    "n_clusters_init",
    "n_clusters",
    "restart_ari",
    "restart_ari_min",
    "restart_ari_max",
    "objective",
    "saturation",
    "known_type_ari",
    "even_typing_ari",
    "even_typing_shuffled",
]
"""Columns of k_ladder.tsv."""
BASELINES = [
    "method",
    "features",
    "n_dims",
    "whitened",
    "n_clusters",
    "agreement",
    "ari_with_types",
    "known_type_ari",
]
"""Columns of baselines.tsv."""


def cluster_table(model, table) -> pd.DataFrame:
    """One row per unit: cluster, responses to the stimuli, confidence, what was known.

    A unit that does not respond is in no cluster (0) and has no confidence.

    Parameters
    ----------
    model : MostDiscriminativeStimuli
    table : dict of str to list
        Of the units, see :func:`neuro.mds.stage.unit_table`.

    Returns
    -------
    pandas.DataFrame
    """
    from scipy.special import softmax

    responses, labels = model.responses_, model.labels_
    rows = {
        "unit": table["unit"],
        "session": table["session"],
        "roi": table["roi"],
        "cluster": np.where(labels >= 0, labels + 1, 0),
    }
    for number, values in enumerate(responses, start=1):
        rows[f"r_to_mds_{number}"] = values
    share = softmax(responses / model.temperature, axis=0)
    own = np.maximum(labels, 0), np.arange(len(labels))
    probability = share[own]
    others = np.array(responses, np.float64)
    others[own] = -np.inf
    margin = responses[own] - others.max(axis=0) if len(responses) > 1 else np.nan
    rows |= {
        "margin": np.where(labels >= 0, margin, np.nan),
        "probability": np.where(labels >= 0, probability, np.nan),
        "held_out": np.asarray(table["held_out"], int),
        "twin_corr": table["twin_corr"],
        "known_type": table["known_type"],
    }
    frame = pd.DataFrame(rows)
    return frame.replace({"": np.nan})


def restart_table(model) -> pd.DataFrame:
    """One row per restart: clusters, objective, units it saw, whether it was kept."""
    return pd.DataFrame(
        {
            "restart": range(1, len(model.restarts_) + 1),
            "seed": [run.seed for run in model.restarts_],
            "n_clusters": [len(run.stimuli) for run in model.restarts_],
            "objective": [run.objective for run in model.restarts_],
            "n_seen": [run.n_seen for run in model.restarts_],
            "iterations": [len(run.history) for run in model.restarts_],
            "kept": [int(k == model.kept_) for k in range(len(model.restarts_))],
        }
    )


def history_table(model) -> pd.DataFrame:
    """Objective and number of clusters over the iterations of every restart and the polish."""
    rows = [
        {"restart": number, "iteration": k} | entry
        for number, run in enumerate(model.restarts_, start=1)
        for k, entry in enumerate(
            model.history_ if number == model.kept_ + 1 else run.history, start=1
        )
    ]
    return pd.DataFrame(rows)


def arrays(model, table) -> dict:
    """Matrices for the figures: responses, agreement, co-assignment of at most 400 units."""
    held = np.asarray(table["held_out"], bool)
    responds = model.labels_ >= 0
    content = {
        "response_matrix": model.response_matrix(),
        "response_matrix_held_out": model.response_matrix(held & responds),
    }
    if len(model.restarts_) > 1:
        content["ari"] = model.stability()["ari"]
        units = np.flatnonzero(model.fitted_)
        if len(units) > 400:
            rng = seeds.generator(model.random_state, "shown units")
            units = np.sort(rng.permutation(units)[:400])
        order = units[np.argsort(model.labels_[units], kind="stable")]
        from neuro.mds.clusters.agreement import co_assignment

        content["co_assignment"] = co_assignment([run.labels[order] for run in model.restarts_])
        content["co_assignment_cluster"] = model.labels_[order] + 1
    return content


def known_types(labels, types) -> dict:
    """Agreement with known types over the units that have one; empty where none has.

    Parameters
    ----------
    labels : array of int
    types : sequence of str

    Returns
    -------
    dict
        known_type_ari, homogeneity, completeness, n_known.
    """
    types = np.asarray([str(value) for value in types])
    typed = (types != "") & (types != "nan") & (np.asarray(labels) >= 0)
    if not typed.any():
        return {}
    homogeneity, completeness = homogeneity_completeness(types[typed], np.asarray(labels)[typed])
    return {
        "known_type_ari": adjusted_rand(types[typed], np.asarray(labels)[typed]),
        "homogeneity": homogeneity,
        "completeness": completeness,
        "n_known": int(typed.sum()),
    }


def judged(table) -> dict:
    """How well new cells of known type were typed.

    Parameters
    ----------
    table : pandas.DataFrame
        See :func:`neuro.mds.clusters.on_the_fly.assign_typed`, with `known_type`.

    Returns
    -------
    dict
        `ari` and `n_typed` over typed cells, `ari_all` over all by their most probable type;
        `calibration_error` and `reliability` where there is a posterior and several types.
    """
    from neuro.mds.clusters.typing import reliability

    typed = np.where(table["cluster"] > 0, table["cluster"], -1)
    facts = {"n_typed": int((typed > 0).sum())}
    inside = known_types(typed, table["known_type"])
    facts["ari"] = inside.get("known_type_ari", float("nan"))
    facts["ari_all"] = known_types(table["best"], table["known_type"])["known_type_ari"]
    if table["probability"].notna().all():
        types = table["known_type"].astype(str)
        # Which type a cluster stands for: that of most of its cells.
        stands = {
            best: types_of_best.value_counts().index[0]
            for best, types_of_best in types.groupby(table["best"])
        }
        right = table["best"].map(stands) == types
        rows, error = reliability(table["probability"], right)
        facts["calibration_error"] = error
        facts["reliability"] = rows.to_dict("records")
    return facts


def types_of(model) -> dict:
    """What the search for gaps said; empty where the objective made the groups."""
    types = getattr(model, "types_", None)
    if types is None:
        return {}
    best = model.restarts_[model.kept_]
    return {
        "n_types": types.n_types,
        "n_groups_strict": types.n_strict,
        "agreement": types.agreement,
        "inside": types.inside,
        "branch": [number + 1 for number in types.above],
        "search_K": len(best.stimuli),
        "search_J": best.objective,
        "search_ari": adjusted_rand(model.labels_[model.fitted_], best.labels[model.fitted_]),
    }


def best_plain(rows) -> dict:
    """Per method the plain clustering with the highest agreement between halves.

    Parameters
    ----------
    rows : list of dict
        See :func:`neuro.mds.clusters.baselines.baselines`.

    Returns
    -------
    dict of str to dict
    """
    best: dict = {}
    for row in rows:
        level = row["agreement"]
        if level == level and level > best.get(row["method"], {"agreement": -2})["agreement"]:
            best[row["method"]] = row
    return best


def summary(model, table, excluded, notes) -> dict:
    """Content of summary.json.

    Parameters
    ----------
    model : MostDiscriminativeStimuli
    table : dict
    excluded : list of (unit, reason)
    notes : list of str

    Returns
    -------
    dict
    """
    held = np.asarray(table["held_out"], bool)
    agreement = model.stability() if len(model.restarts_) > 1 else {}
    facts = {
        "verdict": model.verdict_,
        "restart_ari": agreement.get("restart_ari"),
        "restart_ari_min": agreement.get("restart_ari_min"),
        "restart_ari_max": agreement.get("restart_ari_max"),
        "n_restarts": len(model.restarts_),
        "K": model.n_clusters_,
        "J": model.objective_,
        "saturation": float(np.exp(model.objective_)) / model.n_clusters_,
        "sizes": np.bincount(model.labels_[model.labels_ >= 0], minlength=model.n_clusters_),
        "preset": model.preset,
        "n_units": len(model.labels_),
        "n_fitted": int(model.fitted_.sum()),
        "n_held_out": int(held.sum()),
        "n_excluded": len(excluded),
        "norm": model.norm_,
        "temperature": model.temperature,
        "twin_corr": float(np.mean(table["twin_corr"])),
        "notes": list(notes),
        "messages": list(model.messages_),
    }
    facts |= types_of(model)
    facts |= known_types(model.labels_, table["known_type"])
    if "branch" in facts and "known_type_ari" in facts and len(set(facts["branch"])) > 1:
        side = np.append(facts["branch"], -1)[model.labels_]
        facts["branch_ari"] = known_types(side, table["known_type"])["known_type_ari"]
    if held.any():
        inside = known_types(model.labels_[held], np.asarray(table["known_type"])[held])
        if inside:
            facts["held_out_ari"] = inside["known_type_ari"]
            facts["n_known_held_out"] = inside["n_known"]
    return facts


def objectives(labels, names, verdict, temperature) -> pd.DataFrame:
    """What `braindive` maximises: one row per unit and objective.

    Parameters
    ----------
    labels : array of int
    names : sequence of str
    verdict : str
    temperature : float

    Returns
    -------
    pandas.DataFrame
        Kind `mean`: the mean of a cluster's units; kind `mds`: that mean against all clusters,
        for which the rows of all `mds` objectives are needed.
    """
    rows = []
    labels = np.asarray(labels)
    for kind in ("mean", "mds"):
        for cluster in range(int(labels.max()) + 1):
            members = np.flatnonzero(labels == cluster)
            rows += [
                {
                    "objective": f"cluster{cluster + 1}" + ("" if kind == "mean" else "_mds"),
                    "unit": names[k],
                    "weight": 1 / len(members),
                    "kind": kind,
                    "temperature": temperature,
                    "verdict": verdict,
                }
                for k in members
            ]
    return pd.DataFrame(rows)


def read_json(path) -> dict:
    """Content of a JSON file."""
    import json
    from pathlib import Path

    return json.loads(Path(path).read_text("utf-8"))
