"""A real voxel matrix with known numbers of edges and triangles."""

import os
from pathlib import Path

import numpy as np
import pytest

from neuro.adhd.graph.voxel_graph import VoxelGraph, unpack

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
FILE = DATA / "bold" / "fmriscrub_Dat1.rda"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE.name} under NEURO_TEST_DATA"),
]


@pytest.fixture(scope="module")
def series():
    rdata = pytest.importorskip("rdata")
    return np.asarray(rdata.read_rda(FILE)["Dat1"])


@pytest.mark.parametrize(
    "threshold, n_edges, n_triangles",
    [(0.8, 7_158, 8_257), (0.6, 153_628, 5_585_131), (0.5, 514_212, 48_849_739)],
)
def test_known_counts(series, threshold, n_edges, n_triangles):
    fitted = VoxelGraph(threshold=threshold).fit(series)
    assert (fitted.n_edges_, fitted.n_triangles_) == (n_edges, n_triangles)
    assert fitted.n_constant_ == 283
    assert fitted.density_ == n_edges / (4675 * 4674 / 2)
    if threshold == 0.6:
        assert np.median(fitted.cycles3_) == 72 and fitted.cycles3_.max() == 80_164
    # single precision input moves values by its rounding only
    single = VoxelGraph(threshold=threshold).fit(series.astype(np.float32))
    assert abs(single.n_edges_ - n_edges) <= 3


def test_graph_equals_float64_correlations(series):
    part = series[:, 1000:2600]
    with np.errstate(invalid="ignore", divide="ignore"):
        A = np.nan_to_num(np.corrcoef(part.T)) > 0.6
    np.fill_diagonal(A, False)
    fitted = VoxelGraph(threshold=0.6, keep_bits=True, cycles4=True).fit(part)
    assert np.array_equal(unpack(fitted.bits_), A)
    dense = A.astype(np.float64)
    paths = dense @ dense
    assert np.array_equal(fitted.cycles3_, ((paths * dense).sum(1) / 2).astype(int))
    np.fill_diagonal(paths, 0)
    assert np.array_equal(fitted.cycles4_, (paths * (paths - 1) / 2).sum(1).astype(int))


def test_density_is_exact(series):
    fitted = VoxelGraph(density=0.02).fit(series)
    assert fitted.n_edges_ == round(0.02 * 4675 * 4674 / 2)
    again = VoxelGraph(threshold=fitted.threshold_).fit(series)
    assert np.array_equal(again.cycles3_, fitted.cycles3_)
