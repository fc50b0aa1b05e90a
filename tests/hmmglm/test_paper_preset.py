"""Preset `paper`: values, schedule, and what is deliberately kept."""

import numpy as np
import pytest

from neuro.hmmglm.em.batch import Problem
from neuro.hmmglm.em.paper import VALUES, Schedule, clamped_transitions, learn
from neuro.hmmglm.em.starts import Recipe, first_parameters
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm


@pytest.fixture(scope="module")
def truth():
    return switching_glm(4, 300, 5, 2, random_state=1)


def test_settings_of_the_paper():
    settings = OneHotHMMGLM(preset="paper").resolved()
    assert settings["n_states"] == 5 and settings["n_history"] == 5 and settings["decay"] == 1.0
    assert settings["link"] == "sigmoid" and settings["bias"] == "shared"
    assert settings["solver"] == "paper" and settings["n_starts"] == 1
    assert settings["n_epochs"] == 10 and settings["n_sub"] == 50
    assert settings["learning_rate"] == 0.01 and settings["tau"] == 0.2
    assert settings["prior_sd"] == pytest.approx(1 / 3)
    assert VALUES["class_order"] == ["inhibitory", "none", "excitatory"]
    assert VALUES["logit_cap"] == -20 and VALUES["transition_clamp"] == -8


def test_transitions_have_an_effective_floor():
    got = clamped_transitions(np.array([[99.0, 0.0], [3.0, 1.0]]))
    np.testing.assert_allclose(got.sum(axis=1), 1)
    assert got[0, 1] == pytest.approx(np.exp(-8), rel=1e-2)
    np.testing.assert_allclose(got[1], [0.75, 0.25])
    np.testing.assert_allclose(clamped_transitions(np.zeros((2, 2))), 0.5)


def test_start_of_the_paper(truth):
    """Bias at the mean count itself; identical states only on request."""
    model = OneHotHMMGLM(2, "plain", preset="paper", random_state=0)
    problem = model.problem(list(truth.counts))
    rng = np.random.default_rng(0)
    start = first_parameters(problem, model.recipe(), rng)
    np.testing.assert_allclose(start.theta[0, :, 0], problem.design.mean_counts())
    assert 0.005 < start.theta[0, :, 1:].std() < 0.02
    assert not np.allclose(start.theta[0], start.theta[1])
    same = first_parameters(problem, Recipe(2, "paper", start="zeros"), rng)
    np.testing.assert_array_equal(same.theta[:, :, 1:], 0)
    np.testing.assert_allclose(np.diag(same.transitions), 0.98)


@pytest.mark.parametrize("name", ["plain", "gaussian", "onehot"])
def test_learning_raises_the_likelihood(truth, name):
    model = OneHotHMMGLM(2, name, preset="paper", n_epochs=6, n_sub=20, random_state=0)
    model.fit(list(truth.counts))
    assert len(model.history_) == 6
    assert model.history_[-1] > model.history_[0]
    if name == "onehot":
        np.testing.assert_allclose(model.edge_posterior_.sum(axis=-1), 1)
        assert model.anatomical_prior_.shape == (5, 5, 3)


def test_seed_decides(truth):
    def run(seed):
        model = OneHotHMMGLM(2, preset="paper", n_epochs=1, n_sub=5, random_state=seed)
        return model.fit(list(truth.counts[:2])).theta_

    np.testing.assert_array_equal(run(1), run(1))
    assert not np.allclose(run(1), run(2))


def test_counting_the_prior_once_is_a_choice(truth):
    model = OneHotHMMGLM(2, "gaussian", preset="paper", random_state=0)
    problem: Problem = model.problem(list(truth.counts))
    start = first_parameters(problem, model.recipe(), np.random.default_rng(0))
    spread = {}
    for count in ("per_sequence", "once"):
        schedule = Schedule(n_epochs=15, n_sub=20, prior_count=count)
        rng = np.random.default_rng(0)
        couplings = learn(problem, start, "gaussian", schedule, rng).parameters.theta[:, :, 1:]
        spread[count] = np.abs(couplings[0] - couplings[1]).mean()
    assert spread["per_sequence"] < spread["once"]
