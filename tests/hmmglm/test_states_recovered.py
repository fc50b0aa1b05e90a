"""Planted states and couplings are found; the one-hot model needs the fewest sequences."""

import numpy as np
import pytest

from neuro.hmmglm.baselines.compare import edge_scores, match_states
from neuro.hmmglm.baselines.poisson import PoissonHMM, homogeneous
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.simulate.switching import switching_glm, truth_log_likelihood
from neuro.stats.agreement import adjusted_rand

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def planted():
    """Data of one seed and its likelihood per bin under the truth, made once."""
    made = {}

    def get(seed):
        if seed not in made:
            truth = switching_glm(random_state=seed)
            score = truth_log_likelihood(truth, truth.counts[30:]).sum() / 40_000
            made[seed] = truth, score
        return made[seed]

    return get


def fit(truth, n, model, n_starts, seed=0, **settings):
    settings = {"link": "sigmoid", "bias": "shared", **settings}
    estimator = OneHotHMMGLM(5, model, n_starts=n_starts, random_state=seed, **settings)
    return estimator.fit(list(truth.counts[:n]))


def judge(estimator, truth, score):
    test, states = list(truth.counts[30:]), list(truth.states[30:])
    found = [gamma.argmax(axis=1) for gamma in estimator.predict_proba(test)]
    pairs, accuracy = match_states(found, states)
    order = pairs[np.argsort(pairs[:, 1]), 0]
    result = edge_scores(estimator.adjacency_[order], truth.adjacency)
    result["gap"] = score - estimator.score(test)
    result["states"] = accuracy
    result["r"] = np.corrcoef(estimator.weights_[order].ravel(), truth.weights.ravel())[0, 1]
    if estimator.model == "onehot":
        mode = estimator.anatomical_prior_.argmax(-1) == truth.prior.argmax(-1)
        result["mode"] = mode.mean()
    return result


def best_possible(truth):
    """State accuracy of the planted parameters themselves."""
    model = fit(truth, 1, "plain", 1, max_iter=1)
    bias = np.tile(truth.bias[None, :, None], (5, 1, 1))
    model.theta_ = np.concatenate([bias, truth.weights], axis=2)
    model.transitions_ = truth.transitions
    found = [gamma.argmax(axis=1) for gamma in model.predict_proba(list(truth.counts[30:]))]
    return match_states(found, list(truth.states[30:]))[1], model


def test_likelihood_of_the_truth_is_the_independent_one(planted):
    truth, score = planted(0)
    _, model = best_possible(truth)
    assert model.score(list(truth.counts[30:])) == pytest.approx(score, abs=2e-5)


def test_three_sequences(planted):
    truth, score = planted(0)
    found = {
        name: judge(fit(truth, 3, name, 3), truth, score)
        for name in ("plain", "gaussian", "onehot")
    }
    assert found["onehot"]["gap"] <= 0.09 and found["gaussian"]["gap"] <= 0.17
    assert found["onehot"]["gap"] < found["gaussian"]["gap"] < found["plain"]["gap"]
    assert found["onehot"]["accuracy"] >= 0.92 and found["onehot"]["balanced"] >= 0.82


def test_one_sequence(planted):
    truth, score = planted(0)
    assert judge(fit(truth, 1, "onehot", 5), truth, score)["states"] >= 0.90


@pytest.mark.slow
def test_ten_sequences_beat_the_baselines_and_find_the_prior(planted):
    truth, score = planted(0)
    train, test = list(truth.counts[:10]), list(truth.counts[30:])
    model = fit(truth, 10, "onehot", 3)
    got = judge(model, truth, score)
    assert got["mode"] >= 0.90 and got["accuracy"] >= 0.95 and got["gap"] < 0.03
    hmm = PoissonHMM(5, n_starts=2).fit(train)
    flat, n_bins, _ = homogeneous(train, test)
    glm = fit(truth, 10, "gaussian", 1).set_params(n_states=1).fit(train)
    assert model.score(test) > glm.score(test) + 0.3
    assert model.score(test) > hmm.log_likelihood(test)[0] / n_bins + 0.3
    assert hmm.log_likelihood(test)[0] > flat


