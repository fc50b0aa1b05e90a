"""Metrics, bootstrap intervals, the tables of scores and the null columns."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from neuro.adhd.diagnosis.metrics import METRICS, bootstrap_metrics, interval, score_metrics
from neuro.adhd.diagnosis.scores import (
    SCORE_COLUMNS,
    add_null,
    empty_scores,
    headline,
    recovered_regions,
    score_predictions,
)
from neuro.base import seeds


@pytest.fixture
def decided():
    rng = np.random.default_rng(0)
    y = rng.random((50, 4)) < 0.4
    decision = np.round(rng.standard_normal((50, 4)) + 0.7 * y, 1)  # ties on purpose
    return y, decision


def test_metrics_equal_scikit_learn(decided):
    y, decision = decided
    found = score_metrics(y, decision)
    for one in range(4):
        truth, guess = y[:, one], decision[:, one] > 0
        assert found["auc"][one] == pytest.approx(roc_auc_score(truth, decision[:, one]))
        expected = balanced_accuracy_score(truth, guess)
        assert found["balanced_accuracy"][one] == pytest.approx(expected)
        assert found["sensitivity"][one] == pytest.approx(guess[truth].mean())
        assert found["specificity"][one] == pytest.approx((~guess[~truth]).mean())
        assert found["youden_j"][one] == pytest.approx(2 * expected - 1)
        assert found["accuracy"][one] == pytest.approx((guess == truth).mean())


def test_one_class_has_no_balanced_accuracy():
    found = score_metrics(np.zeros(5), np.arange(5.0))
    assert np.isnan(found["balanced_accuracy"][0]) and np.isnan(found["auc"][0])
    assert found["accuracy"][0] == pytest.approx(0.2)


def test_bootstrap_equals_resampling_by_hand(decided):
    y, decision = decided
    groups = np.repeat(np.arange(25), 2)  # two runs per subject
    label = y[::2, 0].repeat(2)
    samples = bootstrap_metrics(label, decision, groups, 40, random_state=3)
    rng = seeds.generator(3, "bootstrap of subjects")
    drawn = rng.multinomial(25, np.full(25, 1 / 25), size=40)
    # numpy sorts subjects as text
    order = np.argsort(np.arange(25).astype(str))
    for row in range(40):
        times = np.empty(25, dtype=int)
        times[order] = drawn[row]
        rows = np.repeat(np.arange(50), times.repeat(2))
        expected = score_metrics(label[rows], decision[rows])
        for name in METRICS:
            assert samples[name][row] == pytest.approx(expected[name].mean()), name


def test_interval_has_the_nominal_coverage():
    """95 % intervals of the accuracy of a fair coin contain .5 in about 95 % of studies."""
    rng = np.random.default_rng(1)
    inside = 0
    for study in range(200):
        y = rng.random(60) < 0.5
        decision = rng.standard_normal(60)
        samples = bootstrap_metrics(y, decision, np.arange(60), 300, random_state=study)
        low, high = interval(samples["balanced_accuracy"])
        inside += low <= 0.5 <= high
    assert 0.89 <= inside / 200 <= 0.99


def test_samples_without_a_class_are_left_out():
    samples = bootstrap_metrics([1, 0, 0], [1.0, -1.0, -2.0], list("abc"), 200)
    missing = np.isnan(samples["auc"])
    assert 0 < missing.sum() < 200
    assert interval(samples["auc"]) == (1.0, 1.0)
    assert np.isnan(interval(np.array([np.nan]))[0])


def predictions(n=40, repeats=2):
    rng = np.random.default_rng(5)
    y = np.arange(n) % 2
    tables = []
    for scheme, count in (("pooled", repeats), ("leave_site_out", 1)):
        for repeat in range(count):
            tables.append(
                pd.DataFrame(
                    {
                        "participant_id": [f"{i:02d}" for i in range(n)],
                        "scheme": scheme,
                        "repeat": repeat + 1,
                        "fold": np.where(np.arange(n) < 20, "a", "b")
                        if scheme == "leave_site_out"
                        else (np.arange(n) % 5).astype(str),
                        "site": np.where(np.arange(n) < 20, "a", "b"),
                        "input": "cycle3",
                        "mask": "mask",
                        "y": y,
                        "score": rng.standard_normal(n) + y,
                        "subtype": np.nan,
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)


def test_score_table():
    table = predictions()
    scores = score_predictions(table, n_bootstrap=100, primary=("cycle3", "mask"))
    assert list(scores.columns) == list(SCORE_COLUMNS)
    assert len(scores) == 6 * (1 + 1 + 2)
    assert scores["primary"].all()
    pooled = scores[(scores["scheme"] == "pooled") & (scores["metric"] == "auc")].iloc[0]
    expected = [
        roc_auc_score(part["y"], part["score"])
        for _, part in table[table["scheme"] == "pooled"].groupby("repeat")
    ]
    assert pooled["value"] == pytest.approx(np.mean(expected))
    assert pooled["ci_low"] < pooled["value"] < pooled["ci_high"]
    assert pooled["n"] == 40
    site = scores[(scores["site"] == "b") & (scores["metric"] == "auc")].iloc[0]
    part = table[(table["scheme"] == "leave_site_out") & (table["fold"] == "b")]
    assert site["value"] == pytest.approx(roc_auc_score(part["y"], part["score"]))
    assert (site["n"], site["fold"]) == (20, "b")


def test_null_columns_and_p():
    scores = score_predictions(predictions(), n_bootstrap=50)
    value = scores.loc[(scores["scheme"] == "pooled") & (scores["metric"] == "auc"), "value"].iloc[
        0
    ]
    null = np.array([value - 0.1] * 7 + [value] + [value + 0.1])
    permutations = pd.DataFrame(
        {
            "scheme": "pooled",
            "input": "cycle3",
            "mask": "mask",
            "metric": "auc",
            "permutation": range(9),
            "value": null,
        }
    )
    found = add_null(scores, permutations)
    filled = found[found["p"].notna()]
    assert len(filled) == 1
    assert filled["p"].iloc[0] == pytest.approx(3 / 10)
    assert filled["null_mean"].iloc[0] == pytest.approx(null.mean())
    assert filled["null_sd"].iloc[0] == pytest.approx(null.std(ddof=1))
    assert scores["p"].isna().all()  # the argument is left alone


@pytest.mark.parametrize("m", [1, 19, 99])
def test_p_is_never_smaller_than_one_in_m_plus_one(m):
    scores = score_predictions(predictions(), n_bootstrap=10)
    permutations = scores[scores["fold"] == "all"][["scheme", "input", "mask", "metric"]]
    permutations = permutations.merge(pd.DataFrame({"permutation": range(m)}), how="cross")
    found = add_null(scores, permutations.assign(value=-5.0 - permutations["permutation"]))
    np.testing.assert_allclose(found.loc[found["fold"] == "all", "p"], 1 / (m + 1))


def test_a_null_that_does_not_vary_has_no_p():
    scores = score_predictions(predictions(), n_bootstrap=10)
    permutations = scores[scores["fold"] == "all"][["scheme", "input", "mask", "metric"]]
    permutations = permutations.merge(pd.DataFrame({"permutation": range(9)}), how="cross")
    found = add_null(scores, permutations.assign(value=0.25))
    total = found[found["fold"] == "all"]
    assert total["p"].isna().all() and (total["null_mean"] == 0.25).all()


def test_headline_shows_the_declared_variant_and_the_baselines_only():
    table = predictions()
    table = pd.concat(
        [
            table,
            table.assign(input="degree", mask="none", score=table["y"] - 0.5),
            table.assign(input="phenotype", mask="none"),
        ]
    )
    scores = score_predictions(table, n_bootstrap=20, primary=("cycle3", "mask"))
    scores = pd.concat([scores, empty_scores("motion", ["pooled"])], ignore_index=True)
    figures = headline(scores)
    names = [figure["name"] for figure in figures]
    assert names == [
        "balanced accuracy, cycle3+mask, pooled",
        "balanced accuracy, phenotype, pooled",
        "balanced accuracy, cycle3+mask, leave site out",
        "balanced accuracy, phenotype, leave site out",
    ]
    assert figures[0]["baseline"] == {"phenotype": pytest.approx(figures[1]["value"])}
    assert figures[0]["null"] is None and figures[0]["n"] == 40


def test_headline_names_the_best_baseline_of_each_scheme():
    table = predictions()
    right = {"site": 0.2, "phenotype+site": 3.0, "motion": -1.0}
    others = [
        table.assign(input=name, mask="none", score=table["score"] + gain * (table["y"] - 0.5))
        for name, gain in right.items()
    ]
    others[0] = others[0][others[0]["scheme"] == "pooled"]
    others[1] = others[1][others[1]["scheme"] == "pooled"]
    scores = score_predictions(
        pd.concat([table.assign(input="fc", mask="none"), *others]),
        n_bootstrap=20,
        primary=("fc", "none"),
    )
    figures = {entry["name"]: entry for entry in headline(scores)}
    assert list(figures) == [
        "balanced accuracy, fc, pooled",
        "balanced accuracy, site, pooled",
        "balanced accuracy, phenotype+site, pooled",
        "balanced accuracy, fc, leave site out",
        "balanced accuracy, motion, leave site out",
    ]
    best = figures["balanced accuracy, phenotype+site, pooled"]["value"]
    assert figures["balanced accuracy, fc, pooled"]["baseline"] == {"phenotype+site": best}
    assert "motion" in figures["balanced accuracy, fc, leave site out"]["baseline"]


def test_planted_regions_are_compared_with_those_that_stand_out():
    maps = pd.DataFrame(
        {
            "region": ["A", "B", "C", "D", "A"],
            "map": ["cycle3"] * 4 + ["degree"],
            "difference": [0.1, -0.9, 0.5, 0.2, 9.0],
            "p": [0.5, 0.01, 0.01, 0.02, 0.0],
        }
    )
    entry = recovered_regions(maps, ["B", "C"], "cycle3", 30)
    assert (entry["planted"], entry["recovered"]) == ("B, C", "B, C")
    assert entry["error"] == "0 of 2 missed" and entry["value"] == 2
    # Chance: two of four regions hold one of the two planted ones on average.
    assert entry["null"] == 1.0
    entry = recovered_regions(maps, ["A"], "cycle3", 30)
    assert (entry["recovered"], entry["error"], entry["value"]) == ("B", "1 of 1 missed", 0)
