"""Degrees and cycle counts against networkx, brute force and closed forms."""

import itertools
import math

import networkx as nx
import numpy as np
import pytest

from neuro.adhd.graph.voxel_graph import VoxelGraph, cycles3, cycles4, pack, unpack

SIZES = [0, 1, 2, 63, 64, 65, 500]


def random_adjacency(n, density, seed=0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < density, 1)
    return upper | upper.T


def float64_adjacency(series, threshold):
    """The definition, as dense matrices; constant series have no edges."""
    with np.errstate(invalid="ignore", divide="ignore"):
        corr = np.corrcoef(series.T.astype(np.float64))
    A = np.nan_to_num(corr, nan=-2.0) > threshold
    np.fill_diagonal(A, False)
    return A, corr


def latent_series(n, n_times=60, seed=0):
    rng = np.random.default_rng(seed)
    latents = rng.standard_normal((n_times, 6))
    return latents @ rng.standard_normal((6, n)) + 0.7 * rng.standard_normal((n_times, n))


@pytest.mark.parametrize("density", [0, 0.01, 0.2, 1])
@pytest.mark.parametrize("n", SIZES)
def test_counts_equal_networkx(n, density):
    A = random_adjacency(n, density, seed=n)
    bits = pack(A)
    assert bits.shape == (n, math.ceil(n / 64)) and bits.dtype == np.uint64
    assert np.array_equal(unpack(bits), A)
    graph = nx.from_numpy_array(A)
    expected = nx.triangles(graph)
    found = cycles3(bits)
    assert found.dtype == np.int64 and found.shape == (n,)
    assert found.tolist() == [expected[i] for i in range(n)]
    assert np.array_equal(cycles3(bits, n_threads=2), found)


@pytest.mark.parametrize("n", [*SIZES[3:6], 600])
@pytest.mark.parametrize("threshold", [0.3, 0.75])
def test_maps_equal_networkx_on_the_float64_graph(n, threshold):
    series = latent_series(n, seed=n)
    A, corr = float64_adjacency(series, threshold)
    graph = nx.from_numpy_array(A)
    fitted = VoxelGraph(threshold=threshold, keep_bits=True).fit(series)
    assert np.array_equal(unpack(fitted.bits_), A)
    assert np.array_equal(fitted.degree_, [graph.degree(i) for i in range(n)])
    triangles, clustering = nx.triangles(graph), nx.clustering(graph)
    assert np.array_equal(fitted.cycles3_, [triangles[i] for i in range(n)])
    np.testing.assert_allclose(fitted.clustering_, [clustering[i] for i in range(n)], atol=1e-12)
    np.testing.assert_allclose(fitted.weighted_degree_, (A * corr).sum(1), atol=1e-6 * n)
    assert fitted.n_edges_ == graph.number_of_edges()
    assert fitted.n_triangles_ == sum(triangles.values()) // 3
    assert fitted.density_ == pytest.approx(nx.density(graph), abs=1e-15)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_smallest_graphs(n):
    series = np.array([[0.0, 1.0], [1.0, 1.5], [2.0, 1.8], [1.0, 1.2]])[:, :n]
    for settings in ({"threshold": -1.0}, {"density": 0.5}):
        fitted = VoxelGraph(**settings, cycles4=True).fit(series, coords_mm=np.zeros((n, 3)))
        assert fitted.degree_.shape == (n,) and fitted.distance_degree_.shape == (n, 5)
        assert fitted.n_triangles_ == 0 and not fitted.cycles4_.any()
    assert VoxelGraph(threshold=-1.0).fit(series).n_edges_ == (1 if n == 2 else 0)


