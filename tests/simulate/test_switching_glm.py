"""Planted spike trains: statistics of the generator, and the likelihood of the truth."""

import itertools

import numpy as np
import pytest
from scipy.special import gammaln, logsumexp

from neuro.io.spikes.reader import read_spikes
from neuro.simulate.switching import switching_glm, truth_log_likelihood, write_spikes


@pytest.fixture(scope="module")
def truth():
    return switching_glm(20, 1000, random_state=0)


def test_statistics_of_the_generator(truth):
    assert truth.counts.shape == (20, 1000, 20)
    assert truth.counts.mean() == pytest.approx(0.46, abs=0.04)
    assert np.mean(truth.counts > 1) == pytest.approx(0.089, abs=0.015)
    share = np.bincount(truth.adjacency.ravel() + 1) / truth.adjacency.size
    np.testing.assert_allclose(share, [0.1, 0.8, 0.1], atol=0.03)
    mode = truth.prior.argmax(axis=-1) - 1
    assert np.mean(truth.adjacency == mode) == pytest.approx(0.838, abs=0.03)
    strength = np.abs(truth.weights[truth.adjacency != 0])
    assert strength.min() > 0 and strength.max() < np.log(4)
    stays = np.mean(truth.states[:, 1:] == truth.states[:, :-1])
    assert stays == pytest.approx(0.98, abs=0.004)
    occupancy = np.bincount(truth.states.ravel()) / truth.states.size
    assert occupancy.min() > 0.13
    assert truth.kernel.sum() == pytest.approx(1.0)


def test_same_seed_same_data(truth):
    again = switching_glm(20, 1000, random_state=0)
    np.testing.assert_array_equal(again.counts, truth.counts)
    assert not np.array_equal(switching_glm(20, 1000, random_state=1).counts, truth.counts)


def test_likelihood_of_the_truth_equals_enumeration():
    truth = switching_glm(2, 6, 3, 2, random_state=1)
    got = truth_log_likelihood(truth, truth.counts)
    for number, counts in enumerate(truth.counts):
        log_b = np.zeros((6, 2))
        for t, s in itertools.product(range(6), range(2)):
            past = sum(
                truth.kernel[lag - 1] * counts[t - lag] for lag in range(1, 6) if t - lag >= 0
            )
            drive = truth.bias + truth.weights[s] @ (past if t else np.zeros(3))
            rate = 1 / (1 + np.exp(-drive))
            log_b[t, s] = np.sum(counts[t] * np.log(rate) - rate - gammaln(counts[t] + 1))
        scores = []
        for path in itertools.product(range(2), repeat=6):
            score = np.log(0.5) + log_b[0, path[0]]
            for t in range(1, 6):
                score += np.log(truth.transitions[path[t - 1], path[t]]) + log_b[t, path[t]]
            scores.append(score)
        assert got[number] == pytest.approx(logsumexp(scores), abs=1e-10)


def test_without_edges_there_is_no_coupling():
    truth = switching_glm(2, 100, 5, 2, edges=False)
    assert not truth.weights.any() and not truth.adjacency.any()


def test_one_state():
    truth = switching_glm(2, 100, 5, 1)
    assert not truth.states.any() and truth.transitions.item() == 1.0


def test_files_read_back(tmp_path, truth):
    write_spikes(tmp_path / "spikes.npz", tmp_path / "truth.npz", truth, 0.02)
    data = read_spikes(tmp_path / "spikes.npz")
    assert data.bin_s == 0.02 and data.units["unit"].iloc[3] == "n4"
    np.testing.assert_array_equal(np.stack(data.sequences), truth.counts)
    with np.load(tmp_path / "truth.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["adjacency"], truth.adjacency)
