"""What is dead costs itself, not the others, where a method needs a whole block; and is told."""

import numpy as np
import pandas as pd
import pytest

from neuro.stats.observed import usable_block

RNG = np.random.default_rng(8)


def test_scattered_dead_regions_cost_regions_and_one_bad_run_costs_itself():
    dead = np.zeros((100, 30), bool)
    for region in range(6):  # each in four other people: 24 of 100 miss something
        dead[4 * region : 4 * region + 4, region] = True
    dead[99, 3:] = True  # a run of nothing
    columns, rows = usable_block(dead)
    assert rows.sum() >= 95 and columns.sum() >= 24 and not rows[99]
    assert not dead[np.ix_(rows, columns)].any()
    columns, rows = usable_block(dead, 0.0)
    assert rows.sum() == 99 and (np.flatnonzero(~columns) == np.arange(6)).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_block_is_whole_and_loses_few_rows(seed):
    rng = np.random.default_rng(seed)
    dead = rng.random((60, 20)) < 0.02
    columns, rows = usable_block(dead)
    assert not dead[np.ix_(rows, columns)].any() and rows.mean() >= 0.95 and columns.any()
    everything = usable_block(np.zeros((5, 4), bool))
    assert all(part.all() for part in everything)


def test_demovae_keeps_the_people():
    from neuro.demovae.coding.edges import usable_regions

    n, first, second = 12, *np.triu_indices(12, 1)
    edges = RNG.random((50, len(first)))
    for person, region in ((0, 1), (1, 1), (2, 4), (3, 4), (4, 7), (5, 7)):
        edges[person, (first == region) | (second == region)] = np.nan
    regions, rows = usable_regions(edges, [str(k) for k in range(n)])
    assert rows.sum() >= 48 and regions.sum() >= 10


def test_point_events_leave_out_a_bad_run_and_say_so():
    from neuro.hmmglm.design.events import bin_series

    regions = [f"R{k}" for k in range(6)]
    series = [RNG.standard_normal((80, 6)) for _ in range(5)]
    series[2][:, 1:] = np.nan
    series[4][:, 3] = 7.0
    keys = [f"sub-{k}" for k in range(5)]
    binned, rows, _ = bin_series(
        series, [None] * 5 and [np.ones(80, bool)] * 5, keys, [2.0] * 5, regions
    )
    told = {row["what"]: row["reason"] for row in rows}
    assert told["sub-2"].startswith("no variance in most regions")
    assert told["region R3"] == "no variance in at least one run" and len(told) == 2
    assert binned.units["unit"].tolist() == ["R0", "R1", "R2", "R4", "R5"]
    assert binned.table["label"].tolist() == ["sub-0", "sub-1", "sub-3", "sub-4"]


def test_a_dead_region_of_one_animal_is_masked_there_and_listed():
    from neuro.io.recordings.reader import Recording
    from neuro.ntf import summary
    from neuro.ntf.affinity.tensor import build_tensor

    items = []
    for k in range(3):
        traces = np.cumsum(RNG.standard_normal((160, 4)), axis=0)
        traces[:, 1] = np.nan if k == 1 else traces[:, 1]
        items.append(Recording(f"w{k}", traces, 4.0, list("abcd"), None, f"w{k}"))
    tensor = build_tensor(items, None, "none", snr_min=0.0)
    assert tensor.names == list("abcd")
    pairs = [(a, b) for k, a in enumerate("abcd") for b in "abcd"[k + 1 :]]
    has_b = np.array(["b" in pair for pair in pairs])
    assert tensor.pair_mask[[0, 2]].all() and (tensor.pair_mask[1] == ~has_b).all()
    table = pd.DataFrame(columns=["backend", "component", "is_background", "few_animals"])
    table.loc[0] = ["x", 1, False, False]
    rows = summary.exclusions("set", tensor, table.assign(participation=1.0, coverage=1.0))
    assert [(row["what"], row["value"]) for row in rows if "missing" in row["reason"]] == [
        ("set: w1 b", 0.0)
    ]


