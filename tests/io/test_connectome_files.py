"""Connectomes on disk: the edge order is stored and checked, a tangent space is refused."""

import h5py
import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.regions.connectomes import pearson_connectomes, read_connectomes, write_connectomes
from neuro.io.regions.region_series import RegionSeries

REGIONS = ["a", "b", "c", "d"]


def edges(n_runs=3):
    values = np.random.default_rng(0).standard_normal((n_runs, 6)).astype(np.float32)
    values[-1, :3] = np.nan
    return values


def test_round_trip(tmp_path):
    keys = ["sub-1_run-1", "sub-1_run-2", "sub-2"]
    path = write_connectomes(
        tmp_path / "connectomes.h5", edges(), ["1", "1", "2"], keys, REGIONS, "fisher_z"
    )
    back = read_connectomes(path)
    np.testing.assert_array_equal(back.edges, edges())
    assert back.edges.dtype == np.float32
    np.testing.assert_array_equal(back.index, np.column_stack(np.triu_indices(4, 1)))
    assert (back.participant_id, back.run_key, back.region) == (["1", "1", "2"], keys, REGIONS)
    assert back.kind == "fisher_z"


def test_the_file_has_the_names_others_rely_on(tmp_path):
    path = write_connectomes(tmp_path / "c.h5", edges(1), ["1"], ["sub-1"], REGIONS, "pearson")
    with h5py.File(path) as file:
        assert set(file) == {"edges", "index", "participant_id", "run_key", "region"}
        assert file.attrs["kind"] == "pearson"
        assert file["edges"].compression is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "tangent"}, "kind: got 'tangent'"),
        ({"region": REGIONS[:3]}, r"expected \(n_runs, 3\) for 3 regions"),
        ({"participant_id": ["1"]}, "participant_id: 1 values for 3 runs"),
        ({"run_key": ["x", "x", "y"]}, "a key is repeated"),
        ({"index": np.column_stack(np.tril_indices(4, -1))}, "index: edges must be in the order"),
    ],
)
def test_refusals(tmp_path, change, message):
    good = {
        "edges": edges(),
        "participant_id": ["1", "1", "2"],
        "run_key": ["x", "y", "z"],
        "region": REGIONS,
        "kind": "fisher_z",
    }
    with pytest.raises(ValueError, match=message) as caught:
        write_connectomes(tmp_path / "c.h5", **{**good, **change})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c.h5").exists()


def test_a_file_in_another_edge_order_is_refused(tmp_path):
    path = write_connectomes(tmp_path / "c.h5", edges(1), ["1"], ["sub-1"], REGIONS, "pearson")
    with h5py.File(path, "r+") as file:
        file["index"][...] = file["index"][...][::-1]
    with pytest.raises(InputProblem, match="another edge order"):
        read_connectomes(path)


def run(key, series, regions=REGIONS):
    return RegionSeries(key, np.float32(series), list(regions), 2.0, participant_id=key[4:])


def test_connectomes_of_series_are_correlations_in_the_stored_order(tmp_path):
    series = np.random.default_rng(1).standard_normal((2, 50, 4))
    series[0, :, 2] += series[0, :, 0]
    series[1, :, 3] = 7
    both = [run("sub-a", series[0]), run("sub-b", series[1])]
    made = pearson_connectomes(iter(both))
    assert (made.participant_id, made.run_key) == (["a", "b"], ["sub-a", "sub-b"])
    assert (made.region, made.kind, made.edges.dtype) == (REGIONS, "pearson", np.float32)
    for row, own in zip(made.edges, both):
        for value, (first, second) in zip(row, made.index):
            if 3 in (first, second) and own.run_key == "sub-b":
                assert np.isnan(value), "a flat region has no correlation"
            else:
                a, b = (own.series[:, k] - own.series[:, k].mean() for k in (first, second))
                assert value == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)
    path = tmp_path / "c.h5"
    names = made.participant_id, made.run_key, made.region, made.kind, made.index
    write_connectomes(path, made.edges, *names)
    np.testing.assert_array_equal(read_connectomes(path).edges, made.edges)


def test_series_of_other_regions_are_refused():
    runs = [run("sub-a", np.eye(4)), run("sub-b", np.eye(4), REGIONS[::-1])]
    with pytest.raises(ValueError, match="sub-b: other regions than sub-a"):
        pearson_connectomes(runs)
    with pytest.raises(ValueError, match="runs: got none"):
        pearson_connectomes([])
