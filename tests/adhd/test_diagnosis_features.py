"""Feature tables: layout, runs of a subject, files, selection, parcels."""

import numpy as np
import pandas as pd
import pytest

from neuro.adhd.features.graph_features import GraphFeatures, combine_runs, edge_table
from neuro.adhd.features.table import FeatureTable, join_features
from neuro.adhd.graph.voxel_graph import VoxelGraph
from neuro.adhd.graph.voxels import parcels
from neuro.io.problems import InputProblem


@pytest.fixture
def graphs():
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 90, (12, 3))
    series = rng.standard_normal((5, 40, 12))
    return [VoxelGraph(density=0.2).fit(item, coords_mm=coords) for item in series]


def test_columns_say_where_they_come_from(graphs):
    regions = np.repeat(["a", "b", "c"], 4)
    features = GraphFeatures(("cycle3", "distdegree"), regions)
    X = features.fit(graphs).transform(graphs)
    assert X.shape == (5, 12 + 12 * 5) and X.dtype == np.float32
    for column in range(X.shape[1]):
        node, bin = features.node_[column], features.bin_[column]
        assert features.region_[column] == regions[node]
        for row, graph in enumerate(graphs):
            expected = (
                graph.cycles3_[node]
                if features.feature_[column] == "cycle3"
                else graph.distance_degree_[node, bin]
            )
            assert X[row, column] == expected


def test_graphs_mappings_and_stacks_give_the_same(graphs):
    maps = ("degree", "distdegree", "weighteddegree", "clustering")
    listed = [
        {
            "degree": graph.degree_,
            "distdegree": graph.distance_degree_,
            "weighteddegree": graph.weighted_degree_,
            "clustering": graph.clustering_,
        }
        for graph in graphs
    ]
    stacks = {name: np.stack([one[name] for one in listed]) for name in maps}
    features = GraphFeatures(maps)
    X = features.fit_transform(graphs)
    np.testing.assert_array_equal(features.fit_transform(listed), X)
    np.testing.assert_array_equal(features.fit_transform(stacks), X)


def test_runs_are_averaged_or_the_first_is_taken(graphs):
    who = ["s2", "s1", "s2", "s3", "s1"]
    mean = GraphFeatures(("degree",)).table(graphs, who)
    assert list(mean.participant_id) == ["s2", "s1", "s3"]
    expected = (graphs[1].degree_ + graphs[4].degree_) / 2
    np.testing.assert_array_equal(mean.X[1], expected.astype(np.float32))
    first = GraphFeatures(("degree",)).table(graphs, who, runs="first")
    np.testing.assert_array_equal(first.X[0], graphs[0].degree_)
    with pytest.raises(ValueError, match="runs: got 'last'"):
        combine_runs(mean.X, ["a"] * 3, "last")


def test_a_region_that_one_run_covers_is_kept():
    X, who = combine_runs([[1.0, np.nan], [3.0, np.nan], [5.0, 6.0]], ["a", "a", "a"])
    np.testing.assert_array_equal(X, [[3.0, 6.0]])
    X, _ = combine_runs([[1.0, np.nan], [3.0, np.nan]], ["a", "a"])
    assert X[0, 0] == 2 and np.isnan(X[0, 1])
    assert list(who) == ["a"]


def test_selection_counts_and_rows(graphs):
    table = GraphFeatures(("degree", "cycle3", "clustering")).table(graphs, list("abcde"))
    two = table.select("degree+clustering")
    assert list(dict.fromkeys(two.feature)) == ["degree", "clustering"]
    np.testing.assert_array_equal(two.counts, two.feature == "degree")
    part = table.rows(["d", "a"])
    np.testing.assert_array_equal(part.X, table.X[[3, 0]])
    with pytest.raises(ValueError, match="no map 'fc'; found degree, cycle3, clustering"):
        table.select("fc")
    with pytest.raises(ValueError, match="1 subjects have none, first 'z'"):
        table.rows(["a", "z"])