@pytest.mark.slow
def test_without_couplings_few_edges_appear():
    """All-none control: 2 % at most with one state, and in the graph that all states share.

    With five states, edges of single states are 3 to 4 %: the bins of a state are chosen by the
    same fit, and what they have in common by chance looks like couplings. Held-out data say so,
    they prefer one state.
    """
    truth = switching_glm(n_sequences=15, edges=False, random_state=0)
    train, test = list(truth.counts[:10]), list(truth.counts[10:])
    one, five = (
        OneHotHMMGLM(k, link="sigmoid", bias="shared", n_starts=1, random_state=0).fit(train)
        for k in (1, 5)
    )
    assert np.mean(one.adjacency_ != 0) <= 0.02
    assert np.mean(one.to_signed() != 0) <= 0.02 and np.mean(five.to_signed() != 0) <= 0.02
    assert np.mean(five.adjacency_ != 0) <= 0.05
    assert one.score(test) > five.score(test)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_thirty_sequences(planted, seed):
    truth, score = planted(seed)
    ceiling = best_possible(truth)[0]
    got = {
        name: judge(fit(truth, 30, name, 3, seed), truth, score)
        for name in ("plain", "gaussian", "onehot")
    }
    relaxed = judge(fit(truth, 30, "onehot", 2, seed, solver="relaxed"), truth, score)
    assert got["plain"]["gap"] <= 0.025 and got["gaussian"]["gap"] <= 0.025
    assert got["onehot"]["gap"] <= 0.012 and relaxed["gap"] <= 0.012
    assert got["gaussian"]["gap"] <= got["plain"]["gap"] + 0.002
    for result in (*got.values(), relaxed):
        assert result["states"] >= ceiling - 0.004
    assert min(got["plain"]["r"], got["gaussian"]["r"]) >= 0.98
    assert min(got["onehot"]["r"], relaxed["r"]) >= 0.99
    assert got["onehot"]["balanced"] >= 0.94 and got["onehot"]["accuracy"] >= 0.97
    assert relaxed["balanced"] >= 0.94 and relaxed["accuracy"] >= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[1:])
def test_three_sequences_of_other_seeds(planted, seed):
    truth, score = planted(seed)
    found = {
        name: judge(fit(truth, 3, name, 6, seed), truth, score)
        for name in ("plain", "gaussian", "onehot")
    }
    assert found["onehot"]["gap"] <= 0.09 and found["gaussian"]["gap"] <= 0.17
    assert found["onehot"]["gap"] < found["gaussian"]["gap"] < found["plain"]["gap"]
    assert found["onehot"]["accuracy"] >= 0.92 and found["onehot"]["balanced"] >= 0.82


@pytest.mark.slow
def test_the_number_of_states_and_the_agreement_of_starts(planted):
    truth, _ = planted(0)
    test = list(truth.counts[30:])
    score = {}
    for k in (1, 3, 4, 5, 6, 7):
        model = OneHotHMMGLM(
            k, "gaussian", link="sigmoid", bias="shared", n_starts=3, random_state=0
        )
        score[k] = model.fit(list(truth.counts[:10])).score(test)
    assert max(score, key=score.get) == 5
    model = fit(truth, 10, "gaussian", 20, seed=1)
    values = np.array([start["objective"] for start in model.starts_])
    assert np.mean(values >= values.max() - 1e-4 * abs(values.max())) >= 0.6


@pytest.mark.slow
def test_paper_learning_on_thirty_sequences(planted):
    truth, score = planted(0)
    model = OneHotHMMGLM(5, "onehot", preset="paper", random_state=0).fit(list(truth.counts[:30]))
    got = judge(model, truth, score)
    # 0.359 and 0.860: the released code has 0.292 and 0.967 on data of its own generator's draw
    assert got["gap"] <= 0.37 and got["states"] >= 0.85
    plain = OneHotHMMGLM(5, "plain", preset="paper", random_state=0).fit(list(truth.counts[:30]))
    got = judge(plain, truth, score)
    assert got["gap"] <= 0.36 and got["states"] >= 0.96 and plain.empty_states_ == []


def test_agreement_measures():
    a = np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand(a, a) == 1.0
    pairs, accuracy = match_states([a[:3], a[3:]], [2 - a[:3], 2 - a[3:]])
    assert accuracy == 1.0 and pairs.tolist() == [[0, 2], [1, 1], [2, 0]]
    pairs, accuracy = match_states(a, np.array([0, 0, 0, 0, 1, 1]))
    assert len(pairs) == 2 and accuracy == pytest.approx(4 / 6)
