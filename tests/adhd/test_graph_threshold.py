"""Which pairs are edges: strictness, exactness, ties, constants, proportional thresholds."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from neuro.adhd.graph import correlation
from neuro.adhd.graph.voxel_graph import VoxelGraph, unpack


def latent_series(n, n_times=60, seed=0):
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((n_times, 6))
    return latents @ rng.standard_normal((6, n)) + 0.7 * rng.standard_normal((n_times, n))


def correlations(series):
    corr = np.corrcoef(series.T.astype(np.float64))
    return corr[np.triu_indices(len(corr), 1)]


def adjacency(series, **settings):
    return unpack(VoxelGraph(**settings, keep_bits=True).fit(series).bits_)


def test_the_threshold_itself_is_no_edge():
    # orthogonal unit vectors with exact binary entries: r is exactly 0.5 and 0.75
    base = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]]).T
    series = np.column_stack(
        [
            base[:, 0],
            base[:, 0] * 0.5 + base[:, 1] * np.sqrt(0.75),
            base[:, 0] * 0.75 + base[:, 1] * np.sqrt(1 - 0.75**2),
        ]
    )
    for scale in (1.0, 1e-30, 1e30, -7.3):
        A = adjacency(series * abs(scale) + scale * 3, threshold=0.5)
        assert not A[0, 1] and A[0, 2], scale
        A = adjacency(series * abs(scale) + scale * 3, threshold=0.75)
        assert not A[0, 2], scale
    assert adjacency(series, threshold=np.nextafter(0.5, 0) - 1e-11)[0, 1]
    assert not adjacency(series[:, [0, 0]], threshold=1).any()
    assert adjacency(series[:, [0, 0]], threshold=1 - 1e-9)[0, 1]


def test_pairs_closer_to_the_threshold_than_float32_can_tell():
    rng = np.random.default_rng(1)
    n = 300
    first = rng.standard_normal(200)
    first -= first.mean()
    first /= np.linalg.norm(first)
    other = rng.standard_normal((n, 200))
    other -= other.mean(1, keepdims=True)
    other -= np.outer(other @ first, first)
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    target = 0.8 + np.where(np.arange(n) % 2, 1, -1) * np.geomspace(1e-11, 1e-7, n)
    series = np.vstack([first, target[:, None] * first + np.sqrt(1 - target**2)[:, None] * other]).T
    A = adjacency(series, threshold=0.8)
    assert np.array_equal(A[0, 1:], target > 0.8)


@pytest.mark.parametrize("density", [0.001, 0.02, 0.1, 0.3])
def test_proportional_threshold_takes_exactly_the_strongest_pairs(density):
    series = latent_series(400, seed=2)
    values = np.sort(correlations(series))[::-1]
    wanted = int(np.floor(density * values.size + 0.5))
    fitted = VoxelGraph(density=density).fit(series)
    assert fitted.n_edges_ == wanted
    assert fitted.threshold_ == pytest.approx(values[wanted - 1], abs=1e-12)
    assert fitted.density_ == wanted / values.size


def test_stored_threshold_gives_the_same_graph():
    series = latent_series(500, seed=3)
    found = VoxelGraph(density=0.05, keep_bits=True).fit(series)
    again = VoxelGraph(threshold=found.threshold_, keep_bits=True).fit(series)
    assert np.array_equal(found.bits_, again.bits_)
    assert again.threshold_ == found.threshold_


def test_ties_are_all_included():
    series = latent_series(60, seed=4)
    series = np.concatenate([series] * 3, axis=1)  # every r comes 9 times, r = 1 180 times
    fitted = VoxelGraph(density=0.02).fit(series)
    wanted = round(0.02 * 180 * 179 / 2)
    values = np.round(correlations(series), 9)
    expected = int((values >= np.sort(values)[::-1][wanted - 1]).sum())
    assert wanted < fitted.n_edges_ == expected
    assert VoxelGraph(density=0.001).fit(series).n_edges_ == 180


def test_ties_of_short_discrete_series():
    series = np.random.default_rng(5).integers(0, 2, (5, 300)).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.nan_to_num(np.corrcoef(series.T), nan=-2)[np.triu_indices(300, 1)]
    values = np.round(values, 9)
    for density in (0.01, 0.1, 0.25):
        cut = np.sort(values)[::-1][int(density * values.size + 0.5) - 1]
        assert VoxelGraph(density=density).fit(series).n_edges_ == (values >= cut).sum()


@pytest.mark.parametrize("density", [0.0005, 0.02, 0.2, 0.45])
def test_sampled_bracket_finds_the_same_graph(monkeypatch, density):
    series = latent_series(1100, seed=6)
    series[:, 5] = 1.0
    reference = VoxelGraph(density=density, keep_bits=True).fit(series)
    monkeypatch.setattr(correlation, "SAMPLE", 4096)
    brackets = []
    original = correlation._sample_bracket

    def spy(*args):
        brackets.append(original(*args))
        return brackets[-1]

    monkeypatch.setattr(correlation, "_sample_bracket", spy)
    sampled = VoxelGraph(density=density, keep_bits=True, n_threads=2).fit(series)
    assert brackets[0] != (0.0, np.inf)
    assert np.array_equal(sampled.bits_, reference.bits_)
    assert sampled.threshold_ == reference.threshold_
    assert np.array_equal(sampled.weighted_degree_, reference.weighted_degree_)


@pytest.mark.parametrize("bracket", [(0.9, 0.95), (0.01, 0.02), (0.0, 0.0), (0.999, np.inf)])
def test_a_bracket_that_misses_is_replaced_by_the_histogram(monkeypatch, bracket):
    series = latent_series(700, seed=7)
    reference = VoxelGraph(density=0.05, keep_bits=True).fit(series)
    monkeypatch.setattr(correlation, "_sample_bracket", lambda *args: bracket)
    found = VoxelGraph(density=0.05, keep_bits=True).fit(series)
    assert np.array_equal(found.bits_, reference.bits_)
    assert found.threshold_ == reference.threshold_


def test_histogram_bracket_holds_perfect_correlations(monkeypatch):
    series = latent_series(600, seed=7)
    series[:, 300:] = series[:, :300]
    monkeypatch.setattr(correlation, "_sample_bracket", lambda *args: (0.1, 0.2))
    fitted = VoxelGraph(density=0.001).fit(series)
    assert fitted.n_edges_ == 300 and fitted.threshold_ == 1 - 2.0**-41


def test_too_many_ties_are_an_error_of_one_line(monkeypatch):
    monkeypatch.setattr(correlation, "MAX_PAIRS", 1000)
    series = np.repeat(latent_series(10), 30, axis=1)
    with pytest.raises(ValueError, match="tie at the density") as caught:
        VoxelGraph(density=0.05).fit(series)
    assert "\n" not in str(caught.value)


def test_only_positive_correlations_fill_a_density():
    rng = np.random.default_rng(9)
    series = np.outer(rng.standard_normal(50), np.where(np.arange(40) % 2, 1, -1))
    series += 0.1 * rng.standard_normal(series.shape)
    with pytest.warns(UserWarning, match="correlate positively"):
        fitted = VoxelGraph(density=0.5).fit(series)
    assert fitted.n_edges_ == 2 * (20 * 19 // 2) < 0.5 * 40 * 39 / 2
    assert fitted.threshold_ == 0.0


def test_constant_series_are_counted_and_never_joined():
    series = latent_series(200, seed=10)
    constant = [0, 63, 64, 150, 199]
    series[:, constant] = [1000.1, 0.0, -3.3, 1e-300, 1e30]
    series[:, 120] = np.float32(0.1) + 1e-18 * np.arange(60)  # constant in float64
    for settings in ({"threshold": -1.0}, {"threshold": 0.0}, {"density": 0.4}):
        fitted = VoxelGraph(**settings).fit(series)
        assert fitted.n_constant_ == 6
        assert not fitted.degree_[[*constant, 120]].any()
        assert not fitted.weighted_degree_[[*constant, 120]].any()
    assert VoxelGraph(threshold=-1.0).fit(series).degree_[1] == 193
    assert VoxelGraph(density=0.1).fit(series).n_edges_ == 1990  # of all 200 nodes' pairs


def test_only_constant_series():
    fitted = VoxelGraph(density=0.1).fit(np.ones((10, 70)))
    assert fitted.n_edges_ == 0 and fitted.threshold_ == 1.0 and fitted.n_constant_ == 70


def test_scale_offset_and_type_do_not_matter():
    series = np.round(latent_series(150, seed=11) * 100)
    reference = adjacency(series, threshold=0.5)
    scale = np.random.default_rng(0).uniform(0.5, 2, 150)
    assert np.array_equal(adjacency(series * scale + 1000 * scale, threshold=0.5), reference)
    for kind in (np.int16, np.float32):
        assert np.array_equal(adjacency(series.astype(kind), threshold=0.5), reference)
    assert np.array_equal(adjacency(np.asfortranarray(series), threshold=0.5), reference)
    assert np.array_equal(adjacency(series[::-1], threshold=0.5), reference)


def test_negative_threshold_joins_weakly_anticorrelated_pairs():
    series = latent_series(90, seed=12)
    fitted = VoxelGraph(threshold=-0.2).fit(series)
    assert fitted.n_edges_ == (correlations(series) > -0.2).sum()


def test_estimator_contract():
    estimator = VoxelGraph(density=0.1, distance_bins=(0, 10, np.inf), n_threads=2)
    twin = clone(estimator)
    assert twin is not estimator and twin.get_params() == estimator.get_params()
    assert twin.set_params(density=0.2).density == 0.2
    series = latent_series(80)
    assert estimator.fit(series) is estimator
    copy = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(copy.cycles3_, estimator.cycles3_)
    assert not hasattr(estimator, "bits_") and not hasattr(estimator, "cycles4_")
    assert estimator.distance_degree_ is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = series.copy()
        VoxelGraph(threshold=0.2).fit(series)
    assert np.array_equal(series, before)
