"""Halves that cannot hold the latents are one line of the user's, not a stack."""

import numpy as np
import pandas as pd
import pytest

from neuro.demovae.coding.cohort import Cohort
from neuro.demovae.coding.schema import Column
from neuro.demovae.evaluation import judge
from neuro.demovae.evaluation.fold_features import estimator
from neuro.io.problems import InputProblem


def test_generation_of_ten_people_says_how_many_latents_fit():
    rng = np.random.default_rng(0)
    names = [f"{number:02d}" for number in range(10)]
    people = pd.DataFrame({"participant_id": names, "sex": ["F", "M"] * 5})
    cohort = Cohort(
        np.tanh(rng.standard_normal((10, 15)) / 3).astype(np.float32),
        people,
        names,
        list("ABCDEF"),
        "pearson",
        (Column("sex", "categorical", "remove"),),
        [],
    )
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
    names = [f"{number:02d}" for number in range(60)]
    people = pd.DataFrame({"participant_id": names, "sex": ["F", "M"] * 30})
    edges = np.tanh(rng.standard_normal((60, 15)) / 3).astype(np.float32)
    columns = (Column("sex", "categorical", "remove"),)
    cohort = Cohort(edges, people, names, list("ABCDEF"), "fisher_z", columns, [])
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
