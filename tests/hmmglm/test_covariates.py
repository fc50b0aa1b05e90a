"""What was recorded beside the spikes: bins, lags, bases, and what the ladder makes of it."""

import numpy as np
import pandas as pd
import pytest

from neuro.config.checks import covariates as checks
from neuro.hmmglm.baselines import ladder
from neuro.hmmglm.design import covariates as beside
from neuro.hmmglm.design.covariates import Covariate
from neuro.hmmglm.sets import bin_spikes, climb_ladder, fit_size, refit
from neuro.hmmglm.tables import covariates_table, states_table
from neuro.io.covariates import Series
from neuro.io.problems import InputProblem

SETTINGS = {
    "input": "spikes",
    "kind": "auto",
    "time_unit": "s",
    "sampling_hz": None,
    "mat_key": None,
    "unit_filter": None,
    "trial_window": None,
    "segment_s": 10.0,
    "bin_s": 0.05,
    "min_rate_hz": 0.1,
    "folds": 2,
    "fold_order": "interleaved",
    "events": {"kind": "counts", "n_null": 0},
    "model": ["gaussian"],
    "emission": "auto",
    "link": "auto",
    "bias": "auto",
    "solver": "cavi",
    "diagonal": "auto",
    "decay": 1.0,
    "basis": "exponential",
    "n_basis": 1,
    "prior_sd": None,
    "ridge": 30.0,
    "covariate_ridge": None,
    "covariate_weights": "shared",
    "stop": "converged",
    "alpha": [0.2, 1.6, 0.2],
    "tau": 0.2,
    "pi_kappa": 0.0,
    "start": "noise",
    "n_history": None,
    "n_starts": 1,
    "n_finish": None,
    "newton": "auto",
    "device": "cpu",
    "max_iter": 30,
}


def series(time, values):
    values = np.asarray(values)
    values = values[:, None] if values.ndim == 1 else values
    return Series(np.asarray(time, float), values, ["a"], "a.tsv")


def test_stages_agree_on_what_an_entry_holds():
    own = Covariate("x")
    assert {k: getattr(own, k) for k in checks.DEFAULTS if k not in ("sets", "lags_s", "acts_on")}
    for key, value in checks.DEFAULTS.items():
        if key != "sets":
            got = getattr(own, key)
            assert (list(got) if isinstance(got, tuple) else got) == value


@pytest.mark.parametrize("seed", range(5))
def test_means_in_bins_equal_the_slow_version(seed):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, 10, 400))
    values = np.where(rng.random(400) < 0.1, np.nan, rng.normal(size=400))
    got = beside.in_bins(series(time, values), Covariate("a"), 1.0, 80, 0.1)[:, 0]
    for k in range(80):
        inside = (time >= 1 + 0.1 * k) & (time < 1 + 0.1 * (k + 1)) & np.isfinite(values)
        if inside.any():
            assert got[k] == pytest.approx(values[inside].mean())


def test_samples_rarer_than_bins_are_joined_but_not_over_gaps():
    time = np.r_[np.arange(0, 10, 0.5), np.arange(20, 30, 0.5)]
    got = beside.in_bins(series(time, 3 * time), Covariate("a"), 0.0, 300, 0.1)[:, 0]
    centre = (np.arange(300) + 0.5) * 0.1
    known = np.isfinite(got)
    # where a sample lies in the bin it is the value, elsewhere the line between samples
    np.testing.assert_allclose(got[known], 3 * centre[known], atol=3 * 0.05 + 1e-9)
    assert not known[(centre > 10) & (centre < 19.9)].any() and known[centre < 9.4].all()


def test_held_speed_events_power():
    time = np.arange(0, 20, 0.01)
    held = beside.in_bins(series([1, 5], [7.0, 8.0]), Covariate("a", measure="held"), 0, 10, 1.0)
    np.testing.assert_array_equal(held[:, 0], [np.nan, 7, 7, 7, 7, 8, 8, 8, 8, 8])
    circle = np.column_stack([np.cos(time), np.sin(time)]) * 5
    speed = beside.in_bins(series(time, circle), Covariate("a", measure="speed"), 1.0, 100, 0.1)
    np.testing.assert_allclose(speed, 5.0, rtol=0.01)
    licks = beside.in_bins(
        series([1.0, 1.04, 2.0], np.ones(3)), Covariate("a", measure="events"), 1, 3, 0.5
    )
    assert licks[:, 0].tolist() == [2, 0, 1]
    wave = np.where(time < 10, 1, 3) * np.sin(2 * np.pi * 8 * time) + 9 * np.sin(2 * np.pi * time)
    theta = Covariate("lfp", measure="power", band_hz=[6, 10])
    power = beside.in_bins(series(time, wave), theta, 0.0, 20, 1.0)[:, 0]
    assert np.mean(power[12:18] - power[2:8].mean()) == pytest.approx(2 * np.log(3), abs=0.05)


