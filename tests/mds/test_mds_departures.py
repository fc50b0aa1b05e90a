"""Preset `paper` is the published method; every difference is in a list and on the page."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from neuro.mds import MostDiscriminativeStimuli
from neuro.mds.clusters import departures
from neuro.mds.clusters.search import PRESETS
from neuro.mds.stimuli.objective import objective
from neuro.simulate.ln8 import ln8_population

PAGE = (Path(__file__).parents[2] / "docs" / "mds.md").read_text("utf-8")
SECTION = " ".join(PAGE.split("## Departures from the paper")[1].split("\n## ")[0].split())


def resolved(preset):
    """Everything that decides a search, by name."""
    model = MostDiscriminativeStimuli(preset)
    rules = dataclasses.asdict(model.rules())
    own = {name: model._resolve(name) for name in PRESETS["paper"]}
    plain = {name: getattr(model, name) for name in ("temperature", "merge", "norm", "clip")}
    return rules | plain | own


def test_the_preset_paper_has_every_published_value():
    found = resolved("paper")
    assert {name: found[name] for name in departures.PUBLISHED} == departures.PUBLISHED
    assert MostDiscriminativeStimuli("paper", n_clusters_init=7).rules().n_sub == 7


def test_every_difference_of_robust_is_listed_and_on_the_page():
    paper, robust = resolved("paper"), resolved("robust")
    other = {name for name in paper if paper[name] != robust[name]}
    assert other == set(departures.ROBUST)
    for row in departures.ROBUST.values():
        assert f"| {row} |" in SECTION


def test_what_paper_does_otherwise_is_on_the_page():
    for words in departures.PAPER.values():
        assert words in SECTION
    # nothing else of the constructor is decided by us without a word
    given = set(MostDiscriminativeStimuli().get_params())
    named = set(departures.PUBLISHED) | {"preset", "n_clusters_init", "norm", "clip", "split"}
    plain = {"k_ladder", "crop", "window", "smooth", "tol", "max_batch", "device", "random_state"}
    assert given <= named | plain


class Loud:
    """The same cells, some of them louder."""

    def __init__(self, population, gain):
        self.population, self.gain = population, gain
        self.stimulus_shape = population.stimulus_shape

    def __call__(self, x):
        import torch

        return self.population(x) * torch.as_tensor(self.gain).to(x)


@pytest.mark.parametrize("preset", ["paper", "robust"])
def test_the_listed_scaling_is_real_gains_change_nothing_in_either_preset(preset):
    population = ln8_population(4, random_state=0)
    images = np.random.default_rng(0).standard_normal((60, 1, 24, 24)).astype(np.float32)
    gain = np.exp(np.random.default_rng(1).normal(0, 1, 32)).astype(np.float32)
    settings = {"n_clusters_init": 3, "n_restarts": 1, "split": False, "max_iter": 2, "n_steps": 9}
    pair = [
        MostDiscriminativeStimuli(preset, **settings).fit(twin, stimuli=images)
        for twin in (population, Loud(population, gain))
    ]
    np.testing.assert_array_equal(pair[0].labels_, pair[1].labels_)


def test_log_k_moves_the_objective_and_nothing_else():
    means = np.random.default_rng(0).random((4, 4))
    plain = np.log(np.exp(means / 1.6).diagonal() / np.exp(means / 1.6).sum(axis=1))
    np.testing.assert_allclose(objective(means, 1.6), plain + np.log(4))


def test_the_estimator_of_the_stage_has_its_settings():
    from neuro.mds import stage

    given = {
        "preset": "paper",
        "n_clusters_init": 7,
        "temperature": 0.3,
        "norm": 9.0,
        "clip": 1.5,
        "eta": 4.0,
        "min_size": 6,
        "n_restarts": 13,
        "subsample": 0.7,
        "k_ladder": (2, 5),
        "device": "cpu",
    }
    made = stage.model(given | {"k_ladder": [2, 5]}, 21).get_params()
    assert {name: made[name] for name in given} == given and made["random_state"] == 21
    auto = stage.model(given | {"norm": None, "clip": None}, 0)
    assert (auto.norm, auto.clip) == ("auto", "auto")
