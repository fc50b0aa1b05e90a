"""The hidden chain against enumeration of all paths."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from neuro.hmmglm.em.chain import forward_backward, viterbi


def random_chain(seed, n_bins=6, n_states=3):
    rng = np.random.default_rng(seed)
    log_b = rng.normal(scale=3, size=(n_bins, n_states)) - 5
    transitions = rng.dirichlet(np.ones(n_states), size=n_states)
    return log_b, transitions, rng.dirichlet(np.ones(n_states))


def enumerate_paths(log_b, transitions, init):
    """Every path with its joint log probability."""
    n_bins, n_states = log_b.shape
    paths = np.array(list(itertools.product(range(n_states), repeat=n_bins)))
    score = np.log(init)[paths[:, 0]] + log_b[0, paths[:, 0]]
    for t in range(1, n_bins):
        score = score + np.log(transitions)[paths[:, t - 1], paths[:, t]] + log_b[t, paths[:, t]]
    return paths, score


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_sum_over_all_paths(seed):
    log_b, transitions, init = random_chain(seed)
    paths, score = enumerate_paths(log_b, transitions, init)
    log_z = logsumexp(score)
    weight = np.exp(score - log_z)
    gamma = np.stack([(weight[:, None] * (paths == s)).sum(axis=0) for s in range(3)], axis=1)
    xi = np.zeros((3, 3))
    for t in range(1, 6):
        np.add.at(xi, (paths[:, t - 1], paths[:, t]), weight)
    got = forward_backward(log_b, transitions, init)
    np.testing.assert_allclose(got[0], gamma, atol=1e-10)
    np.testing.assert_allclose(got[1], xi, atol=1e-10)
    assert got[2] == pytest.approx(log_z, abs=1e-10)
    best = paths[np.argmax(score)]
    assert np.array_equal(viterbi(log_b, transitions, init), best)


def test_transitions_of_probability_zero():
    log_b, _, _ = random_chain(9)
    transitions = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1.0]])
    init = np.array([1.0, 0, 0])
    with np.errstate(divide="ignore"):
        paths, score = enumerate_paths(log_b, transitions, init)
    gamma, _, log_z = forward_backward(log_b, transitions, init)
    assert log_z == pytest.approx(logsumexp(score), abs=1e-10)
    weight = np.exp(score - log_z)
    np.testing.assert_allclose(gamma[3, 1], weight[paths[:, 3] == 1].sum(), atol=1e-10)


def test_a_constant_per_bin_shifts_the_likelihood_and_nothing_else():
    log_b, transitions, init = random_chain(1, n_bins=300)
    shift = np.random.default_rng(0).normal(size=300) * 40
    gamma, xi, log_z = forward_backward(log_b, transitions, init)
    moved = forward_backward(log_b + shift[:, None], transitions, init)
    assert moved[2] == pytest.approx(log_z + shift.sum(), rel=1e-12)
    np.testing.assert_allclose(moved[0], gamma, atol=1e-10)
    np.testing.assert_allclose(moved[1], xi, atol=1e-9)


def test_very_unlikely_bins_still_tell_the_states_apart():
    log_b, transitions, init = random_chain(2, n_bins=50)
    gamma, _, log_z = forward_backward(log_b - 2000.0, transitions, init)
    assert np.isfinite(log_z) and np.isfinite(gamma).all()
    np.testing.assert_allclose(gamma, forward_backward(log_b, transitions, init)[0], atol=1e-10)


def test_a_forbidden_change_of_state_is_worked_out_in_the_log_domain():
    # the only reachable state is 3000 nats less likely than an unreachable one
    log_b = np.array([[0.0, -3000.0], [-3000.0, 0.0]])
    transitions = np.array([[1.0, 0.0], [0.0, 1.0]])
    gamma, _, log_z = forward_backward(log_b, transitions, np.array([1.0, 0.0]))
    assert log_z == pytest.approx(-3000.0)
    np.testing.assert_array_equal(gamma, [[1, 0], [1, 0]])


def test_a_million_bins_stay_normalised():
    rng = np.random.default_rng(3)
    log_b = rng.normal(size=(1_000_000, 4)) * 2 - 17
    transitions = np.full((4, 4), 0.02 / 3)
    np.fill_diagonal(transitions, 0.98)
    gamma, xi, _ = forward_backward(log_b, transitions)
    np.testing.assert_allclose(gamma.sum(axis=1), 1.0, atol=1e-12)
    assert xi.sum() == pytest.approx(999_999, rel=1e-9)


def test_a_ragged_batch_equals_its_sequences_one_by_one():
    chains = [random_chain(seed, n_bins=n)[0] for seed, n in enumerate((1, 7, 40, 2))]
    _, transitions, init = random_chain(0)
    gammas, xi, log_z = forward_backward(chains, transitions, init)
    alone = [forward_backward(item, transitions, init) for item in chains]
    for got, want in zip(gammas, alone):
        np.testing.assert_array_equal(got, want[0])
    np.testing.assert_allclose(xi, sum(want[1] for want in alone), atol=1e-12)
    np.testing.assert_array_equal(log_z, [want[2] for want in alone])
    for got, item in zip(viterbi(chains, transitions, init), chains):
        np.testing.assert_array_equal(got, viterbi(item, transitions, init))


def test_missing_bins_add_nothing():
    log_b, transitions, init = random_chain(5, n_bins=9)
    mask = np.ones(9, bool)
    mask[[3, 4, 8]] = False
    spoiled = np.where(mask[:, None], log_b, 7.0)
    got = forward_backward(spoiled, transitions, init, mask)
    want = forward_backward(np.where(mask[:, None], log_b, 0.0), transitions, init)
    assert got[2] == want[2]
    only_missing = forward_backward(log_b, transitions, init, np.zeros(9, bool))
    assert only_missing[2] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("transitions", "words"),
    [(np.ones((3, 3)), "sum to 1"), (np.eye(2), "transitions: shape")],
)
def test_wrong_arguments_are_one_line(transitions, words):
    with pytest.raises(ValueError, match=words) as error:
        forward_backward(np.zeros((5, 3)), transitions)
    assert "\n" not in str(error.value)
