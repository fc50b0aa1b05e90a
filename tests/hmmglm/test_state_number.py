"""Sweep over the number of states: rows, the one-standard-error rule, jobs against batches."""

import numpy as np
import pandas as pd
import pytest

from neuro.config.hmmglm import Hmmglm
from neuro.config.model import walk
from neuro.hmmglm import sets
from neuro.hmmglm.baselines import selection, sweep
from neuro.hmmglm.design import bins, files
from neuro.hmmglm.design import folds as folding
from neuro.simulate.switching import switching_glm


def settings(**changes):
    """The section with its defaults, as the workflow hands it over."""
    result: dict = {}
    for key, entry in walk(Hmmglm):
        *parents, leaf = key.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = entry.default
    return {**result, "input": "simulated", "n_starts": 2, **changes}


def binned_of(truth, bin_s=0.05):
    counts = list(truth.counts)
    table = pd.DataFrame(
        {
            "sequence": range(len(counts)),
            "label": "x",
            "source": "x",
            "start_s": 0.0,
            "n_bins": [len(item) for item in counts],
            "n_observed": [len(item) for item in counts],
            "event_s": np.nan,
        }
    )
    units = pd.DataFrame({"unit": [f"n{k + 1}" for k in range(counts[0].shape[1])]})
    return bins.Binned(counts, [np.ones(len(item), bool) for item in counts], table, units, bin_s)


@pytest.fixture(scope="module")
def small():
    return binned_of(switching_glm(6, 400, 6, 2, random_state=0))


def test_the_planted_number_is_chosen():
    truth = switching_glm(6, 1000, 12, 3, random_state=1)
    found = selection.select_states(
        list(truth.counts),
        (1, 3, 4),
        ("gaussian", "onehot"),
        n_starts=2,
        link="sigmoid",
        bias="shared",
        ridge=1.0,
        prior_sd=1 / 3,
    )
    assert found.k == 3
    best = found.curve.set_index(["model", "k"])["score"]
    assert best["onehot", 3] > best["gaussian", 3] > best["poisson_hmm", 3] > best["homogeneous", 1]
    assert found.curve["bits_per_spike"].loc[found.curve["model"] == "homogeneous"].item() == 0


def test_starts_of_the_search_follow_the_seed():
    counts = list(switching_glm(4, 60, 3, 2, random_state=1).counts)

    def states_without_couplings(seed):
        table = selection.select_states(
            counts, (2,), ("plain",), n_folds=2, n_starts=1, seed=seed
        ).table
        rows = table[table["model"] == "poisson_hmm"]
        assert len(rows) == 2
        return rows["test_ll_per_bin"].tolist()

    assert states_without_couplings(0) == states_without_couplings(0)
    assert states_without_couplings(0) != states_without_couplings(1)


def table_of(scores):
    """Sweep rows of one model from scores by (k, fold)."""
    rows = [
        {"model": "m", "k": k, "fold": f, "start": 0, "test_ll_per_bin": v, "objective": 1.0}
        for k, values in scores.items()
        for f, v in enumerate(values)
    ]
    return sweep.as_table(rows)


def test_one_standard_error_is_that_of_paired_differences():
    # folds differ by 10, states by 0.5 in every fold: the smaller one is worse for certain
    table = table_of({1: [-10.5, -20.5, -30.5], 2: [-10.0, -20.0, -30.0]})
    assert sweep.choose_k(table, "m") == 2
    # the same mean difference, but not in every fold: not distinguishable
    table = table_of({1: [-12.0, -18.5, -31.0], 2: [-10.0, -20.0, -30.0]})
    assert sweep.choose_k(table, "m") == 1
    assert sweep.choose_k(table, "m", "best") == 2
    curve = sweep.curve_of(table, "m").set_index("k")
    assert curve.loc[2, "loss"] == 0 and curve.loc[1, "loss"] == pytest.approx(0.5)


