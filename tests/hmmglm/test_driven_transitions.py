"""Inputs that drive the transitions: exact against enumeration, monotone, recovered."""

import itertools

import numpy as np
import pytest

from neuro.hmmglm.design.history import exponential_basis, make_design
from neuro.hmmglm.em.batch import Parameters, Problem, climb
from neuro.hmmglm.em.chain import best_path, smooth
from neuro.hmmglm.em.drive import RIDGE, WEAK, Chain, driven, log_odds, update_transitions
from neuro.hmmglm.em.fisher import Layout
from neuro.hmmglm.em.likelihood import Likelihood
from neuro.hmmglm.model import OneHotHMMGLM

STAY = np.array([[0.9, 0.1], [0.2, 0.8]])


def enumerated(log_b, matrices):
    """All paths of one sequence: state probabilities, expected transitions, likelihood, best."""
    n_bins, k = log_b.shape
    gamma, xi, total, best = np.zeros((n_bins, k)), np.zeros((n_bins, k, k)), 0.0, (-1.0, ())
    for path in itertools.product(range(k), repeat=n_bins):
        p = np.exp(log_b[0, path[0]]) / k
        for t in range(1, n_bins):
            p *= matrices[t, path[t - 1], path[t]] * np.exp(log_b[t, path[t]])
        total += p
        best = max(best, (p, path))
        for t, state in enumerate(path):
            gamma[t, state] += p
            if t:
                xi[t, path[t - 1], state] += p
    return gamma / total, xi / total, np.log(total), best[1]


def test_forward_backward_with_a_matrix_per_bin_equals_enumeration():
    rng = np.random.default_rng(0)
    log_b, inputs = rng.normal(size=(11, 3)) * 2, rng.normal(size=(11, 2))
    base = rng.dirichlet(np.ones(3), size=3)
    matrices = driven(base, rng.normal(size=(3, 2)), inputs)
    np.testing.assert_allclose(matrices.sum(axis=2), 1)
    starts = np.array([0, 6, 11])
    gamma, xi, log_z = smooth(log_b, starts, matrices)
    path = best_path(log_b, starts, matrices)
    for number, part in enumerate((slice(0, 6), slice(6, 11))):
        want = enumerated(log_b[part], matrices[part])
        np.testing.assert_allclose(gamma[part], want[0], atol=1e-12)
        np.testing.assert_allclose(xi[part], want[1], atol=1e-12)
        assert log_z[number] == pytest.approx(want[2], abs=1e-12)
        assert tuple(path[part]) == want[3]


