"""The deterministic one-hot solver: exact moments, a bound that never falls."""

import numpy as np
import pytest
from scipy import integrate, stats

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.edges import slab_kernels
from neuro.hmmglm.edges.spike_slab import ascend
from neuro.hmmglm.em.batch import Problem, climb
from neuro.hmmglm.em.fisher import Layout
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.em.starts import Recipe, first_parameters
from neuro.simulate.switching import switching_glm

ALPHA = np.array([0.2, 1.6, 0.2])


@pytest.mark.parametrize("z", [-400.0, -60.0, -31.0, -20.5, -19.5, -3.0, 0.0, 2.0, 4.9, 5.1, 9.0])
def test_log_of_the_normal_distribution_function(z):
    assert slab_kernels.log_normal_cdf(z) == pytest.approx(
        stats.norm.logcdf(z), rel=1e-9, abs=1e-15
    )


@pytest.mark.parametrize("precision", [1.0, 7.5])
@pytest.mark.parametrize(("mean", "variance"), [(0.3, 0.1), (-1.2, 0.04), (2.0, 0.1), (-1.8, 0.02)])
def test_an_edge_alone_equals_quadrature(mean, variance, precision):
    """Posterior of w under three classes, half-normal slabs and a Gaussian likelihood."""
    # likelihood exp(l w - h w^2 / 2) with 1 / (h + precision) = variance, mean = variance l
    h, slope = 1 / variance - precision, mean / variance
    prior = np.array([0.3, 0.5, 0.2])

    def slab(w):
        return 2 * stats.norm.pdf(w, scale=precision**-0.5) * np.exp(slope * w - h * w * w / 2)

    peak = max(abs(mean) + 12 * np.sqrt(variance), 1e-3)
    positive = [
        integrate.quad(lambda w, p=p: w**p * slab(w), 0, peak, epsabs=0, limit=200)[0]
        for p in range(3)
    ]
    negative = [
        integrate.quad(lambda w, p=p: w**p * slab(w), -peak, 0, epsabs=0, limit=200)[0]
        for p in range(3)
    ]
    mass = np.array([prior[0] * negative[0], prior[1], prior[2] * positive[0]])
    weight, beside = np.empty(3), np.array([0.7, -0.4, 0.1])
    # what other data say counts as the prior does
    given = prior * np.exp(-beside)
    first, second, rest = slab_kernels._edge(mean, variance, precision, given, beside, weight)
    np.testing.assert_allclose(weight, mass / mass.sum(), rtol=1e-6)
    want = (prior[0] * negative[1] + prior[2] * positive[1]) / mass.sum()
    assert first == pytest.approx(want, rel=1e-6, abs=1e-12)
    want = (prior[0] * negative[2] + prior[2] * positive[2]) / mass.sum()
    assert second == pytest.approx(want, rel=1e-6, abs=1e-12)
    # for a single edge the bound is the log evidence itself
    bound = slope * first - h * second / 2 + rest + weight @ np.log(prior)
    assert bound == pytest.approx(np.log(mass.sum()), rel=1e-6, abs=1e-9)


def surrogate(seed, n_states=3, n_neurons=4, n_columns=7):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n_states, n_neurons, 30, n_columns))
    curve = np.einsum("knti,kntj->knij", factor, factor) * 3
    return rng.normal(size=(n_states, n_neurons, n_columns)) * 40, curve


@pytest.mark.parametrize("shared_bias", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_sweep_never_lowers_its_bound(seed, shared_bias):
    linear, curve = surrogate(seed)
    layout = Layout(4, 1, 2, shared_bias, "free")
    theta = np.zeros((3, 4, 7))
    second, slab = np.zeros_like(theta), np.zeros_like(theta)
    q = np.tile(ALPHA / 2, (3, 4, 7, 1))
    prior = np.tile(ALPHA / 2, (4, 7, 1))
    bound = np.empty((4, 40))
    alpha, weak = np.tile(ALPHA, (4, 7, 1)), layout.weak(2.0)
    beside = np.random.default_rng(seed).normal(size=(3, 4, 7, 3))
    slab_kernels.spike_slab_sweeps(
        *(linear, curve, *layout.roles(), theta, second, q, slab, prior, alpha, beside, weak, 4.0),
        *(40, bound),
    )
    steps = np.diff(bound, axis=1)
    assert steps.min() > -1e-8 * np.abs(bound).max()
    assert steps[:, 0].max() > 0
    np.testing.assert_allclose(prior[:, 1:5].sum(axis=-1), 1.0)
    np.testing.assert_allclose(q[:, :, 1:5].sum(axis=-1), 1.0)


def fitted(problem, seed=0):
    start = first_parameters(problem, Recipe(2), np.random.default_rng(seed))
    return ascend(problem, climb(problem, start))


def test_objective_rises_and_prior_is_shared():
    truth = switching_glm(6, 1000, 8, 2, random_state=4)
    design = make_design(list(truth.counts), exponential_basis())
    problem = Problem(
        design, Likelihood("poisson", "sigmoid"), Layout(8, shared_bias=True), 1 / 3, tol=1e-12
    )
    found = fitted(problem)
    assert np.diff(found.objective).min() > -1e-6 * abs(found.objective[-1])
    assert found.edges.q.shape == (2, 8, 8, 3) and found.edges.prior.shape == (8, 8, 3)
    want = (ALPHA + found.edges.q.sum(axis=0)) / (ALPHA.sum() + 2)
    # mixing with the state before is possible, so equality holds up to that
    np.testing.assert_allclose(found.edges.prior, want, atol=0.05)


def test_the_ascent_ends_with_the_first_step_that_gains_less_than_the_tolerance():
    truth = switching_glm(3, 400, 6, 2, random_state=2)
    design = make_design(list(truth.counts), exponential_basis())
    problem = Problem(design, Likelihood("poisson", "sigmoid"), Layout(6), 1 / 3, tol=1e-6)
    found = fitted(problem)
    small = np.abs(np.diff(found.objective)) < 1e-6 * np.abs(found.objective[1:])
    assert len(small) > 2 and small[-1] and not small[:-1].any()


def test_self_history_that_is_no_edge_says_so():
    truth = switching_glm(3, 500, 6, 2, random_state=5)
    design = make_design(list(truth.counts), exponential_basis())
    own = np.arange(6)
    for diagonal in ("zero", "shared"):
        layout = Layout(6, diagonal=diagonal)
        problem = Problem(design, Likelihood("poisson", "sigmoid"), layout, 1 / 3)
        found = fitted(problem)
        theta = found.parameters.theta
        if diagonal == "zero":
            assert (theta[:, own, own + 1] == 0).all()
            np.testing.assert_array_equal(
                found.edges.q[:, own, own], np.tile([0.0, 1, 0], (2, 6, 1))
            )
        else:
            np.testing.assert_allclose(theta[0, own, own + 1], theta[1, own, own + 1])
            assert np.isnan(found.edges.q[:, own, own]).all()
