"""-999 is no value where it cannot be one, 999 is one where it can; what is given twice is seen."""

import numpy as np
import pandas as pd
import pytest

from neuro.io.formats.codes import missing_codes, same_columns, without_codes
from neuro.io.problems import InputProblem

CODES = (-999.0, -9999.0, 999.0, 9999.0)


def rng(seed=0):
    return np.random.default_rng(seed)


def columns(kind):
    """200 x 3 values as they come out of microscopes and scanners."""
    noise = rng().standard_normal((200, 3))
    return {
        "dff": 0.3 * np.abs(noise) - 0.1,
        "z": noise,
        "camera 8 bit": np.round(90 + 30 * noise).clip(0, 255),
        "counts": rng().poisson(2.0, (200, 3)).astype(float),
        "bold": 700 + 6 * noise,
    }[kind]


@pytest.mark.parametrize(("highest", "missing"), [(300.0, True), (600.0, False), (0.2, True)])
def test_999_is_a_code_where_it_is_twice_the_range_away(highest, missing):
    values = np.linspace(0, highest, 50)[:, None]
    values[20] = 999.0
    mask, _ = missing_codes(values)
    assert (mask is not None and bool(mask[20, 0])) == missing


@pytest.mark.parametrize("kind", ["dff", "z", "camera 8 bit", "counts", "bold"])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_code_far_from_everything_is_missing(kind, code, dtype):
    values = columns(kind).astype(dtype)
    values[7, 1] = code
    mask, doubted = missing_codes(values)
    assert np.argwhere(mask).tolist() == [[7, 1]] and not doubted
    found, (note,) = without_codes(values, ["a", "b", "c"], "neuron")
    assert np.argwhere(np.isnan(found)).tolist() == [[7, 1]] and found.dtype == dtype
    np.testing.assert_array_equal(np.delete(found, 7, axis=0), np.delete(values, 7, axis=0))
    assert note == f"{code:g} read as missing in 1 values, neuron b"


@pytest.mark.parametrize(
    "values",
    [
        rng(1).uniform(200, 2000, (300, 2)),  # raw fluorescence
        1000 + 30 * rng(1).standard_normal((300, 2)),  # BOLD around 1,000
        1000 * rng(1).standard_normal((300, 2)),  # centred, wide
        np.abs(400 * rng(1).standard_normal((300, 2))),  # bright events
        rng(1).uniform(0, 60000, (300, 2)),
    ],
)
def test_a_number_among_others_is_data(values):
    for code in (999.0, -999.0, 9999.0):
        low, high = values.min(), values.max()
        if low <= code <= high:
            values[5, 0] = code
    found, notes = without_codes(values)
    assert found is values and notes == []
    # an array of integers keeps its type
    whole = values.round().astype(np.int32)
    assert without_codes(whole)[0] is whole


def test_a_code_that_is_possible_but_everywhere_is_doubted():
    values = rng(2).uniform(200, 2000, (300, 2))
    values[::10, 1] = 999.0
    found, (note,) = without_codes(values, ["a", "b"])
    assert found is values and "most frequent number in column b" in note


def test_integers_get_a_gap_and_a_column_of_codes_is_all_missing():
    values = rng(3).integers(0, 9, (50, 3))
    values[4, 0] = -9999
    values[:, 2] = -999
    found, _ = without_codes(values)
    assert found.dtype == np.float64 and np.isnan(found).sum() == 51 and np.isnan(found[:, 2]).all()


def test_columns_that_are_the_same_are_found_and_constant_ones_are_not():
    values = rng(4).standard_normal((400, 7))
    values[:, 4] = values[:, 1]
    values[:, 6] = values[:, 1]
    values[:, 2] = 0.0
    values[:, 3] = 0.0
    values[:, 5] = values[:, 0]
    values[399, 5] += 1e-9  # nearly
    assert same_columns(values) == [[1, 4, 6]]


def recording(folder, name="worm.csv", change=lambda values: values):
    values = change(0.3 * np.abs(rng(5).standard_normal((120, 4))))
    table = pd.DataFrame(values, columns=list("abcd"))
    table.insert(0, "time_s", np.arange(120) / 4)
    table.to_csv(folder / name, index=False, float_format="%.5f")
    return folder / name


def coded(values):
    values[17, 2] = -999
    return values


def doubled(values):
    values[:, 3] = values[:, 0]
    return values


def test_traces(tmp_path):
    from neuro.io.recordings.reader import read_recording

    found = read_recording(recording(tmp_path, change=coded))
    assert np.argwhere(np.isnan(found.traces)).tolist() == [[17, 2]] and found.fs == 4
    assert found.notes[-1] == "-999 read as missing in 1 values, neuron c"
    found = read_recording(recording(tmp_path, change=doubled))
    assert found.notes[-1] == "neurons that hold the same values, given twice: a = d"


def test_traces_are_told_by_check_and_copies_of_a_file_as_well(tmp_path, monkeypatch, capsys):
    from neuro.command.cli import main

    monkeypatch.chdir(tmp_path)
    recording(tmp_path, "worm1.csv", coded)
    recording(tmp_path, "worm2.csv", coded)
    (tmp_path / "mine.yaml").write_text(
        "data: {kind: none}\nntf: {sources: [recordings], recordings: {files: ['worm*.csv']}}\n"
    )
    assert main(["check", "--config", "mine.yaml"]) == 0
    said = capsys.readouterr().out
    assert "worm1.csv: note: -999 read as missing in 1 values, neuron c" in said
    assert "the same traces are given 2 times: worm1.csv, worm2.csv" in said


