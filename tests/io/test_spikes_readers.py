"""Spike readers: every format, every oddity, one line per problem."""

import numpy as np
import pandas as pd
import pytest
import scipy.io

from neuro.io.problems import InputProblem
from neuro.io.spikes.data import CountData
from neuro.io.spikes.position import read_position
from neuro.io.spikes.reader import detect, read_spikes

TIMES = [np.array([0.5, 1.25, 3.0]), np.array([0.75, 2.0]), np.array([])]


def cell(values):
    """A 1 x n MATLAB cell."""
    out = np.empty((1, len(values)), dtype=object)
    for place, value in enumerate(values):
        out[0, place] = value
    return out


def same(data, times):
    assert len(data.times) == len(times)
    for got, want in zip(data.times, times):
        np.testing.assert_allclose(got, want)


def test_a_table_of_ids_keeps_the_place_of_silent_units(tmp_path):
    spks = np.array([[1, 0.5], [1, 1.25], [4, 0.75], [1, 3.0], [4, 2.0]])
    scipy.io.savemat(tmp_path / "a.mat", {"spks": spks})
    data = read_spikes(tmp_path / "a.mat")
    same(data, [TIMES[0], [], [], TIMES[1]])
    assert data.units["unit"].tolist() == ["1", "2", "3", "4"]
    assert data.n_spikes == 5 and data.first == 0.5 and data.last == 3.0


def test_a_cell_of_vectors(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"unit_t": cell([TIMES[0][:, None], TIMES[1][None]])})
    same(read_spikes(tmp_path / "a.mat"), TIMES[:2])


def test_nested_cells_of_structs_skip_what_is_empty(tmp_path):
    def unit(times):
        return {"time": times[:, None], "timerange": np.zeros(2), "meanrate": 1.0}

    tetrodes = cell(
        [cell([unit(TIMES[0])]), np.empty((0, 0)), cell([unit(TIMES[1]), np.empty((0, 0))])]
    )
    scipy.io.savemat(tmp_path / "a.mat", {"spikes": cell([tetrodes])})
    data = read_spikes(tmp_path / "a.mat")
    same(data, TIMES[:2])
    assert len(set(data.units["unit"])) == 2


def test_version_73_gives_the_same(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        references = []
        for number, train in enumerate(TIMES[:2]):
            item = file.create_dataset(f"#refs#/{number}", data=train[None, :])
            references.append(item.ref)
        file.create_dataset("unit_t", data=np.array(references, dtype=h5py.ref_dtype)[:, None])
        table = np.array([[1, 0.5], [2, 0.75], [1, 1.25], [2, 2.0], [1, 3.0]])
        file.create_dataset("spks", data=table.T)
    same(read_spikes(tmp_path / "a.mat"), TIMES[:2])
    same(read_spikes(tmp_path / "a.mat", mat_key="unit_t"), TIMES[:2])


def test_an_unknown_variable_is_named(tmp_path):
    scipy.io.savemat(tmp_path / "rest.mat", {"a": np.eye(3), "b": cell([TIMES[0], TIMES[1]])})
    with pytest.raises(InputProblem, match=r"rest.mat: no known key; found: a, b; set mat_key"):
        read_spikes(tmp_path / "rest.mat")
    same(read_spikes(tmp_path / "rest.mat", mat_key="b"), TIMES[:2])
    with pytest.raises(InputProblem, match="no key 'c'; found: a, b"):
        read_spikes(tmp_path / "rest.mat", mat_key="c")


def test_times_out_of_order_are_sorted_with_a_note(tmp_path):
    late = np.array([0.1, 0.9, 0.4, 2.0])
    scipy.io.savemat(tmp_path / "spikes.mat", {"unit_t": cell([late, TIMES[0], late])})
    data = read_spikes(tmp_path / "spikes.mat")
    same(data, [np.sort(late), TIMES[0], np.sort(late)])
    assert data.notes == ["times of unit 1, 3 were not in order; sorted"]


def test_one_unit_or_no_spike(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"unit_t": cell([TIMES[0]])})
    with pytest.raises(InputProblem, match="1 unit; couplings need at least 2"):
        read_spikes(tmp_path / "a.mat")


@pytest.mark.parametrize(("unit", "factor"), [("s", 1.0), ("ms", 1000.0)])
@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_text_tables(tmp_path, unit, factor, separator):
    rows = sorted((t * factor, k + 1) for k, train in enumerate(TIMES[:2]) for t in train)
    text = "# made by hand\ntime unit\n".replace(" ", separator)
    text += "".join(f"{t:.6f}{separator}{k}\n" for t, k in rows)
    (tmp_path / "a.txt").write_text(text)
    same(read_spikes(tmp_path / "a.txt", time_unit=unit), TIMES[:2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("0.5 1\n0.7 x\n", "row 2: '0.7 x', expected 2 numbers"),
        ("1 0.5\n1 0.75\n", "are the columns swapped"),
    ],
)
def test_text_that_is_no_table(tmp_path, text, words):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputProblem, match=words):
        read_spikes(tmp_path / "a.txt")


