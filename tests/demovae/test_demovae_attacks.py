"""Attacks on samples and weights find what is there; the verdict follows the strongest."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.schema import parse_columns
from neuro.demovae.evaluation import attacks
from neuro.demovae.model import DemoVAE
from neuro.simulate.connectomes import planted_connectomes


@pytest.fixture(scope="module")
def curve(columns):
    cohort = planted_connectomes(200, 24, 60, 20, random_state=4)
    X, people = cohort.edges, cohort.participants
    model = DemoVAE(mode="linear", latent_dim=30, columns=columns, random_state=0)
    model.fit(X[:100], demographics=people[:100])

    def draw(n, seed):
        rows = people[:100].sample(n, replace=True, random_state=seed).reset_index(drop=True)
        return model.sample(demographics=rows, random_state=seed), rows

    member, other = (X[:100], people[:100]), (X[100:], people[100:])
    return attacks.attack_curve(draw, 200, 30, model, member, other, parse_columns(columns))


def test_many_samples_of_few_people_tell_almost_as_much_as_the_weights(curve):
    best = attacks.strongest(curve).set_index(["attack", "n_released"])["auc"]
    assert best["weights", 0] > 0.9
    assert best["samples", 300] > 0.7
    assert best["samples", 300] > best["samples", 20] + 0.05
    allowed, sentence = attacks.verdict(curve, 200)
    assert not allowed
    assert "do not share 200 samples" in sentence


def test_people_who_were_not_used_are_not_told(columns):
    cohort = planted_connectomes(400, 20, 60, 8, random_state=6)
    X, people = cohort.edges, cohort.participants
    rest = [(X[k : k + 130], people[k : k + 130].reset_index(drop=True)) for k in (130, 260)]
    rows = attacks.attack_samples(X[:130], people[:130], *rest, parse_columns(columns))
    assert max(abs(row["auc"] - 0.5) for row in rows) < 0.11


def test_area_and_its_error_are_right():
    rng = np.random.default_rng(0)
    areas, errors = [], []
    for _ in range(200):
        a, b = rng.normal(0.5, 1, 60), rng.normal(0, 1, 80)
        auc, error = attacks.auc_with_error(a, b)
        assert auc == pytest.approx((a[:, None] > b[None]).mean())
        areas.append(auc)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.12)


def test_a_verdict_promises_nothing_that_was_not_attacked():
    row = dict(zip(attacks.COLUMNS, ("samples", 50, 5, 0.51, 0.53, 500, 500)))
    allowed, sentence = attacks.verdict(pd.DataFrame([row]), 50)
    assert allowed
    assert "other attacks were not tried" in sentence
    assert attacks.rough_auc(2000, 20) < 0.56 < attacks.rough_auc(250, 20)
