"""Halves that cannot hold the latents are one line of the user's, not a stack."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.cohort import Cohort
from neuro.demovae.coding.schema import Column
from neuro.demovae.evaluation import judge
from neuro.demovae.evaluation.fold_features import estimator
from neuro.demovae.sampling import makers
from neuro.io.problems import InputProblem


def cohort_of(edges, kind) -> Cohort:
    """Connectomes of six regions; every other person is male."""
    names = [f"{number:02d}" for number in range(len(edges))]
    people = pd.DataFrame({"participant_id": names, "sex": ["F", "M"] * (len(edges) // 2)})
    columns = (Column("sex", "categorical", "remove"),)
    return Cohort(edges.astype(np.float32), people, names, list("ABCDEF"), kind, columns, [])


def test_generation_of_ten_people_says_how_many_latents_fit():
    rng = np.random.default_rng(0)
    cohort = cohort_of(np.tanh(rng.standard_normal((10, 15)) / 3), "pearson")
    settings = {"latent_dim": 4, "n_samples": 6, "n_epochs": 2, "hidden": 5, "mode": "network"}
    settings |= {"validation": 0.1, "age_basis": "linear"}

    def build(columns):
        return estimator(settings, columns, 0)

    with pytest.raises(InputProblem) as problem:
        judge.judge_generation(cohort, settings, build, 0)
    (line,) = str(problem.value).splitlines()
    assert line.startswith("demovae.latent_dim: 4, but half of the people (5 runs)")
    assert line.endswith("has directions for 1; use less, or more people")


def test_members_of_an_attack_are_those_that_the_samples_were_learned_from(monkeypatch):
    rng = np.random.default_rng(0)
    cohort = cohort_of(np.tanh(rng.standard_normal((60, 15)) / 3), "fisher_z")
    settings = {"latent_dim": 4, "n_samples": 12, "n_epochs": 2, "hidden": 5, "mode": "linear"}
    settings |= {"validation": 0.1, "age_basis": "linear", "sampler": "model", "psd": False}
    settings |= {"residual_noise": False, "batch": "independent", "min_level_count": 2}
    learned, attacked = [], []
    fit = judge.fit_cohort

    def fitted(model, half):
        learned.append(set(half.participant_id))
        return fit(model, half)

    def attacks(draw, n_released, train, test, *more):
        attacked.append((set(train.participant_id), set(test.participant_id)))
        return []

    monkeypatch.setattr(judge, "fit_cohort", fitted)
    monkeypatch.setattr(judge, "_attacks", attacks)
    judge.judge_generation(cohort, settings, lambda own: estimator(settings, own, 0), 0)
    assert [members for members, _ in attacked] == learned and len(learned) == 2
    assert all(not members & others for members, others in attacked)


def test_samples_are_of_the_kind_that_the_connectomes_say():
    """Small Fisher z values look like correlations; the file says what they are."""
    rng = np.random.default_rng(1)
    cohort = cohort_of(0.2 * rng.standard_normal((40, 15)), "fisher_z")
    settings = {"latent_dim": 3, "mode": "linear", "age_basis": "linear", "sampler": "model"}
    settings |= {"psd": True, "residual_noise": True, "batch": "independent"}
    model = judge.fit_cohort(estimator(settings, cohort.columns, 0), cohort)
    draw = makers.maker(cohort, cohort.columns, model, settings, 0)
    rows = cohort.demographics[:10]
    wanted, other = (
        model.sample(10, rows, psd=True, residual_noise=True, random_state=4, kind=kind)
        for kind in ("fisher_z", "pearson")
    )
    model.kind_ = "pearson"
    np.testing.assert_array_equal(draw(rows, 4), wanted)
    assert not np.allclose(wanted, other)
