"""Missing is not silent: units that were not observed cost the others nothing."""

import itertools

import numpy as np
import pandas as pd
import pytest

from neuro.hmmglm.design import bins, folds
from neuro.hmmglm.design.units import select_units
from neuro.hmmglm.sets import bin_spikes, from_counts
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import CountData, SpikeData, merged
from neuro.io.spikes.reader import read_spikes
from neuro.stats.observed import common_block

RNG = np.random.default_rng(5)


def recording(n_units=4, *, observed=None, intervals=None, seconds=60.0, labels=None):
    times = [np.sort(RNG.uniform(0, seconds, 200)) for _ in range(n_units)]
    units = pd.DataFrame({"unit": labels or [str(k + 1) for k in range(n_units)]})
    if observed is not None:
        observed = [np.reshape(item, (-1, 2)).astype(float) for item in observed]
    return SpikeData(times, units, intervals, None, "x", observed=observed)


def test_no_interval_is_never_and_unknown_is_throughout():
    assert bins.observed_bins(np.empty((0, 2)), 0.0, 5, 1.0).tolist() == [False] * 5
    assert bins.observed_bins(None, 0.0, 5, 1.0).all()


@pytest.mark.parametrize("seed", range(20))
def test_observed_bins_equal_the_slow_version(seed):
    rng = np.random.default_rng(seed)
    spans = np.sort(rng.integers(0, 40, (6, 2)) / 2.0, axis=1)
    covered = [
        any(low <= t and t + 0.5 <= high for low, high in spans) for t in np.arange(40) / 2.0
    ]
    # a bin of 1 s is observed when both of its halves are
    want = [covered[2 * k] and covered[2 * k + 1] for k in range(20)]
    assert bins.observed_bins(spans, 0.0, 20, 1.0).tolist() == want
    joined = merged(spans)
    assert (joined[1:, 0] > joined[:-1, 1]).all()


def test_a_unit_without_intervals_was_never_observed_and_costs_nothing():
    data = recording(3, observed=[[[0, 60]], [[0, 60]], []])
    binned = bins.bin_recording(data, 1.0, segment_s=10.0)
    assert np.concatenate(binned.masks).sum() == 60
    assert all(item[:, 2].sum() == 0 for item in binned.sequences)
    kept, rows = select_units(binned, 0.01, folds.fold_of(len(binned.sequences), 3))
    assert kept.units["unit"].tolist() == ["1", "2"] and rows[0]["what"] == "unit 3"
    assert "not silent" in rows[0]["reason"] and rows[0]["value"] == 0


def test_a_unit_that_was_observed_briefly_costs_the_others_nothing():
    data = recording(5, observed=[[[0, 60]]] * 4 + [[[20, 25]]])
    binned = bins.bin_recording(data, 1.0, segment_s=10.0)
    assert np.concatenate(binned.masks).sum() == 5
    kept, rows = select_units(binned, 0.01, folds.fold_of(6, 3))
    assert [row["what"] for row in rows] == ["unit 5"]  # one fold has its spikes
    assert np.concatenate(kept.entries).sum() == 60 * 4 and len(kept.units) == 4
    assert kept.table["n_observed"].tolist() == [10] * 6
    # the rates are those of the spikes, whatever the observation of the fifth unit
    n_bins = len(np.concatenate(binned.sequences))
    want = [(train < n_bins).sum() / n_bins for train in data.times[:4]]
    np.testing.assert_allclose(kept.units["rate_hz"], want)


def test_a_rate_is_over_the_time_in_which_the_unit_was_observed():
    data = recording(3, observed=[[[0, 60]], [[0, 60]], [[0, 10], [30, 50]]])
    binned = bins.bin_recording(data, 1.0, segment_s=10.0)
    kept, rows = select_units(binned, 0.01, folds.fold_of(6, 3))
    assert not rows and np.concatenate(kept.entries).sum(axis=0).tolist() == [60, 60, 30]
    seen = np.r_[0:10, 30:50]
    want = np.isin(np.floor(data.times[2]).astype(int), seen).sum() / 30
    assert kept.units["rate_hz"].iloc[2] == pytest.approx(want)


def test_units_never_observed_together_are_refused():
    binned = bins.bin_recording(recording(2, observed=[[[0, 25]], [[35, 60]]]), 1.0, segment_s=10.0)
    with pytest.raises(InputProblem, match="none of 2 units were observed at the same time"):
        select_units(binned, 0.01, folds.fold_of(len(binned.sequences), 3))


def test_the_largest_common_block_is_found():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        seen = rng.random((30, 6)) < 0.9
        seen[:, 2] &= rng.random(30) < 0.3
        chosen = common_block(seen)
        got = chosen.sum() * seen[:, chosen].all(axis=1).sum()
        best = max(
            len(some) * seen[:, some].all(axis=1).sum()
            for size in range(1, 7)
            for some in map(list, itertools.combinations(range(6), size))
        )
        assert got >= 0.8 * best
    seen = np.ones((10, 4), bool)
    assert common_block(seen).all()
    seen[:, 1] = False
    assert common_block(seen).tolist() == [True, False, True, True]


