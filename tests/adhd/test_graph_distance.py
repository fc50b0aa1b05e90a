"""Distance bins against a full matrix of distances."""

import itertools

import numpy as np
import pytest

from neuro.adhd.graph.distance import bins_of, check_edges
from neuro.adhd.graph.voxel_graph import VoxelGraph, unpack

BINS = (0, 20, 40, 60, 80, np.inf)


def series_of(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((40, 4)) @ rng.standard_normal((4, n)) + rng.standard_normal((40, n))


def voxels(n, shape, seed=0):
    index = np.random.default_rng(seed).choice(np.prod(shape), n, replace=False)
    return np.stack(np.unravel_index(np.sort(index), shape), axis=1)


def brute_force(A, distance, bins):
    return np.stack(
        [(A & (distance >= lo) & (distance < hi)).sum(1) for lo, hi in itertools.pairwise(bins)], 1
    )


def check(coords, distance, bins, expect_grid):
    n = len(coords)
    assert (bins_of(coords, check_edges(bins)).table.size > 0) == expect_grid
    for settings in ({"threshold": 0.3}, {"density": 0.1}):
        fitted = VoxelGraph(**settings, distance_bins=bins, keep_bits=True)
        fitted.fit(series_of(n), coords_mm=coords)
        expected = brute_force(unpack(fitted.bits_), distance, bins)
        assert fitted.distance_degree_.dtype == np.int64
        assert np.array_equal(fitted.distance_degree_, expected)
    return fitted


def test_anisotropic_affine():
    index = voxels(800, (30, 30, 20))
    affine = np.diag([-3.0, 3.75, 6.0])
    coords = index @ affine + [88.3, -126.0, -71.9]
    # squared distances in whole 1/16 mm^2: no rounding in the reference
    steps = (index[:, None] - index[None]) * [3.0, 3.75, 6.0]
    distance = np.sqrt((steps**2).sum(-1))
    fitted = check(coords, distance, BINS, expect_grid=True)
    assert np.array_equal(fitted.distance_degree_.sum(1), fitted.degree_)
    assert (fitted.distance_degree_.sum(0) > 0).all()


@pytest.mark.parametrize("step", [2.4, 3.3, 4.0])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_distances_on_a_bin_edge_belong_to_the_upper_bin(step, kind):
    index = voxels(300, (12, 9, 7), seed=1)
    coords = (index * step - 90.1).astype(kind)
    bins = (0, 3 * step, 5 * step, 10 * step, np.inf)
    whole = ((index[:, None] - index[None]) ** 2).sum(-1)
    distance = np.select([whole < 9, whole < 25, whole < 100], [0.0, 3 * step, 5 * step], 10 * step)
    assert (whole == 9).any() and (whole == 25).any() and (whole == 100).any()
    check(coords, distance, bins, expect_grid=True)


def test_oblique_grid_uses_the_coordinates():
    index = voxels(300, (14, 12, 10), seed=2)
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    turn = np.vstack([turn, [0, 0, 1]])
    coords = index * [3.0, 3.0, 4.0] @ turn.T + 0.123
    steps = (index[:, None] - index[None]) * [3.0, 3.0, 4.0]
    distance = np.sqrt((steps**2).sum(-1))  # 3-4-5 triangles hit the edges exactly
    check(coords, distance, (0, 5, 10, 15, 30, np.inf), expect_grid=False)


def test_region_centres_without_a_grid():
    coords = np.random.default_rng(3).uniform(-70, 70, (116, 3))
    distance = np.linalg.norm(coords[:, None] - coords[None], axis=-1)
    check(coords, distance, BINS, expect_grid=False)


def test_bins_that_do_not_cover_everything():
    index = voxels(200, (10, 10, 10), seed=4)
    steps = index[:, None] - index[None]
    distance = np.sqrt((steps**2).sum(-1)) * 4.0
    fitted = check(index * 4.0, distance, (8, 16, 24), expect_grid=True)
    assert (fitted.distance_degree_.sum(1) < fitted.degree_).any()
    shear = np.array([[4.0, 0.1234567, 0], [0, 4, 0], [0, 0, 4]])
    distance = np.linalg.norm(steps @ shear, axis=-1)
    check(index @ shear, distance, (8.001, 16.001, 24.001), expect_grid=False)


def test_flat_slices_lines_and_shared_places():
    index = np.zeros((100, 3))
    index[:, 0] = np.arange(100) // 2
    distance = np.abs(index[:, None, 0] - index[None, :, 0]) * 4.0
    check(index * 4.0, distance, BINS, expect_grid=True)
    check(np.zeros((50, 3)), np.zeros((50, 50)), BINS, expect_grid=True)


@pytest.mark.parametrize(
    "edges, message",
    [
        ((0,), "got 1 edges"),
        ((0, 20, 20), "increasing"),
        ((0, 40, 20), "increasing"),
        ((-5, 20), "increasing edges >= 0"),
        ((0, np.nan, 20), "increasing"),
        ((0, np.inf, np.inf), "increasing"),
    ],
)
def test_bad_edges(edges, message):
    with pytest.raises(ValueError, match=message) as caught:
        VoxelGraph(threshold=0.5, distance_bins=edges).fit(
            series_of(10), coords_mm=np.zeros((10, 3))
        )
    assert "distance_bins" in str(caught.value) and "\n" not in str(caught.value)
