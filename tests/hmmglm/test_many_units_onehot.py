"""One-hot edges without whole curvatures: exact pieces, and the same optimum."""

import dataclasses

import numpy as np
import pytest

from neuro.hmmglm.design.history import exponential_basis, make_design, raised_cosine_basis
from neuro.hmmglm.edges import spike_slab
from neuro.hmmglm.edges.spike_slab import ascend
from neuro.hmmglm.em import truncated
from neuro.hmmglm.em.batch import Parameters, Problem, climb
from neuro.hmmglm.em.fisher import Layout
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm

STAY = np.array([[0.95, 0.05], [0.05, 0.95]])


@pytest.mark.parametrize("masked", [False, True])
def test_diagonals_and_moments_are_those_of_whole_curvatures(masked, monkeypatch):
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.6, size=(150, 4)).astype(float)
    if masked:
        counts[rng.random(counts.shape) < 0.2] = np.nan
    design = make_design([counts], exponential_basis(), dtype=np.float64)
    monkeypatch.setattr(type(design), "blocks", lambda self: [(0, 70), (70, 150)])
    theta, gamma = 0.3 * rng.normal(size=(2, 4, 5)), rng.dirichlet(np.ones(2), size=150)
    likelihood = Likelihood("poisson", "softplus")
    want_up, curve = likelihood.statistics(design, theta, gamma)
    up, weights = likelihood.weights(design, theta, gamma)
    diagonal, moments = likelihood.shapes(design, weights, 2)
    np.testing.assert_allclose(up, want_up, rtol=1e-9)
    np.testing.assert_allclose(diagonal, np.einsum("knii->kni", curve), rtol=1e-9)
    # curvature is linear in the weights: that at mean weights is the mean curvature
    np.testing.assert_allclose(moments, curve.mean(axis=1), rtol=1e-9)


def both(design, likelihood, layout, theta, ridge=2.0):
    """One-hot fits with and without whole curvatures from the same Gaussian-prior optimum."""
    problem = Problem(
        design, likelihood, layout, 0.3, 1.0, covariate_ridge=1.0, tol=1e-7, max_iter=3000
    )
    warm = climb(problem, Parameters(theta, STAY))
    ends = []
    for newton in ("full", "truncated"):
        own = dataclasses.replace(problem, newton=newton, ridge=ridge, tol=1e-10)
        ends.append(ascend(own, warm))
        assert ends[-1].converged
    return ends


def twelve(seed, layout):
    """Twelve planted units, and a start near nothing."""
    truth = switching_glm(4, 500, 12, 2, random_state=seed)
    design = make_design(list(truth.counts), exponential_basis(), dtype=np.float64)
    theta = 0.1 * np.random.default_rng(0).normal(size=(2, 12, 13))
    theta[:, :, 0] = -2.0
    if layout.diagonal != "free":
        theta[:, np.arange(12), 1 + np.arange(12)] = 0.0
    return design, Likelihood("poisson", "sigmoid"), layout, theta


def same_optimum(full, without):
    assert without.objective[-1] == pytest.approx(full.objective[-1], rel=1e-7)
    size = np.abs(full.parameters.theta).max()
    np.testing.assert_allclose(without.parameters.theta, full.parameters.theta, atol=2e-3 * size)
    np.testing.assert_allclose(without.edges.q, full.edges.q, atol=5e-3)
    np.testing.assert_array_equal(without.edges.q.argmax(-1), full.edges.q.argmax(-1))


@pytest.mark.parametrize(
    ("diagonal", "shared_bias"), [("free", False), ("shared", True), ("zero", False)]
)
def test_it_ends_at_the_optimum_of_whole_curvatures(diagonal, shared_bias):
    same_optimum(*both(*twelve(3, Layout(12, 1, 0, shared_bias, diagonal))))


def test_where_one_comes_to_rest_the_other_does(monkeypatch):
    """Edges in or out make many optima; seed 0 leads to two of them, and both are of both."""
    rest = []

    def recorded(*args):
        rest.append((*args[1:2], args[5], args[6]))
        return accept(*args)

    accept = spike_slab._accept
    monkeypatch.setattr(spike_slab, "_accept", recorded)
    design, likelihood, layout, theta = twelve(0, Layout(12))
    ends = both(design, likelihood, layout, theta)
    assert ends[0].objective[-1] == pytest.approx(ends[1].objective[-1], rel=1e-5)
    problem = Problem(design, likelihood, layout, ridge=2.0)
    alpha, beside = spike_slab._of_edges((0.2, 1.6, 0.2), layout), np.zeros((2, 12, 13, 3))
    last = [rest[len(ends[0].objective) - 1], rest[-1]]
    for (state, gamma, noise), end in zip(last, ends):
        np.testing.assert_allclose(state.theta, end.parameters.theta, atol=1e-4)
        for newton in ("full", "truncated"):
            own = dataclasses.replace(problem, newton=newton)
            moved, _ = spike_slab._update(own, state, gamma, noise, alpha, beside)
            np.testing.assert_allclose(moved.theta, state.theta, atol=1e-3)
            np.testing.assert_allclose(moved.q, state.q, atol=5e-3)


def test_with_missing_entries_covariates_and_two_lags():
    rng = np.random.default_rng(3)
    truth = switching_glm(4, 500, 8, 2, random_state=3)
    counts = [item.astype(float) for item in truth.counts]
    counts[0][:, :2] = np.nan
    counts[1][rng.random(counts[1].shape) < 0.1] = np.nan
    beside = [rng.normal(size=(500, 2)) for _ in counts]
    basis = raised_cosine_basis(8, 2)
    design = make_design(counts, basis, None, beside, dtype=np.float64)
    theta = 0.1 * rng.normal(size=(2, 8, 19))
    theta[:, :, -2:] = 0.0
    layout = Layout(8, 2, 2, shared_covariates=True)
    same_optimum(*both(design, Likelihood("poisson", "softplus"), layout, theta))


def test_no_whole_curvature_is_made_and_auto_goes_by_the_cost(monkeypatch):
    truth = switching_glm(2, 300, 6, 2, random_state=0)
    given = {"n_starts": 1, "random_state": 0, "ridge": 1.0, "prior_sd": 0.3}
    auto = OneHotHMMGLM(2, **given).fit(list(truth.counts))
    full = OneHotHMMGLM(2, newton="full", **given).fit(list(truth.counts))
    np.testing.assert_array_equal(auto.theta_, full.theta_)

    def refuse(*_):
        raise AssertionError("a whole curvature")

    monkeypatch.setattr(Likelihood, "statistics", refuse)
    monkeypatch.setattr(truncated, "COLUMNS", 5)
    monkeypatch.setattr(truncated, "WORK", 1.0)
    without = OneHotHMMGLM(2, **given).fit(list(truth.counts))
    assert without.starts_[0]["status"] == "converged"
    assert without.starts_[0]["objective"] == pytest.approx(full.starts_[0]["objective"], rel=1e-5)
    np.testing.assert_array_equal(without.adjacency_, full.adjacency_)
