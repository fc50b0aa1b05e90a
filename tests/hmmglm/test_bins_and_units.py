"""Spike times to counts: borders, recorded time, segments, trials, units that stay."""

import numpy as np
import pandas as pd
import pytest

from neuro.hmmglm.design.bins import (
    bin_recording,
    count_spikes,
    join,
    observed_bins,
    whole_bins,
)
from neuro.hmmglm.design.folds import fold_of, followed, guarded
from neuro.hmmglm.design.units import select_units
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData


def recording(times, *, intervals=(), trials=None, labels=None):
    times = [np.asarray(train, float) for train in times]
    labels = labels or [str(k + 1) for k in range(len(times))]
    return SpikeData(
        times,
        pd.DataFrame({"unit": labels}),
        np.asarray(intervals, float).reshape(-1, 2) if len(intervals) else None,
        trials,
        "x.mat",
    )


def test_counts_equal_a_histogram_on_any_clock():
    rng = np.random.default_rng(0)
    times = np.sort(4397 + 20 * rng.uniform(size=500))
    got = count_spikes(times, 4397.0, 400, 0.05)
    want = np.histogram(times, 4397.0 + 0.05 * np.arange(401))[0]
    assert got.sum() == 500
    assert np.abs(got - want).sum() <= 2  # a spike within rounding of an edge


def test_a_spike_on_an_edge_belongs_to_the_later_bin():
    assert count_spikes(np.array([0.0, 0.5, 1.0]), 0.0, 2, 0.5).tolist() == [1, 1]


@pytest.mark.parametrize(("seconds", "bins"), [(15.0, 750), (0.3, 15), (0.0199, 0), (1.0, 50)])
def test_whole_bins(seconds, bins):
    assert whole_bins(seconds, 0.02) == bins