def test_a_unit_of_one_day_does_not_make_days_states(tmp_path):
    """A unit that was filtered out on day 2 is missing there; it must not read as silence."""
    for day, labels in enumerate([["1", "2", "3"], ["1", "2"]]):
        counts = RNG.poisson(2.0, (300, len(labels)))
        np.savez(tmp_path / f"{day}.npz", counts=counts, bin_s=0.1, unit=np.array(labels))
    binned, rows, _folds = bin_spikes([tmp_path / "0.npz", tmp_path / "1.npz"], settings(folds=2))
    # its spikes are in one fold of two alone
    assert binned.units["unit"].tolist() == ["1", "2"] and rows[0]["what"] == "unit 3"
    assert np.concatenate(binned.masks).all() and len(np.concatenate(binned.masks)) == 600
    binned, rows, _folds = bin_spikes([tmp_path / "0.npz", tmp_path / "1.npz"], settings(folds=3))
    assert binned.units["unit"].tolist() == ["1", "2", "3"] and not rows
    assert np.concatenate(binned.entries).sum(axis=0).tolist() == [600, 600, 300]


def settings(**changes):
    from neuro import config

    mapping = {"hmmglm": {"input": "spikes", "sets": {"a": "pyproject.toml"}}}
    config.resolve(mapping)
    return {**mapping["hmmglm"], "input": "spikes", "segment_s": 10.0, **changes}


def test_a_missing_stretch_of_one_unit_costs_that_unit():
    counts = RNG.poisson(1.0, (400, 4)).astype(float)
    counts[100:350, 2] = np.nan
    data = CountData([counts], 0.1, pd.DataFrame({"unit": list("abcd")}), "x")
    binned = from_counts(data, "x", 10.0)
    assert [len(item) for item in binned.sequences] == [100] * 4
    kept, _rows = select_units(binned, 0.0, folds.fold_of(4, 2))
    assert kept.units["unit"].tolist() == list("abcd")
    np.testing.assert_array_equal(np.concatenate(kept.entries), ~np.isnan(counts))
    np.testing.assert_array_equal(np.concatenate(kept.sequences), np.nan_to_num(counts))


def test_segments_of_counts_make_enough_folds(tmp_path):
    """What the line advises works for counts, too: shorter segments."""
    np.savez(tmp_path / "a.npz", counts=RNG.poisson(2.0, (300, 3)), bin_s=0.1)
    with pytest.raises(InputProblem, match="1 sequences for 3 folds; use shorter segments"):
        bin_spikes([tmp_path / "a.npz"], settings(segment_s=30.0))
    binned, _, _folds = bin_spikes([tmp_path / "a.npz"], settings(segment_s=5.0))
    assert len(binned.sequences) == 6 and binned.table["start_s"].tolist() == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize("which", ["ms", "samples"])
def test_times_that_are_no_seconds_are_refused_and_the_advice_works(tmp_path, which):
    rate = {"ms": 1000.0, "samples": 30000.0}[which]
    seconds = np.sort(RNG.uniform(0, 100, 2000))
    ticks = np.round(seconds * rate)
    ids = RNG.integers(1, 4, 2000)
    np.savetxt(tmp_path / "a.txt", np.c_[ticks, ids], fmt="%d")
    with pytest.raises(InputProblem, match=r"whole numbers, so hardly seconds; set hmmglm.time_u"):
        read_spikes(tmp_path / "a.txt")
    hz = 30000.0 if which == "samples" else None
    data = read_spikes(tmp_path / "a.txt", time_unit=which, sampling_hz=hz)
    np.testing.assert_allclose(np.sort(np.concatenate(data.times)), ticks / rate)
    if which == "samples":
        with pytest.raises(InputProblem, match=r"no sampling rate; set hmmglm.sampling_hz"):
            read_spikes(tmp_path / "a.txt", time_unit="samples")


@pytest.mark.parametrize(("factor", "words"), [(30000.0, "days, not plausible"), (1000.0, "1.2 d")])
def test_a_recording_of_days_is_refused(tmp_path, factor, words):
    times = np.sort(RNG.uniform(0, 100, 600)) * factor + 0.25
    np.savetxt(tmp_path / "a.txt", np.c_[times, RNG.integers(1, 4, 600)])
    with pytest.raises(InputProblem, match=words):
        read_spikes(tmp_path / "a.txt")


def test_milliseconds_of_mat_files(tmp_path):
    import scipy.io

    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.array([[500.0, 1250.5]]), np.array([[750.0]])
    scipy.io.savemat(tmp_path / "a.mat", {"unit_t": cells})
    data = read_spikes(tmp_path / "a.mat", time_unit="ms")
    np.testing.assert_allclose(np.concatenate(data.times), [0.5, 1.2505, 0.75])
