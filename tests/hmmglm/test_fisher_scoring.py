"""Likelihood, gradients and the step with shared parameters, against slow obvious versions."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.em import fisher
from neuro.hmmglm.em.batch import Parameters, Problem, climb
from neuro.hmmglm.em.drive import update_transitions
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


def slow_log_prior(theta, layout, sd, ridge, of_covariates=0.0):
    """The prior's formula, parameter by parameter; shared ones count once."""
    edges, local, shared = layout.roles()
    n_states = len(theta)
    around = ridge if sd is None or n_states == 1 else 1 / sd**2
    total = 0.0
    for n in range(theta.shape[1]):
        for c in edges[n]:
            mean = sum(theta[k, n, c] for k in range(n_states)) / n_states
            for k in range(n_states):
                total -= around / 2 * (theta[k, n, c] - mean) ** 2 + RIDGE / 2 * theta[k, n, c] ** 2
            total -= ridge / 2 * n_states * mean**2
        for c in [*local[n], *shared[n]]:
            one = RIDGE + (of_covariates if c > layout.n_sources else 0.0)
            count = range(n_states) if c in local[n] else [0]
            total -= one / 2 * sum(theta[k, n, c] ** 2 for k in count)
    return total


@pytest.mark.parametrize("diagonal", ["free", "zero", "shared"])
@pytest.mark.parametrize("shared_bias", [False, True])
@pytest.mark.parametrize(
    ("sd", "ridge"), [(None, 0.0), (None, 4.0), (0.5, 0.0), (0.5, 3.0), (2, 9)]
)
@pytest.mark.parametrize("n_states", [1, 2])
@pytest.mark.parametrize("tied", [None, True])
def test_step_solves_the_joint_system_of_each_neuron(
    n_states, diagonal, shared_bias, sd, ridge, tied
):
    design, theta, gamma = small(n_covariates=1)
    theta, gamma = theta[:n_states], gamma[:, :n_states]
    layout = Layout(3, 1, 1, shared_bias, diagonal, tied)
    assert (4 in layout.roles()[2]) == bool(tied or shared_bias)
    of_covariates = 2.5
    edges, local, shared = layout.roles()
    for n in range(3):  # parameters that the layout ties are equal, absent ones are zero
        theta[:, n, shared[n]] = theta[0, n, shared[n]]
        absent = set(range(5)) - set(edges[n]) - set(local[n]) - set(shared[n])
        theta[:, n, list(absent)] = 0
    prior = Prior(layout, sd, ridge, covariate_ridge=of_covariates)
    assert prior.log_density(theta) == pytest.approx(
        slow_log_prior(theta, layout, sd, ridge, of_covariates)
    )
    gradient, information = Likelihood("poisson", "softplus").statistics(design, theta, gamma)
    step, decrement = fisher_step(gradient, information, theta, prior, slice(0, 3))
    gained = 0.0
    for n in range(3):
        # one vector of all free parameters: every state's own, then the shared
        places = [[(s, c)] for s in range(n_states) for c in [*edges[n], *local[n]]]
        places += [[(s, c) for s in range(n_states)] for c in shared[n]]

        def moved(vector, n=n, places=places):
            new = theta.copy()
            for value, group in zip(vector, places):
                for s, c in group:
                    new[s, n, c] += value
            return new

        def log_prior(vector, moved=moved):
            return slow_log_prior(moved(vector), layout, sd, ridge, of_covariates)

        # the prior is quadratic, so differences of any size give its slope and curvature
        unit = np.eye(len(places))
        slope = [(log_prior(e) - log_prior(-e)) / 2 for e in unit]
        bend = [
            [log_prior(e + f) - log_prior(e) - log_prior(f) + log_prior(0 * e) for f in unit]
            for e in unit
        ]
        up = slope + np.array([sum(gradient[s, n, c] for s, c in group) for group in places])
        curve = -np.array(bend)
        for a, first in enumerate(places):
            for b, second in enumerate(places):
                curve[a, b] += sum(
                    information[s, n, c, d] for s, c in first for r, d in second if s == r
                )
        solution = np.linalg.solve(curve, up)
        gained += up @ solution
        np.testing.assert_allclose(
            step[:, n], (moved(solution) - theta)[:, n], rtol=1e-6, atol=1e-8
        )
    assert decrement == pytest.approx(gained, rel=1e-6)


def test_gaussian_and_plain_are_one_model_with_one_state():
    """A prior around the mean over states says nothing where there is one state."""
    truth = switching_glm(2, 400, 7, 1, random_state=1)
    design = make_design(list(truth.counts), exponential_basis())
    start = Parameters(0.1 * np.random.default_rng(0).normal(size=(1, 7, 8)), np.ones((1, 1)))
    ends = []
    for sd in (None, 1 / 3):
        problem = Problem(design, Likelihood("poisson", "softplus"), Layout(7), sd)
        ends.append(climb(problem, start))
        assert ends[-1].converged and ends[-1].iterations <= 20
    assert ends[0].objective[-1] == pytest.approx(ends[1].objective[-1], rel=1e-9)


