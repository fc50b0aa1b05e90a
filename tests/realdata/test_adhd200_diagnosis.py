"""The diagnosis on real children: ADHD-200 region series, first run of each subject."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.diagnosis.baselines import CovariateBaseline, LinearReference
from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.permutation import permute_labels, permute_within_site
from neuro.adhd.diagnosis.scores import score_predictions
from neuro.adhd.diagnosis.variants import (
    baselines,
    imaging_variants,
    join_chunks,
    judge,
    permute,
    summarise,
)
from neuro.adhd.features.graph_features import GraphFeatures, combine_runs, edge_table
from neuro.adhd.features.table import join_features
from neuro.stats.subjects import make_folds, select_subjects

ROOT = Path(
    os.environ.get(
        "NEURO_TEST_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
)
PEKING = {"Peking": ["Peking_1", "Peking_2", "Peking_3"]}
PHENOTYPE = ("age", "sex", "iq", "handedness")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(
        not (ROOT / "adhd200_aal" / "NYU.tar.gz").exists(),
        reason=f"no adhd200_aal under {ROOT}; set NEURO_TEST_DATA",
    ),
]


def fisher_z(series):
    corr = np.corrcoef(series.T)
    return corr[np.triu_indices(len(corr), 1)]


@pytest.fixture(scope="module")
def children():
    from neuro.io.adhd200.cohort import read_adhd200

    data = read_adhd200(ROOT / "adhd200_aal")
    edges = np.array([fisher_z(run.series) for run in data.series], dtype=np.float32)
    who = [run.participant_id for run in data.series]
    return data, edge_table(edges, who, runs="first")


@pytest.fixture(scope="module")
def mixed(children):
    """Sites with cases and controls, and their fold table."""
    data, edges = children
    chosen, rows = select_subjects(data.participants, site_groups=PEKING)
    return chosen, edges.rows(chosen["participant_id"]), make_folds(chosen, repeats=3), rows


def arguments(chosen, X=None):
    return {
        "X": np.zeros((len(chosen), 1)) if X is None else X,
        "y": chosen["dx"].to_numpy(),
        "groups": chosen["participant_id"].to_numpy(),
        "site": chosen["site"].to_numpy(),
        "covariates": chosen,
    }


def totals(found, metric="balanced_accuracy"):
    scores = score_predictions(found.predictions, n_bootstrap=200)
    scores = scores[(scores["fold"] == "all") & (scores["metric"] == metric)]
    assert (scores["ci_low"] < scores["value"]).all() and (
        scores["value"] < scores["ci_high"]
    ).all()
    return scores.set_index("scheme")["value"]


def test_control_only_sites_are_left_out_and_listed(mixed):
    chosen, _, _, rows = mixed
    assert len(chosen) == 493
    assert chosen["dx"].mean() == pytest.approx(0.442, abs=0.0005)
    assert {row["value"] for row in rows} == {"Pittsburgh", "WashU"}
    assert len(rows) == 139


def test_site_alone_in_seven_sites(children):
    data, _ = children
    everyone, rows = select_subjects(data.participants, keep_single_class_sites=True)
    assert len(everyone) == 632 and not rows
    folds = make_folds(everyone, schemes=("pooled",), repeats=2)
    found = nested_cv(CovariateBaseline(("site",)), **arguments(everyone), folds=folds)
    assert totals(found)["pooled"] == pytest.approx(0.710, abs=0.03)
    assert totals(found, "auc")["pooled"] == pytest.approx(0.728, abs=0.03)
    found = nested_cv(CovariateBaseline(PHENOTYPE), **arguments(everyone), folds=folds)
    assert totals(found)["pooled"] == pytest.approx(0.668, abs=0.03)


def test_baselines_and_linear_reference_reproduce_the_reference_table(mixed):
    chosen, edges, folds, _ = mixed
    found = nested_cv(CovariateBaseline(PHENOTYPE), **arguments(chosen), folds=folds)
    value, auc = totals(found), totals(found, "auc")
    assert value["pooled"] == pytest.approx(0.660, abs=0.03)
    assert value["leave_site_out"] == pytest.approx(0.646, abs=0.03)
    assert auc["pooled"] == pytest.approx(0.718, abs=0.03)
    assert auc["leave_site_out"] == pytest.approx(0.683, abs=0.03)
    pooled = folds[folds["scheme"] == "pooled"]
    found = nested_cv(CovariateBaseline(("site",)), **arguments(chosen), folds=pooled)
    assert totals(found)["pooled"] == pytest.approx(0.605, abs=0.03)
    found = nested_cv(CovariateBaseline((*PHENOTYPE, "site")), **arguments(chosen), folds=pooled)
    assert totals(found)["pooled"] == pytest.approx(0.685, abs=0.03)
    found = nested_cv(LinearReference(), **arguments(chosen, edges.X), folds=folds)
    value, auc = totals(found), totals(found, "auc")
    assert value["pooled"] == pytest.approx(0.582, abs=0.03)
    assert value["leave_site_out"] == pytest.approx(0.544, abs=0.03)
    assert auc["pooled"] == pytest.approx(0.606, abs=0.03)
    assert auc["leave_site_out"] == pytest.approx(0.562, abs=0.03)


def test_the_null_of_honest_edges_and_of_leaky_ones(mixed):
    """Edges chosen on all subjects make meaningless labels look better than the truth does."""
    from sklearn.feature_selection import f_classif
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen, edges, folds, _ = mixed
    folds = folds[(folds["scheme"] == "pooled") & (folds["repeat"] == 1)]
    named = arguments(chosen, edges.X)
    honest = permute_within_site(LinearReference(), **named, folds=folds, n_permutations=20)
    honest = honest[honest["metric"] == "balanced_accuracy"]["value"].mean()
    assert 0.48 <= honest <= 0.58
    ridge = make_pipeline(StandardScaler(), RidgeClassifier(1000.0, class_weight="balanced"))
    leaky = []
    for number in range(5):
        y = permute_labels(named["y"], named["groups"], named["site"], number)
        best = np.argsort(f_classif(edges.X, y)[0])[-100:]
        found = nested_cv(ridge, **{**named, "X": edges.X[:, best], "y": y}, folds=folds)
        leaky.append(totals(found)["pooled"])
    assert np.mean(leaky) > 0.60


@pytest.mark.slow
def test_graph_maps_of_all_runs_with_every_baseline_and_a_thousand_permutations(children):
    from neuro.adhd.graph.voxel_graph import VoxelGraph

    data, _ = children
    codes = np.array(data.series[0].regions)
    maps = [
        {
            "degree": graph.degree_,
            "cycle3": graph.cycles3_,
        }
        for graph in (VoxelGraph(density=0.10).fit(run.series) for run in data.series)
    ]
    who = [run.participant_id for run in data.series]
    chosen, rows = select_subjects(data.participants, site_groups=PEKING)
    table = GraphFeatures(("degree", "cycle3"), codes).table(maps, who, density=0.10)
    edges = edge_table(np.array([fisher_z(run.series) for run in data.series]), who)
    features = join_features([table, edges]).rows(chosen["participant_id"])
    folds = make_folds(chosen)
    variants = imaging_variants(features, inputs=("degree", "cycle3", "fc"))
    plain, missing, _ = baselines(chosen, next(v for v in variants if v.primary))
    variants += plain
    predictions, mask = judge(variants, chosen, folds)
    chunks = [
        permute(variants, chosen, folds, n_permutations=1000, chunk=chunk, n_chunks=4)
        for chunk in range(4)
    ]
    permutations = join_chunks(chunks)
    scores = summarise(predictions, permutations, unavailable=missing)
    assert permutations.groupby(["scheme", "input", "mask", "metric"]).size().eq(1000).all()
    assert missing == ["motion"]
    best = scores[(scores["metric"] == "balanced_accuracy") & (scores["fold"] == "all")]
    best = best.set_index(["scheme", "input", "mask"])
    with pd.option_context("display.width", 160):
        print(best[["value", "ci_low", "ci_high", "null_mean", "null_sd", "p", "n"]].round(3))
    for scheme in ("pooled", "leave_site_out"):
        alone = best.loc[(scheme, "phenotype", "none"), "value"]
        assert best.loc[(scheme, "cycle3+phenotype", "none"), "value"] >= alone - 0.02
        assert best.loc[(scheme, "phenotype", "none"), "p"] <= 0.01
    imaging = best[best.index.get_level_values("input").isin(("degree", "cycle3", "fc"))]
    assert imaging["null_mean"].between(0.48, 0.58).all()
    assert imaging["value"].between(0.45, 0.65).all()
    # 5 repeats x 5 folds and 3 sites, top 30 % of 116 regions
    kept = mask[mask["input"] == "cycle3"].groupby(["scheme", "repeat", "fold"])["kept"].sum()
    assert len(kept) == 28 and kept.eq(35).all()
    assert rows


def test_two_runs_of_a_child_become_one_row(children):
    data, _ = children
    who = [run.participant_id for run in data.series]
    mean, subjects = combine_runs(np.arange(len(who), dtype=float)[:, None], who)
    assert len(subjects) == 632
    runs = pd.Series(np.arange(len(who))).groupby(pd.Series(who), sort=False).mean()
    np.testing.assert_allclose(mean[:, 0], runs.to_numpy())