def test_file_round_trip_and_joined_edges(graphs, tmp_path):
    table = GraphFeatures(("cycle3",), np.repeat(["a", "b"], 6)).table(
        graphs, list("abcde"), density=0.2
    )
    rng = np.random.default_rng(1)
    r = rng.uniform(-1, 1, (5, 66))
    r[0, 0] = 1.0
    edges = edge_table(r, list("abcde"))
    np.testing.assert_allclose(edges.X[1:], np.arctanh(r[1:]), rtol=1e-5)
    assert np.isfinite(edges.X).all()
    joined = join_features([table, edges])
    back = FeatureTable.load(joined.save(tmp_path / "features.h5"))
    for name in ("X", "participant_id", "feature", "region", "node", "bin", "density"):
        np.testing.assert_array_equal(getattr(back, name), getattr(joined, name))
    np.testing.assert_array_equal(back.select("fc").X, edges.X)
    with pytest.raises(ValueError, match="different subjects or another order"):
        join_features([table, edge_table(r, list("abced"))])


def test_damaged_feature_files(graphs, tmp_path):
    with pytest.raises(InputProblem, match="no such file"):
        FeatureTable.load(tmp_path / "none.h5")
    (tmp_path / "cut.h5").write_bytes(b"not hdf5")
    with pytest.raises(InputProblem, match="not an HDF5 file"):
        FeatureTable.load(tmp_path / "cut.h5")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (GraphFeatures(("cycles",)), r"maps: got \['cycles'\]"),
        (GraphFeatures(("degree",), ["a"]), "regions: 1 labels for 12 nodes"),
    ],
)
def test_bad_settings(graphs, features, message):
    with pytest.raises(ValueError, match=message):
        features.fit(graphs)


def test_graphs_of_different_size_are_refused(graphs):
    rng = np.random.default_rng(0)
    other = VoxelGraph(density=0.2).fit(rng.standard_normal((40, 11)))
    with pytest.raises(ValueError, match="number 5 has 11 nodes and 11 values, the first has 12"):
        GraphFeatures(("degree",)).fit(graphs).transform([*graphs, other])
    with pytest.raises(ValueError, match="number 0 has no map 'distdegree'"):
        GraphFeatures(("distdegree",)).fit([other])


def test_parcels_are_compact_and_reproducible():
    index = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), axis=-1)
    coords = 4.0 * index.reshape(-1, 3)
    labels = parcels(coords, 8, random_state=1)
    np.testing.assert_array_equal(labels, parcels(coords, 8, random_state=1))
    assert len(np.unique(labels)) == 8
    for label in np.unique(labels):
        inside = coords[labels == label]
        assert np.linalg.norm(inside - inside.mean(0), axis=1).max() < 16
    with pytest.raises(ValueError, match="got 300 for 216 voxels"):
        parcels(coords, 300)


def test_degree_by_distance_is_left_out_and_listed_where_no_place_is_known(tmp_path):
    from neuro.adhd.features.gather import region_features
    from neuro.io.formats.tables import write_tsv
    from neuro.io.images.graph_maps import GraphMaps, write_graph_maps

    rng = np.random.default_rng(1)
    maps = {name: rng.random((3, 4)) for name in ("degree", "cycle3")}
    keys = [f"sub-{k}" for k in range(3)]
    write_graph_maps(tmp_path / "maps.h5", GraphMaps(maps, keys, list("abc"), list("wxyz")))
    write_tsv(tmp_path / "graphs.tsv", pd.DataFrame({"run_key": keys, "participant_id": keys}))
    files = tmp_path / "maps.h5", tmp_path / "graphs.tsv"
    table, _, left_out = region_features(*files, ["degree", "distdegree", "cycle3"], "mean")
    assert set(table.feature) == {"degree", "cycle3"}
    assert [row["what"] for row in left_out] == ["distdegree"]
    assert region_features(*files, ["degree"], "mean")[2] == []
    for names in (["distdegree"], ["degree", "clustering"]):
        with pytest.raises(InputProblem, match=r"no map 'distdegree'|no map 'clustering'"):
            region_features(*files, names, "mean")
