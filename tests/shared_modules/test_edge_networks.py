"""Components and enhancement on edges, against graphs that are walked edge by edge."""

import networkx
import numpy as np
import pytest

from neuro.stats.permuted.networks import components, enhance


def maps(n_maps=6, n_nodes=9, seed=0):
    rng = np.random.default_rng(seed)
    pairs = np.column_stack(np.triu_indices(n_nodes, 1))
    return 1.5 * rng.standard_normal((n_maps, len(pairs))), pairs


def connected(pairs, edges):
    """Sets of edges that hang together by shared nodes, by the line graph of networkx."""
    graph = networkx.Graph([tuple(pairs[edge]) for edge in edges])
    number = {frozenset(pairs[edge]): edge for edge in edges}
    line = networkx.line_graph(graph)
    line.add_nodes_from(graph.edges)
    return [
        {number[frozenset(pair)] for pair in part} for part in networkx.connected_components(line)
    ]


def test_components_are_those_of_the_line_graph():
    z, pairs = maps()
    z[0] = 0.1
    z[1, 4] = np.nan
    found = components(z, pairs, 9, 1.5)
    seen = 0
    for row, values in enumerate(z):
        for sign in (1, -1):
            edges = np.flatnonzero(sign * np.nan_to_num(values) > 1.5)
            for part in connected(pairs, edges):
                labels = {int(found.label[row, edge]) for edge in part}
                assert len(labels) == 1
                label = labels.pop()
                assert found.map[label] == row and found.sign[label] == sign
                assert found.extent[label] == len(part)
                beyond = sum(abs(values[edge]) - 1.5 for edge in part)
                assert found.intensity[label] == pytest.approx(beyond)
                seen += 1
    assert seen == len(found.map)
    extent, intensity = found.largest(6)
    assert extent[0] == intensity[0] == 0
    assert extent.max() == found.extent.max()
    assert (found.label[0] == -1).all()


def test_no_edge_beyond_the_threshold():
    z, pairs = maps()
    found = components(z, pairs, 9, 100)
    assert len(found.map) == 0 and (found.largest(6)[0] == 0).all()


@pytest.mark.parametrize("extent, height, step", [(0.4, 3.0, 0.1), (0.5, 2.0, 0.25)])
def test_enhancement_is_the_sum_over_heights(extent, height, step):
    z, pairs = maps(2, 7)
    z[1, 2] = np.nan
    expected = np.zeros_like(z)
    for row, values in enumerate(np.nan_to_num(z)):
        for sign in (1, -1):
            for k in range(1, int(np.abs(z[np.isfinite(z)]).max() / step) + 1):
                edges = np.flatnonzero(sign * values >= k * step)
                for part in connected(pairs, edges):
                    for edge in part:
                        expected[row, edge] += (
                            sign * len(part) ** extent * (k * step) ** height * step
                        )
    found = enhance(z, pairs, 7, extent=extent, height=height, step=step)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_edges_far_apart_do_not_help_each_other():
    pairs = np.array([[0, 1], [1, 2], [3, 4], [5, 6]])
    z = np.array([[3.0, 3.0, 3.0, 0.05]])
    found = enhance(z, pairs, 7)[0]
    assert found[0] == found[1] == pytest.approx(2**0.4 * found[2])
    assert found[3] == 0
    assert enhance(-z, pairs, 7)[0] == pytest.approx(-found)


def test_order_of_edges_and_names_of_nodes_do_not_matter():
    z, pairs = maps(2)
    rng = np.random.default_rng(5)
    order, nodes = rng.permutation(len(pairs)), rng.permutation(9)
    turned = nodes[pairs[order]][:, ::-1]
    np.testing.assert_allclose(
        enhance(z[:, order], turned, 9), enhance(z, pairs, 9)[:, order], rtol=1e-12
    )
    one, two = components(z, pairs, 9, 1.2), components(z[:, order], turned, 9, 1.2)
    assert sorted(one.extent) == sorted(two.extent)
    assert sorted(one.intensity) == pytest.approx(sorted(two.intensity))