OPTIONS = {"threshold": None, "density": 0.2, "distance_bins": (0, 20, np.inf), "cycles4": True}


@pytest.mark.parametrize("settings", [OPTIONS, OPTIONS | {"density": None, "threshold": 0.2}])
def test_dead_regions_leave_the_graph_of_the_others(settings):
    """The living regions have the graph that they have without the dead ones."""
    from neuro.adhd.graph.runs import run_graph

    rng = np.random.default_rng(3)
    series = rng.standard_normal((90, 30)) + rng.standard_normal((90, 1))
    coords = rng.uniform(0, 60, (30, 3))
    dead = np.arange(30) % 5 == 2
    alone, _ = run_graph(series[:, ~dead], coords[~dead], settings)
    series[:, dead] = np.nan
    series[:, 7] = 3.25
    assert dead[7]
    maps, row = run_graph(series, coords, settings)
    for name, values in maps.items():
        assert np.isnan(values[dead]).all(), name
        np.testing.assert_array_equal(values[~dead], alone[name], err_msg=name)
    assert row["n_constant"] == 6 and row["n_nodes"] == 30
    if settings["density"]:
        assert row["n_edges"] == round(0.2 * 24 * 23 / 2)


def planted_children(n=80, n_regions=25):
    """Cases have one community more; each region is dead in one or two children."""
    rng = np.random.default_rng(11)
    y = np.arange(n) % 2
    series = []
    for child, case in enumerate(y):
        values = rng.standard_normal((140, n_regions))
        values[:, :5] += 0.9 * case * rng.standard_normal((140, 1))
        values[:, child % n_regions] = np.nan if child % 3 else values[:, child % n_regions]
        series.append(values)
    return series, y


def test_the_diagnosis_keeps_everybody_and_finds_what_was_planted():
    """60 of 80 children lack a region: all are judged, the regions' difference is found."""
    from neuro.adhd.features.graph_features import GraphFeatures, covariance_table, edge_table
    from neuro.adhd.graph.runs import run_graph
    from neuro.adhd.maps import group_maps
    from neuro.fmri.regions.connectome import Connectome

    series, y = planted_children()
    names = [f"{k:02d}" for k in range(len(y))]
    regions = [f"R{k:02d}" for k in range(25)]
    graphs = [run_graph(values, None, OPTIONS)[0] for values in series]
    table = GraphFeatures(("degree", "cycle3"), regions).table(graphs, names)
    assert len(table) == 80 and np.isnan(table.X).any(axis=1).sum() == 53
    found = group_maps(
        table.select("degree").X, y, names, ["a"] * 80, n_permutations=200, random_state=1
    )
    assert found["difference"].notna().all()
    # the other regions lose what these gain: the density is fixed
    assert set(found["difference"].nlargest(5).index) == set(range(5))
    assert (found["q"][:5] < 0.05).all() and found["difference"][5:].max() < 0.2
    edges = Connectome().fit_transform(series)
    assert len(edge_table(edges, names)) == 80
    # every region is dead in somebody: a tangent space has none left, and says so
    with pytest.raises(ValueError, match="'tangent' needs regions that every run covers; 0 of 25"):
        covariance_table(series, names)


def test_a_tangent_space_loses_regions_and_no_people():
    from neuro.adhd.features.graph_features import covariance_table

    rng = np.random.default_rng(4)
    series = [rng.standard_normal((60, 12)) for _ in range(30)]
    for child in range(8):
        series[child][:, child % 4] = np.nan
    series[29][:, 1:] = np.nan  # a run of nothing costs itself
    names = [f"{k:02d}" for k in range(30)]
    table = covariance_table(series, names)
    assert table.participant_id.tolist() == names[:29]
    assert table.X.shape == (29, 8 * 9 // 2)
