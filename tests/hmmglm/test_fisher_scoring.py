"""Likelihood, gradients and the step with shared parameters, against slow obvious versions."""

import numpy as np
import pytest
from scipy.special import gammaln

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.em import fisher
from neuro.hmmglm.em.batch import Parameters, Problem, climb, update_transitions
from neuro.hmmglm.em.fisher import RIDGE, Layout, Prior, fisher_step
from neuro.hmmglm.em.likelihood import Likelihood, inverse_link
from neuro.simulate.switching import switching_glm

CASES = [
    ("poisson", "sigmoid"),
    ("poisson", "softplus"),
    ("poisson", "exp"),
    ("bernoulli", "sigmoid"),
    ("gaussian", "linear"),
]


def small(emission="poisson", n_covariates=0, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.6, size=(120, 3)).astype(float)
    if emission == "bernoulli":
        counts = np.minimum(counts, 1)
    if emission == "gaussian":
        counts = rng.normal(size=(120, 3))
    covariates = [rng.normal(size=(120, n_covariates))] if n_covariates else None
    design = make_design(
        [counts], exponential_basis(), None, covariates, dtype=dtype, poisson=emission == "poisson"
    )
    theta = rng.normal(size=(2, 3, 4 + n_covariates)) * 0.4
    gamma = rng.dirichlet(np.ones(2), size=120)
    return design, theta, gamma


def slow_log_b(design, theta, emission, link, noise):
    u = np.einsum("td,knd->tkn", design.x, theta)
    x = design.counts[:, None, :]
    if emission == "gaussian":
        value = -0.5 * ((x - u) / noise) ** 2 - np.log(noise * np.sqrt(2 * np.pi))
    elif emission == "bernoulli":
        rate = 1 / (1 + np.exp(-u))
        value = x * np.log(rate) + (1 - x) * np.log(1 - rate)
    else:
        rate = {"sigmoid": 1 / (1 + np.exp(-u)), "softplus": np.log1p(np.exp(u)), "exp": np.exp(u)}
        value = x * np.log(rate[link]) - rate[link] - gammaln(x + 1)
    return value.sum(axis=-1)


@pytest.mark.parametrize(("emission", "link"), CASES)
def test_log_likelihood_equals_the_formula(emission, link):
    design, theta, _ = small(emission)
    got = Likelihood(emission, link).log_b(design, theta, 0.7)
    np.testing.assert_allclose(got, slow_log_b(design, theta, emission, link, 0.7), rtol=1e-5)


@pytest.mark.parametrize(("emission", "link"), CASES)
def test_gradient_equals_finite_differences(emission, link):
    design, theta, gamma = small(emission)
    design.usable[50:60] = False
    likelihood = Likelihood(emission, link)
    gradient, information = likelihood.statistics(design, theta, gamma, 0.7)
    for place in [(0, 0, 0), (1, 2, 1), (0, 1, 3), (1, 0, 2)]:
        shift = np.zeros_like(theta)
        shift[place] = 1e-5
        values = [
            np.vdot(gamma, likelihood.log_b(design, theta + sign * shift, 0.7)) for sign in (1, -1)
        ]
        slope = (values[0] - values[1]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-6)
    assert (np.linalg.eigvalsh(information) > -1e-9).all()
    np.testing.assert_allclose(information, np.swapaxes(information, -1, -2))


def test_fisher_information_of_a_concave_model_is_its_curvature():
    design, theta, gamma = small("bernoulli")
    likelihood = Likelihood("bernoulli", "sigmoid")
    _, information = likelihood.statistics(design, theta, gamma)
    step = np.zeros_like(theta)
    step[0, 1, 2] = 1e-4
    up, _ = likelihood.statistics(design, theta + step, gamma)
    down, _ = likelihood.statistics(design, theta - step, gamma)
    np.testing.assert_allclose(-(up - down)[0, 1] / 2e-4, information[0, 1, 2], rtol=1e-5)