def test_a_maze_folder(tmp_path):
    folder = tmp_path / "150628"
    folder.mkdir()
    rows = [(30_500, 1), (31_000, 4), (61_250, 1)]
    (folder / "150628_SpikeData.dat").write_text("".join(f"{t} {k}\n" for t, k in rows))
    (folder / "150628_Behavior.dat").write_text("30000 35000 1 1 1 0\n60000 66000 4 0 0 1\n")
    data = read_spikes(folder)
    assert len(data.times) == 4 and len(data.times[2]) == 0
    np.testing.assert_allclose(data.times[0], [30.5, 61.25])
    assert data.trials[["start", "stop"]].to_numpy().tolist() == [[25.0, 40.0], [55.0, 70.0]]
    assert data.trials["rule"].tolist() == ["right", "dark"]
    assert data.trials["choice"].tolist() == ["right", "left"]
    from neuro.hmmglm.design.bins import bin_recording

    binned = bin_recording(data, 0.02)
    assert [item.shape for item in binned.sequences] == [(750, 4), (750, 4)]
    assert binned.table["event_s"].tolist() == [5.0, 5.0]
    (folder / "b_Behavior.dat").write_text("1 2 1 1 1 0\n")
    with pytest.raises(InputProblem, match="expected one file"):
        read_spikes(folder)


@pytest.fixture
def nwb(tmp_path):
    """Writes an NWB file with three units, quality, regions, trials and recorded times."""
    import datetime

    from pynwb import NWBHDF5IO, NWBFile
    from pynwb.ecephys import ElectrodeGroup

    def write(name="session.nwb", units=True, overlap=False, observed=True):
        file = NWBFile("x", "y", datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))
        device = file.create_device("probe")
        group = ElectrodeGroup(name="shank", description="x", location="CA1", device=device)
        file.add_electrode_group(group)
        for region in ("CA1", "CA3"):
            file.add_electrode(location=region, group=group)
        if units:
            file.add_unit_column("quality", "x")
            for number, train in enumerate([TIMES[0], TIMES[1], TIMES[0] + 0.1]):
                extra = {"obs_intervals": [[0.0, 2.0], [2.5, 4.0 - number / 2]]} if observed else {}
                file.add_unit(
                    spike_times=train,
                    quality="mua" if number == 1 else "good",
                    electrodes=[number % 2],
                    **extra,
                )
        file.add_trial(start_time=0.0, stop_time=1.5)
        file.add_trial(start_time=1.0 if overlap else 1.5, stop_time=4.0)
        with NWBHDF5IO(str(tmp_path / name), "w") as io:
            io.write(file)
        return tmp_path / name

    return write


def test_nwb_units_trials_and_recorded_times(nwb):
    data = read_spikes(nwb())
    same(data, [TIMES[0], TIMES[1], TIMES[0] + 0.1])
    assert data.units["quality"].tolist() == ["good", "mua", "good"]
    assert data.units["region"].tolist() == ["CA1", "CA3", "CA1"]
    assert [item.tolist() for item in data.observed] == [
        [[0.0, 2.0], [2.5, stop]] for stop in (4.0, 3.5, 3.0)
    ]
    assert data.trials[["start", "stop"]].to_numpy().tolist() == [[0.0, 1.5], [1.5, 4.0]]
    from neuro.hmmglm.design.bins import bin_recording

    binned = bin_recording(data, 0.5)
    assert [len(item) for item in binned.sequences] == [3, 5]
    assert binned.masks[1].tolist() == [True, False, True, False, False]
    whole = bin_recording(data, 0.5, segment_s=10.0)
    assert whole.sequences[0].shape == (8, 3)
    assert whole.observed[0].sum(axis=0).tolist() == [7, 6, 5]


def test_nwb_without_recorded_times_is_recorded_throughout(nwb):
    data = read_spikes(nwb(observed=False))
    assert data.intervals is None and data.observed is None


def test_unit_filter(nwb):
    path = nwb()
    kept = read_spikes(path, unit_filter="quality == 'good'")
    assert kept.units["unit"].tolist() == ["0", "2"]
    kept = read_spikes(path, unit_filter="quality in ['good', 'mua'] and not region == 'CA3'")
    assert kept.units["unit"].tolist() == ["0", "2"]
    with pytest.raises(InputProblem) as error:
        read_spikes(path, unit_filter="quality == 'best'")
    assert str(error.value).endswith(
        "session.nwb: 0 of 3 units pass unit_filter \"quality == 'best'\"; values: good, mua"
    )
    with pytest.raises(InputProblem, match="no column 'qualty'; found: unit, quality"):
        read_spikes(path, unit_filter="qualty == 'good'")
    for code in ("__import__('os').system('x')", "quality.lower() == 'a'", "quality =="):
        with pytest.raises(InputProblem, match="unit_filter"):
            read_spikes(path, unit_filter=code)


def test_nwb_without_units_says_what_it_holds(nwb):
    with pytest.raises(
        InputProblem, match=r"session.nwb: no units table; found: electrodes, trials"
    ):
        read_spikes(nwb(units=False))