def test_bins_start_at_the_first_spike_not_at_zero():
    data = recording([[4397.0, 4399.9], [4398.0, 4402.31]])
    binned = bin_recording(data, 0.5)
    assert binned.table["start_s"].tolist() == [4397.0]
    assert binned.sequences[0].shape == (10, 2)
    assert binned.sequences[0][:, 0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_bins_outside_the_recorded_time_are_missing_not_silent():
    data = recording([[0.1, 9.5], [0.2, 3.0]], intervals=[[0, 4], [6, 10]])
    binned = bin_recording(data, 1.0)
    assert binned.masks[0].tolist() == [True] * 4 + [False] * 2 + [True] * 4
    # a spike outside the recorded time does not count
    data.times[0] = np.array([0.1, 5.0, 9.5])
    assert bin_recording(data, 1.0).sequences[0][5, 0] == 0


def test_a_bin_across_the_border_of_the_recorded_time_is_missing():
    assert observed_bins([[0, 2.5]], 0.0, 4, 1.0).tolist() == [True, True, False, False]


def test_segments_share_no_bin_and_a_stub_joins_the_last():
    data = recording([np.arange(0, 10.3, 0.1), [0.0, 10.31]])
    binned = bin_recording(data, 0.1, segment_s=3.0)
    assert [len(item) for item in binned.sequences] == [30, 30, 43]
    np.testing.assert_allclose(binned.table["start_s"], [0, 3, 6])
    binned = bin_recording(data, 0.1, segment_s=4.0)
    assert [len(item) for item in binned.sequences] == [40, 40, 23]


def test_one_sequence_per_trial_with_its_event():
    trials = pd.DataFrame({"start": [1.0, 11.0], "stop": [3.0, 12.0], "onset": [1.5, 11.5]})
    data = recording([[1.2, 11.9], [2.9, 20.0]], trials=trials)
    binned = bin_recording(data, 0.5)
    assert [item.shape for item in binned.sequences] == [(4, 2), (2, 2)]
    assert binned.sequences[0].sum() == 2 and binned.sequences[1].sum() == 1
    assert binned.table["event_s"].tolist() == [0.5, 0.5]
    # a segment length overrides the trials
    assert len(bin_recording(data, 0.5, segment_s=100.0).sequences) == 1


def test_a_trial_shorter_than_a_bin_is_one_line():
    trials = pd.DataFrame({"start": [1.0], "stop": [1.01]})
    with pytest.raises(InputProblem, match=r"trial 0 lasts 0\.01 s, less than one bin of 0\.5 s"):
        bin_recording(recording([[1.0], [1.0]], trials=trials), 0.5)


def test_recordings_are_joined_by_unit():
    a = bin_recording(recording([[0.0, 3.0], [1.0], [2.0]]), 1.0, label="a")
    b = bin_recording(recording([[0.0, 2.0], [1.0]]), 1.0, label="b")
    both = join([b, a])
    assert both.units["unit"].tolist() == ["1", "2", "3"]
    # unit 3 is not in b: missing there, not silent
    assert both.observed[0].tolist() == [[True, True, False]] * 2
    assert both.masks[0].tolist() == [False] * 2 and both.masks[1].all()
    assert both.table["sequence"].tolist() == [0, 1] and both.table["source"].tolist() == ["b", "a"]
    strange = bin_recording(recording([[0.0, 2.0], [1.0]], labels=["1", "x"]), 1.0)
    with pytest.raises(InputProblem, match=r"a set \(3, 2 units\) have fewer than 2 units in"):
        join([a, strange])
    with pytest.raises(InputProblem, match="do not mix"):
        join([a, bin_recording(recording([[0.0, 2.0], [1.0]]), 0.5)])


@pytest.mark.parametrize("covered", [0.0, 0.25, 0.5, 0.75, 0.999])
@pytest.mark.parametrize("side", ["first part", "last part"])
def test_a_bin_that_was_covered_in_part_is_not_observed(covered, side):
    """Spikes in every quarter of every bin; of the bin from 3 to 4 s only a part was recorded."""
    hole = [3 + covered, 4.0] if side == "first part" else [3.0, 4 - covered]
    spikes = np.arange(0.125, 8, 0.25)
    data = recording([spikes, spikes + 0.01], intervals=[[0, hole[0]], [hole[1], 8]])
    binned = bin_recording(data, 1.0, origin=0.0)
    assert binned.masks[0].tolist() == [True] * 3 + [False] + [True] * 4
    assert binned.sequences[0].tolist() == [[4, 4]] * 3 + [[0, 0]] + [[4, 4]] * 4
    assert binned.table["n_observed"].tolist() == [7]


@pytest.mark.parametrize("order", ["blocks", "interleaved"])
def test_folds_are_balanced(order):
    folds = fold_of(11, 3, order)
    assert sorted(set(folds)) == [0, 1, 2]
    assert np.ptp(np.bincount(folds)) <= 1
    if order == "blocks":
        assert (np.diff(folds) >= 0).all()
    with pytest.raises(InputProblem, match="2 sequences for 3 folds"):
        fold_of(2, 3, order)


def test_a_gap_longer_than_a_fold_fills_none():
    """Folds hold about as many observed bins each, wherever the recording was cut."""
    observed = np.array([40, 40, *[0] * 30, 40, 40])
    for n_folds in (2, 4):
        folds = fold_of(len(observed), n_folds, observed=observed)
        assert np.bincount(folds, observed).tolist() == [160 / n_folds] * n_folds
    with pytest.raises(InputProblem, match=r"34 sequences \(4 with observed bins\) for 5 folds"):
        fold_of(len(observed), 5, observed=observed)


def test_training_bins_beside_held_out_ones_are_left_out():
    """As many as the history is long, on either side, but not across a gap."""
    data = recording([np.arange(0.05, 40, 0.1), np.arange(0, 40, 0.1)], intervals=[[0, 40]])
    binned = bin_recording(data, 0.1, segment_s=10.0, origin=0.0)
    before = followed(binned.table, 0.1)
    assert before.tolist() == [-1, 0, 1, 2]
    folds = np.array([0, 1, 0, 0])
    clear = guarded(binned.masks, folds, 1, before, 5)
    assert [int((~mask).sum()) for mask in clear] == [5, 0, 5, 0]
    assert not clear[0][-5:].any() and not clear[2][:5].any()
    assert all(mask.all() for mask in binned.masks)
    # the held-out sequences of fold 0 are 0, 2 and 3: sequence 1 loses both ends
    assert (~guarded(binned.masks, folds, 0, before, 5)[1]).nonzero()[0].tolist() == [
        *range(5),
        *range(95, 100),
    ]
    apart = binned.table.assign(start_s=[0.0, 10.0, 21.0, 31.0])
    clear = guarded(binned.masks, folds, 1, followed(apart, 0.1), 5)
    assert [int((~mask).sum()) for mask in clear] == [5, 0, 0, 0]


def test_rare_units_are_left_out_with_a_reason():
    times = [np.arange(0, 30, 0.5), [1.0, 15.0], [], [1.0, 1.2, 1.3, 1.5], np.arange(0, 30, 0.4)]
    binned = bin_recording(recording(times), 0.5, segment_s=5.0)
    folds = fold_of(len(binned.sequences), 3)
    kept, rows = select_units(binned, 0.1, folds)
    assert kept.units["unit"].tolist() == ["1", "5"]
    assert kept.sequences[0].shape[1] == 2
    assert [row["what"] for row in rows] == ["unit 2", "unit 3", "unit 4"]
    assert rows[0]["value"] == pytest.approx(2 / 29.5, rel=0.05) and rows[0]["threshold"] == 0.1
    # unit 4 fires often enough, but in one fold only: a training set would not know it
    assert "leaves 0 spikes in training folds" in rows[2]["reason"]
    with pytest.raises(InputProblem, match="0 of 5 units fire above 50 Hz"):
        select_units(binned, 50.0, folds)


def test_every_setting_of_the_reader_is_handed_on(monkeypatch):
    """Each with a value of its own, so that none can stand for another."""
    from neuro.hmmglm import sets

    seen = {}

    def read(path, **given):
        seen.update(given, path=path)
        raise InputProblem("enough")

    monkeypatch.setattr(sets, "read_spikes", read)
    names = ("kind", "time_unit", "sampling_hz", "mat_key", "unit_filter", "trial_window")
    settings = {name: object() for name in names} | {"bin_s": 0.1, "segment_s": None}
    with pytest.raises(InputProblem):
        sets._bin_one("a.nwb", "a", settings | {"input": ["a.nwb"]}, None)
    assert seen == {name: settings[name] for name in names} | {"path": "a.nwb"}
