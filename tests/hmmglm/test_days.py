"""One network across days: gains where the graph is shared, losses where it is not."""

import numpy as np
import pandas as pd
import pytest

from neuro.hmmglm.baselines.compare import edge_scores
from neuro.hmmglm.days import OneHotDays, compare_days, match_units, split_days
from neuro.hmmglm.design.bins import Binned, join
from neuro.io.problems import InputProblem
from neuro.simulate.switching import _draw

N, DAYS, TRAIN = 12, 4, 4
KERNEL = np.exp(-np.arange(1, 6)) / np.exp(-np.arange(1, 6)).sum()


def planted(seed, k=1, n_bins=200, same=True):
    """Signed graphs of every state, and days with strengths and rates of their own."""
    rng = np.random.default_rng(seed)

    def graph():
        return rng.choice([-1, 0, 1], p=[0.12, 0.76, 0.12], size=(k, N, N))

    first, days = graph(), []
    stay = np.full((k, k), 0.02 / max(k - 1, 1))
    np.fill_diagonal(stay, 0.98 if k > 1 else 1.0)
    for _ in range(DAYS):
        own = first if same else graph()
        weights = own * np.log1p(3 * rng.uniform(size=(k, N, N)))
        bias = rng.uniform(-1.5, -0.5, size=N)
        days.append(list(_draw(rng, 2 * TRAIN, n_bins, weights, bias, stay, KERNEL)[0]))
    return first, [day[:TRAIN] for day in days], [day[TRAIN:] for day in days]


def settings(k=1):
    return OneHotDays(k, link="sigmoid", n_starts=2, random_state=0)


@pytest.mark.parametrize("k", [1, 2])
def test_a_shared_graph_predicts_better_than_separate_and_pooled_fits(k):
    graph, train, test = planted(0, k)
    found = compare_days(settings(k), train, test)
    rows = found.table
    assert (rows["shared"] > rows["separate"]).all() and (rows["shared"] > rows["pooled"]).all()
    assert found.gain() > (0.003, 0.01)[k - 1] and found.gain("pooled") > 0.01
    joint = settings(k).fit(train)
    alone = [settings(k).of_a_day().fit(day) for day in train]
    if k == 1:
        own = np.mean([edge_scores(one.adjacency_, graph)["balanced"] for one in alone])
        shared = edge_scores(joint.adjacency_, graph)["balanced"]
        assert shared > own + 0.1 and shared > 0.8
    # all days agree on the classes; strengths and rates are their own
    for model in joint.models_:
        np.testing.assert_allclose(model.edge_posterior_, joint.edge_posterior_, atol=0.05)
    assert np.ptp([model.bias_ for model in joint.models_], axis=0).max() > 0.3
    assert joint.n_rounds_ > 1


def test_graphs_that_differ_between_days_are_seen_to():
    _, train, test = planted(0, 1, same=False)
    assert compare_days(settings(), train, test).gain() < -0.005


def test_units_that_come_and_go_and_stand_in_another_order():
    graph, train, _ = planted(1, 1, 400)
    rng = np.random.default_rng(0)
    whole = settings().fit(train)
    kept = [np.arange(N), rng.permutation(N), np.arange(3, N), rng.permutation(N)[: N - 2]]
    parts = [[item[:, at] for item in day] for day, at in zip(train, kept)]
    labels = [[f"u{unit}" for unit in at] for at in kept]
    found = settings().fit(parts, units=labels)
    order = [found.names_.index(f"u{unit}") for unit in range(N)]
    moved = found.adjacency_[:, order][:, :, order]
    whole_score = edge_scores(whole.adjacency_, graph)["balanced"]
    assert edge_scores(moved, graph)["balanced"] > whole_score - 0.1
    # the order of the units of a day alone changes nothing
    turned = settings().fit(
        [[item[:, ::-1] for item in train[0]], *train[1:]],
        units=[list(range(N))[::-1], *[list(range(N))] * 3],
    )
    back = [turned.names_.index(unit) for unit in range(N)]
    np.testing.assert_allclose(
        turned.edge_posterior_[:, back][:, :, back], whole.edge_posterior_, atol=0.02
    )
    # two units that were never recorded together have no class
    apart = [train[0], train[1]]
    apart = [[item[:, at] for item in day] for day, at in zip(apart, (slice(0, 8), slice(4, 12)))]
    half = settings().fit(apart, units=[list(range(8)), list(range(4, 12))])
    assert np.isnan(half.edge_posterior_[0, 0, 11]).all() and not half.adjacency_[0, 0, 11]
    assert np.isfinite(half.edge_posterior_[0, 4:8, 4:8]).all()


