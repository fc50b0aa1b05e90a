"""The tensor: names across animals, masks, common time axes, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import PairKernels, Recording
from neuro.ntf.affinity.alignment import read_events
from neuro.ntf.affinity.identity import Identity, match_names, spread_pairs
from neuro.ntf.affinity.pairs import affinity
from neuro.ntf.affinity.prepare import check_recordings, resampled
from neuro.ntf.affinity.tensor import build_tensor


def recording(name="w1", names=("AVAL", "AVAR", "RIML", "SMDV"), fs=4.0, n_frames=160, seed=0):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.standard_normal((n_frames, len(names))), axis=0).astype(np.float32)
    return Recording(name, x, fs, list(names) if names else None)


def column(names, a, b):
    """Place of a pair of names."""
    i, j = sorted((names.index(a), names.index(b)))
    left, right = np.triu_indices(len(names), 1)
    return int(np.flatnonzero((left == i) & (right == j))[0])


def test_pairs_of_every_animal_stand_where_their_names_say():
    first = recording("w1", ("A", "B", "C"))
    second = recording("w2", ("D", "C", "A"), seed=1)
    tensor = build_tensor([first, second], kind="product", snr_min=0)
    assert tensor.names == ["A", "B", "C", "D"] and tensor.animals == ["w1", "w2"]
    assert tensor.values.shape == (40, 2, 6)
    own = affinity(second.traces, 4.0, "product", snr_min=0)
    for (a, b), place in ((("D", "C"), 0), (("D", "A"), 1), (("C", "A"), 2)):
        got = tensor.values[:, 1, column(tensor.names, a, b)]
        np.testing.assert_allclose(got, own[:, place])
    mask = tensor.pair_mask
    assert mask[0, column(tensor.names, "A", "B")] and not mask[1, column(tensor.names, "A", "B")]
    assert mask.sum() == 6 and (tensor.values[:, ~mask] == 0).all()


def test_a_trace_of_nan_is_a_missing_neuron_and_an_empty_name_no_identity():
    first = recording("w1")
    traces = first.traces.copy()
    traces[:, 1] = np.nan
    second = Recording("w2", traces, 4.0, ["AVAL", "AVAR", "RIML", ""])
    tensor = build_tensor([first, second], snr_min=0)
    assert tensor.names == ["AVAL", "AVAR", "RIML", "SMDV"]
    assert tensor.pair_mask[1].sum() == 1
    assert tensor.pair_mask[1, column(tensor.names, "AVAL", "RIML")]


def test_left_and_right_merge_to_the_mean_of_their_pairs():
    item = recording("w1", ("AVAL", "AVAR", "RIM"))
    single = recording("w2", ("AVAL", "RIM", "SMDL"), seed=2)
    tensor = build_tensor(
        [item, single], kind="product", identity=Identity(merge_lr=True), snr_min=0
    )
    # SMDL has no partner anywhere and keeps its name
    assert tensor.names == ["AVA", "RIM", "SMDL"]
    own = affinity(item.traces, 4.0, "product", snr_min=0)
    np.testing.assert_allclose(
        tensor.values[:, 0, column(tensor.names, "AVA", "RIM")],
        (own[:, 1] + own[:, 2]) / 2,
        rtol=1e-5,
    )
    renamed = build_tensor([item, single], identity=Identity({"AVAL": "x"}), snr_min=0)
    assert "x" in renamed.names and "AVAL" not in renamed.names
    complete = build_tensor([item, single], identity=Identity(complete=True), snr_min=0)
    assert complete.names == ["AVAL", "RIM"] and complete.pair_mask.all()


def test_spreading_pairs_is_what_a_loop_does():
    rng = np.random.default_rng(0)
    members = np.array([2, 0, -1, 2, 1])
    values = rng.random((3, 10)).astype(np.float32)
    out, seen = spread_pairs(values, members, 4)
    left, right = np.triu_indices(5, 1)
    slow = {}
    for k, (i, j) in enumerate(zip(left, right)):
        a, b = sorted((members[i], members[j]))
        if a >= 0 and a != b:
            slow.setdefault((a, b), []).append(values[:, k])
    for k, pair in enumerate(zip(*np.triu_indices(4, 1))):
        if pair in slow:
            np.testing.assert_allclose(out[:, k], np.mean(slow[pair], axis=0), rtol=1e-6)
        assert seen[k] == (pair in slow)


def events_table(rows):
    return pd.DataFrame(rows, columns=["animal", "onset_s", "duration_s", "condition"])


def test_epochs_are_ordered_by_identity_and_their_times_are_kept():
    first, second = recording("w1"), recording("w2", seed=1)
    events = events_table(
        [("w1", 8, 4, "salt"), ("w1", 24, 4, "odour"), ("w2", 8, 4, "odour"), ("w2", 24, 4, "salt")]
    )
    tensor = build_tensor([first, second], events, kind="product", pre_s=2, post_s=6, snr_min=0)
    assert tensor.time_alignment == "stimulus" and not tensor.concatenated
    assert list(dict.fromkeys(tensor.time_map["condition"])) == ["odour", "salt"]
    assert tensor.values.shape[0] == 16
    start = tensor.time_map["start_s"]
    np.testing.assert_allclose(start[:8, 0], 22 + np.arange(8))
    np.testing.assert_allclose(start[:8, 1], 6 + np.arange(8))
    assert list(np.flatnonzero(tensor.time_map["on"])) == [2, 3, 4, 5, 10, 11, 12, 13]
    whole = affinity(second.traces, 4.0, "product", snr_min=0)
    np.testing.assert_allclose(tensor.values[:8, 1], whole[6:14], rtol=1e-6)
    order = build_tensor([first, second], events, order=["salt", "odour"], snr_min=0)
    assert order.time_map["condition"][0] == "salt"


def test_epochs_beyond_the_recording_are_not_seen():
    item, other = recording("w1"), recording("w2", seed=1)
    events = events_table([("w1", 36, 10, "a"), ("w2", 10, 10, "a")])
    tensor = build_tensor([item, other], events, pre_s=0, post_s=10, snr_min=0)
    assert list(tensor.frame_mask[:, 0]) == [True] * 4 + [False] * 6
    assert tensor.frame_mask[:, 1].all()
    assert (tensor.values[4:, 0] == 0).all()


def test_a_tensor_sees_the_bins_that_keep_half_of_their_frames():
    """Bins of four frames, of which 0 to 4 are valid, at either end of the bin."""
    item = recording("w1")
    mask = np.ones(len(item.traces), bool)
    for number in range(10):
        frames = np.arange(4) if number < 5 else np.arange(4)[::-1]
        mask[4 * number + frames[number % 5 :]] = False
    masked = dataclasses.replace(item, frame_mask=mask)
    tensor = build_tensor([masked], snr_min=0)
    want = [valid >= 2 for valid in range(5)] * 2
    assert tensor.frame_mask[:10, 0].tolist() == want
    assert tensor.frame_mask[10:, 0].all()
    assert (tensor.values[:10, 0][~np.array(want)] == 0).all()


def test_shorter_recordings_end_in_bins_that_are_not_seen():
    tensor = build_tensor([recording("w1"), recording("w2", n_frames=80, seed=1)], snr_min=0)
    assert tensor.time_alignment == "none" and tensor.concatenated
    assert tensor.frame_mask[:, 1].sum() == 20 and tensor.frame_mask[:, 0].all()
    assert any("no shared clock" in note for note in tensor.notes)


def test_a_task_without_events_warns_and_is_done():
    with pytest.warns(UserWarning, match="means nothing for resting data; use 'none'"):
        tensor = build_tensor([recording("w1"), recording("w2", seed=1)], None, "task", snr_min=0)
    assert tensor.time_alignment == "task"


def test_two_signs_make_two_entries_of_every_animal():
    items = [recording("w1"), recording("w2", seed=1)]
    split = build_tensor(items, kind="edge_ts", sign="split")
    assert split.animals == ["w1 (+)", "w1 (-)", "w2 (+)", "w2 (-)"]
    both = build_tensor(items, kind="edge_ts", sign="blind")
    np.testing.assert_allclose(
        split.values[:, 0] + split.values[:, 1], both.values[:, 0], rtol=1e-5
    )
    with pytest.raises(ValueError, match="sign: 'split' needs a signed kind"):
        build_tensor(items, kind="product", sign="split")


def test_kernels_keep_holes_and_the_stronger_direction():
    kernels = np.zeros((3, 3, 4), np.float32)
    kernels[0, 1], kernels[1, 0] = -3.0, 2.0
    kernels[0, 2], kernels[2, 0] = np.nan, 5.0
    kernels[1, 2], kernels[2, 1] = np.nan, np.nan
    tensor = build_tensor([PairKernels("atlas", kernels, 2.0, ["A", "B", "C"])], scale="log1p")
    np.testing.assert_allclose(tensor.values[0, 0], np.log1p([3, 5, 0]), rtol=1e-6)
    assert list(tensor.pair_mask[0]) == [True, True, False]
    assert tensor.kind == "kernel" and tensor.fs == 2.0
    scaled = build_tensor([PairKernels("a", kernels, 2.0, ["A", "B", "C"])], scale="pair_max")
    np.testing.assert_allclose(scaled.values[0, 0], [1, 1, 0])


def test_the_tensor_on_disk_is_the_tensor_in_memory(tmp_path):
    items = [recording("w1"), recording("w2", seed=1)]
    there = build_tensor(items, out=tmp_path / "x.npy", snr_min=0)
    np.testing.assert_array_equal(
        np.load(tmp_path / "x.npy"), build_tensor(items, snr_min=0).values
    )
    assert isinstance(there.values, np.memmap)


def test_resampling_keeps_a_slow_signal():
    t = np.arange(400) / 8.0
    item = Recording("w", np.sin(2 * np.pi * 0.2 * t)[:, None].repeat(2, 1).astype("f4"), 8.0)
    slow = resampled(item, 5.0)
    assert slow.fs == 5.0 and len(slow.traces) == 250
    expected = np.sin(2 * np.pi * 0.2 * np.arange(250) / 5.0)
    np.testing.assert_allclose(slow.traces[10:-10, 0], expected[10:-10], atol=0.01)


def lines(items, **options):
    with pytest.raises(InputProblem) as error:
        build_tensor(items, **options)
    return error.value.problems


def test_recordings_that_do_not_fit_together_are_refused_in_one_line_each():
    nameless = [recording(f"w{k}", seed=k) for k in range(3)]
    nameless = [dataclasses.replace(item, names=None) for item in nameless]
    assert lines(nameless) == [
        "ntf: 3 recordings without neuron names cannot be stacked; give names or use one tensor "
        "per recording"
    ]
    rates = [recording("w1", fs=4.0), recording("w2", fs=4.1)]
    assert lines(rates) == ["sampling rates differ (4.0, 4.1 Hz); set recordings.resample_hz"]
    assert build_tensor(rates, resample_hz=4.0, snr_min=0).values.shape[1] == 2
    strangers = [recording("w1", ("A", "B")), recording("w2", ("C", "D"))]
    assert lines(strangers) == [
        "ntf: w1 and 1 more recordings have no neuron name in common; check the spelling or set "
        "identity.rename"
    ]
    some = [recording("w1"), recording("w2", seed=1), recording("w3", ("X", "Y"))]
    assert lines(some) == ["w3: shares no neuron name with any other recording; leave it out"]
    short = [recording("w1", n_frames=3)]
    assert lines(short) == [
        "ntf: 3 frames at 4 Hz are 0.75 s, shorter than one bin of 1 s; set affinity.bin_s"
    ]
    assert lines([]) == ["ntf: no recording was found; check recordings.files"]


def test_all_problems_of_a_check_come_at_once():
    constant = dataclasses.replace(recording("flat"), traces=np.ones((160, 4), np.float32))
    twice = dataclasses.replace(recording("w2"), names=["A", "A", "B", "C"])
    holes = recording("w3")
    holes.traces[10:41, 0] = np.nan
    single = Recording("alone", np.random.default_rng(0).random((160, 1)).astype("f4"), 5.0, ["A"])
    with pytest.raises(InputProblem) as error:
        check_recordings([constant, twice, holes, single, recording("w3")])
    found = error.value.problems
    for line in (
        "flat: every trace is constant; check the file",
        "w2: neuron name 'A' is repeated (1 such names); names must differ within a recording",
        "alone: 1 neuron with values, expected at least 2",
        "w3: two recordings have this name; names must differ",
        "sampling rates differ (4.0, 5.0 Hz); set recordings.resample_hz",
    ):
        assert line in found
    assert all("\n" not in line and len(line) <= 160 for line in found)


def test_an_animal_that_is_masked_throughout_is_refused():
    first, second = recording("w1"), recording("w2", seed=1)
    masked = dataclasses.replace(second, frame_mask=np.zeros(160, bool))
    masked.frame_mask[0] = True
    events = events_table([("w1", 10, 5, "a"), ("w2", 10, 5, "a")])
    assert lines([first, masked], events=events) == [
        "w2: no bin with valid frames; check its frame mask and events"
    ]


def test_conditions_that_an_animal_lacks_are_listed():
    items = [recording("w07"), recording("w08", seed=1)]
    events = events_table([("w08", 5, 2, "NaCl"), ("w08", 20, 2, "butanone"), ("w07", 5, 2, "x")])
    found = lines(items, events=events)
    assert "events: condition 'NaCl' missing in animal w07" in found
    assert "events: condition 'x' missing in animal w08" in found and len(found) == 3
    assert lines(items, events=events.iloc[:2]) == ["events: no event of animal w07; add its rows"]
    assert lines(items, time_alignment="stimulus") == [
        "events: missing, but time_alignment is 'stimulus'; give a table"
    ]


def test_event_tables_are_checked(tmp_path):
    path = tmp_path / "events.tsv"
    path.write_text("onset_s\tduration_s\tcondition\n5\t2\tNaCl\n")
    assert list(read_events(path, ["w1", "w2"])["animal"]) == ["w1", "w2"]
    path.write_text("animal\tonset_s\tcondition\nw1\t5\ta\n")
    with pytest.raises(InputProblem, match="no column 'duration_s'; expected animal, onset_s"):
        read_events(path, ["w1"])
    path.write_text("animal\tonset_s\tduration_s\tcondition\nw1\tsoon\t2\ta\nw9\t1\t2\ta\n")
    with pytest.raises(InputProblem) as error:
        read_events(path, ["w1"])
    assert len(error.value.problems) == 2
    assert "column 'onset_s', line 2: expected a number of seconds" in error.value.problems[0]
    assert "animal 'w9' has events but no recording" in error.value.problems[1]


def test_matching_keeps_the_order_of_first_appearance():
    names, members = match_names([["B", "A"], ["", "A", "C"]], Identity())
    assert names == ["B", "A", "C"]
    assert [list(member) for member in members] == [[0, 1], [-1, 1, 2]]
