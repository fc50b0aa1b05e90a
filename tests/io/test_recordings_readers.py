"""Recordings of many neurons: text, numpy, MATLAB, NWB, kernels, assemblies, and bad files."""

import json
from datetime import UTC, datetime

import h5py
import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import read_assemblies, read_kernels, read_recording

TRACES = np.random.default_rng(0).random((50, 3)).astype(np.float32)
NAMES = ["AVAL", "AVAR", "RIM"]


def check(item, names=NAMES, fs=4.0):
    np.testing.assert_allclose(item.traces, TRACES, rtol=1e-5)
    assert item.traces.dtype == np.float32
    assert item.names == names and item.fs == pytest.approx(fs) and item.name == "w1"


def problems(function, *arguments, **options):
    with pytest.raises(InputProblem) as error:
        function(*arguments, **options)
    assert all("\n" not in line for line in error.value.problems)
    return error.value.problems


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_text_with_and_without_a_header(tmp_path, suffix, separator):
    path = tmp_path / f"w1{suffix}"
    rows = [separator.join(f"{value:.7g}" for value in row) for row in TRACES]
    path.write_text("\n".join([separator.join(NAMES), *rows]))
    check(read_recording(path, fs=4.0))
    path.write_text("\n".join(rows))
    check(read_recording(path, fs=4.0), names=None)


def test_rows_of_neurons_are_turned_on_demand(tmp_path):
    path = tmp_path / "w1.csv"
    np.savetxt(path, TRACES.T, delimiter=",", fmt="%.7g")
    check(read_recording(path, fs=4.0, time_axis=1), names=None)


def test_numpy_files(tmp_path):
    np.save(tmp_path / "w1.npy", TRACES)
    check(read_recording(tmp_path / "w1.npy", fs=4.0), names=None)
    np.savez(tmp_path / "w1.npz", traces=TRACES, names=np.array(NAMES), fs=4.0, other=np.eye(4))
    check(read_recording(tmp_path / "w1.npz"))


def test_a_sidecar_says_the_rate(tmp_path):
    np.save(tmp_path / "w1.npy", TRACES)
    (tmp_path / "w1.json").write_text(json.dumps({"SamplingFrequency": 4.0}))
    check(read_recording(tmp_path / "w1.npy"), names=None)


def test_matlab_files_old_and_new(tmp_path):
    from scipy.io import savemat

    savemat(
        tmp_path / "w1.mat",
        {"traces": TRACES, "names": np.array(NAMES, dtype=object), "fs": 4.0},
    )
    check(read_recording(tmp_path / "w1.mat"))
    savemat(tmp_path / "w1.mat", {"rec": {"traces": TRACES, "fs": 4.0}})
    check(read_recording(tmp_path / "w1.mat", variable="rec.traces", fs=4.0), names=None)
    with h5py.File(tmp_path / "w1.mat", "w") as file:
        file["traces"] = TRACES.T
        file["fs"] = np.array([[4.0]])
        cells = []
        for k, name in enumerate(NAMES):
            file[f"#refs#/{k}"] = np.array([[ord(letter)] for letter in name], np.uint16)
            cells.append(file[f"#refs#/{k}"].ref)
        file.create_dataset("names", data=np.array([cells], dtype=h5py.ref_dtype))
    check(read_recording(tmp_path / "w1.mat"))


def nwb(path, n_series=1, timestamps=None, column="ID_labels"):
    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel

    file = NWBFile("worm", "w1", datetime(2024, 1, 1, tzinfo=UTC))
    device = file.create_device("scope")
    channel = OpticalChannel("green", "gcamp", 520.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="x",
        device=device,
        excitation_lambda=488.0,
        indicator="gcamp",
        location="head",
    )
    module = file.create_processing_module("ophys", "x")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    table = segmentation.create_plane_segmentation("x", plane, "regions")
    table.add_column(column, "identity")
    for name in NAMES:
        table.add_roi(pixel_mask=[(0, 0, 1.0)], **{column: name})
    rois = table.create_roi_table_region(region=[0, 1, 2], description="all")
    fluorescence = Fluorescence()
    module.add(fluorescence)
    for k in range(n_series):
        timing = {"timestamps": timestamps} if timestamps is not None else {"rate": 4.0}
        fluorescence.create_roi_response_series(
            f"series{k}", data=TRACES, rois=rois, unit="dff", **timing
        )
    with NWBHDF5IO(str(path), "w") as io:
        io.write(file)


@pytest.mark.parametrize("column", ["ID_labels", "neuropal_ids"])
def test_nwb_with_names_of_the_regions(tmp_path, column):
    nwb(tmp_path / "w1.nwb", column=column)
    check(read_recording(tmp_path / "w1.nwb"))