def test_a_table_matches_units():
    table = pd.DataFrame({"day": [0, 1], "unit": ["3", "7"], "name": ["a", "a"]})
    assert match_units([["3", "4"], ["7"]], table) == [["a", "4 of day 0"], ["a"]]
    for rows, line in (
        ({"day": [0], "unit": ["9"], "name": ["a"]}, "no unit '9' on day 0"),
        ({"day": [0, 0], "unit": ["3", "4"], "name": ["a", "a"]}, "'a' is two units on day 0"),
        ({"day": [5], "unit": ["3"], "name": ["a"]}, "day 5, but there are days 0 to 1"),
        ({"day": [0], "unit": ["3"]}, "no column 'name'"),
    ):
        with pytest.raises(InputProblem, match=line):
            match_units([["3", "4"], ["7"]], pd.DataFrame(rows))


def test_recordings_of_a_set_are_days():
    rng = np.random.default_rng(0)

    def part(source, labels):
        counts = rng.poisson(0.4, size=(50, len(labels)))
        row = {"sequence": 0, "label": "s", "source": source, "start_s": 0.0, "n_bins": 50}
        table = pd.DataFrame([row | {"n_observed": 50, "event_s": np.nan}])
        return Binned([counts], [np.ones(50, bool)], table, pd.DataFrame({"unit": labels}), 0.1)

    one, two = part("mon", ["a", "b", "c"]), part("tue", ["c", "a", "d"])
    days, units, masks = split_days(join([one, two]))
    assert units == [["a", "b", "c"], ["a", "c", "d"]] and all(m[0].all() for m in masks)
    np.testing.assert_array_equal(days[1][0], two.sequences[0][:, [1, 0, 2]])


def two_days(folder, same=True):
    """Two recordings of eight sequences; the second lacks a unit and lists them otherwise."""
    from neuro.config.resolve import resolve
    from neuro.hmmglm.sets import bin_spikes

    _, train, test = planted(0, 2, 200, same)
    for number, at in ((0, np.arange(N)), (1, np.arange(1, N)[::-1])):
        sequences = {f"seq_{i}": item[:, at] for i, item in enumerate(train[number] + test[number])}
        names = np.array([f"u{unit:02d}" for unit in at])
        np.savez(folder / f"day{number}.npz", **sequences, bin_s=0.05, unit=names)
    paths = [str(folder / f"day{number}.npz") for number in (0, 1)]
    own = {"input": ["spikes"], "sets": {"rat": paths}, "folds": 2, "fold_order": "interleaved"}
    config = {"data": {"kind": "none"}, "hmmglm": {**own, "days": True, "link": "sigmoid"}}
    assert not resolve(config)
    settings = {**config["hmmglm"], "input": "spikes", "n_starts": 2}
    binned, _, folds = bin_spikes(paths, settings)
    return binned, folds, settings


def test_the_ladder_compares_days_on_its_own_folds(tmp_path):
    """Held-out gain of the shared graph over a model of each day, beside the other rungs."""
    from neuro.hmmglm.export import rungs
    from neuro.hmmglm.sets import climb_ladder

    binned, folds, settings = two_days(tmp_path)
    table = climb_ladder(binned, folds, settings, 2).set_index("rung")
    without = climb_ladder(binned, folds, {**settings, "days": False}, 2).set_index("rung")
    pd.testing.assert_frame_equal(table.loc[without.index], without)
    own = table.loc[["pooled_days", "each_day", "shared_days"]]
    assert list(own["below"]) == ["rates", "pooled_days", "each_day"]
    assert (own["k"] == 2).all() and (own["n"] == 16).all()
    bits = own["bits_per_spike"]
    assert bits["shared_days"] > bits["each_day"] and bits["shared_days"] > bits["pooled_days"]
    assert own["gain"]["shared_days"] == pytest.approx(bits["shared_days"] - bits["each_day"])
    entries = rungs(table.reset_index(), "rat")
    (entry,) = (e for e in entries if "one graph of all days" in e["name"])
    assert entry["value"] == own["gain"]["shared_days"] and entry["verdict"] in (
        *("supported", "not supported", "cannot tell"),
    )


