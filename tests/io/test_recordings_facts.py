"""Facts decide the axes of a recording: right, turned, or one line; never a silent misreading."""

import json
import warnings

import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import read_recording

RNG = np.random.default_rng(3)
WIDE = RNG.random((5, 40)).astype(np.float32)
TALL = np.ascontiguousarray(WIDE.T)
NAMES = ["AVA", "AVB", "AVD", "RIM", "RIB"]


def refused(*arguments, **options):
    with pytest.raises(InputProblem) as error:
        read_recording(*arguments, **options)
    assert len(error.value.problems) == 1 and "\n" not in error.value.problems[0]
    return error.value.problems[0]


def table(path, header, columns, mark=","):
    rows = [mark.join(f"{x:.6g}" for x in row) for row in np.column_stack(columns)]
    path.write_text("\n".join(([header] if header is not None else []) + rows) + "\n")
    return path


def test_a_short_and_wide_array_is_a_question_and_both_answers_work(tmp_path):
    np.save(tmp_path / "a.npy", WIDE)
    line = refused(tmp_path / "a.npy", fs=4.0)
    assert "set recordings.time_axis: 0 (a row is a frame) or 1 (a row is a neuron)" in line
    assert read_recording(tmp_path / "a.npy", fs=4.0, time_axis=0).traces.shape == (5, 40)
    np.testing.assert_array_equal(
        read_recording(tmp_path / "a.npy", fs=4.0, time_axis=1).traces, TALL
    )
    np.savetxt(tmp_path / "a.csv", WIDE, delimiter=",")
    assert "set recordings.time_axis" in refused(tmp_path / "a.csv", fs=4.0)


@pytest.mark.parametrize("turned", [False, True])
def test_names_times_and_masks_decide(tmp_path, turned):
    values = WIDE if turned else TALL
    for extra in (
        {"names": np.array(NAMES)},
        {"t": np.arange(40) / 4.0},
        {"frame_mask": np.ones(40, bool)},
    ):
        np.savez(tmp_path / "a.npz", traces=values, **extra)
        item = read_recording(tmp_path / "a.npz", fs=4.0)
        np.testing.assert_array_equal(item.traces, TALL)
        assert bool(item.notes) == turned


def test_facts_that_contradict_each_other_or_the_user_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", traces=WIDE, names=np.array(NAMES), t=np.arange(5.0))
    assert "the vector of times (5) says a row is a frame, the number of names (5)" in refused(
        tmp_path / "a.npz", fs=4.0
    )
    np.savez(tmp_path / "a.npz", traces=WIDE, names=np.array(NAMES), fs=4.0)
    line = refused(tmp_path / "a.npz", time_axis=0)
    assert line.endswith("set recordings.time_axis: 1")
    np.testing.assert_array_equal(read_recording(tmp_path / "a.npz", time_axis=1).traces, TALL)


CLOCKS = ("time", "Time (s)", "Time(s)", "time_s", "timestamp", "Timestamps", "t", "seconds", "x")


@pytest.mark.parametrize("head", CLOCKS)
def test_an_even_column_is_a_clock_whatever_its_name(tmp_path, head):
    times = np.arange(40) * 0.25
    path = table(tmp_path / "a.csv", f"{head},AVA,AVB", [times, TALL[:, :2]])
    item = read_recording(path)
    assert item.names == ["AVA", "AVB"] and item.fs == pytest.approx(4.0)
    assert read_recording(path, fs=4.0).names == ["AVA", "AVB"]
    assert "is a clock of 4 Hz, but 30 Hz is stated" in refused(path, fs=30.0)


def test_clocks_in_ms_minutes_frames_and_the_index_of_pandas(tmp_path):
    path, traces = tmp_path / "a.csv", TALL[:, :2]
    for head, step in (("Time (ms)", 250.0), ("time_min", 0.25 / 60)):
        item = read_recording(table(path, f"{head},A,B", [np.arange(40) * step, traces]))
        assert item.fs == pytest.approx(4.0, rel=1e-3) and item.names == ["A", "B"]
    # ms that are not said are recognised by the rate
    assert read_recording(
        table(path, "time,A,B", [np.arange(40) * 250.0, traces]), fs=4.0
    ).names == ["A", "B"]
    for head in ("", "frame", "index", "Frame #", "time"):
        table(path, f"{head},A,B", [np.arange(40), traces])
        item = read_recording(path, fs=4.0)
        assert item.names == ["A", "B"] and item.fs == 4.0, head
        assert "set recordings.fs_hz" in refused(path)
    item = read_recording(table(path, "frame,time,A,B", [np.arange(40), np.arange(40) / 4, traces]))
    assert item.names == ["A", "B"] and item.fs == pytest.approx(4.0)


