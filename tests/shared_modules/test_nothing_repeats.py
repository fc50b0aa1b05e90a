"""What repeats is on one side of the splits of every stage, and would be counted if it were not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from neuro.io.problems import InputProblem

RNG = np.random.default_rng(5)


def table_of(series, source, start_s, bin_s=0.1):
    from neuro.hmmglm.design.bins import Binned

    n_bins = [len(item) for item in series]
    masks = [np.ones(n, bool) for n in n_bins]
    table = pd.DataFrame(
        {
            "sequence": np.arange(len(series)),
            "label": source,
            "source": source,
            "start_s": start_s,
            "n_bins": n_bins,
            "n_observed": n_bins,
            "event_s": np.nan,
        }
    )
    units = pd.DataFrame({"unit": ["a", "b", "c"]})
    return Binned(series, masks, table, units, bin_s)


@pytest.mark.parametrize("order", ["blocks", "interleaved"])
def test_stretches_of_spikes_that_overlap_or_are_there_twice_stay_together(order):
    from neuro.hmmglm.design.folds import fold_of, repeats
    from neuro.stats.splits import shared_over_folds

    series = [RNG.poisson(0.5, (60, 3)).astype(np.int32) for _ in range(8)]
    series[7] = series[2].copy()  # one recording under two names
    # 6 s stretches; the second begins within the first
    binned = table_of(series, [*"aaabbbcd"], [0, 5, 12, 0, 6, 12, 0, 0])
    family = repeats(binned)
    assert [list(family).index(k) for k in family] == [0, 0, 2, 3, 4, 5, 6, 2]
    folds = fold_of(8, 4, order, family)
    assert sorted(set(folds)) == [0, 1, 2, 3] and shared_over_folds(family, folds) == 0
    naive = fold_of(8, 4, "interleaved")
    assert shared_over_folds(family, naive) == 2
    # sequences of one file of counts bring no clock: they begin at 0 and do not overlap
    labels = [f"sequence {k // 2} part {k % 2}" for k in range(8)]
    binned.table = binned.table.assign(source="a", label=labels)
    binned.table["start_s"] = [0.0, 6.0] * 4
    assert [list(repeats(binned)).index(k) for k in repeats(binned)] == [0, 1, 2, 3, 4, 5, 6, 2]
    with pytest.raises(InputProblem, match=r"8 sequences \(6 that repeat nothing .* 7 folds"):
        fold_of(8, 7, order, family)


def test_runs_of_one_person_are_in_one_fold_of_the_point_events():
    from neuro.hmmglm import sets
    from neuro.hmmglm.design.folds import fold_of
    from neuro.io.regions.series import Timeseries
    from neuro.stats.splits import shared_over_folds

    people = ["01", "01", "02", "02", "03", "03", "04"]
    keys = [f"sub-{who}_run-{k}" for k, who in enumerate(people)]
    series = [RNG.standard_normal((90, 4)) for _ in people]
    cohort = Timeseries(
        series, keys, people, ["x"] * 7, np.full(7, 2.0), np.full(7, 90), ["A", "B", "C", "D"]
    )
    settings = {
        "events": {"kind": "counts", "threshold_z": 1.0},
        "folds": 2,
        "fold_order": "interleaved",
    }
    binned, _, folds, _ = sets.bin_series(cohort, {}, settings)
    assert binned.table["source"].tolist() == people
    assert shared_over_folds(people, folds) == 0
    assert shared_over_folds(people, fold_of(7, 2, "interleaved")) == 3
    # of one person, runs are what can be left out
    cohort = dataclasses.replace(cohort, participant_id=["01"] * 7)
    binned, _, folds, _ = sets.bin_series(cohort, {}, settings)
    assert binned.table["source"].tolist() == keys and folds.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_recordings_of_one_animal_are_left_out_together():
    from neuro.ntf import stage
    from neuro.ntf.affinity.tensor import PairTensor
    from neuro.ntf.factors import heldout, rank
    from neuro.ntf.factors.operators import DenseRows

    values = RNG.random((20, 9, 15)).astype(np.float32)
    values[:, 8] = values[:, 0]
    names = ["sub-1_run-1", "sub-1_run-2", "sub-2_run-1", *"wxyzab"]
    tensor = PairTensor.__new__(PairTensor)
    object.__setattr__(tensor, "values", values)
    object.__setattr__(tensor, "animals", names)
    family = stage.families(tensor)
    assert family.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 0]
    operator = DenseRows(values, np.ones((9, 15), bool), None)
    seed = np.random.SeedSequence(3)
    together = heldout.animal_folds(operator, [2], 1, seed, family)
    naive = heldout.animal_folds(operator, [2], 1, seed)
    assert rank._shared([], together, values.shape, family) == 0
    assert rank._shared([], naive, values.shape, family) == 1
    sweep = rank.select_rank(
        values, [2], family=family, n_starts=2, n_repeats=1, max_iter=20, random_state=0
    )
    assert sweep.shared == 0


def test_fibres_of_a_recording_that_is_there_twice_are_held_out_together():
    from neuro.ntf.factors import rank
    from neuro.ntf.factors.models import NonNegativeCP
    from neuro.ntf.factors.operators import DenseRows

    values = RNG.random((20, 3, 40)).astype(np.float32)
    values[:, 2] = values[:, 0]
    family, seed = np.array([0, 1, 0]), np.random.SeedSequence(0)
    operator = DenseRows(values, np.ones((3, 40), bool), None)
    folds = [rank._fold(operator, NonNegativeCP, [2], 1, seed, given) for given in (family, None)]
    assert rank._shared(folds[:1], [], values.shape, family) == 0
    assert rank._shared(folds[1:], [], values.shape, family) > 0
    sweep = rank.select_rank(
        values, [2], family=family, n_starts=1, n_repeats=1, max_iter=10, random_state=0
    )
    assert sweep.shared == 0
    assert rank.select_rank(values, [2], n_starts=1, n_repeats=0, max_iter=5).shared is None


def test_one_scan_under_two_names_is_seen_in_the_diagnosis():
    from types import SimpleNamespace

    from neuro.adhd.diagnosis.scores import shared_subjects
    from neuro.stats.subjects import make_folds

    names = np.array([f"{k:02d}" for k in range(20)])
    people = pd.DataFrame(
        {"participant_id": names, "site": "x", "site_group": "x", "dx": np.arange(20) % 2}
    )
    folds = make_folds(people, schemes=["pooled"], outer_folds=4, repeats=2)
    features = SimpleNamespace(participant_id=names, X=RNG.random((20, 6)))
    # as `predictions.tsv` has them: a row per input
    rows = pd.concat([folds.assign(input="degree"), folds.assign(input="fc")])
    assert shared_subjects(rows, features)["value"] == 0
    first = folds[folds["repeat"] == 1].set_index("participant_id")["fold"]
    other = next(who for who in names if first[who] != first["00"])
    features.X[list(names).index(other)] = features.X[0]
    assert shared_subjects(rows, features)["value"] == 1
    features.X = RNG.random((20, 6))
    rows.iloc[0, rows.columns.get_loc("fold")] = "9"  # one subject, two folds
    assert shared_subjects(rows, features)["value"] == 1


def test_windows_of_one_movie_are_tested_apart():
    from neuro.io.responses.reader import build

    movie = RNG.random((400, 1)).astype(np.float32)
    windows = np.stack([movie[k : k + 16] for k in range(0, 380, 4)])
    responses = RNG.random((len(windows), 3)).astype(np.float32)
    data = build({"stimuli": windows, "responses": responses, "fs": 10.0}, "a.npz")
    assert data.shared() == 0 and (data.tier == "test").sum() >= 10
    frames = [
        {k for w in np.flatnonzero(data.tier == name) for k in range(4 * w, 4 * w + 16)}
        for name in ("train", "test")
    ]
    assert not frames[0] & frames[1]
    assert "windows of one recording, 16 frames long and 4 apart" in data.notes[-1]
    from neuro.stats.splits import shared_windows

    naive = RNG.permutation(np.repeat(["train", "test"], [85, 10]))
    assert shared_windows(data.place, naive == "train", naive == "test", 16) >= 9
    content = {"stimuli": windows, "responses": responses, "fs": 10.0, "tier": naive}
    with pytest.raises(InputProblem, match="take 'tier' out"):
        build(content, "a.npz")
    content.pop("tier")  # the advice
    assert build(content, "a.npz").shared() == 0
    content["tier"] = np.repeat(["train", "test"], [85, 10])
    kept = build(content, "a.npz")
    assert (kept.tier == "unused").sum() == 3 and kept.shared() == 0


@pytest.mark.parametrize("n_lags", [20, 90])
def test_a_twin_is_tested_where_no_window_reaches_into_training(n_lags):
    from neuro.mds.twin.linear import TemporalTwin
    from neuro.stats.splits import shared_windows, time_tiers

    stimuli = RNG.standard_normal((1500, 1)).astype(np.float32)
    tier = time_tiers(1500)
    place = np.arange(1500)
    assert shared_windows(place, tier == "train", tier == "test", n_lags) == (
        25 if n_lags > 64 else 0
    )
    twin = TemporalTwin(n_lags).fit(stimuli, RNG.random((1500, 2)), tier)
    assert twin.shared_ == 0
    # stimuli of the training do not change what the test says
    other = stimuli.copy()
    other[1199 + 64 - n_lags : 1200] += 3 if n_lags > 64 else 0
    with pytest.raises(InputProblem, match="n_lags: windows of 1500 samples leave no test"):
        TemporalTwin(1500).fit(stimuli, RNG.random((1500, 2)), tier)


def test_pictures_that_both_encoders_see_are_counted():
    from neuro.braindive.dataset import ImageData

    images = RNG.random((12, 3, 8, 8)).astype(np.float32)
    test = np.arange(12) >= 10
    data = ImageData(
        images, np.zeros((12, 2)), np.arange(12), np.zeros((12, 2)), test, [], [], None, []
    )
    assert data.shared() == 0
    images[1] = images[0]
    assert data.shared() == 1
    images[11] = images[4]
    assert data.shared() == 2
