"""Typing of new cells, agreement of partitions, verdict."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import metrics

from neuro.mds import MostDiscriminativeStimuli, assign
from neuro.mds.clusters.agreement import agreement_matrix, co_assignment, homogeneity_completeness
from neuro.mds.clusters.stability import response_matrix, verdict
from neuro.mds.headlines import headline
from neuro.mds.summary import cluster_table, objectives, summary
from neuro.simulate.ln8 import ln8_population
from neuro.stats.agreement import adjusted_rand


def test_agreement_equals_scikit_learn():
    rng = np.random.default_rng(0)
    for n, a, b in ((50, 3, 5), (7, 2, 2), (200, 9, 1)):
        x, y = rng.integers(0, a, n), rng.integers(0, b, n)
        assert adjusted_rand(x, y) == pytest.approx(metrics.adjusted_rand_score(x, y))
        got = homogeneity_completeness(x, y)
        want = metrics.homogeneity_score(x, y), metrics.completeness_score(x, y)
        assert got == pytest.approx(want)
    assert adjusted_rand([0, 0, 1], ["b", "b", "a"]) == 1
    with pytest.raises(ValueError, match="expected the same items"):
        adjusted_rand([0], [0, 1])


def test_matrices_of_partitions():
    parts = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]]
    matrix = agreement_matrix(parts)
    assert matrix[0, 1] == 1 and matrix[0, 2] < 0
    together = co_assignment(parts)
    assert together[0, 1] == pytest.approx(2 / 3) and together[0, 3] == 0


@pytest.mark.parametrize(
    ("k", "ari", "saturation", "want"),
    [
        (1, float("nan"), 1.0, "single type"),
        (4, float("nan"), 0.5, "no stable types"),
        (4, 0.79, 0.99, "no stable types"),
        (4, 0.8, 0.96, "saturated"),
        (4, 0.8, 0.95, "stable types"),
    ],
)
def test_verdict_in_its_order(k, ari, saturation, want):
    assert verdict(k, ari, saturation) == want


def test_response_matrix_has_clusters_in_rows():
    responses = np.array([[4.0, 2.0, 0.0], [1.0, 1.0, 6.0]])
    matrix = response_matrix(responses, np.array([0, 0, 1]))
    np.testing.assert_allclose(matrix, [[1, 1 / 6], [0, 1]])
    assert np.isnan(response_matrix(responses, np.array([0, 0, -1]))[1]).all()


def test_assign_means_repeats_and_flags_ties():
    responses = np.array([[[1.0, 0, 2, np.nan], [3, 0, 2, 1]], [[1.0, 0, 2, 4], [0, 1, 2, 1]]])
    table = assign(2, responses, temperature=1.0)
    assert table["cluster"].tolist() == [2, 2, 1, 1]
    assert table["margin"].tolist() == [0.5, 0.5, 0, 3]
    assert table["tie"].tolist() == [False, False, True, False]
    assert table["n_repeats"].tolist() == [2, 2, 2, 1]
    assert table["probability"][2] == 0.5
    assert table["probability"][3] == pytest.approx(1 / (1 + np.exp(-3)))
    gains = np.array([3.0, 0.1, 7, 2])
    np.testing.assert_array_equal(assign(2, responses * gains)["cluster"], table["cluster"])


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        (np.ones((9, 3, 4)), "3 stimuli, but there are 2"),
        (np.ones(4), "expected"),
        (np.full((2, 3), np.nan), "cell 0 has no repeat of stimulus 1"),
        (np.full((2, 3), np.inf), "infinite"),
    ],
)
def test_assign_refuses(responses, message):
    with pytest.raises(ValueError, match=message):
        assign(2, responses)


def test_poisson_cells_are_typed_from_nine_repeats():
    population = ln8_population(30, random_state=0)
    found = MostDiscriminativeStimuli(norm=3, clip=(-2, 2), n_restarts=2).fit(population)
    new = ln8_population(30, random_state=7)
    with torch.no_grad():
        rates = new(torch.as_tensor(found.stimuli_)).numpy()
    rates = 2.8 * rates / rates.max(axis=0)
    rng = np.random.default_rng(0)
    level = {}
    for n in (1, 9):
        table = assign(found.n_clusters_, rng.poisson(rates, (n, *rates.shape)))
        level[n] = adjusted_rand(new.types, table["cluster"])
    assert level[9] >= 0.9 > level[1]
    right = found.labels_[np.searchsorted(population.types, new.types)] + 1 == table["cluster"]
    sure = table["margin"] >= table["margin"].median()
    assert right[sure].mean() >= right[~sure].mean()


def test_objectives_hold_every_unit_twice():
    table = objectives(np.array([0, 1, 1, -1]), ["a", "b", "c", "d"], "stable types", 1.6)
    assert list(table.columns) == [
        *("objective", "unit", "weight", "kind", "temperature", "verdict"),
    ]
    assert (table.groupby("objective")["weight"].sum() == 1).all()
    assert set(table["objective"]) == {"cluster1", "cluster2", "cluster1_mds", "cluster2_mds"}
    assert "d" not in set(table["unit"]) and len(table) == 6


def test_a_silent_unit_has_no_confidence_and_counts_where_it_was_used_only():
    """Ten units: 0 is silent, 1 and 2 are held out, 2 and 9 have no known type."""
    rng = np.random.default_rng(0)
    labels = np.array([-1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
    responses = rng.random((2, 10))
    held = np.isin(np.arange(10), (1, 2))
    runs = [SimpleNamespace(labels=labels)] * 2
    model = SimpleNamespace(
        responses_=responses,
        labels_=labels,
        temperature=0.5,
        fitted_=(labels >= 0) & ~held,
        restarts_=runs,
        verdict_="stable types",
        n_clusters_=2,
        objective_=0.6,
        preset="robust",
        norm_=1.0,
        messages_=[],
        stability=lambda: {"restart_ari": 1.0, "restart_ari_min": 1.0, "restart_ari_max": 1.0},
    )
    table = {
        "unit": [f"u{k}" for k in range(10)],
        "session": [""] * 10,
        "roi": [""] * 10,
        "known_type": ["a", "a", "", "a", "b", "a", "b", "a", "b", ""],
        "twin_corr": [0.5] * 10,
        "held_out": held,
    }
    units = cluster_table(model, table)
    assert units.loc[0, "cluster"] == 0
    assert units.loc[0, ["probability", "margin"]].isna().all()
    for k in range(1, 10):
        shares = np.exp(responses[:, k] / 0.5)
        assert units.loc[k, "probability"] == pytest.approx(shares[labels[k]] / shares.sum())
        assert units.loc[k, "margin"] == pytest.approx(
            responses[labels[k], k] - responses[1 - labels[k], k]
        )
    found = summary(model, table, [], [])
    counts = {row["name"]: row["n"] for row in headline("x", found)}
    assert counts == {
        "clusters (x)": 7,
        "verdict (x)": 7,
        "agreement of restarts (x)": 7,
        "twin's test correlation (x)": 10,
        "stimuli shared by training and test (x)": 10,
        "known types (x)": 7,
        "known types, held out (x)": 1,
    }
