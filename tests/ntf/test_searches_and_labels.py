"""Limits that are told before they are met: searches of many neurons, labels, files, ranks."""

import importlib.util
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from neuro.command.check.recordings import recordings as check
from neuro.config import resolve
from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import Recording
from neuro.ntf import stage, summary
from neuro.ntf.affinity.tensor import build_tensor
from neuro.ntf.communities.detect import communities, statistic
from neuro.ntf.communities.sbm import MAX_NODES
from neuro.ntf.factors import rank
from neuro.simulate.motifs import planted_epochs, planted_tensor
from neuro.stats.agreement import ami

SEARCH = {"backend": "networkx", "beside": ["sbm"], "fallback": False}


def test_a_block_model_beside_is_left_out_beyond_its_limit():
    """It died after all surrogates had run."""
    assert stage.backends(SEARCH, MAX_NODES) == (["networkx", "sbm"], [])
    names, notices = stage.backends(SEARCH, 1200)
    assert names[0] == "networkx" and "sbm" not in names
    assert notices == [notices[0]] and "sbm takes 400 neurons at most, there are 1200" in notices[0]


def test_leiden_stands_in_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(stage, "require", lambda name: None)
    assert stage.backends(SEARCH, 1200)[0] == ["networkx", "igraph"]
    paper = {"backend": "graph_tool", "beside": [], "fallback": True}
    assert stage.backends(paper, 1200)[0] == ["graph_tool"], "graph-tool has no such limit"


@pytest.mark.skipif(importlib.util.find_spec("igraph") is None, reason="igraph not installed")
def test_leiden_finds_planted_communities_beyond_the_limit():
    """What stands in the block model's place is run, with its null, not only named."""
    rng = np.random.default_rng(0)
    label = np.arange(450) % 3
    motif = np.triu(rng.random((450, 450)) * np.where(label[:, None] == label, 3, 1), 1)
    upper, dealt = np.triu_indices(450, 1), np.zeros_like(motif)
    dealt[upper] = rng.permutation(motif[upper])
    motif, dealt = motif + motif.T, dealt + dealt.T
    names, notices = stage.backends(SEARCH, len(motif))
    assert names[1] == "igraph" and "igraph stands in its place" in notices[0]
    groups = communities(motif, "igraph", n_seeds=3, null=[statistic(dealt, "igraph")])
    assert ami(label, groups.labels) == pytest.approx(1)
    assert groups.p_value == 0.5 and groups.statistic > 3 * statistic(dealt, "igraph")


def test_a_block_model_that_was_chosen_is_refused_beyond_its_limit():
    with pytest.raises(InputProblem, match="sbm takes 400 neurons at most, there are 401"):
        stage.backends({**SEARCH, "backend": "sbm"}, 401)


def test_a_preset_without_graph_tool_falls_back_to_what_takes_so_many(monkeypatch):
    def absent(name):
        if name != "networkx":
            raise ValueError(f"{name} is not installed")

    monkeypatch.setattr(stage, "require", absent)
    names, notices = stage.backends({"backend": "graph_tool", "beside": [], "fallback": True}, 900)
    assert names == ["networkx"] and len(notices) == 2


def checked(folder, n_neurons, **ntf):
    traces = np.random.default_rng(0).normal(size=(440, n_neurons)).cumsum(axis=0)
    np.savez(folder / "w1.npz", traces=traces.astype(np.float32), fs=4.0)
    given = {"files": [str(folder / "w1.npz")]}
    mapping = {
        "data": {"kind": "none"},
        "ntf": {"sources": ["recordings"], "recordings": given, **ntf},
    }
    assert resolve(mapping) == []
    return check(mapping["ntf"])


def test_check_tells_the_limit(tmp_path):
    lines, problems = checked(tmp_path, 410)
    assert not problems
    assert any("sbm takes 400 neurons at most, there are 410" in line for line in lines)
    _, problems = checked(tmp_path, 410, communities={"backend": "sbm", "beside": []})
    assert problems == [
        "ntf: sbm takes 400 neurons at most, there are 410; set communities.backend to networkx, "
        "igraph or graph_tool"
    ]
    assert not any("sbm" in line for line in checked(tmp_path, 40)[0])


