"""The diagnosis from connectome edges under several strategies of cleaning, in the same folds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis import variants
from neuro.adhd.features.graph_features import edge_table
from neuro.io.formats.tables import exclusion

COLUMNS = (
    *("strategy", "scheme", "metric", "value", "ci_low", "ci_high"),
    *("null_mean", "null_sd", "p", "n"),
)
STEP = "adhd_compare"


def diagnosed(content, people: pd.DataFrame, folds: pd.DataFrame, settings, seed):
    """Scores of the linear reference on edges (input `fc`) under each strategy.

    The people are those who have edges under every strategy that keeps anybody; folds, permuted
    labels and everything fitted inside a fold are those of the diagnosis.

    Parameters
    ----------
    content : neuro.io.regions.compared.Compared
    people : pandas.DataFrame
        Diagnosed subjects.
    folds : pandas.DataFrame
    settings : dict
        Section `adhd`.
    seed : int

    Returns
    -------
    scores : pandas.DataFrame
        Columns :data:`COLUMNS`; balanced accuracy and AUC of each scheme.
    exclusions : list of dict
        People without edges under some strategy, and a row where too few are left.
    """
    rows = {}
    for name, edges in zip(content.strategy, content.edges):
        kept = np.isfinite(edges).any(axis=1)
        if kept.any():
            who = np.asarray(content.participant_id)[kept]
            rows[name] = edge_table(
                edges[kept], who, content.kind, settings["runs"], content.region
            )
    wanted = people["participant_id"].astype(str).tolist()
    have = set(wanted) if rows else set()
    have = have.intersection(*(set(table.participant_id) for table in rows.values()))
    left_out = [
        exclusion(who, STEP, "no edges under some of the compared strategies")
        for who in wanted
        if who not in have
    ]
    chosen = people[people["participant_id"].astype(str).isin(have)].reset_index(drop=True)
    smallest = int(chosen["dx"].value_counts().reindex([0, 1], fill_value=0).min())
    if smallest < settings["outer_folds"]:
        reason = "not diagnosed: the smaller class has fewer people with edges than folds"
        left_out.append(exclusion("strategies", STEP, reason, smallest, settings["outer_folds"]))
        return pd.DataFrame(columns=list(COLUMNS)), left_out
    own = folds[folds["participant_id"].isin(have)]
    tables = [
        _scores(name, table.rows(chosen["participant_id"]), chosen, own, settings, seed)
        for name, table in rows.items()
    ]
    return pd.concat(tables, ignore_index=True), left_out


def _scores(strategy, features, people, folds, settings, seed) -> pd.DataFrame:
    """Balanced accuracy and AUC of one strategy, with null and interval."""
    variants_given = variants.imaging_variants(
        features,
        inputs=["fc"],
        primary="fc",
        inner_folds=settings["inner_folds"],
        deconfound=settings["deconfound"],
        harmonise=settings["harmonise"],
        transductive=settings["transductive"],
        protect=settings["protect"],
        random_state=seed,
    )
    predictions, _ = variants.judge(variants_given, people, folds)
    null = variants.permute(
        variants_given, people, folds, n_permutations=settings["permutations"], random_state=seed
    )
    scores = variants.summarise(
        predictions,
        null,
        primary="fc",
        n_bootstrap=settings["bootstrap"],
        random_state=seed,
    )
    total = (scores["fold"] == "all") & scores["metric"].isin(["balanced_accuracy", "auc"])
    return scores[total].assign(strategy=strategy)[list(COLUMNS)]