def test_a_line_search_that_fails_is_no_convergence(monkeypatch):
    """An objective that stands still because no step was taken reads as what it is."""
    from neuro.hmmglm.em import batch

    truth = switching_glm(2, 300, 6, 1, random_state=1)
    design = make_design(list(truth.counts), exponential_basis())
    start = Parameters(np.zeros((1, 6, 7)), np.ones((1, 1)))
    problem = Problem(design, Likelihood("poisson", "softplus"), Layout(6))

    def backwards(*given):
        step, decrement = fisher_step(*given)
        return -step, decrement  # promises what it cannot keep

    monkeypatch.setattr(batch, "fisher_step", backwards)
    stuck = climb(problem, start)
    assert stuck.status == "line_search_failed" and not stuck.converged and stuck.iterations < 5
    assert np.array_equal(stuck.parameters.theta, start.theta)
    monkeypatch.undo()
    assert climb(problem, start).status == "converged"
    assert climb(problem, start, max_iter=2).status == "max_iter"


@pytest.mark.parametrize(("emission", "link"), CASES)
def test_entries_that_were_not_observed_leave_likelihood_and_gradient(emission, link):
    """Equal to a sum over the observed entries alone, one by one."""
    rng = np.random.default_rng(4)
    counts = rng.poisson(0.6, size=(80, 3)).astype(float)
    if emission == "bernoulli":
        counts = np.minimum(counts, 1)
    seen = rng.random((80, 3)) < 0.7
    seen[30:40] = False
    holed = np.where(seen, counts, np.nan)
    design = make_design(
        [holed], exponential_basis(), dtype=np.float64, poisson=emission == "poisson"
    )
    theta, gamma = rng.normal(size=(2, 3, 4)) * 0.4, rng.dirichlet(np.ones(2), size=80)
    likelihood = Likelihood(emission, link)
    got = likelihood.log_b(design, theta, 0.7)
    want = np.zeros((80, 2))
    for n in range(3):
        one = dataclasses.replace(design, counts=design.counts[:, [n]], seen=None)
        one.log_factorial = gammaln(design.counts[:, n] + 1)
        part = slow_log_b(one, theta[:, [n]], emission, link, 0.7)
        want += np.where((seen[:, n] & design.usable)[:, None], part, 0)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7)
    gradient, information = likelihood.statistics(design, theta, gamma, 0.7)
    for n in range(3):
        rows = dataclasses.replace(design, usable=design.usable & seen[:, n], seen=None)
        alone, curve = likelihood.statistics(rows, theta, gamma, 0.7)
        np.testing.assert_allclose(gradient[:, n], alone[:, n], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(information[:, n], curve[:, n], rtol=1e-9, atol=1e-9)
    noise = likelihood.squared_error(design, theta, gamma) if emission == "gaussian" else 0
    if emission == "gaussian":
        u = np.einsum("td,knd->tkn", design.x, theta)
        miss = ((design.counts[:, None] - u) ** 2 * seen[:, None]).sum(-1) * gamma
        n_entries = seen[design.usable].sum()
        assert noise == pytest.approx(miss[design.usable].sum() / n_entries)


@pytest.mark.parametrize("link", ["softplus", "exp"])
@pytest.mark.parametrize("mean", [1e-3, 0.5, 30.0, 79.0, 120.0, 200.0, 1e4])
def test_any_rate_is_exact(link, mean):
    """Arguments of exp and softplus were cut at 80 once: a rate of 120 became 80."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(mean, size=(50, 2)).astype(float)
    theta = np.zeros((1, 2, 3))
    theta[..., 0] = inverse_link(mean, link)
    design = make_design([counts], exponential_basis(), dtype=np.float64)
    got = Likelihood("poisson", link).log_b(design, theta)[:, 0]
    want = stats.poisson.logpmf(counts, mean + 1e-8).sum(axis=1)
    np.testing.assert_allclose(got[design.usable], want[design.usable], rtol=1e-10)
    # and with the slope that its gradient takes, by differences
    shift = np.zeros_like(theta)
    shift[0, 0, 0] = 1e-6 * max(1, abs(theta[0, 0, 0]))
    gamma = np.ones((50, 1))
    likelihood = Likelihood("poisson", link)
    gradient, _ = likelihood.statistics(design, theta, gamma)
    ends = [np.vdot(gamma, likelihood.log_b(design, theta + s * shift)) for s in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * shift[0, 0, 0])
    assert gradient[0, 0, 0] == pytest.approx(slope, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("mean", [120, 200])
def test_high_counts_without_structure_gain_nothing(mean):
    """Constant means give about 0 bits per spike; they gave negative bits, called converged."""
    from neuro.hmmglm.model import OneHotHMMGLM

    rng = np.random.default_rng(1)
    counts = [rng.poisson(mean, size=(400, 4)) for _ in range(6)]
    model = OneHotHMMGLM(1, "plain", n_starts=1, random_state=0).fit(counts[:4])
    assert model.starts_[0]["status"] == "converged"
    assert abs(model.bits_per_spike(counts[4:])) < 0.003


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