def test_one_matrix_and_the_same_in_every_bin_agree():
    rng = np.random.default_rng(1)
    log_b, starts = rng.normal(size=(300, 2)), np.array([0, 120, 300])
    one = smooth(log_b, starts, STAY)
    many = smooth(log_b, starts, np.tile(STAY, (300, 1, 1)))
    np.testing.assert_array_equal(one[0], many[0])
    np.testing.assert_allclose(one[1], many[1].sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(one[2], many[2])


@pytest.mark.parametrize("kappa", [0.0, 5.0])
def test_the_m_step_ends_where_differences_vanish(kappa):
    """Slope of the expected log posterior by finite differences, at what the step found."""
    rng = np.random.default_rng(2)
    xi, inputs = rng.gamma(1.0, size=(80, 3, 3)) * 0.2, rng.normal(size=(80, 2))

    class Inputs:
        pass

    design = Inputs()
    design.inputs = inputs
    found = Chain(update_transitions(xi.sum(axis=0)), np.zeros((3, 2))).updated(xi, design, kappa)

    def value(base, drive):
        odds = base[None] + (inputs @ drive.T)[:, None]
        logs = odds - np.log(np.exp(odds).sum(axis=2, keepdims=True))
        still = base - np.log(np.exp(base).sum(axis=1, keepdims=True))
        prior = kappa * np.trace(still) - RIDGE / 2 * (drive**2).sum() - WEAK / 2 * (base**2).sum()
        return (xi * logs).sum() + prior

    base, drive = log_odds(found.transitions), found.drive
    for array in (base, drive):
        for place in np.ndindex(array.shape):
            array[place] += 1e-4
            up = value(base, drive)
            array[place] -= 2e-4
            down = value(base, drive)
            array[place] += 1e-4
            assert abs(up - down) / 2e-4 < 1e-3


@pytest.fixture(scope="module")
def planted():
    """Two states of rates; an input makes the second likely to be entered."""
    rng = np.random.default_rng(3)
    rates = np.array([[0.2, 1.0, 0.4, 0.8], [0.9, 0.2, 0.8, 0.3]])
    counts, inputs, states = [], [], []
    for _ in range(8):
        u = np.repeat(rng.normal(size=20), 20)[:, None]
        matrices = driven(np.array([[0.95, 0.05], [0.05, 0.95]]), np.array([[-1.0], [1.0]]), u)
        z = np.zeros(400, int)
        z[0] = rng.integers(2)
        for t in range(1, 400):
            z[t] = rng.random() < matrices[t, z[t - 1], 1]
        counts.append(rng.poisson(rates[z]))
        inputs.append(np.column_stack([u, rng.normal(size=400)]))
        states.append(z)
    return counts, inputs, states


def test_a_planted_drive_is_found_and_predicts(planted):
    counts, inputs, states = planted
    given = {"n_starts": 2, "random_state": 0, "ridge": 30.0, "prior_sd": 0.05}
    driven_too = OneHotHMMGLM(
        2, "gaussian", emission_covariates=(), transition_covariates=(0,), **given
    ).fit(counts[:5], covariates=inputs[:5])
    plain = OneHotHMMGLM(2, "gaussian", **given).fit(counts[:5])
    gain = driven_too.score(counts[5:], covariates=inputs[5:]) - plain.score(counts[5:])
    assert gain > 0.005
    path = np.concatenate(driven_too.predict(counts[5:], covariates=inputs[5:]))
    truth = np.concatenate(states[5:])
    order = [0, 1] if (path == truth).mean() > 0.5 else [1, 0]
    assert max((path == truth).mean(), (path != truth).mean()) > 0.85
    odds = driven_too.drive_[order][1] - driven_too.drive_[order][0]
    scale = np.concatenate(inputs[:5])[:, 0].std()
    assert odds[0] == pytest.approx(2 * scale, abs=0.8)
    # an input without any effect is worth nothing
    idle = OneHotHMMGLM(
        2, "gaussian", emission_covariates=(), transition_covariates=(1,), **given
    ).fit(counts[:5], covariates=inputs[:5])
    assert np.abs(idle.drive_).max() < 0.4 * np.abs(driven_too.drive_).max()
    assert driven_too.n_parameters_ == plain.n_parameters_ + 1


@pytest.mark.parametrize("model", ["gaussian", "onehot"])
def test_the_objective_never_falls_and_a_file_keeps_the_drive(planted, model, tmp_path):
    counts, inputs, _ = planted
    found = OneHotHMMGLM(
        2,
        model,
        transition_covariates=(0, 1),
        covariate_ridge=1.0,
        n_starts=1,
        random_state=0,
        pi_kappa=2.0,
        ridge=1.0,
        prior_sd=0.3,
    ).fit(counts[:3], covariates=inputs[:3])
    history = found.history_
    assert np.diff(history).min() > -1e-6 * abs(history[-1])
    again = OneHotHMMGLM.load(found.save(tmp_path / "model.npz"))
    np.testing.assert_array_equal(again.drive_, found.drive_)
    assert again.score(counts[:3], covariates=inputs[:3]) == found.score(
        counts[:3], covariates=inputs[:3]
    )


def test_without_inputs_the_numbers_are_those_of_before():
    """Zero inputs drive nothing: the optimum is that of a constant matrix."""
    rng = np.random.default_rng(5)
    counts = [rng.poisson(0.5, size=(300, 4)) for _ in range(2)]
    design = make_design(counts, exponential_basis())
    theta = 0.2 * rng.normal(size=(2, 4, 5))
    problem = Problem(design, Likelihood("poisson", "softplus"), Layout(4), 0.3, 1.0, tol=1e-10)
    want = climb(problem, Parameters(theta, STAY))
    design.inputs = np.zeros((600, 1))
    got = climb(problem, Parameters(theta, STAY, drive=np.zeros((2, 1))))
    np.testing.assert_allclose(got.parameters.transitions, want.parameters.transitions, atol=2e-3)
    assert got.log_likelihood == pytest.approx(want.log_likelihood, abs=0.01)
    assert not got.parameters.drive.any()


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"transition_covariates": (2,)}, "2 columns, but column 2 is named"),
        ({"emission_covariates": (0, 5)}, "2 columns, but column 5 is named"),
    ],
)
def test_columns_that_are_not_there(planted, columns, line):
    counts, inputs, _ = planted
    with pytest.raises(ValueError, match=line):
        OneHotHMMGLM(2, **columns).fit(counts[:1], covariates=inputs[:1])
    with pytest.raises(ValueError, match="none are given"):
        OneHotHMMGLM(2, **columns).fit(counts[:1])
