"""Gaps of one neuron cost that neuron; events belong to their recordings; names to neurons."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import Recording
from neuro.ntf.affinity.identity import Identity
from neuro.ntf.affinity.prepare import check_events, labels, present, unobserved
from neuro.ntf.affinity.tensor import build_tensor

NAMES = ["AVA", "AVB", "AVD", "RIM", "RIB"]


def recording(name="w1", *, seed=0, names=tuple(NAMES), n_frames=160):
    traces = np.random.default_rng(seed).standard_normal((n_frames, len(names))).cumsum(axis=0)
    return Recording(name, traces.astype(np.float32), 4.0, list(names))


def test_a_neuron_with_gaps_is_left_out_and_costs_no_frame():
    whole, holes = recording(), recording()
    holes.traces[40:80, 2] = np.nan
    got = build_tensor([holes], snr_min=0)
    rest = dataclasses.replace(
        whole, traces=np.delete(whole.traces, 2, axis=1), names=[*NAMES[:2], *NAMES[3:]]
    )
    want = build_tensor([rest], snr_min=0)
    np.testing.assert_array_equal(got.values, want.values)
    assert got.names == want.names and got.frame_mask is None
    assert got.unobserved == {"w1": {"AVD": pytest.approx(0.75)}}


def test_frames_that_all_neurons_miss_are_masked_as_if_a_mask_said_so():
    masked, holes = recording(), recording()
    holes.traces[40:60] = np.nan
    mask = np.ones(160, bool)
    mask[40:60] = False
    want = build_tensor([dataclasses.replace(masked, frame_mask=mask)], snr_min=0)
    got = build_tensor([holes], snr_min=0)
    np.testing.assert_array_equal(got.values, want.values)
    np.testing.assert_array_equal(got.frame_mask, want.frame_mask)
    assert got.unobserved == {}


def test_a_short_gap_costs_its_frames_not_the_neuron():
    item = recording()
    item.traces[10:12, 1] = np.nan
    kept = present(item)
    assert kept.names == NAMES and (~kept.frame_mask).nonzero()[0].tolist() == [10, 11]
    assert unobserved(item) == {}


def test_numbers_of_neurons_are_those_of_the_file():
    item = dataclasses.replace(recording(), names=None)
    item.traces[:, 1] = np.nan
    item.traces[:120, 3] = np.nan
    assert labels(present(item)) == ["n1", "n3", "n5"]
    assert labels(present(present(item))) == ["n1", "n3", "n5"]
    # a neuron without any value is missing, not left out
    assert unobserved(item) == {"n2": 0.0, "n4": pytest.approx(0.25)}


def test_what_was_left_out_stands_in_the_exclusions(tmp_path):
    from neuro.ntf import files, summary

    item = recording()
    item.traces[40:80, 2] = np.nan
    files.write_axes(tmp_path / "axes.npz", build_tensor([item], snr_min=0))
    axes = files.read_axes(tmp_path / "axes.npz")
    components = pd.DataFrame(
        {
            "backend": ["x"],
            "component": [1],
            "is_background": [False],
            "few_animals": [False],
            "participation": [1.0],
        }
    )
    (row,) = summary.exclusions("set", axes, components)
    assert row["what"] == "set: w1 AVD" and row["value"] == 0.75
    assert "missing in too many frames" in row["reason"]


def events(*rows):
    return pd.DataFrame(rows, columns=["animal", "onset_s", "duration_s", "condition"])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("w1", 40.0, 2.0, "a"), r"begin after the end of the recording \(40 s\), first 40 s"),
        (("w1", -1.0, 2.0, "a"), "begin before the first frame, first -1 s"),
        (("w1", 5.0, -2.0, "a"), "have a negative duration, first -2 s"),
    ],
)
def test_events_that_do_not_fit_their_recording_are_refused(row, words):
    good = ("w1", 5.0, 2.0, "a")
    check_events([recording()], events(good))
    with pytest.raises(InputProblem, match=f"1 of 2 events of w1 {words}"):
        build_tensor([recording()], events(good, row))
    # the same times may be right in another animal
    longer = recording("w2", n_frames=400)
    check_events([recording(), longer], events(good, ("w2", 40.0, 2.0, "a")))


def test_conditions_are_marked_only_where_animals_agree():
    items = [recording("w1"), recording("w2", seed=1)]
    same = events(("w1", 5, 5, "a"), ("w1", 20, 5, "b"), ("w2", 5, 5, "a"), ("w2", 20, 5, "b"))
    tensor = build_tensor(items, same, "task", snr_min=0)
    condition = tensor.time_map["condition"]
    assert set(condition[5:10]) == {"a"} and set(condition[20:25]) == {"b"}
    other = same.assign(condition=["a", "b", "b", "b"])
    tensor = build_tensor(items, other, "task", snr_min=0)
    condition = tensor.time_map["condition"]
    assert set(condition[5:10]) == {""} and set(condition[20:25]) == {"b"}
    assert any("events differ between animals" in note for note in tensor.notes)
    assert not tensor.time_map["on"][5:10].any() and tensor.time_map["on"][20:25].all()


def test_names_that_differ_only_in_spelling_are_told_and_the_advice_works():
    items = [recording("w1"), recording("w2", names=["ava", "AVB", "AVD", "RIM", "RIB"])]
    with pytest.raises(InputProblem, match=r"set identity.rename: \{ava: AVA\}"):
        build_tensor(items, snr_min=0)
    tensor = build_tensor(items, snr_min=0, identity=Identity({"ava": "AVA"}))
    assert tensor.names == NAMES and tensor.pair_mask.all()


def test_numbers_do_not_identify_neurons_across_animals():
    items = [recording(name, names=["0", "1", "2"]) for name in ("w1", "w2")]
    with pytest.raises(InputProblem, match=r"names are mere numbers .*recordings.stack: false"):
        build_tensor(items, snr_min=0)
    assert build_tensor(items[:1], snr_min=0).names == ["0", "1", "2"]


def test_check_opens_every_recording(tmp_path, monkeypatch, capsys):
    from neuro.command import cli

    monkeypatch.chdir(tmp_path)
    item = recording()
    item.traces[40:80, 2] = np.nan
    np.savez("w1.npz", traces=item.traces, names=np.array(NAMES), fs=4.0)
    np.save("wide.npy", item.traces[:, :3].T)
    text = "data: {kind: none}\nntf: {sources: [recordings], recordings: {files: [%s]%s}}\n"
    (tmp_path / "mine.yaml").write_text(text % ("w1.npz", ", fs_hz: 4"))
    assert cli.main(["check", "--config", "mine.yaml"]) == 0
    said = capsys.readouterr().out
    assert "w1.npz: 5 neurons (first AVA, AVB, AVD), 160 frames at 4 Hz: 40.0 s" in said
    assert "w1.npz: note: AVD has values in 75% of the frames; left out" in said
    (tmp_path / "mine.yaml").write_text(text % ("wide.npy", ", fs_hz: 4"))
    assert cli.main(["check", "--config", "mine.yaml"]) == 1
    assert "set recordings.time_axis" in capsys.readouterr().err
    (tmp_path / "mine.yaml").write_text(text % ("wide.npy", ", fs_hz: 4, time_axis: 1"))
    assert cli.main(["check", "--config", "mine.yaml"]) == 0
    # events are compared with the recordings they belong to
    events(("w1", 400.0, 2.0, "a")).to_csv("events.tsv", sep="\t", index=False)
    (tmp_path / "mine.yaml").write_text(text % ("w1.npz", ", events: events.tsv"))
    assert cli.main(["check", "--config", "mine.yaml"]) == 1
    assert "begin after the end of the recording" in capsys.readouterr().err


def test_numbers_of_one_file_are_labels_of_its_atlas():
    """Regions of AAL are numbered 2001, 2002, 2101 in the tables of many laboratories."""
    names = ["2001", "2002", "2101", "2102", "2111"]
    items = [
        dataclasses.replace(recording(name, names=names), path="results/fmri/timeseries.h5")
        for name in ("sub-1", "sub-2")
    ]
    assert build_tensor(items, snr_min=0).names == names


def test_traces_that_never_rise_above_their_noise_are_one_line(tmp_path):
    from neuro.config import resolve
    from neuro.io.problems import InputProblem
    from neuro.io.recordings.reader import Recording
    from neuro.ntf import stage

    settings = {"data": {"kind": "none"}, "ntf": {"sources": ["recordings"]}}
    settings["ntf"]["recordings"] = {"files": ["*.csv"], "fs_hz": 4.0}
    settings["ntf"]["affinity"] = {"kind": "differential"}
    resolve(settings)
    rng = np.random.default_rng(0)
    items = [
        Recording(name, rng.standard_normal((200, 4)), 4.0, list("abcd"), None, name)
        for name in ("w1", "w2")
    ]
    with pytest.raises(InputProblem, match=r"nothing rises .* \(8 traces are silent\)"):
        stage.make_tensor("recordings", items, settings["ntf"], None, tmp_path / "a.npy")
    # the advice
    settings["ntf"]["affinity"]["snr_min"] = 0
    tensor = stage.make_tensor("recordings", items, settings["ntf"], None, tmp_path / "b.npy")
    assert tensor.values.any()


@pytest.mark.parametrize("alignment", ["auto", "task"])
def test_runs_share_a_clock_only_where_the_settings_say_task(tmp_path, alignment):
    from neuro.config import resolve
    from neuro.io.recordings.reader import Recording
    from neuro.ntf import stage

    settings = {"data": {"kind": "simulated"}, "ntf": {"sources": ["fmri"]}}
    settings["ntf"]["time_alignment"] = alignment
    resolve(settings)
    rng = np.random.default_rng(0)
    items = [
        Recording(name, rng.standard_normal((200, 4)), 0.5, list("abcd"), None, name)
        for name in ("sub-01", "sub-02")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tensor = stage.make_tensor("fmri", items, settings["ntf"], None, tmp_path / "a.npy")
    assert tensor.time_alignment == {"auto": "none", "task": "task"}[alignment]
    rows = ["onset_s\tduration_s\tcondition", "60\t20\ta", "200\t20\ta"]
    (tmp_path / "events.tsv").write_text("\n".join(rows) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        tensor = stage.make_tensor(
            "fmri", items, settings["ntf"], tmp_path / "events.tsv", tmp_path / "b.npy"
        )
    assert tensor.time_alignment == {"auto": "stimulus", "task": "task"}[alignment]
