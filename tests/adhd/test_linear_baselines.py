"""Baselines and the linear reference against scikit-learn's solvers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from neuro.adhd.diagnosis.baselines import (
    CovariateBaseline,
    ImagingAndCovariates,
    LinearReference,
    MajorityBaseline,
)
from neuro.adhd.diagnosis.linear import logistic_weights, svm_dual
from neuro.adhd.diagnosis.mask import Rows
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.pipeline import FoldPipeline


@pytest.fixture
def people():
    rng = np.random.default_rng(2)
    n = 60
    y = (rng.random(n) < 0.4).astype(int)
    table = pd.DataFrame(
        {
            "participant_id": [f"{i:03d}" for i in range(n)],
            "site": np.array(["a", "b", "c"])[rng.integers(3, size=n)],
            "age": rng.uniform(7, 18, n) + y,
            "sex": rng.choice(["F", "M"], n),
            "iq": np.where(rng.random(n) < 0.2, np.nan, rng.normal(105, 12, n)),
            "handedness": rng.choice([0.0, 1.0], n),
        }
    )
    X = rng.standard_normal((n, 150)) + 0.4 * y[:, None]
    return X, y, table


def rows_of(X, table):
    return Rows(
        X,
        table["participant_id"].to_numpy(),
        table["site"].to_numpy(),
        table["site"].to_numpy(),
        table,
    )


@pytest.mark.parametrize("C", [1e-4, 1e-2, 1.0])
def test_svm_is_the_optimum_that_liblinear_approaches(people, C):
    X, y, _ = people
    X = X[:, :8]
    beta = svm_dual(X @ X.T + 1, y[:, None].astype(bool), C)[:, 0]
    plain = LinearSVC(C=C, class_weight="balanced", tol=1e-9, max_iter=100_000)
    plain.fit(X, y)
    new = X[::-1] * 0.5
    found = (new @ X.T + 1) @ beta
    np.testing.assert_allclose(found, plain.decision_function(new), atol=2e-5)


def test_logistic_is_that_of_scikit_learn(people):
    X, y, _ = people
    rng = np.random.default_rng(0)
    labels = np.column_stack([y] + [rng.permutation(y) for _ in range(4)]).astype(bool)
    A = X[:, :6]
    shared = logistic_weights(A, labels, C=0.7)
    own = logistic_weights(np.stack([A] * 5), labels, C=0.7)
    np.testing.assert_allclose(shared, own, atol=1e-10)
    for one in range(5):
        plain = LogisticRegression(C=0.7, class_weight="balanced", tol=1e-10, max_iter=1000)
        plain.fit(A, labels[:, one])
        np.testing.assert_allclose(shared[one, :-1], plain.coef_[0], atol=1e-5)
        np.testing.assert_allclose(shared[one, -1], plain.intercept_[0], atol=1e-5)


def test_solvers_survive_separable_and_single_class_labels(people):
    X = people[0]
    labels = np.column_stack([np.ones(60), np.zeros(60), X[:, 0] > 0]).astype(bool)
    weights = logistic_weights(X[:, :3], labels)
    assert np.isfinite(weights).all() and (weights[:2] == 0).all()
    beta = svm_dual(X @ X.T + 1, labels, 1.0)
    assert np.isfinite(beta).all() and (beta[:, :2] == 0).all()


@pytest.mark.parametrize(
    "estimator",
    [
        MajorityBaseline(),
        CovariateBaseline(),
        CovariateBaseline(("age", "site")),
        LinearReference(C=1e-3),
        ImagingAndCovariates(LinearReference()),
        ImagingAndCovariates(GraphDiagnosis(mask_rule="none", n_components=(2, 5))),
        ImagingAndCovariates(GraphDiagnosis(mask_rule="none", n_components=3)),
        FoldPipeline(None, LinearReference()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_many_labels_equal_one_fit_each(people, estimator):
    X, y, table = people
    if isinstance(estimator, FoldPipeline):
        estimator = FoldPipeline(AgeResidual(), LinearReference())
    rows = rows_of(X, table)
    train, test = rows.take(np.arange(45)), rows.take(np.arange(45, 60))
    rng = np.random.default_rng(0)
    labels = np.column_stack([y[:45]] + [rng.permutation(y[:45]) for _ in range(3)]).astype(bool)
    many = estimator.decide_many(train, labels, test)
    for one in range(4):
        single = clone(estimator).fit(
            train.X,
            labels[:, one].astype(int),
            groups=train.groups,
            strata=train.strata,
            **train.context(),
        )
        found = single.decision_function(test.X, **test.context())
        np.testing.assert_allclose(found, many[:, one], atol=1e-7)
        np.testing.assert_array_equal(single.predict(test.X, **test.context()), found > 0)


class AgeResidual:
    """A transformer that wants demographics, as deconfounders do."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y=None, *, demographics):
        age = demographics["age"].to_numpy()
        self.mean_ = age.mean()
        self.slope_ = (age - self.mean_) @ (X - X.mean(0)) / ((age - self.mean_) ** 2).sum()
        return self

    def transform(self, X, demographics):
        age = demographics["age"].to_numpy()
        return X - (age - self.mean_)[:, None] * self.slope_


def test_combined_baseline_learns_from_inner_decisions_only(people):
    """Features of pure noise look perfect on the training rows; the phenotype must not drown."""
    _, y, table = people
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((60, 500))
    table = table.assign(age=y * 4 + rng.normal(10, 1.5, 60))
    combined = ImagingAndCovariates(LinearReference(C=1.0), ("age",))
    combined.fit(noise, y, site=table["site"].to_numpy(), covariates=table)
    assert abs(combined.coef_[1]) < 0.5 * abs(combined.coef_[0])
    trained = combined.imaging_.decision_function(noise)
    assert ((trained > 0) == y).all()


def test_majority_says_the_more_frequent_class(people):
    X, y, _ = people
    assert (MajorityBaseline().fit(X, y).predict(X) == 0).all()
    assert (MajorityBaseline().fit(X, 1 - y).predict(X) == 1).all()


def test_reference_pattern_and_coefficients(people):
    X, y, _ = people
    model = LinearReference().fit(X, y)
    Z = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(
        model.decision_function(X), Z @ model.coef_ + model.intercept_, atol=1e-10
    )
    np.testing.assert_allclose(model.pattern_, np.cov(Z.T, bias=True) @ model.coef_, atol=1e-10)


def test_saved_reference_predicts_the_same(people, tmp_path):
    X, y, table = people
    model = LinearReference(deconfound=("age", "sex")).fit(X, y, covariates=table)
    loaded = LinearReference.load(model.save(tmp_path / "reference.npz"))
    np.testing.assert_array_equal(
        loaded.decision_function(X[:5], covariates=table[:5]),
        model.decision_function(X[:5], covariates=table[:5]),
    )
    with pytest.raises(ValueError, match="X has 3 features, but LinearReference is expecting 150"):
        loaded.predict(X[:, :3], covariates=table)
