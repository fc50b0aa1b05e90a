"""Plain clustering beside the types: planted groups, noise, and the metric that matters."""

import numpy as np
import pytest

from neuro.mds.clusters.baselines import baselines, halved_agreement, silhouette_number
from neuro.mds.clusters.components import Components, ward, zscore
from neuro.mds.summary import best_plain
from neuro.stats.agreement import adjusted_rand


def planted(n_types=3, n_cells=12, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    types = np.repeat(np.arange(n_types), n_cells)
    means = rng.standard_normal((n_types, 60))
    return (means[types] + noise * rng.standard_normal((len(types), 60))).T, types


def test_planted_groups_are_found_by_all_and_are_stable():
    responses, types = planted()
    rows = baselines({"responses": responses, "filters": responses[:20]}, types)
    assert {row["method"] for row in rows} == {"Ward", "k-means", "GMM"}
    for row in rows:
        if row["method"] != "GMM" and not row["whitened"]:
            assert row["n_clusters"] == 3 and row["agreement"] == 1
            assert row["ari_with_types"] == 1 and adjusted_rand(types, row["labels"]) == 1
    assert set(best_plain(rows)) == {"Ward", "k-means", "GMM"}
    assert best_plain(rows)["Ward"]["agreement"] == 1


def test_noise_has_groups_but_no_agreement():
    noise = np.random.default_rng(0).standard_normal((60, 36))
    for row in baselines({"responses": noise}):
        assert row["n_clusters"] == 1 or row["agreement"] < 0.3


def test_small_differences_between_types_need_whitening():
    """Shared directions of large variance hide them from plain components."""
    rng = np.random.default_rng(1)
    types = np.repeat(np.arange(4), 15)
    means = 0.5 * rng.standard_normal((4, 80))
    rows = 3 * rng.standard_normal((60, 3)) @ rng.standard_normal((3, 80)) + means[types]
    rows = rows + 0.15 * rng.standard_normal((60, 80))
    scores = {
        white: adjusted_rand(types, ward(Components(rows, 8, white)(rows), 4))
        for white in (False, True)
    }
    assert scores[True] > 0.9 > 0.5 > scores[False]
    listed = baselines({"responses": rows.T}, types)
    assert {row["n_dims"] for row in listed if row["whitened"]} == {8, 12, 16, 20}


def test_agreement_is_low_where_halves_of_the_stimuli_say_different_things():
    free = zscore(np.random.default_rng(0).standard_normal((100, 40)))
    assert halved_agreement(free, ward, 3, 10, False, 0) < 0.3
    assert halved_agreement(zscore(planted()[0]), ward, 3, 10, False, 0) == 1


def test_too_few_units_have_no_agreement_and_one_group():
    rows = baselines({"responses": np.random.default_rng(0).standard_normal((50, 5))})
    assert all(row["n_clusters"] == 1 and np.isnan(row["agreement"]) for row in rows)
    assert silhouette_number(np.zeros((3, 2)), ward, 2) == 1


def test_same_seed_same_rows():
    responses, types = planted(noise=2.0)
    first, second = (baselines({"responses": responses}, types, 3) for _ in range(2))
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a.pop("labels"), b.pop("labels"))
        assert a == pytest.approx(b, nan_ok=True)
