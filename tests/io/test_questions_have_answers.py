"""What a file leaves open is a question in one line, and doing what the line says answers it."""

import numpy as np
import pytest

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import read_recording
from neuro.io.responses.reader import read_stimulus_response

RNG = np.random.default_rng(0)


def clocked(path, name, clock, traces):
    table = np.column_stack([clock, traces])
    np.savetxt(path, table, "%.8f", ",", header=f"{name},A,B", comments="")
    return path


@pytest.mark.parametrize(("name", "hz"), [("time_min", 4.0), ("time_s", 240.0), ("t (min)", 4.0)])
def test_a_fast_clock_without_a_unit(tmp_path, name, hz):
    minutes, traces = np.arange(80) / 240, RNG.random((80, 2))
    path = clocked(tmp_path / "w.csv", "time", minutes, traces)
    with pytest.raises(InputProblem, match=r"240 Hz .* time_s .* time_min if it holds minutes"):
        read_recording(path)
    found = read_recording(clocked(path, name, minutes, traces))
    assert found.fs == pytest.approx(hz, rel=1e-4)
    np.testing.assert_allclose(found.traces, traces, atol=1e-6)
    # seconds of a usual rate need no unit
    slow = read_recording(clocked(path, "time", np.arange(80) / 4, traces))
    assert slow.fs == pytest.approx(4.0)


def test_as_many_units_as_trials(tmp_path):
    images, rates = RNG.random((20, 1, 8, 8)), RNG.random((20, 20))
    np.savez(tmp_path / "a.npz", stimuli=images, responses=rates)
    with pytest.raises(InputProblem, match="name the columns in 'unit'"):
        read_stimulus_response(tmp_path / "a.npz")
    names = [f"c{k}" for k in range(20)]
    np.savez(tmp_path / "a.npz", stimuli=images, responses=rates, unit=names)
    assert read_stimulus_response(tmp_path / "a.npz").unit == names


def test_rows_of_many_values(tmp_path):
    sound, rates = RNG.random((400, 32)), RNG.random((400, 3))
    np.savez(tmp_path / "a.npz", stimuli=sound, responses=rates)
    with pytest.raises(InputProblem, match=r"made flat, or samples of 32 channels; .* 'fs'"):
        read_stimulus_response(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", stimuli=sound, responses=rates, fs=100.0)
    assert read_stimulus_response(tmp_path / "a.npz").kind == "temporal"
    np.savez(tmp_path / "a.npz", stimuli=sound.reshape(400, 1, 4, 8), responses=rates)
    assert read_stimulus_response(tmp_path / "a.npz").kind == "image"


def test_traces_of_minian(tmp_path):
    (tmp_path / "minian" / "C.zarr").mkdir(parents=True)
    (tmp_path / "minian" / "C.zarr" / ".zgroup").write_text("{}")
    with pytest.raises(InputProblem, match=r"np\.savez\('animal\.npz', traces=C\.T, fs=30\.0\)"):
        read_recording(tmp_path / "minian")
    C = RNG.random((5, 90)).astype(np.float32)  # (unit_id, frame)
    np.savez(tmp_path / "animal.npz", traces=C.T, fs=30.0)
    found = read_recording(tmp_path / "animal.npz")
    assert found.fs == 30.0
    np.testing.assert_array_equal(found.traces, C.T)


def test_numbers_without_names_may_be_regions(tmp_path):
    import yaml

    from neuro.command import init

    for k in range(2):
        np.savetxt(tmp_path / f"s{k}.csv", RNG.standard_normal((60, 6)), delimiter=",")
    text = init.settings([tmp_path])
    assert f"use: neuro init --table {tmp_path}" in text
    read = yaml.safe_load(init.settings([tmp_path], hint="table"))
    assert read["data"]["kind"] == "table"