def test_lags_are_of_the_past():
    one = Covariate("a", file="x", lags_s=[0.0, 0.2])
    time = np.arange(0, 20, 0.01)
    got = [
        beside.in_bins(series(time, time), one, start - lag, 50, 0.1)
        for start in (5.0,)
        for lag in one.lags_s
    ]
    np.testing.assert_allclose(got[0] - got[1], 0.2, atol=0.011)


def test_bases():
    x = np.linspace(-3, 5, 200)
    x[17] = np.nan
    for basis in ("bspline", "raised_cosine"):
        columns, names = beside.basis_columns(x, Covariate("a", basis=basis, n_basis=6), x)
        assert columns.shape == (200, 6) == (200, len(names))
        assert np.isnan(columns[17]).all() and np.isfinite(np.delete(columns, 17, 0)).all()
        peaks = np.argmax(np.nan_to_num(columns), axis=0)
        assert (np.diff(peaks) >= 0).all() and np.nanmin(columns) >= 0
        # a smooth function of the value lies in their span
        known = np.isfinite(x)
        full = np.column_stack([np.ones(known.sum()), columns[known]])
        wave = np.sin(x[known])
        fit = full @ np.linalg.lstsq(full, wave, rcond=None)[0]
        assert np.mean((fit - wave) ** 2) < 0.05 * wave.var()
    texts = np.array(["left", "right", "", "left"])
    columns, names = beside.basis_columns(texts, Covariate("a", basis="onehot"), texts)
    assert names == [" left", " right"] and np.isnan(columns[2]).all()
    np.testing.assert_array_equal(columns[[0, 1, 3]], [[1, 0], [0, 1], [1, 0]])
    columns, names = beside.basis_columns(x, Covariate("a", basis="onehot", n_basis=4), x)
    assert len(names) == 4 and np.nansum(columns) == 199
    with pytest.raises(InputProblem, match="its values are texts; use basis: onehot"):
        beside.basis_columns(texts, Covariate("a"), texts)
    with pytest.raises(InputProblem, match="one value"):
        beside.basis_columns(np.ones(5), Covariate("a", basis="bspline"), np.ones(5))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Four place cells of an animal that runs up and down; light favours two of them."""
    folder = tmp_path_factory.mktemp("place")
    rng = np.random.default_rng(0)
    time = np.arange(100, 340, 0.05)
    where = np.abs((time / 12) % 2 - 1)
    rate = 8 * np.exp(-((where[:, None] - np.array([0.1, 0.4, 0.6, 0.9])) ** 2) / 0.02) + 2
    light = np.repeat(rng.integers(0, 2, 80), 60)
    spikes = rng.poisson(rate * np.array([3, 3, 0.2, 0.2]) ** light[:, None] * 0.05)
    rows = [
        (time[t] + rng.uniform(0, 0.05), unit + 1)
        for t, unit in zip(*np.nonzero(spikes))
        for _ in range(spikes[t, unit])
    ]
    np.savetxt(folder / "spikes.txt", sorted(rows), fmt="%.4f")
    noise = rng.normal(size=len(time))
    table = pd.DataFrame({"time": time, "x": where, "noise": noise, "light": light})
    table.to_csv(folder / "where.tsv", sep="\t", index=False)
    return folder


def settings_of(folder, **entry):
    given = {"file": str(folder / "where.tsv"), "column": "x", "basis": "bspline", "n_basis": 6}
    return {**SETTINGS, "covariates": {"where": {**given, **entry}}}


def test_place_explains_what_states_would_be_asked_to(place):
    """The ladder: position is worth much, and states add nothing once it is there."""
    found = {}
    settings = settings_of(place)
    light = {"file": str(place / "where.tsv"), "column": "light", "measure": "held"}
    settings["covariates"]["light"] = light
    for name, given in (("with", settings["covariates"]), ("without", {})):
        settings = {**settings, "covariates": given}
        binned, _, folds = bin_spikes([place / "spikes.txt"], settings)
        assert len(binned.sequences) == 24
        found[name] = climb_ladder(binned, folds, settings, 2).set_index("rung")
    own, bare = found["with"], found["without"]
    assert "covariates" not in bare.index and "driven_states" not in own.index
    assert own.loc["covariates", "verdict"] == "supported"
    assert own.loc["covariates", "below"] == "history"
    assert own.loc["covariates", "gain"] > 0.1 and own.loc["covariates", "covariate_ridge"] < 300
    assert own.loc["rate_states", "below"] == "covariates"
    assert own.loc["rate_states", "gain"] < 0.02 < bare.loc["rate_states", "gain"]
    for rung in ("rates", "glm", "history", "hmm"):
        # the same held-out bins: rungs without covariates do not change
        assert own.loc[rung, "bits_per_spike"] == pytest.approx(bare.loc[rung, "bits_per_spike"])


def test_noise_is_worth_nothing_and_drives_nothing(place):
    settings = settings_of(
        place, column="noise", basis="linear", acts_on=["emissions", "transitions"]
    )
    binned, _, folds = bin_spikes([place / "spikes.txt"], settings)
    rungs = climb_ladder(binned, folds, settings, 2).set_index("rung")
    assert rungs.loc["covariates", "verdict"] != "supported"
    assert abs(rungs.loc["covariates", "gain"]) < 0.01
    assert rungs.loc["driven_states", "below"] == "rate_states"
    assert abs(rungs.loc["driven_states", "gain"]) < 0.02


def test_fits_and_files_carry_the_covariates(place, tmp_path):
    from neuro.hmmglm.design import files
    from neuro.hmmglm.model import OneHotHMMGLM

    settings = settings_of(place)
    binned, _, folds = bin_spikes([place / "spikes.txt"], settings)
    files.write_counts(tmp_path / "counts.npz", binned, folds)
    again, _ = files.read_counts(tmp_path / "counts.npz")
    pd.testing.assert_frame_equal(again.covariate_table, binned.covariate_table, check_dtype=False)
    np.testing.assert_allclose(again.covariates[3], binned.covariates[3], rtol=1e-6)
    bits = {}
    for name, one in (("with", again), ("without", _without(again))):
        table, _ = fit_size(one, folds, settings, 1)
        rows = table[table["model"] == "gaussian"]
        bits[name] = rows["test_bits_per_spike"].mean()
        assert rows["covariate_ridge"].gt(0).all() == (name == "with")
    assert bits["with"] > bits["without"] + 0.1
    model = refit(again, settings, 2)
    loaded = OneHotHMMGLM.load(model.save(tmp_path / "model.npz"))
    states = states_table(loaded, again)
    assert len(states) == sum(map(len, again.sequences))
    assert loaded.layout_.ties_covariates
    np.testing.assert_allclose(loaded.covariate_weights_[0], loaded.covariate_weights_[1])
    table = covariates_table(loaded, again)
    assert set(table["covariate"]) == {"where"} and set(table["lag_s"]) == {0.0}
    one = table[(table["unit"] == again.units["unit"].iloc[2]) & (table["state"] == 0)]
    assert one["column"].tolist() == [f"where bspline {k}" for k in range(1, 7)]
    np.testing.assert_array_equal(one["weight"], loaded.covariate_weights_[0, 2])


def _without(binned):
    import dataclasses

    return dataclasses.replace(binned, covariates=None, covariate_table=None)


def test_columns_of_a_file_of_counts(tmp_path):
    rng = np.random.default_rng(0)
    where = rng.normal(size=900)
    np.savez(tmp_path / "counts.npz", counts=rng.poisson(0.3, (900, 4)), bin_s=0.1, where=where)
    settings = {**SETTINGS, "covariates": {"where": {"lags_s": [0.0, 0.2]}}}
    binned, _, _ = bin_spikes([tmp_path / "counts.npz"], settings)
    joined = np.concatenate(binned.covariates)
    assert len(binned.sequences) > 1 and binned.covariate_table["lag_s"].tolist() == [0.0, 0.2]
    np.testing.assert_array_equal(joined[:, 0], where)
    # across the borders of segments, which are one sequence of the file
    np.testing.assert_array_equal(joined[2:, 1], where[:-2])
    assert np.isnan(joined[:2, 1]).all()
    settings["covariates"] = {"speed": {}}
    with pytest.raises(InputProblem, match="no array 'speed'; found: counts, bin_s, where"):
        bin_spikes([tmp_path / "counts.npz"], settings)


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"column": "xx"}, "no column 'xx'; found: time, x, noise, light"),
        ({"shift": 4000}, r"times of covariate 'where' \(4100 to .* do not overlap"),
        ({"shift": 150}, "has no value in 6. % of the bins"),
        ({"drop": "time"}, "no column of time"),
        ({"measure": "power", "band_hz": [4, 40]}, "band_hz: 4 to 40 Hz, expected rising and"),
        ({"file": ["a", "b"]}, "2 files for 1 recordings"),
    ],
)
def test_what_is_wrong_is_one_line(place, tmp_path, entry, line):
    table = pd.read_csv(place / "where.tsv", sep="\t")
    table["time"] += entry.pop("shift", 0)
    table = table.drop(columns=[entry.pop("drop", "")], errors="ignore")
    table.to_csv(tmp_path / "where.tsv", sep="\t", index=False)
    settings = settings_of(tmp_path, **entry)
    with pytest.raises(InputProblem, match=line) as caught:
        bin_spikes([place / "spikes.txt"], settings)
    assert len(caught.value.problems) == 1 and "\n" not in caught.value.problems[0]


def test_check_says_it_before_anything_runs(place, tmp_path):
    from neuro.command.check.spikes import recordings

    section = settings_of(place) | {
        "enabled": True,
        "input": ["spikes"],
        "sets": {"a": str(place / "spikes.txt")},
    }
    lines, problems = recordings(section)
    assert problems == [] and not any("covariate" in line for line in lines)
    table = pd.read_csv(place / "where.tsv", sep="\t")
    table.loc[400:800, "x"] = np.nan
    table.to_csv(tmp_path / "where.tsv", sep="\t", index=False, na_rep="n/a")
    lines, problems = recordings(section | settings_of(tmp_path) | {"input": ["spikes"]})
    assert problems == []
    assert any("has no value in 8.4 % of the bins (longest stretch 20" in line for line in lines)
    table.to_csv(tmp_path / "where.tsv", sep="\t", index=False, columns=["time", "noise"])
    _, problems = recordings(section | settings_of(tmp_path) | {"input": ["spikes"]})
    assert problems == [f"{tmp_path}/where.tsv: no column 'x'; found: time, noise"]


def test_what_a_covariate_does_not_know_leaves_all_rungs_alike(place):
    """Bins without a value are no held-out bins of any rung."""
    base = {"n_history": 2, "emission_covariates": (0,), "transition_covariates": ()}
    values = [np.array([[0.0], [np.nan], [1.0]])]
    assert ladder.rungs_of(base, values).count("covariates") == 1
    assert "driven_states" not in ladder.rungs_of(base, values)
    assert "driven_states" in ladder.rungs_of(base | {"transition_covariates": (0,)}, values)
    assert "covariates" not in ladder.rungs_of(base | {"emission_covariates": ()}, values)


def good(**entry):
    section = {"input": ["spikes"], "solver": "cavi", "sets": {"a": "a.txt"}}
    return checks.problems({**section, "covariates": {"x": entry}})


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"basi": "linear"}, "hmmglm.covariates.x.basi: unknown key; did you mean 'basis'?"),
        ({"basis": "wavelet"}, "hmmglm.covariates.x.basis: got 'wavelet', expected one of linear,"),
        ({"file": "no.tsv"}, "hmmglm.covariates.x.file: no such file: no.tsv"),
        ({"basis": "bspline", "n_basis": 2}, "n_basis: got 2, expected a whole number >= 3"),
        ({"lags_s": [-0.1]}, "lags_s: got [-0.1], expected a list of seconds >= 0 before the bin"),
        ({"acts_on": ["rates"]}, "acts_on: got ['rates'], expected a list from emissions,"),
        ({"measure": "power"}, "band_hz: got None, measure 'power' needs two rising numbers"),
        ({"band_hz": [6, 10]}, "band_hz: given, but only measure 'power' filters; remove it"),
        ({"sets": ["b"]}, "hmmglm.covariates.x.sets: no set 'b' under hmmglm.sets"),
        ({"column": 3}, "column: got 3, expected a text or a list of texts"),
    ],
)
def test_a_wrong_entry_is_one_line(entry, line):
    found = good(**entry)
    assert len(found) == 1 and line in found[0]


def test_entries_of_a_set():
    given = {"x": {"file": "x.tsv", "sets": ["a"]}, "y": {"file": ["p", "q"]}}
    assert list(checks.of_set(given, "a")) == ["x", "y"] and "sets" not in checks.of_set(given, "a")
    assert checks.files_of(given, "b") == ["p", "q"]
    assert good(file=None) == []
    section = {"input": ["fmri"], "solver": "paper", "sets": {}, "covariates": {"x": 3}}
    assert len(checks.problems(section)) == 3