def test_clocks_without_a_header_and_in_arrays(tmp_path):
    whole = np.column_stack([np.arange(40) / 30, TALL[:, :3]]).astype(np.float32)
    np.save(tmp_path / "a.npy", whole)
    np.testing.assert_allclose(read_recording(tmp_path / "a.npy", fs=30.0).traces, TALL[:, :3])
    np.savetxt(tmp_path / "a.txt", whole, fmt="%.4f")
    assert read_recording(tmp_path / "a.txt", fs=30.0).traces.shape == (40, 3)
    # named traces beside an array that brings its clock along
    np.savez(tmp_path / "a.npz", traces=whole, names=np.array(NAMES[:3]))
    item = read_recording(tmp_path / "a.npz", fs=30.0)
    assert item.names == NAMES[:3] and item.traces.shape == (40, 3)


def test_a_clock_with_gaps_or_without_order_is_refused(tmp_path):
    times = np.arange(40) / 4.0
    times[20:] += 5
    path = table(tmp_path / "a.csv", "time_s,A,B", [times, TALL[:, :2]])
    assert "are not regular (steps 0.25 to 5.25); resample the traces" in refused(path, fs=4.0)
    path = table(tmp_path / "a.csv", "time_s,A,B", [times[::-1], TALL[:, :2]])
    assert "do not increase" in refused(path, fs=4.0)
    # an index without the rows that were dropped is a gap, too; adding them as NaN works
    index = np.delete(np.arange(40), [7, 8])
    path = table(tmp_path / "a.csv", ",A,B", [index, TALL[index, :2]])
    assert "the index' are not regular" in refused(path, fs=4.0)
    whole = TALL[:, :2].copy()
    whole[7:9] = np.nan
    item = read_recording(table(path, ",A,B", [np.arange(40), whole]), fs=4.0)
    assert item.names == ["A", "B"] and item.observed.sum() == 76


def test_traces_that_merely_rise_are_no_clocks(tmp_path):
    """Bleaching, ramps with noise, and many synthetic ramps stay neurons."""
    rise = np.cumsum(RNG.random(40) + 0.1)
    path = table(tmp_path / "a.csv", "A,B,C", [rise, TALL[:, :2]])
    assert read_recording(path, fs=4.0).names == ["A", "B", "C"]
    ramps = np.outer(np.arange(40.0), [1, 2, 3, 4])
    np.save(tmp_path / "a.npy", ramps)
    assert read_recording(tmp_path / "a.npy", fs=4.0).traces.shape == (40, 4)


