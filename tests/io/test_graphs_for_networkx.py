"""Matrices, motifs, connectomes and voxel graphs as networkx, and the one GraphML writer."""

import networkx
import numpy as np
import pytest

from neuro.io import InputProblem, to_networkx, write_graphml


def signed(n=9, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(n, n)) * (rng.random((n, n)) < 0.6)
    weights[2, 5] = np.nan
    return weights


def same(a, b):
    """Equal nodes, edges and attributes; six digits of numbers."""
    assert a.is_directed() == b.is_directed()
    assert list(map(str, a.nodes)) == list(b.nodes)
    assert {(str(x), str(y)) for x, y in a.edges} == set(b.edges)
    for (x, y), want in a.edges.items():
        assert b.edges[str(x), str(y)] == pytest.approx(want, rel=1e-5)
    assert [b.nodes[str(name)] for name in a.nodes] == list(a.nodes.values())
    assert b.graph.items() >= a.graph.items()


@pytest.mark.parametrize("directed", [False, True])
def test_the_matrix_comes_back(directed):
    weights = signed()
    if not directed:
        weights = np.triu(weights, 1) + np.triu(weights, 1).T
    graph = to_networkx(weights, list("abcdefghi"), directed=directed)
    back = networkx.to_numpy_array(graph, nodelist="abcdefghi")
    # networkx has the source in rows
    back = back.T if directed else back
    np.testing.assert_array_equal(back, np.nan_to_num(weights))
    for _, _, data in graph.edges(data=True):
        assert data["sign"] == np.sign(data["weight"]) and isinstance(data["sign"], int)


def test_our_file_reads_like_the_one_of_networkx(tmp_path):
    graph = to_networkx(
        signed(),
        [f'"{k}" < & \'' for k in range(9)],
        directed=True,
        nodes={
            "coords_mm": np.vstack([np.full(3, np.nan), np.arange(24.0).reshape(8, 3)]),
            "community": np.arange(9) - 1,
            "weak": np.arange(9) > 4,
            "place": [f"<{k}>" for k in range(9)],
        },
        edges={"probability": np.full((9, 9), 0.25)},
        note="a & b",
    )
    networkx.write_graphml_xml(graph, tmp_path / "theirs.graphml")
    write_graphml(tmp_path / "new/ours.graphml", graph)
    ours = networkx.read_graphml(tmp_path / "new/ours.graphml")
    same(graph, ours)
    same(graph, networkx.read_graphml(tmp_path / "theirs.graphml"))
    first = next(iter(ours.nodes))
    assert "x" not in ours.nodes[first], "a missing place is not zero"
    assert type(ours.nodes[first]["weak"]) is bool and type(ours.nodes[first]["community"]) is int


@pytest.mark.parametrize(
    ("weights", "names", "message"),
    [
        (np.ones((2, 3)), None, r"weights of shape \(2, 3\), expected a square matrix"),
        (np.ones((2, 2)), ["a", "a"], r"2 names \(1 different\) for 2 nodes"),
        (np.ones((2, 2)), ["a"], r"1 names \(1 different\) for 2 nodes"),
        (np.array([[0, 1], [2, 0]]), None, "weights are not symmetric; say directed=True"),
    ],
)
def test_what_is_no_graph_is_refused(weights, names, message):
    with pytest.raises(InputProblem, match=message):
        to_networkx(weights, names)


def test_a_connectome_has_places_and_networks():
    from neuro.fmri import connectome_graph
    from neuro.fmri.regions.connectome import to_matrix

    edges = np.array([0.5, -0.2, np.nan, 0.1, 0.0, 0.3])
    coords = np.arange(12.0).reshape(4, 3)
    graph = connectome_graph(edges, list("abcd"), coords, ["DMN", "DMN", "VIS", "VIS"], kind="r")
    assert graph.number_of_edges() == 4
    np.testing.assert_array_equal(networkx.to_numpy_array(graph), np.nan_to_num(to_matrix(edges)))
    assert graph.nodes["b"] == {"membership": "DMN", "x": 3, "y": 4, "z": 5}
    assert graph.graph == {"kind": "r"}


def test_a_voxel_graph_has_the_degrees_that_it_was_counted_with():
    from neuro.adhd import VoxelGraph

    series = np.random.default_rng(1).normal(size=(40, 70)).astype(np.float32)
    series[:, 3] = 1
    fitted = VoxelGraph(threshold=0.15, keep_bits=True).fit(series)
    graph = fitted.to_networkx(series, coords_mm=np.arange(210.0).reshape(70, 3))
    assert [d for _, d in graph.degree()] == fitted.degree_.tolist()
    strength = [d for _, d in graph.degree(weight="weight")]
    np.testing.assert_allclose(strength, fitted.weighted_degree_, atol=1e-5)
    triangles = networkx.triangles(graph)
    assert [graph.nodes[n]["cycles3"] for n in graph] == [triangles[n] for n in graph]
    np.testing.assert_allclose(
        [graph.nodes[n]["clustering"] for n in graph],
        [networkx.clustering(graph, n) for n in graph],
    )
    r = np.corrcoef(np.delete(series, 3, axis=1).astype(float).T)
    assert graph.edges[0, next(iter(graph[0]))]["weight"] == pytest.approx(
        r[0, next(iter(graph[0])) - (next(iter(graph[0])) > 3)]
    )
    assert {w for _, _, w in fitted.to_networkx().edges(data="weight")} == {1}
    with pytest.raises(ValueError, match="fit with keep_bits=True"):
        VoxelGraph(threshold=0.15).fit(series).to_networkx()


def test_motifs_and_moments_have_their_communities():
    from neuro.ntf.communities.detect import Communities, motif_graph

    motif = np.zeros((4, 4))
    motif[0, 1] = motif[1, 0] = 2.0
    motif[2, 3] = motif[3, 2] = np.nan
    together = np.eye(4) + (motif > 0) * 0.5
    found = Communities(
        *("networkx", np.array([0, 0, 1, -1]), [], 0.0, 0.0, 0.0, 0.0, 0.0),
        *(together, np.array([False, False, True, True])),
    )
    graph = motif_graph(motif, list("abcd"), found)
    assert dict(graph.edges) == {("a", "b"): {"weight": 2.0, "sign": 1, "membership": 0.5}}
    assert graph.nodes["d"] == {"community": -1, "background": True}
