"""Permuted labels: who swaps with whom, equality with the plain way, chunks, determinism."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from neuro.adhd.diagnosis.baselines import CovariateBaseline, ImagingAndCovariates, LinearReference
from neuro.adhd.diagnosis.evaluate import nested_cv
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import chunk_numbers, permute_labels, permute_within_site
from neuro.adhd.diagnosis.variants import (
    baselines,
    imaging_variants,
    join_chunks,
    judge,
    permute,
    summarise,
)
from neuro.adhd.features.table import FeatureTable
from neuro.io.formats.tables import write_tsv
from neuro.stats.subjects import make_folds, select_subjects

REGIONS = np.repeat(list("abcdef"), 2)


@pytest.fixture
def cohort():
    rng = np.random.default_rng(4)
    n = 60
    site = np.array(["a", "b", "c"])[np.arange(n) % 3]
    y = (rng.random(n) < np.where(site == "a", 0.7, 0.35)).astype(int)
    X = rng.poisson(20, (n, 12)).astype(float) + 4 * (site == "a")[:, None]
    X[:, :2] += 6 * y[:, None]
    table = pd.DataFrame(
        {
            "participant_id": [f"{i:03d}" for i in range(n)],
            "site": site,
            "dx": y,
            "age": rng.uniform(7, 18, n) + y,
            "sex": rng.choice(["F", "M"], n),
            "iq": np.nan,
            "mean_fd": np.nan,
        }
    )
    chosen, _ = select_subjects(table)
    return X, chosen, make_folds(chosen, repeats=2, outer_folds=3)


def arguments(cohort):
    X, table, folds = cohort
    return {
        "X": X,
        "y": table["dx"].to_numpy(),
        "groups": table["participant_id"].to_numpy(),
        "site": table["site"].to_numpy(),
        "covariates": table,
        "folds": folds,
    }


def test_labels_move_within_cells_and_runs_keep_their_subject_s_label():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 2)
    cells = np.repeat(np.array(list("abc"))[np.arange(60) % 3], 2)
    y = np.repeat(rng.random(60) < 0.4, 2)
    moved = 0
    for number in range(50):
        new = permute_labels(y, groups, cells, number)
        np.testing.assert_array_equal(new[::2], new[1::2])
        for cell in "abc":
            assert new[cells == cell].sum() == y[cells == cell].sum()
        moved += (new != y).any()
        np.testing.assert_array_equal(new, permute_labels(y, groups, cells, number))
    assert moved == 50


def test_every_arrangement_of_a_cell_is_equally_likely():
    counts = {}
    for number in range(3000):
        new = permute_labels([1, 1, 0, 0], list("wxyz"), list("ssss"), number)
        counts[tuple(new)] = counts.get(tuple(new), 0) + 1
    assert len(counts) == 6
    assert all(abs(count - 500) < 4 * np.sqrt(500) for count in counts.values())


@pytest.mark.parametrize(
    "estimator",
    [
        GraphDiagnosis(REGIONS, True, n_components=(2, 4), inner_cv=3),
        GraphDiagnosis(REGIONS, True, mask_rule="none", n_components=(2, 4), inner_cv=3),
        LinearReference(C=0.01),
        CovariateBaseline(("age", "sex", "site")),
        ImagingAndCovariates(GraphDiagnosis(REGIONS, n_components=(2, 4), inner_cv=3), ("age",)),
    ],
    ids=["mask", "no-mask", "svm", "phenotype", "combined"],
)
def test_all_labels_at_once_equal_a_clone_fitted_for_each(cohort, estimator):
    named = arguments(cohort)
    fast = permute_within_site(estimator, **named, n_permutations=6)
    slow = permute_within_site(estimator, **named, n_permutations=6, one_by_one=True)
    pd.testing.assert_frame_equal(fast, slow)
    assert set(fast["scheme"]) == {"pooled", "leave_site_out"}
    assert len(fast) == 2 * 6 * 6
    assert fast["value"].nunique() > 12


def test_other_classifiers_are_fitted_one_by_one(cohort):
    named = arguments(cohort)
    plain = make_pipeline(StandardScaler(), LinearSVC(C=0.01, class_weight="balanced", tol=1e-8))
    slow = permute_within_site(plain, **named, n_permutations=3)
    fast = permute_within_site(LinearReference(C=0.01), **named, n_permutations=3)
    pd.testing.assert_frame_equal(slow, fast, atol=1e-6)


def test_chunks_joined_equal_the_single_run(cohort):
    named = arguments(cohort)
    model = GraphDiagnosis(REGIONS, n_components=(2, 4), inner_cv=3)
    whole = permute_within_site(model, **named, n_permutations=7)
    parts = [
        permute_within_site(model, **named, n_permutations=7, chunk=chunk, n_chunks=3)
        for chunk in range(3)
    ]
    assert [part["permutation"].nunique() for part in parts] == [3, 2, 2]
    pd.testing.assert_frame_equal(join_chunks(parts), join_chunks([whole]))
    empty = permute_within_site(model, **named, n_permutations=2, chunk=2, n_chunks=3)
    assert empty.empty
    with pytest.raises(ValueError, match="chunk: got 3, expected 0 to 2"):
        chunk_numbers(7, 3, 3)


def test_permuted_values_keep_the_prevalence_of_sites(cohort):
    """Site is known and prevalence differs, so the null of the site baseline is its own value."""
    named = arguments(cohort)
    folds = named["folds"][named["folds"]["scheme"] == "pooled"]
    model = CovariateBaseline(("site",))
    null = permute_within_site(model, **{**named, "folds": folds}, n_permutations=20)
    null = null[null["metric"] == "balanced_accuracy"]["value"]
    real = nested_cv(model, **{**named, "folds": folds[folds["repeat"] == 1]}).predictions
    case = real["score"] > 0
    value = (case[real["y"] == 1].mean() + (~case)[real["y"] == 0].mean()) / 2
    assert null.std() < 1e-12
    assert null.mean() == pytest.approx(value)
    assert value > 0.6


@pytest.fixture
def analysis(cohort):
    X, chosen, folds = cohort
    n = X.shape[1]
    features = FeatureTable(
        X=np.hstack([X, X[:, :3]]).astype(np.float32),
        participant_id=chosen["participant_id"].to_numpy(),
        feature=np.array(["cycle3"] * n + ["fc"] * 3),
        region=np.r_[REGIONS, ["", "", ""]],
        node=np.r_[np.arange(n), [-1] * 3],
        bin=np.zeros(n + 3, int),
        density=np.full(n + 3, 0.1),
    )
    variants = imaging_variants(
        features, inputs=("cycle3", "fc"), n_components=(2, 4), inner_folds=3
    )
    primary = next(variant for variant in variants if variant.primary)
    plain, missing, rows = baselines(chosen, primary)
    return variants + plain, chosen, folds, missing, rows


def test_the_whole_table_of_scores(analysis):
    variants, chosen, folds, missing, rows = analysis
    predictions, mask = judge(variants, chosen, folds)
    permutations = permute(variants, chosen, folds, n_permutations=19)
    scores = summarise(predictions, permutations, unavailable=missing, n_bootstrap=50)
    totals = scores[(scores["fold"] == "all") & (scores["metric"] == "balanced_accuracy")]
    pooled = totals[totals["scheme"] == "pooled"]
    assert list(zip(pooled["input"], pooled["mask"])) == [
        ("cycle3", "none"),
        ("cycle3", "mask"),
        ("fc", "none"),
        ("majority", "none"),
        ("site", "none"),
        ("phenotype", "none"),
        ("phenotype+site", "none"),
        ("cycle3+phenotype", "none"),
        ("motion", "none"),
    ]
    out = totals[totals["scheme"] == "leave_site_out"]
    assert "site" not in set(out["input"])  # an unseen site has no prevalence to know
    assert list(totals[totals["primary"].astype(bool)]["mask"]) == ["mask", "mask"]
    known = totals[totals["n"] > 0]
    assert known[["value", "ci_low", "ci_high", "null_mean", "null_sd"]].notna().all(axis=None)
    # 19 permutations can never reach p < .05
    assert known["p"].min() >= 1 / 20
    motion = totals[totals["input"] == "motion"]
    assert motion["value"].isna().all() and (motion["n"] == 0).all()
    assert missing == ["motion"] and rows[0]["what"] == "motion"
    assert set(mask["input"]) == {"cycle3"}
    assert mask.groupby(["scheme", "repeat", "fold"])["kept"].sum().eq(2).all()


def test_same_seed_gives_the_same_file_with_one_and_two_threads(analysis, tmp_path):
    variants, chosen, folds, _, _ = analysis
    texts = []
    for run, threads in enumerate((1, 2, 1)):
        with threadpool_limits(threads):
            predictions, _ = judge(variants, chosen, folds)
        texts.append(write_tsv(tmp_path / f"{run}.tsv", predictions).read_bytes())
    assert texts[0] == texts[1] == texts[2]


def test_primary_must_be_among_the_variants(analysis):
    variants, chosen, _, _, _ = analysis
    table = FeatureTable(
        variants[0].X,
        chosen["participant_id"].to_numpy(),
        np.full(12, "cycle3"),
        REGIONS,
        np.arange(12),
        np.zeros(12, int),
        np.full(12, np.nan),
    )
    with pytest.raises(ValueError, match=r"'degree\+mask' is not among .* cycle3, cycle3\+mask"):
        imaging_variants(table, inputs=("cycle3",), primary="degree+mask")
    only = imaging_variants(table, inputs=("cycle3",), primary="cycle3", mask_rule="none")
    assert [(variant.mask, variant.primary) for variant in only] == [("none", True)]
