"""Connectomes: planted correlations, the slow versions, missing regions, averages of runs."""

import pickle

import numpy as np
import pytest

from neuro.fmri.regions.connectome import (
    KINDS,
    Connectome,
    average_by_participant,
    average_runs,
    edge_index,
    ledoit_wolf,
    to_matrix,
)
from neuro.fmri.regions.tangent import TangentConnectome
from neuro.stats.fisher import LIMIT


def runs(lengths=(60, 172, 90), n_regions=7, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_regions, n_regions))
    return [
        (rng.standard_normal((length, n_regions)) @ mixing + 100).astype(np.float32)
        for length in lengths
    ]


def slow_partial(values):
    """Correlation of what is left of two regions after all others, for a given covariance."""
    from sklearn.covariance import ledoit_wolf as reference

    z = (values - values.mean(axis=0)) / values.std(axis=0)
    cov = reference(z.astype(np.float64), assume_centered=True)[0]
    n = len(cov)
    found = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if i != j:
                rest = [k for k in range(n) if k not in (i, j)]
                pair = np.ix_([i, j], [i, j])
                beta = cov[np.ix_([i, j], rest)] @ np.linalg.inv(cov[np.ix_(rest, rest)])
                left = cov[pair] - beta @ cov[np.ix_(rest, [i, j])]
                found[i, j] = left[0, 1] / np.sqrt(left[0, 0] * left[1, 1])
    return found


SLOW = {
    "pearson": lambda x: np.corrcoef(x.T.astype(np.float64)),
    "fisher_z": lambda x: np.arctanh(np.corrcoef(x.T.astype(np.float64)) - np.eye(x.shape[1])),
    "covariance": lambda x: np.cov(x.T.astype(np.float64)),
    "partial": slow_partial,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_equals_its_slow_version(kind):
    found = Connectome(kind).fit_transform(runs())
    assert found.dtype == np.float32
    row, column = np.triu_indices(7, 1)
    for edges, values in zip(found, runs()):
        np.testing.assert_allclose(edges, SLOW[kind](values)[row, column], rtol=2e-5, atol=2e-5)


def test_a_planted_correlation_is_recovered():
    planted = np.array([[1, 0.6, -0.3], [0.6, 1, 0.1], [-0.3, 0.1, 1]])
    n = 4000
    rng = np.random.default_rng(3)
    values = rng.standard_normal((n, 3)) @ np.linalg.cholesky(planted).T
    edges = Connectome("pearson").transform([values])[0]
    assert np.abs(to_matrix(edges, 1.0) - planted).max() < 3 / np.sqrt(n)
    z = Connectome("fisher_z").transform([values])[0]
    np.testing.assert_allclose(np.tanh(z), edges, atol=1e-6)


def test_order_of_the_edges_and_unpacking():
    index = edge_index(4)
    assert index.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    edges = np.arange(12, dtype=np.float32).reshape(2, 6)
    matrix = to_matrix(edges, diagonal=9.0)
    assert matrix.shape == (2, 4, 4)
    assert matrix.dtype == np.float32
    for (i, j), value in zip(index, edges[1]):
        assert matrix[1, i, j] == matrix[1, j, i] == value
    assert (np.diagonal(matrix[0]) == 9).all()
    np.testing.assert_array_equal(to_matrix(edges[0], 9.0), matrix[0])
    np.testing.assert_array_equal(matrix[:, index[:, 0], index[:, 1]], edges)
    with pytest.raises(ValueError, match="7 edges are not"):
        to_matrix(np.zeros(7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_region_stays_missing_and_changes_nothing_else(kind):
    values = runs((80,))[0]
    holes = values.copy()
    holes[:, 2] = np.nan
    holes[:, 5] = 3.0
    found = to_matrix(Connectome(kind).transform([values, holes]))
    rest = [0, 1, 3, 4, 6]
    without = to_matrix(Connectome(kind).transform([values[:, rest]]))[0]
    off = ~np.eye(7, dtype=bool)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1][2][off[2]]).all()
    assert np.isnan(found[1][:, 5][off[5]]).all()
    np.testing.assert_allclose(found[1][np.ix_(rest, rest)], without, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["pearson", "fisher_z", "partial"])
def test_scale_and_offset_do_not_matter(kind):
    values = runs((90,))[0].astype(np.float64)
    turned = values * np.array([1, 10, 0.01, 3, 1e4, 2, 5]) + np.arange(7) * 1e3
    one, two = Connectome(kind).transform([values, turned])
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_copies_of_a_region_are_clipped():
    values = runs((50,))[0]
    values[:, 1] = values[:, 0]
    values[:, 2] = -values[:, 0]
    z = Connectome("fisher_z").transform([values])[0]
    assert np.isfinite(z).all()
    assert z[0] == pytest.approx(np.arctanh(LIMIT), rel=1e-6)
    assert z[1] == pytest.approx(-np.arctanh(LIMIT), rel=1e-6)


def test_a_run_alone_or_among_others_gives_the_same():
    together = Connectome("partial").transform(runs())
    for number, values in enumerate(runs()):
        np.testing.assert_array_equal(
            Connectome("partial").transform([values])[0], together[number]
        )


def test_shrinkage_equals_that_of_scikit_learn():
    from sklearn.covariance import ledoit_wolf as reference

    rng = np.random.default_rng(0)
    for shape in ((20, 50), (200, 10), (30, 30), (5, 2)):
        values = rng.standard_normal(shape) @ rng.standard_normal((shape[1], shape[1]))
        values -= values.mean(axis=0)
        expected = reference(values, assume_centered=True)[0]
        np.testing.assert_allclose(ledoit_wolf(values), expected, rtol=1e-10, atol=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="'tangent' learns a group mean") as caught:
        Connectome("tangent").transform(runs())
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="kind: got 'spearman', expected one of pearson"):
        Connectome("spearman").transform(runs())
    with pytest.raises(ValueError, match="no run was given"):
        Connectome().transform([])
    with pytest.raises(ValueError, match=r"series\[1\]: shape \(60, 6\), expected \(n_timep"):
        Connectome().transform([runs()[0], runs()[0][:, :6]])
    with pytest.raises(ValueError, match=r"series\[0\]: 2 volumes, expected at least 3"):
        Connectome().transform([runs()[0][:2]])