@pytest.mark.parametrize("first", ["100 101 103", "7 3 5", "1 2 4", "5 6 7"])
def test_a_first_row_of_whole_numbers_is_data(tmp_path, first):
    path = tmp_path / "a.txt"
    path.write_text(f"{first}\n100.5 101.25 103.125\n100.75 101.5 103.25\n100.1 101.1 103.9\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        item = read_recording(path, fs=1.0)
    assert item.traces.shape == (4, 3) and item.names is None
    assert item.traces[0].tolist() == [float(x) for x in first.split()]


def test_counted_columns_are_a_header_with_a_word_about_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0 1 2\n" + "".join(f"{a} {b} {c}\n" for a, b, c in TALL[:, :3]))
    with pytest.warns(UserWarning, match="taken as a header"):
        assert read_recording(path, fs=1.0).names == ["0", "1", "2"]
    # the index and the columns of a table of pandas
    path = table(tmp_path / "b.csv", ",0,1,2", [np.arange(40), TALL[:, :3]])
    assert read_recording(path, fs=1.5).names == ["0", "1", "2"]


@pytest.mark.parametrize("line", ["# AVA,AVB,AVD", "#AVA,AVB,AVD", "% AVA,AVB,AVD"])
def test_a_comment_line_names_the_columns(tmp_path, line):
    path = table(tmp_path / "a.csv", f"# recorded by hand\n{line}", [TALL[:, :3]])
    assert read_recording(path, fs=4.0).names == ["AVA", "AVB", "AVD"]
    path = table(tmp_path / "a.csv", "# two words", [TALL[:, :3]])
    assert read_recording(path, fs=4.0).names is None


def test_missing_values_stay_missing_entry_by_entry(tmp_path):
    traces = TALL.copy()
    traces[3:9, 1] = np.nan
    np.savez(tmp_path / "a.npz", traces=traces, names=np.array(NAMES), fs=4.0)
    item = read_recording(tmp_path / "a.npz")
    np.testing.assert_array_equal(item.observed, ~np.isnan(traces))
    traces[0, 0] = np.inf
    np.savez(tmp_path / "a.npz", traces=traces, names=np.array(NAMES), fs=4.0)
    assert "infinite values in 1 traces, first in AVA; write NaN" in refused(tmp_path / "a.npz")
    traces[0, 0] = np.nan
    np.savez(tmp_path / "a.npz", traces=traces, names=np.array(NAMES), fs=4.0)
    assert read_recording(tmp_path / "a.npz").observed[0, 0] == False  # noqa: E712


# --- pipelines --------------------------------------------------------------------------------


def suite2p(folder, n=6, frames=40, cells=None, fs=None, seed=0):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    arrays = {name: rng.random((n, frames)).astype("f4") for name in ("F", "Fneu", "spks")}
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    marks = np.ones((n, 2)) if cells is None else np.column_stack([cells, np.full(n, 0.5)])
    np.save(folder / "iscell.npy", marks)
    if fs is not None:
        ops = {"nplanes": 1, "Ly": 512, "fs": fs, "tau": 1.0, "list": [1, 2]}
        np.save(folder / "ops.npy", ops, allow_pickle=True)
    return arrays


def test_a_plane_of_suite2p_is_turned_and_its_cells_are_kept(tmp_path):
    cells = np.array([1, 0, 1, 1, 0, 1])
    arrays = suite2p(tmp_path / "m1/suite2p/plane0", cells=cells, fs=7.5)
    for path in (tmp_path / "m1", tmp_path / "m1/suite2p", tmp_path / "m1/suite2p/plane0"):
        item = read_recording(path)
        np.testing.assert_array_equal(item.traces, arrays["F"][cells == 1].T)
        assert item.fs == 7.5 and item.numbers.tolist() == [1, 3, 4, 6] and item.name == "m1"
    np.testing.assert_array_equal(
        read_recording(tmp_path / "m1", variable="spks").traces, arrays["spks"][cells == 1].T
    )
    item = read_recording(tmp_path / "m1/suite2p/plane0/F.npy")
    assert item.traces.shape == (40, 4) and "2 of 6 regions are marked as no cells" in item.notes[1]
    assert "set recordings.variable to one of: F, Fneu, spks" in refused(
        tmp_path / "m1", variable="dff"
    )
    assert "7.5 Hz in the file but 30 Hz" in refused(tmp_path / "m1", fs=30.0)


def test_more_regions_than_frames_are_no_reason_to_turn(tmp_path):
    arrays = suite2p(tmp_path / "a", n=50, frames=20)
    np.testing.assert_array_equal(read_recording(tmp_path / "a", fs=3.0).traces, arrays["F"].T)


def test_planes_stand_side_by_side(tmp_path):
    first = suite2p(tmp_path / "suite2p/plane0", fs=5.0, cells=[1, 1, 0, 1, 1, 1])
    second = suite2p(tmp_path / "suite2p/plane1", n=3, fs=5.0, seed=1)
    item = read_recording(tmp_path)
    want = np.concatenate([first["F"][[0, 1, 3, 4, 5]], second["F"]]).T
    np.testing.assert_array_equal(item.traces, want)
    suite2p(tmp_path / "suite2p/plane2", frames=39, fs=5.0)
    line = refused(tmp_path)
    assert "planes have 39 to 40 frames; give one plane" in line
    assert read_recording(line.split("e.g. ")[1]).traces.shape == (40, 5)


def test_files_of_suite2p_that_do_not_belong_together_are_refused(tmp_path):
    suite2p(tmp_path / "a")
    np.save(tmp_path / "a/iscell.npy", np.ones((7, 2)))
    assert "iscell.npy beside it has 7 rows" in refused(tmp_path / "a/F.npy", fs=3.0)
    np.save(tmp_path / "a/iscell.npy", np.zeros((6, 2)))
    assert "no region is marked as a cell" in refused(tmp_path / "a/F.npy", fs=3.0)
    (tmp_path / "empty").mkdir()
    assert "no F.npy and no planes in this folder" in refused(tmp_path / "empty", fs=3.0)


def test_the_pickle_of_ops_is_never_loaded(tmp_path):
    """The rate is found in the stream of the pickle; what it would run is not run."""
    from neuro.io.recordings.pipelines import stated_rate

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    suite2p(tmp_path / "a")
    np.save(tmp_path / "a/ops.npy", {"x": Evil(), "fs": 12.0}, allow_pickle=True)
    assert stated_rate(tmp_path / "a/ops.npy") == 12.0
    assert read_recording(tmp_path / "a").fs == 12.0 and not (tmp_path / "ran").exists()
    (tmp_path / "a/ops.npy").write_bytes(b"\x93NUMPY" + b"\x00" * 20 + b"\x80garbage")
    assert stated_rate(tmp_path / "a/ops.npy") is None


def test_fall_mat(tmp_path):
    from scipy.io import savemat

    values = RNG.random((6, 40))
    content = {"F": values, "Fneu": values + 1, "spks": values + 2, "ops": {"fs": 7.5, "Ly": 512}}
    savemat(tmp_path / "Fall.mat", {**content, "iscell": np.c_[[1, 1, 0, 1, 1, 1], np.ones(6)]})
    item = read_recording(tmp_path / "Fall.mat")
    np.testing.assert_allclose(item.traces, values[[0, 1, 3, 4, 5]].T, rtol=1e-6)
    assert item.fs == 7.5
    assert read_recording(tmp_path / "Fall.mat", variable="spks").traces.min() >= 2


def test_mat_files_with_names_in_other_words(tmp_path):
    from scipy.io import savemat

    names = np.array(NAMES, dtype=object)
    for traces in (TALL, WIDE):
        savemat(tmp_path / "a.mat", {"worm": {"traces": traces, "NeuronNames": names, "fps": 4.0}})
        item = read_recording(tmp_path / "a.mat", variable="worm.traces")
        assert item.names == NAMES and item.fs == 4.0
        np.testing.assert_allclose(item.traces, TALL)


def caiman(path, idx=(0, 2, 3), rate=10.0):
    import h5py

    values = RNG.random((5, 40))
    with h5py.File(path, "w") as file:
        file["estimates/C"], file["estimates/F_dff"] = values, values * 2
        file["estimates/S"] = values * 3
        if idx is not None:
            file["estimates/idx_components"] = np.array(idx)
        file["params/data/fr"] = rate
    return values


def test_caiman_components(tmp_path):
    values = caiman(tmp_path / "a.hdf5")
    item = read_recording(tmp_path / "a.hdf5")
    np.testing.assert_allclose(item.traces, values[[0, 2, 3]].T, rtol=1e-6)
    assert item.fs == 10.0 and item.numbers.tolist() == [1, 3, 4]
    item = read_recording(tmp_path / "a.hdf5", variable="F_dff")
    np.testing.assert_allclose(item.traces, 2 * values[[0, 2, 3]].T, rtol=1e-6)
    line = refused(tmp_path / "a.hdf5", variable="YrA")
    assert "set recordings.variable to one of: C, F_dff, S" in line
    caiman(tmp_path / "b.hdf5", idx=None)
    assert read_recording(tmp_path / "b.hdf5").traces.shape == (40, 5)
    (tmp_path / "c.hdf5").write_bytes(b"no hdf5")
    assert "not a readable HDF5 file" in refused(tmp_path / "c.hdf5")


def test_zarr_is_one_line(tmp_path):
    (tmp_path / "minian.zarr").mkdir()
    assert "a Zarr folder (minian), which is not read; save its traces" in refused(
        tmp_path / "minian.zarr", fs=1.0
    )


# --- NWB --------------------------------------------------------------------------------------


def nwb(path, boxes, *, n_rois=6, data=None, column=None, values=None, timestamps=None):
    from datetime import UTC, datetime

    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    file = NWBFile("x", "x", datetime(2024, 1, 1, tzinfo=UTC))
    device = file.create_device("scope")
    plane = file.create_imaging_plane(
        name="p",
        optical_channel=OpticalChannel(name="o", description="d", emission_lambda=500.0),
        description="d",
        device=device,
        excitation_lambda=488.0,
        indicator="x",
        location="V1",
    )
    module = file.create_processing_module("ophys", "x")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    regions = segmentation.create_plane_segmentation("x", plane, "regions")
    if column:
        regions.add_column(column, "x")
    for k in range(n_rois):
        extra = {column: values[k]} if column else {}
        regions.add_roi(pixel_mask=[(0, 0, 1.0)], **extra)
    rois = regions.create_roi_table_region(region=list(range(n_rois)), description="all")
    written = {}
    for number, (box, name) in enumerate(boxes):
        array = RNG.random((40, n_rois)) + number if data is None else data
        timing = {"rate": 4.0} if timestamps is None else {"timestamps": timestamps}
        series = RoiResponseSeries(name=name, data=array, rois=rois, unit="x", **timing)
        module.add(Fluorescence(name=box, roi_response_series=series))
        written[f"{box}/{name}"] = array
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)
    return written