def test_labels_of_a_counterbalanced_design_are_each_animals_own():
    """Without alignment by stimulus only what all share was labelled: nothing."""
    planted = planted_epochs(
        4, 12, 2, 2, epoch_s=20, rest_s=10, counterbalanced=True, random_state=0
    )
    tensor = build_tensor(planted.recordings, planted.events, "none", kind="differential")
    own = tensor.time_map["own"]
    assert own.shape == (len(tensor.values), 4)
    middle = tensor.time_map["offset_s"] + 0.5
    for column, item in enumerate(planted.recordings):
        want = np.full(len(own), "", dtype=object)
        for row in planted.events[planted.events["animal"] == item.name].itertuples():
            inside = (middle >= row.onset_s) & (middle < row.onset_s + row.duration_s)
            want[inside] = row.condition
        np.testing.assert_array_equal(own[:, column], want.astype(str))
    assert (own[:, 0] != own[:, 1]).any() and not (tensor.time_map["condition"] != "").any()
    factors = SimpleNamespace(time_map=tensor.time_map, animals=tensor.animals)
    table = summary.time_map_table(factors).set_index(["bin", "animal"])["condition"]
    assert table[(12, "w01")] != table[(12, "w02")]


def test_labels_of_aligned_epochs_are_shared():
    planted = planted_epochs(
        4, 12, 2, 2, epoch_s=20, rest_s=10, counterbalanced=True, random_state=0
    )
    tensor = build_tensor(planted.recordings, planted.events, "stimulus", kind="differential")
    shared = tensor.time_map["condition"]
    assert (tensor.time_map["own"] == shared[:, None]).all() and (shared != "").any()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"onset_s": 500.0}, "begin after the end of the recording"),
        ({"onset_s": -2.0}, "begin before the first frame"),
        ({"duration_s": -1.0}, "have a negative duration"),
    ],
)
def test_events_outside_of_a_recording_are_refused(change, what):
    item = Recording("w1", np.random.default_rng(0).normal(size=(400, 4)), 4.0, list("ABCD"))
    row = {"animal": "w1", "onset_s": 20.0, "duration_s": 10.0, "condition": "salt"} | change
    events = pd.DataFrame([row])
    with pytest.raises(InputProblem, match=what):
        build_tensor([item], events, "stimulus", kind="differential")


def test_each_file_may_name_its_own_array(tmp_path):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(60, 3)).astype(np.float32) for _ in range(3)]
    np.savez(tmp_path / "a.npz", dff=arrays[0], raw=arrays[1], fs=4.0)
    np.savez(tmp_path / "b.npz", raw=arrays[2], corrected=arrays[0], fs=4.0)
    given = {"content": "traces", "fs_hz": None, "variable": "raw", "time_axis": None}
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    found = stage.load("recordings", files, {**given, "variables": {"a.npz": "dff"}})
    np.testing.assert_array_equal(found[0].traces, arrays[0])
    np.testing.assert_array_equal(found[1].traces, arrays[2])
    mapping = {"data": {"kind": "none"}, "ntf": {"sources": ["recordings"]}}
    mapping["ntf"]["recordings"] = {
        "files": [str(path) for path in files],
        "variables": {"c.npz": "dff"},
    }
    assert any("variables: no recording is called 'c.npz'" in line for line in resolve(mapping))


def test_a_choice_at_the_end_of_the_ranks_is_told():
    values, _ = planted_tensor((40, 6, 100), 4, 0.05, random_state=0)
    short = rank.select_rank(values, range(2, 4), n_starts=2, random_state=0)
    assert short.rank == 3 and rank.LAST in short.reason
    whole = rank.select_rank(values, range(2, 8), n_starts=2, random_state=0)
    assert whole.rank < 7 and rank.LAST not in whole.reason
    given = rank.select_rank(values, [3], n_starts=2, random_state=0)
    assert rank.LAST not in given.reason, "a rank that was given is no end of a sweep"