@pytest.mark.parametrize("n", [3, 64, 65, 130, 600])
def test_complete_graph(n):
    bits = pack(~np.eye(n, dtype=bool))
    assert set(cycles3(bits)) == {(n - 1) * (n - 2) // 2}
    assert set(cycles4(bits)) == {(n - 1) * (n - 2) * (n - 3) // 2}


def test_bipartite_graph_has_no_triangles_and_known_squares():
    left, right = 70, 90
    A = np.zeros((left + right,) * 2, bool)
    A[:left, left:] = True
    bits = pack(A | A.T)
    assert not cycles3(bits).any()
    squares = cycles4(bits)
    assert set(squares[:left]) == {(left - 1) * right * (right - 1) // 2}
    assert set(squares[left:]) == {(right - 1) * left * (left - 1) // 2}


@pytest.mark.parametrize("n, density", [(4, 1), (12, 0.5), (25, 0.4), (40, 0.2), (40, 0.6)])
def test_squares_equal_enumeration(n, density):
    A = random_adjacency(n, density, seed=n)
    expected = np.zeros(n, int)
    for i, j in itertools.combinations(range(n), 2):
        # i and j opposite corners; each cycle has two such pairs, one for each diagonal
        shared = np.flatnonzero(A[i] & A[j])
        for k, m in itertools.combinations(shared, 2):
            expected[[i, j, k, m]] += 1
    assert np.array_equal(cycles4(pack(A)), expected // 2)


def test_counts_beyond_32_bits():
    n = 3000
    bits = pack(~np.eye(n, dtype=bool))
    assert int(cycles3(bits).sum()) == n * (n - 1) * (n - 2) // 2 > 2**33
    assert cycles4(bits[:, :])[0] == (n - 1) * (n - 2) * (n - 3) // 2 > 2**33


def test_renumbering_nodes_moves_the_counts_with_them():
    A = random_adjacency(777, 0.1, seed=3)
    order = np.random.default_rng(4).permutation(777)
    assert np.array_equal(cycles3(pack(A))[order], cycles3(pack(A[np.ix_(order, order)])))
    assert np.array_equal(cycles4(pack(A))[order], cycles4(pack(A[np.ix_(order, order)])))


def test_blocks_threads_and_tiles_give_identical_graphs(monkeypatch):
    series = latent_series(1300, seed=8).astype(np.float32)
    coords = np.random.default_rng(0).uniform(0, 150, (1300, 3))
    names = ("bits_", "degree_", "weighted_degree_", "distance_degree_", "cycles3_", "cycles4_")

    def maps(block=2048, n_threads=1, **settings):
        fitted = VoxelGraph(
            **settings, block=block, n_threads=n_threads, keep_bits=True, cycles4=True
        ).fit(series, coords_mm=coords)
        return {**{name: getattr(fitted, name) for name in names}, "t": fitted.threshold_}

    for settings in ({"threshold": 0.6}, {"density": 0.03}):
        reference = maps(**settings)
        for block, n_threads in [(1, 1), (7, 2), (64, 1), (512, 2), (2048, 2)]:
            for name, values in maps(block, n_threads, **settings).items():
                assert np.array_equal(values, reference[name]), (name, block, n_threads)
        with monkeypatch.context() as patch:
            # another tile means other float32 products: the graph must not move
            patch.setattr("neuro.adhd.graph.correlation.TILE", 1024)
            patch.setattr("neuro.adhd.graph.standardise.TILE", 1024)
            other = maps(**settings)
        assert np.array_equal(other["bits_"], reference["bits_"])
        assert other["t"] == reference["t"]
        np.testing.assert_allclose(other["weighted_degree_"], reference["weighted_degree_"])


def test_sums_are_whole():
    fitted = VoxelGraph(density=0.2).fit(latent_series(333, seed=5))
    assert fitted.cycles3_.sum() % 3 == 0 and fitted.degree_.sum() % 2 == 0
    assert fitted.n_triangles_ * 3 == fitted.cycles3_.sum()
    assert ((fitted.clustering_ >= 0) & (fitted.clustering_ <= 1)).all()


def test_two_separate_groups_are_two_cliques():
    rng = np.random.default_rng(0)
    signals = rng.standard_normal((100, 2))
    member = np.arange(90) % 3 == 0
    series = signals[:, member.astype(int)] + 0.1 * rng.standard_normal((100, 90))
    fitted = VoxelGraph(threshold=0.8).fit(series)
    sizes = np.where(member, 30, 60)
    assert np.array_equal(fitted.degree_, sizes - 1)
    assert np.array_equal(fitted.cycles3_, (sizes - 1) * (sizes - 2) // 2)
    assert (fitted.clustering_ == 1).all()