def test_series_of_the_same_name_are_chosen_by_their_path(tmp_path):
    path = tmp_path / "a.nwb"
    boxes = [("Fluorescence", "plane0"), ("Neuropil", "plane0"), ("Deconvolved", "plane0")]
    written = nwb(path, boxes)
    for choice in (None, "plane0"):
        line = refused(path, variable=choice)
        listed = line.split("set recordings.variable to one of: ")[1].split(", ")
        assert listed == ["Deconvolved/plane0", "Fluorescence/plane0", "Neuropil/plane0"]
    # every piece of advice works, and so do shorter and longer forms
    for name in listed:
        for choice in (name, name.split("/")[0], f"ophys/{name}", f"processing/ophys/{name}"):
            np.testing.assert_allclose(
                read_recording(path, variable=choice).traces, written[name], rtol=1e-6
            )


def test_the_table_of_regions_turns_a_series_or_refuses_it(tmp_path):
    data = RNG.random((6, 40))
    nwb(tmp_path / "a.nwb", [("F", "x")], data=data)
    np.testing.assert_allclose(read_recording(tmp_path / "a.nwb").traces, data.T, rtol=1e-6)
    nwb(tmp_path / "b.nwb", [("F", "x")], data=RNG.random((9, 40)))
    assert "has shape (9, 40), but 6 regions; mend the file" in refused(tmp_path / "b.nwb")