def test_average_of_runs_is_weighted_by_what_was_kept():
    z = np.array([[0.1, 0.5, np.nan], [0.4, np.nan, np.nan], [0.9, 1.5, np.nan]])
    kept = [13, 23, 103]
    found = average_runs(z, kept)
    expected = (10 * 0.1 + 20 * 0.4 + 100 * 0.9) / 130
    assert found[0] == pytest.approx(expected, rel=1e-6)
    assert found[1] == pytest.approx((10 * 0.5 + 100 * 1.5) / 110, rel=1e-6)
    assert np.isnan(found[2])
    r = average_runs(np.tanh(z), kept, kind="pearson")
    np.testing.assert_allclose(r[:2], np.tanh(found[:2]), rtol=1e-6)
    np.testing.assert_allclose(average_runs(z[:1], [50]), z[0].astype(np.float32))
    with pytest.raises(ValueError, match="3 volumes, every run needs more than 3"):
        average_runs(z, [13, 3, 103])
    with pytest.raises(ValueError, match="kept: 2 values for edges"):
        average_runs(z, [13, 30])


def test_average_by_participant():
    z = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    people, edges = average_by_participant(z, ["b", "a", "b", "c"], [10, 20, 40, 50])
    assert people == ["b", "a", "c"]
    np.testing.assert_allclose(edges[0], average_runs(z[[0, 2]], [10, 40]))
    np.testing.assert_allclose(edges[1], z[1], rtol=1e-6)
    with pytest.raises(ValueError, match="2 values for 4 runs"):
        average_by_participant(z, ["a", "b"], [10, 20])


def test_tangent_space_equals_that_of_nilearn():
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import LedoitWolf

    series = runs(lengths=(120, 150, 90, 200, 170), n_regions=5)
    scaled = [(x - x.mean(axis=0)) / x.std(axis=0) for x in series]
    theirs = ConnectivityMeasure(
        LedoitWolf(store_precision=False), kind="tangent", standardize=False
    ).fit([x.astype(np.float64) for x in scaled])
    mine = TangentConnectome().fit(series)
    assert mine.n_iter_ < 30, "stopped by the tolerance, not by the number of steps"
    np.testing.assert_allclose(mine.mean_, theirs.mean_, rtol=1e-4, atol=1e-5)
    expected = theirs.transform([x.astype(np.float64) for x in scaled])
    row, column = np.triu_indices(5, 1)
    np.testing.assert_allclose(mine.transform(series), expected[:, row, column], atol=1e-4)


def test_tangent_space_learns_from_the_training_runs_only():
    series = runs(lengths=(120, 150, 90, 200), n_regions=4)
    fitted = TangentConnectome().fit(series[:3])
    alone = fitted.transform([series[3]])
    other = [*series[:3], series[3] * 5]
    np.testing.assert_allclose(fitted.transform(other)[3], alone[0], atol=1e-5)
    # the training runs lie around their mean, in every direction
    at_mean = fitted.transform(series[:3]).mean(axis=0)
    np.testing.assert_allclose(at_mean, 0, atol=1e-5)
    with pytest.raises(ValueError, match="not fitted yet"):
        TangentConnectome().transform(series)
    with pytest.raises(ValueError, match=r"series\[0\]: shape .*, expected \(n_timepoints, 4\)"):
        fitted.transform([series[0][:, :3]])
    holes = series[0].copy()
    holes[:, 1] = np.nan
    with pytest.raises(ValueError, match="region 1 is constant or missing"):
        TangentConnectome().fit([holes])


@pytest.mark.parametrize("estimator", [Connectome("partial"), TangentConnectome(max_iter=9)])
def test_estimator_contract(estimator):
    from sklearn.base import clone

    copy = clone(estimator)
    assert copy.get_params() == estimator.get_params()
    expected = estimator.fit_transform(runs())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).transform(runs()), expected)
