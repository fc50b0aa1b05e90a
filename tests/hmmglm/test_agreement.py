"""Agreement of labellings and edge scores, against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from neuro.hmmglm.baselines import compare
from neuro.stats.agreement import adjusted_rand, ami


@pytest.mark.parametrize("seed", range(4))
def test_against_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(4, size=300), rng.integers(3, size=300)
    b[:120] = a[:120] % 3
    assert adjusted_rand(a, b) == pytest.approx(metrics.adjusted_rand_score(a, b))
    assert ami(a, b) == pytest.approx(metrics.adjusted_mutual_info_score(a, b), abs=1e-10)
    truth, found = rng.integers(-1, 2, size=200), rng.integers(-1, 2, size=200)
    found[:150] = truth[:150]
    scores = compare.edge_scores(found, truth)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, found))
    assert scores["balanced"] == pytest.approx(metrics.balanced_accuracy_score(truth, found))
    assert scores["macro_f1"] == pytest.approx(metrics.f1_score(truth, found, average="macro"))


def test_one_label_only():
    # as scikit-learn: equal partitions agree, one label tells nothing about two
    assert ami(np.zeros(10, int), np.zeros(10, int)) == 1.0
    assert ami(np.zeros(10, int), np.arange(10) % 2) == 0.0


def test_curve_over_thresholds():
    truth = np.array([[0, 1], [-1, 0]])
    weights = np.array([[0.1, 0.9], [-0.6, 0.3]])
    curve = compare.edge_scores(truth, truth, weights)["curve"]
    row = curve[np.argmin(np.abs(curve[:, 0] - 0.35))]
    assert row[1] == 1.0 and curve[0, 1] == 0.5
    assert compare.edge_scores(truth, truth)["curve"].shape == (0, 4)
