"""Nothing that is fitted may see a test subject."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neuro.adhd.diagnosis import mask, scaling, search
from neuro.adhd.diagnosis.baselines import CovariateBaseline, ImagingAndCovariates, LinearReference
from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.evaluate import guard, nested_cv, predict_subjects
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import permute_within_site
from neuro.stats.subjects import iterate_folds


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    n = 48
    y = np.arange(n) % 2
    X = rng.poisson(20, (n, 12)).astype(float)
    X[:, :2] += 6 * y[:, None]
    table = pd.DataFrame(
        {
            "participant_id": [f"{i:03d}" for i in range(n)],
            "site": np.array(["a", "b", "c"])[np.arange(n) // 2 % 3],
            "age": rng.permutation(n) + 100.0,
            "sex": rng.choice(["F", "M"], n),
        }
    )
    return X, y, table


REGIONS = np.repeat(list("abcdef"), 2)


def arguments(cohort):
    X, y, table = cohort
    return {
        "X": X,
        "y": y,
        "groups": table["participant_id"].to_numpy(),
        "site": table["site"].to_numpy(),
        "covariates": table,
    }


class Spy:
    """Notes the subjects that each fitted step sees, by a marker hidden in their data."""

    def __init__(self, monkeypatch, X, table):
        self.seen = []
        self.by_value = dict(zip(X[:, -1], table["participant_id"]))
        self.by_age = dict(zip(table["age"], table["participant_id"]))
        spy = self

        real_scaler = scaling.FeatureScaler.fit_transform
        real_encoder = CovariateEncoder.fit
        real_hits = mask.region_hits

        def scaler(self, X, *args, **kwargs):
            spy.note("scaler, imputer, deconfound, harmonise", [spy.by_value[v] for v in X[:, -1]])
            return real_scaler(self, X, *args, **kwargs)

        def encoder(self, X, y=None):
            spy.note("covariates", [spy.by_age[age] for age in X["age"]])
            return real_encoder(self, X, y)

        def hits(rows, *args, **kwargs):
            spy.note("mask", [spy.by_value[v] for v in rows.X[:, -1]])
            return real_hits(rows, *args, **kwargs)

        monkeypatch.setattr(scaling.FeatureScaler, "fit_transform", scaler)
        monkeypatch.setattr(CovariateEncoder, "fit", encoder)
        monkeypatch.setattr(mask, "region_hits", hits)
        monkeypatch.setattr(search, "region_hits", hits)

    def note(self, step, subjects):
        self.seen.append((step, set(subjects)))


@pytest.mark.parametrize("many", [False, True])
def test_no_fitted_step_sees_a_test_subject(cohort, monkeypatch, many):
    X, y, table = cohort
    # a unique value that survives as a marker
    X = np.column_stack([X, 1000.0 + np.arange(48)])
    model = ImagingAndCovariates(
        GraphDiagnosis(
            np.r_[REGIONS, ["z"]],
            n_components=(2, 4),
            inner_cv=3,
            deconfound=("age",),
            harmonise="location_scale",
            transductive=True,
        ),
        ("age", "sex"),
    )
    spy = Spy(monkeypatch, X, table)
    named = arguments((X, y, table))
    wrapped = guard(model)
    found = nested_cv(wrapped.estimator, **named, repeats=1, outer_folds=3)
    folds = {
        (scheme, fold): (train, test)
        for scheme, _, fold, train, test in iterate_folds(found.folds, named["groups"])
    }
    ids = named["groups"]
    for (_, fold), (train, test) in folds.items():
        spy.seen.clear()
        if many:
            rows = mask.Rows(X, ids, table["site"].to_numpy(), table["site"].to_numpy(), table)
            labels = np.column_stack([y, 1 - y]).astype(bool)[train]
            model.decide_many(rows.take(train), labels, rows.take(test))
        else:
            clone(model).fit(
                X[train],
                y[train],
                groups=ids[train],
                strata=table["site"].to_numpy()[train],
                site=table["site"].to_numpy()[train],
                covariates=table.iloc[train],
            )
        steps = {step for step, _ in spy.seen}
        assert steps == {"scaler, imputer, deconfound, harmonise", "covariates", "mask"}
        forbidden = set(ids[test])
        for step, subjects in spy.seen:
            assert not subjects & forbidden, (fold, step)
        # inner folds: most fits see only a part of the training fold, and never more
        assert any(subjects < set(ids[train]) for _, subjects in spy.seen)


def test_components_are_fitted_on_training_rows_only(cohort, monkeypatch):
    X, y, _ = cohort
    sizes = []
    real = search.component_scores

    def spy(every, n, n_components):
        sizes.append(n)
        scores, scatter = real(every, n, n_components)
        # what is to be judged has no say: other test rows, the same training scores
        other = every.copy()
        other[n:] = 1e3
        np.testing.assert_array_equal(real(other, n, n_components)[0][:n], scores[:n])
        return scores, scatter

    monkeypatch.setattr(search, "component_scores", spy)
    model = GraphDiagnosis(mask_rule="none", n_components=(2, 4), inner_cv=4)
    rows = mask.Rows(X, np.arange(48), y)
    model.decide_many(rows.take(np.arange(40)), y[:40, None] > 0, rows.take(np.arange(40, 48)))
    assert set(sizes) == {30, 40}


def test_guard_records_disjoint_sets_in_every_fold(cohort):
    named = arguments(cohort)
    wrapped = guard(GraphDiagnosis(REGIONS, n_components=3, inner_cv=3))
    folds = nested_cv(wrapped, **named, repeats=2, outer_folds=3).folds
    record = wrapped.record
    fits = [subjects for what, subjects in record if what == "fit"]
    assert len(fits) == 2 * 3 + 3
    for (what, train), (other, test) in zip(record[::2], record[1::2]):
        assert (what, other) == ("fit", "test")
        assert not train & test and len(train | test) == 48
    assert len(folds) == 48 * 3


def test_guard_refuses_a_subject_on_both_sides(cohort):
    X, y, table = cohort
    ids = table["participant_id"].to_numpy()
    model = guard(GraphDiagnosis(REGIONS, n_components=3, inner_cv=3))
    fitted = clone(model).fit(X[:40], y[:40], groups=ids[:40])
    with pytest.raises(ValueError, match="subject '037' is in the training and the test fold"):
        fitted.decision_function(X[37:], ids[37:])
    rows = mask.Rows(X, ids, y)
    with pytest.raises(ValueError, match=r"subject '003' .* \(2 in all\)"):
        clone(model).decide_many(
            rows.take(np.arange(5)), y[:5, None] > 0, rows.take(np.arange(3, 9))
        )
    with pytest.raises(ValueError, match="groups"):
        clone(model).fit(X, y)


def test_shuffled_test_labels_leave_the_fitted_model_bit_identical(cohort):
    named = arguments(cohort)
    model = GraphDiagnosis(REGIONS, True, n_components=(2, 4), inner_cv=3)
    first = nested_cv(model, **named, schemes=("pooled",), repeats=1, outer_folds=3)
    rng = np.random.default_rng(1)
    for fold in "123":
        y = named["y"].copy()
        test = (first.folds["fold"] == fold).to_numpy()
        y[test] = rng.permutation(y[test])
        again = nested_cv(model, **{**named, "y": y}, folds=first.folds)
        one, two = (
            result.predictions[result.predictions["fold"] == fold] for result in (first, again)
        )
        np.testing.assert_array_equal(one["score"], two["score"])
        one, two = (result.mask[result.mask["fold"] == fold] for result in (first, again))
        np.testing.assert_array_equal(one["score"], two["score"])


def test_any_scikit_learn_classifier_can_be_judged(cohort):
    named = arguments(cohort)
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    found = nested_cv(plain, **named, repeats=1, schemes=("pooled",)).predictions
    part = found[found["fold"] == "2"]
    test = np.isin(named["groups"], part["participant_id"])
    expected = plain.fit(named["X"][~test], named["y"][~test]).decision_function(named["X"][test])
    np.testing.assert_allclose(part["score"], expected, atol=1e-6)


def test_runs_of_a_subject_stay_together(cohort):
    X, y, table = cohort
    two = table.loc[table.index.repeat(2)].reset_index(drop=True)
    found = nested_cv(
        LinearReference(),
        np.repeat(X, 2, axis=0),
        np.repeat(y, 2),
        two["participant_id"].to_numpy(),
        two["site"].to_numpy(),
        repeats=1,
    ).predictions
    assert len(found) == 4 * 48
    assert (found.groupby(["scheme", "participant_id"])["fold"].nunique() == 1).all()


def test_held_out_site_mode_writes_predictions_only(cohort):
    X, y, table = cohort
    train = (table["site"] != "c").to_numpy()
    model = GraphDiagnosis(REGIONS, n_components=3, inner_cv=3)
    model.fit(X[train], y[train], strata=table["site"].to_numpy()[train])
    found = predict_subjects(
        model, X[~train], table["participant_id"][~train], site=table["site"][~train].to_numpy()
    )
    assert list(found["participant_id"]) == list(table["participant_id"][~train])
    assert found["y"].isna().all() and (found["scheme"] == "held_out").all()
    np.testing.assert_allclose(found["score"], model.decision_function(X[~train]), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"site": None}, "site: needed, one value per row"),
        ({"groups": None}, "groups: needed"),
        ({"site": np.array([None] + ["a"] * 47, dtype=object)}, "site: missing in 1 of 48 rows"),
        ({"y": np.r_[-999, np.ones(47)]}, "y: holds -999.0"),
        ({"y": np.ones(5)}, "y: 5 values for 48 rows"),
        ({"site": np.full(48, "a")}, r"found 1 \(a\); use schemes: \[pooled\]"),
        ({"y": np.r_[1, np.zeros(47, int)]}, "a class has only 1 subjects; use fewer folds"),
    ],
)
def test_bad_input_is_named_in_one_line(cohort, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        nested_cv(CovariateBaseline(("age",)), **{**arguments(cohort), **change})
    assert "\n" not in str(caught.value)


def test_a_fold_that_leaves_one_class_for_training_is_named(cohort):
    named = arguments(cohort)
    folds = pd.DataFrame(
        {
            "participant_id": named["groups"],
            "scheme": "pooled",
            "repeat": 1,
            "fold": np.where(named["y"] == 1, "cases", "controls"),
        }
    )
    for run in (
        lambda: nested_cv(LinearReference(), **named, folds=folds),
        lambda: permute_within_site(
            LinearReference(), **{**named, "site": named["y"].astype(str)}, folds=folds
        ),
    ):
        with pytest.raises(ValueError, match="pooled, fold 'cases': only controls are left"):
            run()
