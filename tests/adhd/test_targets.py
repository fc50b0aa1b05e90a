"""Other targets than the diagnosis: numbers and classes, in its folds and with its nulls."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score

from neuro.adhd.diagnosis.baselines import LinearReference
from neuro.adhd.diagnosis.mask import Rows
from neuro.adhd.features.table import FeatureTable
from neuro.adhd.targets import judge, learners, metrics
from neuro.io.problems import InputProblem
from neuro.stats.subjects import make_folds

SETTINGS = {
    "features": ["degree", "fc"],
    "primary": "fc",
    "log1p": True,
    "pca": [4],
    "shrinkage": "auto",
    "inner_folds": 3,
    "outer_folds": 4,
    "deconfound": [],
    "protect": ["age", "sex"],
    "harmonise": "none",
    "transductive": False,
    "permutations": 30,
    "targets": {"age": "auto", "subtype": "auto"},
}


@pytest.fixture(scope="module")
def cohort():
    """96 people of three sites; edges tell age and subtype, degree tells nothing."""
    rng = np.random.default_rng(0)
    n = 96
    site = np.arange(n) % 3
    subtype = (np.arange(n) // 3) % 3
    age = rng.uniform(8, 14, n) + 4 * site
    fc = rng.standard_normal((n, 30))
    fc[:, 0] += 1.2 * (age - 4 * site - 11)
    fc[:, 1:4] += 2.0 * (subtype[:, None] == np.arange(3))
    fc[:, 5] += 3 * site
    X = np.hstack([rng.poisson(9, (n, 10)), fc]).astype(np.float32)
    who = np.array([f"{row:02d}" for row in range(n)])
    table = FeatureTable(
        X=X,
        participant_id=who,
        feature=np.array(["degree"] * 10 + ["fc"] * 30),
        region=np.array([f"r{k}" for k in range(10)] + [""] * 30),
        node=np.r_[np.arange(10), np.full(30, -1)],
        bin=np.zeros(40, int),
        density=np.full(40, np.nan),
    )
    place = np.array([f"s{one}" for one in site])
    people = pd.DataFrame({"participant_id": who, "site": place, "site_group": place})
    people["dx"] = rng.permutation(n) % 2
    people["age"], people["subtype"] = age, subtype.astype(float)
    people["sex"] = np.where(rng.random(n) < 0.5, "F", "M")
    return table, people, make_folds(people, outer_folds=4, repeats=2)


@pytest.fixture(scope="module")
def found(cohort):
    scores, predictions, left_out = judge.all_targets(*cohort, SETTINGS, 0)
    return scores.set_index(["target", "scheme", "input", "metric"]), predictions, left_out


def test_ridge_leaves_rows_out_exactly_and_takes_the_best_penalty():
    rng = np.random.default_rng(1)
    for n, p in ((12, 4), (10, 25)):
        X, new = rng.standard_normal((n, p)), rng.standard_normal((5, p))
        Y = np.column_stack([X[:, 0] + 0.1 * rng.standard_normal(n), rng.standard_normal(n)])
        out, left_out = learners.ridge_predictions(X, Y, new)
        unit = ((X - X.mean(axis=0)) ** 2).sum() / n
        for one in range(2):
            errors = []
            for penalty in learners.PENALTIES:
                each = np.empty(n)
                for row in range(n):
                    rest = np.arange(n) != row
                    model = Ridge(alpha=penalty * unit).fit(X[rest], Y[rest, one])
                    each[row] = model.predict(X[[row]])[0]
                errors.append((((each - Y[:, one]) ** 2).mean(), penalty, each))
            _, penalty, each = min(errors, key=lambda entry: entry[0])
            np.testing.assert_allclose(left_out[:, one], each, rtol=1e-6, atol=1e-9)
            model = Ridge(alpha=penalty * unit).fit(X, Y[:, one])
            np.testing.assert_allclose(out[:, one], model.predict(new), rtol=1e-6, atol=1e-9)


def test_many_targets_at_once_equal_one_by_one(cohort):
    table, people, _ = cohort
    X, rng = table.select("fc").X.astype(float), np.random.default_rng(2)
    site = people["site"].to_numpy()
    rows = Rows(X, people["participant_id"].to_numpy(), site, site, people)
    train, test = rows.take(np.arange(70)), rows.take(np.arange(70, 96))
    numbers = rng.standard_normal((70, 3))
    codes = rng.integers(0, 4, (70, 3)).astype(float)
    codes[codes[:, 1] == 3, 1] = 0  # a class that one vector lacks
    ridge = learners.ImagingRidge()
    for model, targets in (
        (ridge, numbers),
        (learners.CovariateRidge(("age", "sex", "site")), numbers),
        (learners.ImagingAndCovariatesRidge(ridge, ("age",)), numbers),
        (learners.OneVersusRest(LinearReference(C=0.01)), codes),
    ):
        whole = model.predict_many(train, targets, test)
        for one in range(3):
            alone = model.predict_many(train, targets[:, [one]], test)
            np.testing.assert_allclose(whole[:, [one]], alone, rtol=1e-8)
    assert not (whole[:, 1] == 3).any()


def test_metrics_equal_scikit_learn_and_numpy():
    rng = np.random.default_rng(3)
    site = np.repeat(["a", "b", "c"], [5, 9, 16])
    y = rng.standard_normal(30) + 2 * (site == "b")
    guess = y[:, None] + rng.standard_normal((30, 2))
    found = metrics.score_numbers(y, guess, site)
    for one in range(2):
        assert found["r"][one] == pytest.approx(np.corrcoef(y, guess[:, one])[0, 1])
        assert found["r2"][one] == pytest.approx(r2_score(y, guess[:, one]))
        assert found["mae"][one] == pytest.approx(np.abs(y - guess[:, one]).mean())
        a, b = (
            np.concatenate([part[site == name] - part[site == name].mean() for name in "abc"])
            for part in (y, guess[:, one])
        )
        assert found["r_within_site"][one] == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)))
    codes, told = rng.integers(0, 3, 30), rng.integers(0, 3, (30, 2))
    found = metrics.score_classes(codes, told)
    for one in range(2):
        expected = balanced_accuracy_score(codes, told[:, one])
        assert found["balanced_accuracy"][one] == pytest.approx(expected)
    assert np.isnan(metrics.score_numbers(y, np.ones((30, 1)), site)["r"][0])


def test_a_planted_number_is_found_within_sites_and_sites_alone_are_not(found):
    scores, _, _ = found
    for scheme in ("pooled", "leave_site_out"):
        row = scores.loc[("age", scheme, "fc", "r_within_site")]
        assert row["value"] > 0.6 and row["p"] == pytest.approx(1 / 31)
        assert row["ci_low"] < row["value"] < row["ci_high"] and row["primary"]
        assert abs(row["null_mean"]) < 0.2
        nothing = scores.loc[("age", scheme, "degree", "r_within_site")]
        assert nothing["value"] < 0.4 and not nothing["primary"]
        error = scores.loc[("age", scheme, "fc", "mae")]
        assert error["smaller_is_better"] and error["value"] < error["null_mean"]
    alone = scores.loc[("age", "pooled", "site")]
    assert alone.loc["r", "value"] > 0.8 > 0.3 > alone.loc["r_within_site", "value"]
    assert np.isnan(scores.loc[("age", "pooled", "fc", "r2"), "ci_low"])
    assert ("age", "leave_site_out", "site", "r") not in scores.index
    assert ("age", "pooled", "fc+phenotype", "r") in scores.index


def test_an_interval_is_not_narrower_than_what_drawing_people_makes():
    rng = np.random.default_rng(5)
    y = rng.standard_normal(400)
    site = np.repeat(["a", "b"], 200)
    real = (0.3 * y + rng.standard_normal(400))[:, None]
    # a null that hardly varies, as that of a learner with the largest penalty
    null = np.tile(real, 30) + 1e-4 * rng.standard_normal((400, 30))
    made = judge._Made(real, np.tile(y[:, None], 30), null)
    target = judge.Target("y", "number", np.arange(400), y, [])
    row = judge._scores(target, made, site).set_index("metric").loc["r_within_site"]
    assert row["null_sd"] < 0.001
    half = (row["ci_high"] - row["ci_low"]) / 2
    assert half == pytest.approx(1.96 * (1 - row["value"] ** 2) / np.sqrt(397))
    codes = rng.integers(0, 3, 400)
    told = np.where(rng.random(400) < 0.5, codes, 0)
    draws = []
    for _ in range(400):
        rows = rng.integers(0, 400, 400)
        draws.append(metrics.score_classes(codes[rows], told[rows, None])["balanced_accuracy"][0])
    found = metrics.sampling_half_width("balanced_accuracy", 0.0, codes, told, site)
    assert found / 1.96 == pytest.approx(np.std(draws), rel=0.15)


def test_planted_classes_are_found(found):
    scores, predictions, _ = found
    row = scores.loc[("subtype", "pooled", "fc", "balanced_accuracy")]
    assert row["value"] > 0.6 and row["null_mean"] == pytest.approx(1 / 3, abs=0.06)
    constant = scores.loc[("subtype", "pooled", "constant", "balanced_accuracy"), "value"]
    assert constant < 0.45
    part = predictions.query("target == 'subtype' and scheme == 'pooled' and input == 'fc'")
    assert set(part["y"]) == {"0", "1", "2"}
    each = [balanced_accuracy_score(p["y"], p["predicted"]) for _, p in part.groupby("repeat")]
    assert row["value"] == pytest.approx(np.mean(each))


def test_the_target_is_no_covariate_of_itself(cohort, found):
    table, people, _ = cohort
    target, _ = judge.read_target(people, "age", "auto", 4, "s")
    made = {name: model for name, model, *_ in judge.inputs(table, people, target, SETTINGS, 0)}
    assert made["phenotype"].columns == ("sex",)
    assert made["fc"].protect == ("sex",)
    assert any("not in adhd.protect here" in row["reason"] for row in found[2])


@pytest.mark.parametrize("name", ["age", "subtype"])
def test_every_learner_draws_by_the_seed(cohort, name):
    table, people, _ = cohort
    target, _ = judge.read_target(people, name, "auto", 4, "s")
    seeds = {
        (name, key): value
        for name, model, *_ in judge.inputs(table, people, target, SETTINGS, 17)
        for key, value in model.get_params(deep=True).items()
        if key.endswith("random_state")
    }
    assert set(seeds.values()) <= {17} and (seeds or name == "age")


def test_targets_of_test_people_play_no_part_and_nobody_is_on_both_sides(cohort):
    table, people, folds = cohort
    other = people.copy()
    test = folds.query("scheme == 'pooled' and repeat == 1 and fold == '2'")["participant_id"]
    rows = other["participant_id"].isin(test)
    other.loc[rows, "age"] = other.loc[rows, "age"].to_numpy()[::-1] + 1
    settings = SETTINGS | {"permutations": 0, "targets": {"age": "number"}}
    both = []
    for who in (people, other):
        _, predictions, _ = judge.all_targets(table, who, folds, settings, 0)
        part = predictions.query("scheme == 'pooled' and repeat == 1 and input == 'fc'")
        both.append(part.set_index("participant_id")["predicted"])
    np.testing.assert_array_equal(both[0][test], both[1][test])
    assert not np.array_equal(both[0], both[1])


def test_people_without_a_value_and_rare_classes_are_left_out_and_listed(cohort):
    _, people, _ = cohort
    people = people.copy()
    people.loc[:3, "age"] = np.nan
    target, rows = judge.read_target(people, "age", "auto", 4, "s")
    assert target.kind == "number" and len(target.y) == 92 == len(target.rows)
    assert [row["what"] for row in rows] == ["00", "01", "02", "03"]
    people.loc[:2, "subtype"] = 7
    target, rows = judge.read_target(people, "subtype", "auto", 4, "s")
    assert target.kind == "classes" and target.classes == ["0", "1", "2"]
    assert len(rows) == 3 and "class '7' of 'subtype' has too few people" in rows[0]["reason"]
    assert judge.read_target(people, "sex", "auto", 4, "s")[0].classes == ["F", "M"]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("height", "auto", "no column 'height' in the participants table; found participant_id"),
        ("sex", "number", "'sex' holds '.', which is no number; use classes"),
        ("one", "classes", "'one' has fewer than 2 classes"),
        ("one", "number", "'one' has 96 values, too few or all equal"),
    ],
)
def test_what_is_no_target_is_one_line(cohort, name, kind, message):
    with pytest.raises(InputProblem, match=message) as caught:
        judge.read_target(cohort[1].assign(one=1.0), name, kind, 4, "s")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("signal", [0.0, 0.6])
def test_intervals_of_a_correlation_hold_its_expectation(signal):
    """300 cohorts of 80 people, 15 features, two sites."""
    rng = np.random.default_rng(4)
    rows, n = [], 80
    for seed in range(300):
        X = rng.standard_normal((n, 15))
        site = np.arange(n) % 2
        y = signal * X[:, 0] + rng.standard_normal(n) + site
        place = np.array(["a", "b"])[site]
        who = np.array([f"{row:02d}" for row in range(n)])
        people = pd.DataFrame({"participant_id": who, "site": place, "site_group": place})
        people["dx"] = np.arange(n) // 2 % 2
        folds = make_folds(people, repeats=2, random_state=seed)
        target = judge.Target("y", "number", np.arange(n), y, [])
        each = Rows(X, who, place, place, people)
        for scheme, part in folds.groupby("scheme"):
            made = judge._predict(learners.ImagingRidge(), each, y, part, scheme, 50, seed)
            rows.append(judge._scores(target, made, place).assign(scheme=scheme))
    table = pd.concat(rows)
    table = table[table["metric"] == "r_within_site"]
    truth = table.groupby("scheme")["value"].transform("mean")
    held = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
    # where there is something to find the spread is smaller than that of the null
    for share in held.groupby(table["scheme"]).mean():
        assert 0.92 <= share <= (0.98 if signal == 0 else 1.0)
