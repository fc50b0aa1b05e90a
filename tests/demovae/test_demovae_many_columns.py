"""Many demographics at once: 5 sites, age, sex, handedness and an IQ with gaps."""

import numpy as np
import pytest

from neuro.demovae.evaluation import evaluate
from neuro.demovae.evaluation import readouts as read
from neuro.demovae.model import DemoVAE
from neuro.demovae.training.constraints import moments
from neuro.simulate.connectomes import planted_connectomes

pytestmark = pytest.mark.slow
SITES = ("alpha", "beta", "gamma", "delta", "epsilon")
COLUMNS = [
    {"name": "age", "type": "continuous"},
    {"name": "iq", "type": "continuous"},
    {"name": "sex", "type": "categorical"},
    {"name": "site", "type": "categorical"},
    {"name": "handedness", "type": "categorical"},
]
CHANCE = {"age": 0, "age^2": 0, "sex": 1 / 2, "site": 1 / 5, "handedness": 1 / 2, "iq": 0}
TR, TE = slice(0, 500), slice(500, 1000)


@pytest.fixture(scope="module")
def cohort():
    made = planted_connectomes(1000, sites=SITES)
    people = made.participants.copy()
    gone = np.random.default_rng(0).random(1000) < 0.1
    people.loc[gone, "iq"] = np.nan
    return made.edges, people


@pytest.fixture(scope="module")
def model(cohort):
    X, people = cohort
    return DemoVAE(columns=COLUMNS, missing="impute", random_state=0).fit(
        X[TR], demographics=people[TR]
    )


def scores(cohort, Z, Z_new, fit_on):
    _, people = cohort
    new = people[TE].reset_index(drop=True)
    table = read.readouts(
        Z, Z_new, people[TR], new, columns=COLUMNS, fit_on=fit_on, models=("linear",)
    )
    return table.set_index("target")["heldout"]


def test_more_than_eight_coded_columns_are_decorrelated_exactly(cohort, model):
    X, people = cohort
    assert len(model.coder_.names_) == 4 + 4 + 2 + 5 + 2
    Z = model.transform(X[TR])
    assert np.isfinite(Z).all()
    error, mean = moments(Z)
    assert error <= 0.02
    assert mean <= 0.15
    inside = evaluate.correlations(Z, people[TR], COLUMNS)
    for name in ("age", "sex", "site", "handedness"):
        assert np.abs(inside[name]).max() <= 0.01, name
    # people without an IQ are coded as the average: the known ones keep a trace
    assert np.abs(inside["iq"]).max() <= 0.05


def test_held_out_correlations_stay_within_the_null(cohort, model):
    X, people = cohort
    new = people[TE].reset_index(drop=True)
    outside = evaluate.correlations(model.transform(X[TE]), new, COLUMNS)
    for name, value in outside.items():
        bound = evaluate.null_bound(500, 500, value.size)
        assert np.abs(value).max() <= bound + 0.02, name


def test_readouts_fitted_on_training_subjects_find_nothing(cohort, model):
    X, _ = cohort
    found = scores(cohort, model.transform(X[TR]), model.transform(X[TE]), "train")
    assert found["age"] <= 0.02
    assert found["age^2"] <= 0.05
    assert found["sex"] <= 0.58
    assert found["site"] <= CHANCE["site"] + 0.07


def test_fresh_readouts_find_at_most_half_of_what_raw_connectomes_hold(cohort, model):
    X, _ = cohort
    raw = scores(cohort, X[TR], X[TE], "fresh")
    found = scores(cohort, model.transform(X[TR]), model.transform(X[TE]), "fresh")
    for name in ("age", "age^2", "sex", "site"):
        assert raw[name] >= CHANCE[name] + 0.2, name
        assert found[name] - CHANCE[name] <= (raw[name] - CHANCE[name]) / 2, name
    for name in ("iq", "handedness"):
        assert found[name] <= CHANCE[name] + 0.1, "nothing was planted"


def test_samples_are_correlation_matrices_of_known_people(cohort, model):
    from neuro.demovae.sampling.generate import minimum_eigenvalues

    _, people = cohort
    edges = model.sample(demographics=people[TR][:30].reset_index(drop=True), random_state=0)
    assert np.isfinite(edges).all()
    assert minimum_eigenvalues(edges, 264).min() >= -1e-6