def test_rungs_of_days_are_the_comparison_of_days(tmp_path):
    from neuro.hmmglm.baselines import day_rungs
    from neuro.hmmglm.baselines.ladder import common_bins
    from neuro.hmmglm.design.files import estimator_settings

    binned, folds, given = two_days(tmp_path)
    days = day_rungs.wanted(binned, folds, given)
    assert [len(labels) for labels in days.units] == [N, N - 1]
    seen = binned.seen()
    inside, out = np.flatnonzero(folds != 0), np.flatnonzero(folds == 0)
    common = common_bins([binned.sequences[i] for i in out], [seen[i] for i in out], 5)
    model = day_rungs.estimator(estimator_settings(given), 2, 0, n_starts=1)
    found = day_rungs.fit_fold(
        *(days, model, binned.sequences, seen, seen, (inside, out)),
        *(dict(zip(out.tolist(), common)), 0.05),
    )
    sides = []
    for rows in (inside, out):
        parts = [days.part(day, rows, binned.sequences, seen) for day in (0, 1)]
        sides.append(([part[1] for part in parts], [part[2] for part in parts]))
    (train, train_masks), (test, test_masks) = sides
    by_hand = compare_days(
        day_rungs.estimator(estimator_settings(given), 2, 0, n_starts=1),
        *(train, test, days.units),
        train_masks=train_masks,
        test_masks=test_masks,
        dt=0.05,
    )
    spikes = sum(by_hand.table["spikes"])
    nats = {rung: found[rung]["scores"].sum() for rung in day_rungs.BELOW}
    gain = (nats["shared_days"] - nats["each_day"]) / spikes / np.log(2)
    assert gain == pytest.approx(by_hand.gain(), abs=2e-3)
    gain = (nats["shared_days"] - nats["pooled_days"]) / spikes / np.log(2)
    assert gain == pytest.approx(by_hand.gain("pooled"), abs=2e-3)


def test_the_graph_of_all_days_is_written(tmp_path):
    from neuro.hmmglm.baselines import day_rungs

    binned, folds, given = two_days(tmp_path)
    table = day_rungs.graph(binned, folds, given, 2)
    assert list(table.columns) == day_rungs.GRAPH and len(table) == 2 * N * N
    assert set(table["state"]) == {1, 2} and set(table["sign"]) <= {-1, 0, 1}
    own = table[(table["target"] == "u00") | (table["source"] == "u00")]
    assert (own["n_days"] == 1).all() and (table.drop(own.index)["n_days"] == 2).all()
    np.testing.assert_allclose(table[["p_inh", "p_none", "p_exc"]].sum(axis=1), 1.0)
    empty = day_rungs.graph(binned, folds, {**given, "days": False}, 2)
    assert list(empty.columns) == day_rungs.GRAPH and empty.empty


def test_a_fold_must_not_hold_a_whole_day(tmp_path):
    from neuro.hmmglm.baselines import day_rungs

    binned, folds, given = two_days(tmp_path)
    halves = np.repeat([0, 1], 8)
    with pytest.raises(InputProblem, match=r"fold 1 holds all of 'day0.npz'; set hmmglm.fold_or"):
        day_rungs.wanted(binned, halves, given)
    with pytest.raises(InputProblem, match="a set of one recording"):
        day_rungs.Days(["a"] * 16, binned.units["unit"].tolist(), binned.seen(), folds)


def test_what_cannot_be_one_network():
    rng = np.random.default_rng(0)
    days = [[rng.poisson(0.4, size=(200, n))] for n in (4, 5)]
    with pytest.raises(InputProblem, match="days with 4 and 5 units; name them"):
        settings().fit(days)
    with pytest.raises(InputProblem, match="day 1 has 5 units and 4 names"):
        settings().fit(days, units=["abcd", "abcd"])
    with pytest.raises(InputProblem, match="fewer than 2 units in common"):
        settings().fit(days, units=["abcd", "defgh"])
    with pytest.raises(ValueError, match="needs model 'onehot'"):
        OneHotDays(1, "plain").fit(days)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"fold_order": "blocks"}, "needs hmmglm.fold_order: interleaved, got 'blocks'"),
        ({"ladder": False}, "needs hmmglm.ladder: true"),
        ({"basis": "raised_cosine", "n_basis": 2}, "needs hmmglm.n_basis: 1, got 2"),
        ({"sets": {"rat": "a.txt"}}, "no set under hmmglm.sets names several recordings"),
    ],
)
def test_settings_that_do_not_go_with_days_are_refused_at_once(tmp_path, given, line):
    from neuro.config.resolve import resolve

    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    for path in paths:
        (tmp_path / path).write_text("1.0 1\n")
    own = {"input": ["spikes"], "sets": {"rat": paths}, "fold_order": "interleaved", "days": True}
    assert not resolve({"data": {"kind": "none"}, "hmmglm": {**own}})
    given = {**given, "sets": {"rat": paths[0]}} if "sets" in given else given
    problems = resolve({"data": {"kind": "none"}, "hmmglm": {**own, **given}})
    assert [text for text in problems if "hmmglm.days" in text and line in text]