@pytest.mark.parametrize("diagonal", ["free", "zero", "shared"])
@pytest.mark.parametrize("shared_bias", [False, True])
@pytest.mark.parametrize("sd", [None, 0.5])
def test_step_solves_the_joint_system_of_each_neuron(diagonal, shared_bias, sd):
    design, theta, gamma = small(n_covariates=1)
    layout = Layout(3, 1, 1, shared_bias, diagonal)
    edges, local, shared = layout.roles()
    for n in range(3):  # parameters that the layout ties are equal, absent ones are zero
        theta[:, n, shared[n]] = theta[0, n, shared[n]]
        absent = set(range(5)) - set(edges[n]) - set(local[n]) - set(shared[n])
        theta[:, n, list(absent)] = 0
    gradient, information = Likelihood("poisson", "softplus").statistics(design, theta, gamma)
    step = fisher_step(gradient, information, theta, Prior(layout, sd), slice(0, 3))
    for n in range(3):
        # one vector of all free parameters: state 0, state 1, shared
        own = [*edges[n], *local[n]]
        places = [[(s, c)] for s in range(2) for c in own]
        places += [[(s, c) for s in range(2)] for c in shared[n]]
        size = len(places)
        up, curve = np.zeros(size), np.zeros((size, size))
        for a, first in enumerate(places):
            up[a] = sum(gradient[s, n, c] for s, c in first) - RIDGE * theta[0, n, first[0][1]] * (
                len(first) > 1
            )
            for b, second in enumerate(places):
                for s, c in first:
                    for r, d in second:
                        if s == r:
                            curve[a, b] += information[s, n, c, d]
            curve[a, a] += RIDGE
            if len(first) == 1:
                s, c = first[0]
                up[a] -= RIDGE * theta[s, n, c]
                if sd and c in edges[n]:
                    up[a] -= (theta[s, n, c] - theta[:, n, c].mean()) / sd**2
                    curve[a, a] += 1 / sd**2
        solution = np.linalg.solve(curve, up)
        want = np.zeros((2, 5))
        for value, group in zip(solution, places):
            for s, c in group:
                want[s, c] = value
        np.testing.assert_allclose(step[:, n], want, rtol=1e-6, atol=1e-9)


def test_blocks_of_neurons_change_nothing(monkeypatch):
    truth = switching_glm(2, 300, 7, 2, random_state=1)
    design = make_design(list(truth.counts), exponential_basis())
    layout = Layout(7)
    start = Parameters(
        0.1 * np.random.default_rng(0).normal(size=(2, 7, 8)), np.array([[0.9, 0.1], [0.1, 0.9]])
    )
    problem = Problem(design, Likelihood("poisson", "softplus"), layout, 1 / 3, max_iter=4)
    whole = climb(problem, start)
    monkeypatch.setattr(fisher, "BLOCK_BYTES", 1)
    assert len(layout.neuron_blocks(2)) == 7
    parts = climb(problem, start)
    np.testing.assert_allclose(parts.parameters.theta, whole.parameters.theta, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("sd", [None, 1 / 3])
@pytest.mark.parametrize("shared_bias", [False, True])
def test_objective_never_falls(sd, shared_bias):
    truth = switching_glm(3, 600, 8, 3, random_state=2)
    design = make_design(list(truth.counts), exponential_basis())
    rng = np.random.default_rng(3)
    theta = 0.1 * rng.normal(size=(3, 8, 9))
    theta[:, :, 0] = inverse_link(design.mean_counts(), "sigmoid")
    transitions = np.full((3, 3), 0.01) + 0.97 * np.eye(3)
    problem = Problem(
        design,
        Likelihood("poisson", "sigmoid"),
        Layout(8, shared_bias=shared_bias),
        sd,
        max_iter=40,
        tol=1e-12,
    )
    objective = np.array(climb(problem, Parameters(theta, transitions)).objective)
    assert len(objective) == 41
    assert np.diff(objective).min() > -1e-6 * abs(objective[-1])
    assert objective[-1] > objective[0] + 50


def test_transition_matrix_keeps_its_floor():
    got = update_transitions(np.array([[10.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(got, [[1 - 1e-6, 1e-6], [0.5, 0.5]], rtol=1e-3)
    sticky = update_transitions(np.ones((2, 2)), kappa=8)
    np.testing.assert_allclose(sticky, [[0.9, 0.1], [0.1, 0.9]])


@pytest.mark.parametrize("link", ["sigmoid", "softplus", "exp"])
def test_inverse_link(link):
    rates = np.array([1e-4, 0.3, 0.9])
    u = inverse_link(rates, link)
    back = {"sigmoid": 1 / (1 + np.exp(-u)), "softplus": np.log1p(np.exp(u)), "exp": np.exp(u)}
    np.testing.assert_allclose(back[link], rates, rtol=1e-6)


def test_impossible_pairs_of_emission_and_link():
    with pytest.raises(ValueError, match="emission 'bernoulli' needs sigmoid"):
        Likelihood("bernoulli", "softplus")
    with pytest.raises(ValueError, match="link: got 'probit'"):
        Likelihood("poisson", "probit")
