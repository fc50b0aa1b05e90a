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
