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