def test_nwb_time_stamps_and_several_series(tmp_path):
    nwb(tmp_path / "w1.nwb", 2, timestamps=np.arange(50) / 4.0)
    check(read_recording(tmp_path / "w1.nwb", variable="series1"))
    line = problems(read_recording, tmp_path / "w1.nwb")[0]
    assert "2 RoiResponseSeries fit; set recordings.variable to one of: series0, series1" in line
    gap = np.arange(50) / 4.0
    gap[30:] += 10
    nwb(tmp_path / "gap.nwb", timestamps=gap)
    assert (
        "time stamps of 'series0' are not regular"
        in problems(read_recording, tmp_path / "gap.nwb")[0]
    )


def test_the_rate_is_never_guessed(tmp_path):
    np.save(tmp_path / "worm0.npy", TRACES)
    assert problems(read_recording, tmp_path / "worm0.npy") == [
        "worm0: no sampling rate in the file; set recordings.fs_hz"
    ]
    np.savez(tmp_path / "w1.npz", traces=TRACES, fs=4.0)
    assert (
        "4 Hz in the file but 5 Hz in recordings.fs_hz; remove the wrong one"
        in problems(read_recording, tmp_path / "w1.npz", fs=5.0)[0]
    )


def test_all_problems_of_a_file_come_at_once(tmp_path):
    traces = TRACES.copy()
    traces[10:41, 0] = np.nan
    path = tmp_path / "w1.npz"
    np.savez(path, traces=traces, names=np.array(["AVAL", "RIM", "RIM"]), mask=np.ones(7))
    found = problems(read_recording, path)
    assert found == [
        "w1: no sampling rate in the file; set recordings.fs_hz",
        f"{path}: frame mask of 7 values for 50 frames",
        f"{path}: neuron name 'RIM' is repeated (1 such names); names must differ within a "
        "recording",
    ]


def test_a_mask_allows_nan(tmp_path):
    traces, mask = TRACES.copy(), np.ones(50, bool)
    traces[10:41] = np.nan
    mask[10:41] = False
    np.savez(tmp_path / "w1.npz", traces=traces, fs=4.0, frame_mask=mask)
    assert read_recording(tmp_path / "w1.npz").frame_mask.sum() == 19


def test_other_bad_files_are_one_line(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "text.npy").write_text("no numpy")
    (tmp_path / "bad.mat").write_text("no matlab")
    (tmp_path / "bad.nwb").write_text("no nwb")
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4)))
    np.savez(tmp_path / "two.npz", a=TRACES, b=TRACES)
    np.savez(tmp_path / "names.npz", traces=TRACES, names=np.array(["A", "B"]), fs=4.0)
    for name, line in (
        ("absent.csv", "no such file"),
        ("empty.csv", "the file is empty (0 bytes)"),
        ("movie.avi", "unknown kind of recording; expected .csv, .tsv"),
        ("text.npy", "not a readable numpy file"),
        ("bad.mat", "not a readable MATLAB file"),
        ("bad.nwb", "not a readable NWB file"),
        ("cube.npy", "array of shape (2, 3, 4) and type float64, expected numbers of shape"),
        ("two.npz", "2 arrays that may be traces; set recordings.variable; found a (50, 3)"),
        ("names.npz", "2 neuron names for 3 traces"),
    ):
        found = problems(read_recording, tmp_path / name, fs=4.0)
        assert len(found) == 1 and line in found[0], found


def test_kernels_of_an_atlas(tmp_path):
    path = tmp_path / "atlas.npz"
    kernels = np.random.default_rng(0).random((3, 3, 6)).astype(np.float32)
    np.savez(path, k=kernels, neurons=np.array(NAMES), t=np.arange(6) / 2)
    item = read_kernels(path)
    assert item.fs == 2.0 and item.names == NAMES
    np.testing.assert_array_equal(item.kernels, kernels)
    np.savez(path, k=kernels[:2], neurons=np.array(NAMES))
    assert (
        "has shape (2, 3, 6), expected responder x stimulated x sample"
        in problems(read_kernels, path)[0]
    )
    np.savez(path, k=kernels)
    assert problems(read_kernels, path) == [
        f"{path}: no names for 3 neurons; add an array 'names'",
        f"{path}: no sampling rate in the file; set recordings.fs_hz",
    ]
    assert "no array 'x'" in problems(read_kernels, path, variable="x")[0]


def test_assemblies_are_ragged_and_counted_from_one(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("1, 2, 3\n\n3, 9\n")
    assert [list(group) for group in read_assemblies(path)] == [[0, 1, 2], [2, 8]]
    path.write_text("1, 2\n0, 4\na, b\n")
    assert problems(read_assemblies, path) == [
        f"{path}: line 2: expected neuron numbers from 1",
        f"{path}: line 3: expected neuron numbers from 1",
    ]
    path.write_text("\n")
    assert problems(read_assemblies, path) == [f"{path}: no assembly in the file"]
