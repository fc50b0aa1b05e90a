"""What the workflow plans for spike trains and for point events, and what it refuses."""

import numpy as np
import pytest
from test_dry_run import empty_tree, planned, refused

from neuro.command.check.spikes import recordings, slow_edges

SPIKES = {"data": {"kind": "none"}, "hmmglm": {"input": "spikes", "sets": {"a": "a.txt"}}}


@pytest.fixture
def recording(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.txt", "b.txt"):
        lines = (f"{time:.3f} {unit}\n" for time, unit in zip(range(40), rng.integers(3, size=40)))
        (tmp_path / name).write_text("".join(lines))
    return tmp_path


def with_stage(**changes):
    return {**SPIKES, "hmmglm": {**SPIKES["hmmglm"], **changes}}


def test_spikes_alone_need_no_bold(recording):
    counts = planned(recording, config=with_stage(sets={"a": "a.txt", "b": ["a.txt", "b.txt"]}))
    assert counts == {
        "hmmglm_bin": 2,
        "hmmglm_fit": 10,
        "hmmglm_select": 2,
        "hmmglm_ladder": 2,
        "hmmglm_export": 2,
        "hmmglm_summary": 1,
        "report": 1,
        "all": 1,
    }


def test_a_grid_of_jobs_has_one_per_size_fold_and_start(recording):
    counts = planned(recording, config=with_stage(grid="jobs", n_states=[1, 3], n_starts=4))
    assert counts["hmmglm_fit_one"] == 2 * 3 * 4 and counts["hmmglm_fit"] == 2


def test_planted_spikes_are_a_target_of_their_own(tmp_path):
    config = {"data": {"kind": "none"}, "hmmglm": {"input": "simulated", "n_states": [2]}}
    counts = planned(tmp_path, "hmmglm", config=config)
    assert counts["hmmglm_simulate"] == counts["hmmglm_fit"] == counts["hmmglm"] == 1


def test_region_series_of_different_intervals_are_sets_of_their_own(tmp_path):
    empty_tree(tmp_path / "input", "table")
    for label, tr in (("01", 2.0), ("02", 2.5)):
        path = tmp_path / f"input/sub-{label}/func/sub-{label}_task-rest_timeseries.json"
        path.write_text(f'{{"RepetitionTime": {tr}}}')
    config = {
        "data": {"kind": "table", "root": "input"},
        "adhd": {"enabled": False},
        "hmmglm": {"n_states": [2]},
    }
    counts = planned(tmp_path, config=config)
    assert counts["fmri_table"] == 1 and counts["hmmglm_bin"] == 2


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"n_sates": [2]}, "hmmglm.n_sates: unknown key; did you mean 'n_states'?"),
        ({"sets": {}}, "hmmglm.sets: empty, but hmmglm.input has 'spikes'; name the recordings"),
        ({"sets": {"a": "no.txt"}}, "hmmglm.sets.a: no such file: no.txt"),
        ({"sets": {"a": []}}, "hmmglm.sets.a: expected a path or a list of paths"),
        (
            {"sets": {"a_1": "a.txt"}},
            "hmmglm.sets.a_1: the name of a set has letters and digits only",
        ),
        (
            {"input": ["spikes", "simulated"], "sets": {"planted": "a.txt"}},
            "hmmglm.sets.planted: this name stands for an input of its own; take another",
        ),
        (
            {"input": "fmri", "sets": {}, "enabled": True},
            "hmmglm.enabled: true, but data.kind is 'none'",
        ),
        ({"n_finish": 2, "grid": "jobs"}, "hmmglm.n_finish: compares the starts of one job"),
        ({"n_finish": 2, "solver": "paper"}, "hmmglm.n_finish: solver 'paper' finishes every"),
        ({"device": "cuda", "solver": "paper"}, "hmmglm.device: solver 'paper' runs on the CPU"),
        ({"start": "hmm", "bias": "shared"}, "hmmglm.start: 'hmm' needs a bias in every state"),
        ({"input": "simulated"}, "hmmglm.sets: given, but hmmglm.input has no 'spikes'"),
        ({"model": []}, "hmmglm.model: empty; name one of plain, gaussian, onehot"),
        ({"input": []}, "hmmglm.input: empty; name one of spikes, fmri, simulated"),
        (
            {"input": "simulated", "sets": {}, "simulated": {"n_sequences": 3}, "folds": 5},
            "hmmglm.simulated.n_sequences: got 3, expected at least hmmglm.folds (5)",
        ),
    ],
)
def test_settings_that_do_not_fit_are_one_line(recording, changes, line):
    said = refused(recording, with_stage(**changes))
    assert line in said
    assert all(len(item) <= 160 for item in said.splitlines())


def test_region_series_need_their_stage(tmp_path):
    empty_tree(tmp_path / "input", "table")
    config = {
        "data": {"kind": "table", "root": "input", "tr": 2.0},
        "fmri": {"enabled": False},
        "adhd": {"enabled": False},
        "hmmglm": {"input": "fmri"},
    }
    assert "hmmglm.input: 'fmri' needs fmri.enabled: true" in refused(tmp_path, config)


def test_what_one_hot_edges_cost_is_said_where_it_is_much(tmp_path):
    section = {"model": ["gaussian", "onehot"], "n_states": [2, 5], "n_basis": 1}
    # without whole curvatures there is nothing to say
    assert not slow_edges(section | {"solver": "cavi", "newton": "auto"}, 300, 72_000)
    assert slow_edges(section | {"solver": "cavi", "newton": "full"}, 300, 72_000)
    section |= {"solver": "relaxed", "newton": "auto"}
    # 5 states x 300 units x 72,000 bins x 301^2 / 2 products at 2.5e10 per CPU second
    (line,) = slow_edges(section, 300, 72_000)
    assert "300 units, 72000 bins and 5 states take about 196 CPU s per iteration" in line
    assert slow_edges(section, 31, 40_000) == slow_edges(
        section | {"model": ["plain"]}, 300, 72_000
    )
    counts = np.zeros((1000, 400), np.int32)
    counts[:, 0] = counts[0] = 1
    np.savez(tmp_path / "many.npz", counts=counts, bin_s=0.1)
    study = {"enabled": True, "input": ["spikes"], "sets": {"one": str(tmp_path / "many.npz")}}
    read = {
        "kind": "auto",
        "time_unit": "s",
        "sampling_hz": None,
        "mat_key": None,
        "covariates": {},
    }
    read |= {"unit_filter": None, "trial_window": None, "segment_s": None, "emission": "auto"}
    lines, problems = recordings(section | study | read | {"n_states": [60]})
    assert not problems and lines[-1].startswith("one: note: one-hot edges of 400 units, 1000 bins")
