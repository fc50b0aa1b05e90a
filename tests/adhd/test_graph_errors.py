"""What a user gets wrong: one line that says what was found and what to do."""

import numpy as np
import pytest

from neuro.adhd.graph import voxel_graph as graph
from neuro.adhd.graph.voxel_graph import VoxelGraph, cycles3, cycles4, memory_estimate, pack

SERIES = np.random.default_rng(0).standard_normal((20, 30))


def message(call):
    with pytest.raises(ValueError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and len(text) < 250
    return text


@pytest.mark.parametrize(
    "settings, parts",
    [
        ({}, ["neither", "threshold=0.8", "density=0.02"]),
        ({"threshold": 0.8, "density": 0.02}, ["both", "exactly one"]),
        ({"threshold": 1.2}, ["threshold", "1.2", "-1 to 1"]),
        ({"threshold": float("nan")}, ["threshold", "nan"]),
        ({"threshold": "0.8"}, ["threshold", "'0.8'", "number"]),
        ({"density": 0}, ["density", "got 0,", "0.02"]),
        ({"density": 1}, ["density", "got 1,"]),
        ({"density": -0.1}, ["density", "-0.1"]),
        ({"density": 2}, ["density", "got 2,"]),
        ({"density": float("nan")}, ["density", "nan"]),
        ({"density": 0.8}, ["density", "0.8", "0.02 is typical", "threshold=0.8"]),
        ({"density": True}, ["density", "True"]),
        ({"threshold": 0.5, "block": 0}, ["block", "0", ">= 1"]),
        ({"threshold": 0.5, "block": 2.5}, ["block", "2.5"]),
        ({"threshold": 0.5, "n_threads": 0}, ["n_threads", "0"]),
        ({"threshold": 0.5, "n_threads": -1}, ["n_threads", "-1"]),
    ],
)
def test_settings(settings, parts):
    text = message(lambda: VoxelGraph(**settings).fit(SERIES))
    assert all(part in text for part in parts), text


def test_series():
    fit = VoxelGraph(threshold=0.5).fit
    assert "2 time points" in message(lambda: fit(SERIES[:2]))
    assert "(30,)" in message(lambda: fit(SERIES[0]))
    assert "real numbers" in message(lambda: fit(SERIES.astype(complex)))
    assert "real numbers" in message(lambda: fit(np.array([["a"] * 3] * 3)))
    broken = SERIES.copy()
    broken[3, 7] = np.nan
    broken[4, 7] = np.inf
    broken[5, 20] = -np.inf
    text = message(lambda: fit(broken))
    assert "3 values are not finite" in text and "column 7" in text
    wide = np.zeros((4, 5000))
    wide[1, 4321] = np.nan
    wide[2, 4999] = np.nan
    text = message(lambda: fit(wide))
    assert "2 values" in text and "column 4321" in text


def test_coordinates():
    fit = VoxelGraph(threshold=0.5).fit
    text = message(lambda: fit(SERIES, coords_mm=np.zeros((29, 3))))
    assert "(29, 3)" in text and "30 voxels" in text and "transposed" not in text
    assert "transposed" in message(lambda: fit(SERIES, coords_mm=np.zeros((20, 3))))
    assert "expected (30, 3)" in message(lambda: fit(SERIES, coords_mm=np.zeros((30, 2))))
    broken = np.zeros((30, 3))
    broken[[4, 9], 1] = np.nan
    text = message(lambda: fit(SERIES, coords_mm=broken))
    assert "2 voxels" in text and "voxel 4" in text


def test_memory_limit(monkeypatch):
    # a view without memory of its own: the check must come before any work
    series = np.broadcast_to(np.zeros((1, 1), np.float32), (172, 235_000))
    text = message(lambda: VoxelGraph(density=0.02).fit(series))
    assert "235000 voxels" in text and "GB" in text and "allow_large=True" in text
    monkeypatch.setattr(graph, "MEMORY_LIMIT_GB", 1e-6)
    message(lambda: VoxelGraph(threshold=0.5).fit(SERIES))
    assert VoxelGraph(threshold=0.5, allow_large=True).fit(SERIES).n_features_in_ == 30


def test_memory_estimate_follows_the_packed_graph():
    assert 6.9 < memory_estimate(235_000, 172) < 8
    assert 0.1 < memory_estimate(29_398, 172) < 0.3
    assert memory_estimate(29_398, 172, density=0.02) > memory_estimate(29_398, 172)
    assert memory_estimate(29_398, 172, n_threads=4) > memory_estimate(29_398, 172)
    assert memory_estimate(0, 172) < 0.05


def test_packed_graphs():
    assert "(3, 4)" in message(lambda: pack(np.zeros((3, 4))))
    lopsided = np.zeros((70, 70))
    lopsided[2, 66] = 1
    assert "symmetric" in message(lambda: pack(lopsided))
    assert "joined to themselves" in message(lambda: pack(np.eye(5)))


@pytest.mark.parametrize("count", [cycles3, cycles4])
def test_cycles_of_something_else(count):
    good = pack(np.ones((70, 70)) - np.eye(70))
    assert "uint64" in message(lambda: count(good.astype(np.int64)))
    assert "(70, 2)" in message(lambda: count(good[:, :1]))
    beyond = good.copy()
    beyond[5, 1] |= np.uint64(1) << np.uint64(40)
    assert "symmetric" in message(lambda: count(beyond))
    looped = good.copy()
    looped[66, 1] |= np.uint64(1) << np.uint64(2)
    assert "node 66" in message(lambda: count(looped))
    assert count(good)[0] > 0