def test_overlapping_and_empty_trials_are_one_line_each(nwb):
    from neuro.hmmglm.design.bins import bin_recording
    from neuro.io.spikes.data import SpikeData
    from neuro.io.spikes.reader import check_trials

    data = read_spikes(nwb(overlap=True))
    with pytest.raises(InputProblem, match=r"0 and 1 overlap \(0-1.5 s, 1-4 s\).*segment_s"):
        bin_recording(data, 0.5)
    # what the line advises works: trials are not used where there are segments
    assert len(bin_recording(data, 0.5, segment_s=1.0).sequences) > 1

    trials = pd.DataFrame({"start": [0.0, 2.0], "stop": [1.0, 2.0]})
    units = pd.DataFrame({"unit": ["1", "2", "3"]})
    with pytest.raises(InputProblem, match=r"trial 1 is empty \(start 2 s, stop 2 s\)"):
        check_trials(SpikeData(TIMES, units, None, trials, "x"))


def test_windows_around_trials(nwb):
    data = read_spikes(nwb(), trial_window=(0.25, 1.0))
    assert data.trials[["start", "stop"]].to_numpy().tolist() == [[-0.25, 1.0], [1.25, 2.5]]
    with pytest.raises(InputProblem, match="shorten the trial window"):
        read_spikes(nwb("again.nwb"), trial_window=(1.0, 1.0))


def test_a_broken_nwb_file_is_one_line(tmp_path):
    (tmp_path / "a.nwb").write_bytes(b"not hdf5")
    with pytest.raises(InputProblem, match=r"a\.nwb: not a readable NWB file") as error:
        read_spikes(tmp_path / "a.nwb")
    assert len(error.value.problems) == 1


def test_text_and_counts_of_the_same_data_are_identical(tmp_path):
    from neuro.hmmglm.design.bins import bin_recording

    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 20, size=300))
    ids = rng.integers(1, 5, size=300)
    ids[:4] = [1, 2, 3, 4]
    rows = "".join(f"{t:.9f} {k}\n" for t, k in zip(times, ids))
    (tmp_path / "a.txt").write_text(rows)
    binned = bin_recording(read_spikes(tmp_path / "a.txt"), 0.1, segment_s=5.0)
    arrays = {f"seq_{k}": item for k, item in enumerate(binned.sequences)}
    np.savez(tmp_path / "a.npz", bin_s=0.1, unit=np.array(["1", "2", "3", "4"]), **arrays)
    counts = read_spikes(tmp_path / "a.npz")
    assert isinstance(counts, CountData) and counts.bin_s == 0.1
    assert len(counts.sequences) == len(binned.sequences)
    for got, want in zip(counts.sequences, binned.sequences):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(50, 3), (4, 50, 3)])
def test_plain_arrays_of_counts(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.ones(shape, dtype=int))
    data = read_spikes(tmp_path / "a.npy")
    assert len(data.sequences) == (1 if len(shape) == 2 else 4)
    assert data.sequences[0].shape == (50, 3) and data.units["unit"].tolist() == ["1", "2", "3"]


def test_many_sequences_stay_in_order(tmp_path):
    np.savez(tmp_path / "a.npz", **{f"seq_{k}": np.full((5, 2), k) for k in range(12)})
    data = read_spikes(tmp_path / "a.npz")
    assert [item[0, 0] for item in data.sequences] == list(range(12))


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputProblem, match="pickled objects are never loaded"):
        read_spikes(tmp_path / "a.npy")


def test_counts_that_are_no_counts(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((5, 2)), y=np.zeros((5, 2)))
    with pytest.raises(InputProblem, match="expected one array"):
        read_spikes(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", seq_0=np.zeros(5))
    with pytest.raises(InputProblem, match=r"sequence 0: shape \(5,\), expected \(T, N\)"):
        read_spikes(tmp_path / "b.npz")


def test_names_decide_and_unknown_ones_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("")
    with pytest.raises(InputProblem, match=r"unknown suffix '.xyz'"):
        detect(tmp_path / "a.xyz")
    with pytest.raises(InputProblem, match=r"no spike_times.npy, .*_SpikeData.dat"):
        read_spikes(tmp_path)
    with pytest.raises(InputProblem, match="no such file or folder"):
        read_spikes(tmp_path / "none.mat")


def test_positions(tmp_path):
    header = b"<Start settings>\nthreshold: 199\nclockrate: 30000\n<End settings>\n"
    kind = np.dtype([("t", "<u4"), ("x", "<u2"), ("y", "<u2"), ("x2", "<u2"), ("y2", "<u2")])
    records = np.array([(30000, 1, 2, 0, 0), (45000, 3, 4, 0, 0)], dtype=kind)
    path = tmp_path / "a.videoPositionTracking"
    path.write_bytes(header + records.tobytes() + b"\x01\x02")
    table = read_position(path)
    assert table["time"].tolist() == [1.0, 1.5] and table["y"].tolist() == [2, 4]
    path.write_bytes(b"something else")
    with pytest.raises(InputProblem, match="not a tracking file"):
        read_position(path)
    path.write_bytes(header.replace(b"clockrate: 30000\n", b"") + records.tobytes())
    with pytest.raises(InputProblem, match="states no clockrate"):
        read_position(path)
