"""Intervals of scores: what they are made of, and how often they hold what they are about."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits

from neuro.adhd.diagnosis.intervals import null_interval, site_interval
from neuro.adhd.diagnosis.metrics import METRICS, score_metrics
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.variants import Variant, judge, permute, summarise
from neuro.stats.subjects import make_folds

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def measured():
    """The benchmark, whose cohorts and intervals are used here."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("intervals")
    sys.path.remove(str(BENCHMARKS))


def test_the_interval_is_t_times_the_spread_of_the_null():
    null = np.random.default_rng(0).normal(0.52, 0.04, 60)
    low, high = null_interval(0.6, [*null, np.nan], "balanced_accuracy")
    half = stats.t.ppf(0.975, 59) * null.std(ddof=1)
    assert (low, high) == pytest.approx((0.6 - half, 0.6 + half))
    narrow = null_interval(0.6, null, "auc", level=0.5)
    assert low < narrow[0] < narrow[1] < high
    # the value of the score moves the interval, its null's mean does not
    assert null_interval(0.6, null + 0.1, "auc") == pytest.approx((low, high))


def test_it_is_never_narrower_than_the_other_interval():
    null = np.random.default_rng(0).normal(0.6, 0.001, 60)
    assert null_interval(0.7, null, "auc", at_least=0.05) == pytest.approx((0.65, 0.75))
    assert null_interval(0.7, null, "auc", at_least=np.nan) == null_interval(0.7, null, "auc")


def test_bounds_stay_in_the_range_of_the_metric():
    null = np.random.default_rng(0).normal(0.5, 0.1, 60)
    assert null_interval(0.97, null, "accuracy")[1] == 1
    assert null_interval(0.03, null, "accuracy")[0] == 0
    low, _ = null_interval(0.03, null, "youden_j")
    assert -0.3 < low < 0


@pytest.mark.parametrize("null", [[], [0.5] * 60, np.linspace(0.4, 0.6, 19)])
def test_too_few_or_equal_values_make_no_interval(null):
    assert np.isnan(null_interval(0.6, null, "auc")).all()


def test_proportions_at_a_site_equal_scipy_s_wilson():
    found = {"sensitivity": 0.4, "specificity": 12 / 15, "accuracy": 16 / 25}
    for name, hits, n in (("sensitivity", 4, 10), ("specificity", 12, 15), ("accuracy", 16, 25)):
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert site_interval(name, found, 10, 15) == pytest.approx((expected.low, expected.high))


def test_balanced_accuracy_and_j_at_a_site_are_newcombe_s():
    """Newcombe (1998), method 10, of 56/70 - 48/80: .0524 to .3339."""
    found = {"sensitivity": 56 / 70, "specificity": 1 - 48 / 80}
    found |= {"youden_j": 56 / 70 - 48 / 80, "balanced_accuracy": (1 + 56 / 70 - 48 / 80) / 2}
    low, high = site_interval("youden_j", found, 70, 80)
    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert site_interval("balanced_accuracy", found, 70, 80) == pytest.approx(
        ((1 + low) / 2, (1 + high) / 2)
    )


def test_what_lacks_a_class_has_no_interval():
    found = {name: float(value[0]) for name, value in score_metrics([1, 1], [1.0, -1.0]).items()}
    for name in ("auc", "specificity", "balanced_accuracy", "youden_j"):
        assert np.isnan(site_interval(name, found, 2, 0)).all()
    assert np.isfinite(site_interval("sensitivity", found, 2, 0)).all()
    perfect = {"auc": 1.0}
    low, high = site_interval("auc", perfect, 5, 5)
    assert high == 1 and 0.5 < low < 0.9


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("distance", [0.0, 1.0])
def test_intervals_at_a_site_hold_the_model_s_own_score(metric, distance):
    """30 people of a site, 600 times; the truth from a million."""
    rng = np.random.default_rng(1)
    labels = np.repeat([True, False], [12, 18])
    many = np.repeat([True, False], 500_000)
    truth = score_metrics(many, rng.standard_normal(len(many)) + distance * (many - 0.4))
    held = 0
    decisions = rng.standard_normal((30, 600)) + distance * (labels - 0.4)[:, None]
    found = score_metrics(labels, decisions)
    truth["accuracy"] = [0.4 * truth["sensitivity"][0] + 0.6 * truth["specificity"][0]]
    for one in range(600):
        low, high = site_interval(metric, {key: found[key][one] for key in METRICS}, 12, 18)
        held += low <= truth[metric][0] <= high
    assert 0.92 <= held / 600 <= 0.985


def people(y, site):
    place = np.array([f"site {one}" for one in site])
    table = pd.DataFrame({"participant_id": [f"{row:04d}" for row in range(len(y))]})
    return table.assign(site=place, site_group=place, dx=np.asarray(y).astype(int))


def test_the_table_of_scores_says_where_each_interval_comes_from(measured):
    X, y, site = measured.cohort(80, 1.5, "different", 0)
    table = people(y, site)
    folds = make_folds(table, repeats=measured.REPEATS, random_state=0)
    model = GraphDiagnosis(mask_rule="none", n_components=40)
    from neuro.adhd.diagnosis.baselines import CovariateBaseline

    variants = [
        Variant("cycle3", "none", model, X, primary=True),
        Variant("site", "none", CovariateBaseline(("site",)), schemes=("pooled",)),
    ]
    predictions, _ = judge(variants, table, folds)
    null = permute(variants, table, folds, n_permutations=20)
    scores = summarise(predictions, null, primary="cycle3", n_bootstrap=50)
    main = scores[scores["metric"] == "balanced_accuracy"]
    whole = main[main["fold"] == "all"].set_index(["scheme", "input"])
    assert whole["interval"].to_dict() == {
        ("pooled", "cycle3"): "permutation",
        ("leave_site_out", "cycle3"): "permutation",
        ("pooled", "site"): "bootstrap",
    }
    assert set(main.loc[main["fold"] != "all", "interval"]) == {"site"}
    few = summarise(predictions, null[null["permutation"] < 19], primary="cycle3", n_bootstrap=50)
    assert set(few.loc[few["fold"] == "all", "interval"]) == {"bootstrap"}
    # what the coverage below is about is what the stage writes
    expected = pd.DataFrame(measured.replicate(80, 1.5, "different", 0))
    expected = expected[expected["interval"] == "permutation, 20"].set_index("scheme")
    for scheme, row in expected.iterrows():
        found = whole.loc[(scheme, "cycle3")]
        np.testing.assert_allclose(
            found[["value", "ci_low", "ci_high"]].astype(float),
            row[["value", "low", "high"]].astype(float),
        )


@pytest.mark.slow
@pytest.mark.parametrize("n", [80, 300])
@pytest.mark.parametrize("signal", [0.0, 1.5])
@pytest.mark.parametrize("sites", ["alike", "different"])
def test_intervals_hold_the_expected_score(measured, n, signal, sites):
    """95 % in 400 cohorts; the bootstrap of old holds it in about 85 %.

    Where there is something to find, a mean of three repeats spreads less than the single repeats
    of the null: the pooled interval is then on the wide side (measured: .988 at n = 80, .985 at
    n = 300).
    """
    with threadpool_limits(1):
        found = measured.coverage(n, signal, sites, 400).set_index(["scheme", "interval"])["held"]
    for scheme in ("pooled", "leave_site_out"):
        held = found[scheme, f"permutation, {measured.PERMUTATIONS[-1]}"]
        assert 0.92 <= held <= (0.98 if signal == 0 or scheme == "leave_site_out" else 1.0)
        if sites == "alike":
            assert found[scheme, "bootstrap over subjects"] < 0.92
