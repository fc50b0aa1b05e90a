"""Steps without curvature matrices: the same operator, the same optimum."""

import itertools

import numpy as np
import pytest

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.em import truncated
from neuro.hmmglm.em.batch import Parameters, Problem, climb
from neuro.hmmglm.em.fisher import Layout, Prior, fisher_step
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm

STAY = np.array([[0.95, 0.05], [0.05, 0.95]])
LAYOUTS = [
    (diagonal, shared_bias, tied)
    for diagonal, shared_bias, tied in itertools.product(
        ("free", "zero", "shared"), (False, True), (None, True)
    )
]


def small(n_covariates=0, masked=False, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.6, size=(150, 4)).astype(float)
    if masked:
        counts[rng.random(counts.shape) < 0.2] = np.nan
    beside = [rng.normal(size=(150, n_covariates))] if n_covariates else None
    design = make_design([counts], exponential_basis(), None, beside, dtype=np.float64)
    theta = 0.3 * rng.normal(size=(2, 4, 5 + n_covariates))
    return design, theta, rng.dirichlet(np.ones(2), size=150)


@pytest.mark.parametrize(("diagonal", "shared_bias", "tied"), LAYOUTS)
@pytest.mark.parametrize(("sd", "ridge"), [(None, 0.0), (None, 4.0), (0.5, 3.0), (0.01, 1.0)])
def test_solved_to_the_end_it_is_the_full_step(diagonal, shared_bias, tied, sd, ridge, monkeypatch):
    design, theta, gamma = small(n_covariates=1, masked=True)
    layout = Layout(4, 1, 1, shared_bias, diagonal, tied)
    edges, local, shared = layout.roles()
    for n in range(4):
        theta[:, n, shared[n]] = theta[0, n, shared[n]]
        absent = set(range(6)) - set(edges[n]) - set(local[n]) - set(shared[n])
        theta[:, n, list(absent)] = 0
    prior = Prior(layout, sd, ridge, covariate_ridge=2.0)
    likelihood = Likelihood("poisson", "softplus")
    gradient, information = likelihood.statistics(design, theta, gamma)
    want, gained = fisher_step(gradient, information, theta, prior, slice(0, 4))
    monkeypatch.setattr(truncated, "PRECISE", 1e-9)
    monkeypatch.setattr(truncated, "STEPS", 400)
    got, decrement = truncated.truncated_step(likelihood, design, theta, gamma, 1.0, prior)
    np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max())
    assert decrement == pytest.approx(gained, rel=1e-5)


@pytest.mark.parametrize(("emission", "link"), [("bernoulli", "sigmoid"), ("gaussian", "linear")])
def test_other_emissions(emission, link, monkeypatch):
    rng = np.random.default_rng(1)
    counts = rng.normal(size=(150, 4))
    counts = counts if emission == "gaussian" else (counts > 0.5).astype(float)
    design = make_design([counts], exponential_basis(), dtype=np.float64, poisson=False)
    theta, gamma = 0.3 * rng.normal(size=(2, 4, 5)), rng.dirichlet(np.ones(2), size=150)
    prior, likelihood = Prior(Layout(4), 0.5, 1.0), Likelihood(emission, link)
    want, _ = fisher_step(
        *likelihood.statistics(design, theta, gamma, 0.8), theta, prior, slice(0, 4)
    )
    monkeypatch.setattr(truncated, "PRECISE", 1e-9)
    got, _ = truncated.truncated_step(likelihood, design, theta, gamma, 0.8, prior)
    np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(("sd", "ridge"), [(None, 3.0), (1 / 3, 1.0), (0.01, 1.0)])
def test_it_ends_at_the_same_optimum(sd, ridge):
    truth = switching_glm(4, 500, 12, 2, random_state=0)
    design = make_design(list(truth.counts), exponential_basis(), dtype=np.float64)
    theta = 0.1 * np.random.default_rng(0).normal(size=(2, 12, 13))
    ends = []
    for newton in ("full", "truncated"):
        problem = Problem(
            design, Likelihood("poisson", "sigmoid"), Layout(12), sd, ridge, newton=newton, tol=1e-9
        )
        ends.append(climb(problem, Parameters(theta, STAY)))
        assert ends[-1].converged
        history = ends[-1].objective
        assert np.diff(history).min() > -1e-9 * abs(history[-1])
    assert ends[0].objective[-1] == pytest.approx(ends[1].objective[-1], rel=1e-6)
    moved = np.abs(ends[0].parameters.theta - ends[1].parameters.theta)
    assert moved.max() < 0.02 * np.abs(ends[0].parameters.theta).max()


def test_auto_goes_by_the_cost():
    design, _, _ = small()
    assert not truncated.worthwhile(design, 5, 4)
    big = make_design([np.zeros((3000, 150))], exponential_basis())
    assert truncated.worthwhile(big, 40, 150) and not truncated.worthwhile(big, 1, 2)
    truth = switching_glm(2, 300, 6, 2, random_state=0)
    given = {"n_starts": 1, "random_state": 0, "ridge": 1.0, "prior_sd": 0.3}
    auto = OneHotHMMGLM(2, "gaussian", **given).fit(list(truth.counts))
    full = OneHotHMMGLM(2, "gaussian", newton="full", **given).fit(list(truth.counts))
    np.testing.assert_array_equal(auto.theta_, full.theta_)
    with pytest.raises(ValueError, match="newton: got 'half'"):
        OneHotHMMGLM(2, newton="half").fit(list(truth.counts))