def region_table(folder, name, values):
    text = "\n".join("\t".join(f"{v:.5f}" for v in row) for row in values)
    (folder / name).write_text("A\tB\tC\tD\n" + text + "\n")
    return folder / name


def test_region_tables(tmp_path):
    from neuro.io.regions.roi import read_roi_table

    values = rng(6).standard_normal((60, 4))
    whole = values.copy()
    whole[:, 1] = -9999  # a region that was not covered
    with pytest.warns(UserWarning, match="-9999 read as missing in 60 values, region B"):
        found = read_roi_table(region_table(tmp_path, "whole.tsv", whole), tr=2.0)
    assert found.missing == ["B"]
    part = values.copy()
    part[9, 1] = -999
    with pytest.raises(InputProblem) as caught:
        read_roi_table(region_table(tmp_path, "part.tsv", part), tr=2.0)
    first, second = caught.value.problems
    assert "missing or infinite values in region 'B', first in volume 9" in first
    assert "-999 read as missing in 1 values, region B" in second
    with pytest.warns(UserWarning, match="given twice: A = C"):
        read_roi_table(region_table(tmp_path, "two.tsv", values[:, [0, 1, 0, 3]]), tr=2.0)


def test_responses_and_voxels(tmp_path):
    from neuro.braindive.dataset import read_data
    from neuro.io.responses.reader import read_stimulus_response

    images = rng(7).random((40, 3, 8, 8)).astype(np.float32)
    values = rng(8).poisson(3.0, (40, 6)).astype(np.float32)
    values[3, 2] = -999
    values[:, 5] = values[:, 0]
    np.savez(tmp_path / "cells.npz", stimuli=images, responses=values)
    found = read_stimulus_response(tmp_path / "cells.npz")
    assert found.unit == ["u1", "u2", "u4", "u5", "u6"]
    assert found.excluded == [("u3", "1 responses are not finite")]
    assert "-999 read as missing in 1 values, unit u3" in found.notes
    assert "units that hold the same values, given twice: u1 = u6" in found.notes
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "betas.npy", values)
    (tmp_path / "rois.tsv").write_text(
        "voxel\troi\n" + "".join(f"{k}\t{'FFA' if k < 3 else 'PPA'}\n" for k in range(6))
    )
    files = [tmp_path / name for name in ("images.npy", "betas.npy", "rois.tsv")]
    with pytest.raises(InputProblem, match="1 voxels hold values that are not finite"):
        read_data(*files)
    np.save(files[1], np.delete(values, 2, axis=1))
    files[2].write_text("voxel\troi\n" + "".join(f"{k}\tFFA\n" for k in range(5)))
    data = read_data(*files)
    assert "voxels that hold the same values, given twice: v00000 = v00004" in data.notes
    # a file of its own leaves the unit out, and the table of regions may still name it
    files[2].write_text("voxel\troi\n" + "".join(f"u{k}\tFFA\n" for k in range(1, 7)))
    data = read_data(tmp_path / "cells.npz", rois=files[2])
    assert data.unit == ["u1", "u2", "u4", "u5", "u6"] and data.roi == ["FFA"] * 5


def test_spikes_and_counts(tmp_path):
    from neuro.command.check.spikes import spike_doubts
    from neuro.io.spikes.reader import read_spikes

    trains = [np.sort(rng(k).uniform(0, 300, 80)) for k in range(3)]
    trains.append(trains[1])
    rows = [(time, unit + 1) for unit, train in enumerate(trains) for time in train]
    rows += [(-999, 1), (-999, 3)]
    text = "\n".join(f"{time:.4f} {unit}" for time, unit in rows)
    (tmp_path / "spikes.txt").write_text(text + "\n")
    data = read_spikes(tmp_path / "spikes.txt")
    assert [len(train) for train in data.times] == [80] * 4 and data.first >= 0
    assert "2 spike times are -999: no times, left out" in data.notes
    assert "units that hold the same values, given twice: 2 = 4" in spike_doubts(data)
    counts = rng(9).poisson(1.0, (90, 3))
    counts[5, 1] = -999
    np.savez(tmp_path / "counts.npz", counts=counts, bin_s=0.1)
    found = read_spikes(tmp_path / "counts.npz")
    assert np.argwhere(np.isnan(found.sequences[0])).tolist() == [[5, 1]]
    assert "-999 read as missing in 1 values, unit 2" in found.notes


def test_participants(tmp_path):
    from neuro.io.formats.tables import read_participants

    lines = [f"sub-{k:02d}\t{20 + k}\t{100 + k}\tM\t{k % 2}" for k in range(9)]
    lines.append("sub-09\t-999\t999\tF\t1")
    (tmp_path / "p.tsv").write_text("participant_id\tage\tiq\tsex\tdx\n" + "\n".join(lines) + "\n")
    table = read_participants(tmp_path / "p.tsv")
    assert table["iq"].isna().tolist() == table["age"].isna().tolist() == [False] * 9 + [True]
    assert any("999 read as missing in 1 values, column iq" in x for x in table.attrs["notes"])