def test_cells_and_time_stamps_of_nwb(tmp_path):
    path = tmp_path / "a.nwb"
    written = nwb(path, [("F", "x")], column="iscell", values=[1, 0, 1, 1, 1, 0])
    item = read_recording(path)
    np.testing.assert_allclose(item.traces, written["F/x"][:, [0, 2, 3, 4]], rtol=1e-6)
    assert item.numbers.tolist() == [1, 3, 4, 5]
    nwb(path, [("F", "x")], timestamps=np.arange(40)[::-1] / 4.0)
    assert "are not regular" in refused(path)


def test_a_sidecar_beside_a_clock_must_agree(tmp_path):
    path = table(tmp_path / "a.csv", "time_s,A,B", [np.arange(40) / 4, TALL[:, :2]])
    (tmp_path / "a.json").write_text(json.dumps({"SamplingFrequency": 4.0}))
    assert read_recording(path).fs == 4.0
    (tmp_path / "a.json").write_text(json.dumps({"SamplingFrequency": 8.0}))
    assert "is a clock of 4 Hz, but 8 Hz is stated" in refused(path)


def test_times_that_are_hardly_seconds_are_refused_and_the_advice_works(tmp_path):
    slow = np.arange(40) * 250.0
    np.savez(tmp_path / "a.npz", traces=TALL, t=slow)
    path = table(tmp_path / "a.csv", "time,A,B", [slow, TALL[:, :2]])
    for item in (tmp_path / "a.npz", path):
        assert "say 250 s from frame to frame; write them in s, or" in refused(item)
    np.savez(tmp_path / "a.npz", traces=TALL, t=slow / 1000)
    assert read_recording(tmp_path / "a.npz").fs == pytest.approx(4.0)
    # a frame every half hour, without its times
    np.savez(tmp_path / "a.npz", traces=TALL)
    assert read_recording(tmp_path / "a.npz", fs=1 / 1800).traces.shape == (40, 5)


def test_dates_are_no_names_of_neurons(tmp_path):
    for stamp in ("2024-01-01 00:00:{:02d}", "00:00:{:02d}", "01/02/24 {}"):
        rows = [",".join([stamp.format(k), "0.5", f"{k % 3}.25"]) for k in range(40)]
        (tmp_path / "a.csv").write_text("\n".join([",A,B", *rows]) + "\n")
        assert "the first column holds dates or times of day" in refused(tmp_path / "a.csv", fs=1.0)