def test_the_best_start_is_chosen_by_training_only():
    rows = [
        {"model": "m", "k": 1, "fold": 0, "start": 0, "objective": 5.0, "test_ll_per_bin": -2.0},
        {"model": "m", "k": 1, "fold": 0, "start": 1, "objective": 4.0, "test_ll_per_bin": -1.0},
        {"model": "homogeneous", "k": 1, "fold": 0, "start": 0, "test_ll_per_bin": -3.0},
    ]
    best = sweep.best_starts(sweep.as_table(rows))
    assert best["start"].tolist() == [0, 0] and best["test_ll_per_bin"].tolist() == [-2.0, -3.0]


def test_jobs_and_batches_give_the_same_numbers(small, tmp_path):
    options = settings(folds=2, model=["plain", "gaussian", "onehot"])
    folds = folding.fold_of(6, 2)
    whole, best = sets.fit_size(small, folds, options, 2, seed=4)
    files.write_fits(tmp_path / "whole.npz", best)
    parts, paths = [], []
    for fold in range(2):
        for start in range(2):
            table, one = sets.fit_size(small, folds, options, 2, seed=4, only=(fold, start))
            parts.append(table)
            paths.append(files.write_fits(tmp_path / f"{fold}_{start}.npz", one))
    files.merge_fits(paths, tmp_path / "parts.npz")
    got, want = sets.in_order(pd.concat(parts, ignore_index=True)), sets.in_order(whole)
    assert got["model"].tolist() == want["model"].tolist()
    for name in ("train_ll", "test_ll_per_bin", "objective", "bic"):
        np.testing.assert_allclose(got[name], want[name], rtol=1e-8)
    with np.load(tmp_path / "whole.npz") as a, np.load(tmp_path / "parts.npz") as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-8)


def test_counts_file_round_trip(small, tmp_path):
    folds = folding.fold_of(6, 3)
    small.masks[2][5:9] = False
    files.write_counts(tmp_path / "counts.npz", small, folds)
    again, read = files.read_counts(tmp_path / "counts.npz")
    small.masks[2][5:9] = True
    np.testing.assert_array_equal(read, folds)
    np.testing.assert_array_equal(again.sequences[3], small.sequences[3])
    assert not again.masks[2][5:9].any() and again.bin_s == small.bin_s
    assert again.units["unit"].tolist() == small.units["unit"].tolist()


def test_one_state_without_couplings_is_the_constant_rate():
    rng = np.random.default_rng(0)
    events = [(rng.uniform(size=(80, 4)) < 0.3).astype(int) for _ in range(4)]
    masks = [np.ones(80, bool)] * 4
    arguments = {"n_history": 3, "n_starts": 1}
    for emission in ("poisson", "bernoulli"):
        rows = sweep.baseline_rows(
            events, masks, np.arange(4) % 2, 0, 1, emission=emission, **arguments
        )
        flat, hmm = (row["test_ll_per_bin"] for row in rows)
        assert hmm == pytest.approx(flat, rel=1e-9)


def test_null_data_are_fitted_only_for_region_series(small):
    options = settings(input="fmri", folds=2, model=["gaussian"], n_starts=1)
    options["events"] = {"kind": "counts", "threshold_z": 1.0, "n_null": 2}
    small.sequences = [np.minimum(item, 1) for item in small.sequences]
    table, _ = sets.fit_size(small, folding.fold_of(6, 2), options, 2)
    names = set(table["model"])
    assert names == {"gaussian", "gaussian:null-0", "gaussian:null-1", "poisson_hmm"}


def test_automatic_settings_follow_the_input():
    planted = files.estimator_settings(settings())
    assert (planted["link"], planted["bias"], planted["n_history"]) == ("sigmoid", "shared", 5)
    spikes = files.estimator_settings(settings(input="spikes"))
    assert (spikes["link"], spikes["bias"], spikes["diagonal"]) == ("auto", "per_state", "free")
    bold = files.estimator_settings(settings(input="fmri"))
    assert (bold["emission"], bold["link"], bold["n_history"], bold["diagonal"]) == (
        "bernoulli",
        "sigmoid",
        3,
        "shared",
    )
    paper = files.estimator_settings(settings(solver="paper"))
    assert paper["preset"] == "paper" and paper["bias"] == "auto"
