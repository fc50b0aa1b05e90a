"""`neuro check --figures`: what was read, as a table and as a picture of it."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from neuro.command.check import pictures

RNG = np.random.default_rng(3)
sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))


def pixels(path):
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(Path(path).read_bytes())).convert("RGB"))


def checked(settings, folder, monkeypatch, capsys):
    from neuro.command.cli import main

    monkeypatch.chdir(folder)
    Path("s.yaml").write_text(yaml.safe_dump(settings))
    status = main(["check", "--config", "s.yaml", "--figures", "drawn"])
    out = capsys.readouterr()
    return status, out, {path.name: path for path in Path("drawn").glob("*.png")}


def test_rows_are_thinned_and_columns_averaged_over_what_is_known():
    values = np.arange(300 * 500.0).reshape(300, 500)
    small = pictures.thinned(values, 10, 5)
    assert small.shape == (10, 5)
    assert small[0].tolist() == [49.5, 149.5, 249.5, 349.5, 449.5]
    assert (np.diff(small[:, 0]) > 0).all() and small[-1, 0] == 299 * 500 + 49.5
    values[:, :100] = np.nan
    assert np.isnan(pictures.thinned(values, 10, 5)[:, 0]).all()
    np.testing.assert_array_equal(pictures.thinned(values[:4, 200:203]), values[:4, 200:203])


def test_the_table_of_a_recording_says_which_way_it_lies():
    from neuro.io.recordings.reader import Recording

    traces = RNG.standard_normal((500, 6)) + np.arange(6)
    item = Recording("w", traces, 5.0, list("abcdef"), None, "w.csv")
    lines, matrix = pictures.panels(item)
    assert matrix.name == "6 neurons, 500 frames at 5 Hz" and matrix.extent == 100.0
    assert (matrix.down, matrix.across) == ("neuron", "time (s)")
    assert matrix.values.shape == (6, 240) and lines.values.shape == (6, 240)
    table = lines.table()
    means = table.groupby("row")["value"].mean()
    np.testing.assert_allclose(means, traces.mean(axis=0), atol=1e-2)
    other = Recording("w", traces.T, 5.0, None, None, "w.csv")
    assert pictures.panels(other)[1].name == "500 neurons, 6 frames at 5 Hz"
    drawn = [pictures.figure(pictures.panels(one)).png for one in (item, other)]
    assert drawn[0] != drawn[1]


def test_a_constant_and_an_empty_trace_are_drawn():
    from neuro.io.recordings.reader import Recording

    traces = RNG.standard_normal((80, 3))
    traces[:, 1], traces[:, 2] = 4.0, np.nan
    figure = pictures.figure(pictures.panels(Recording("w", traces, 5.0, None, None, "w")))
    assert figure.data["value"].isna().any() and len(figure.png) > 2000


def test_every_spike_recording_stimulus_set_and_trace_file_gets_its_picture(
    tmp_path, monkeypatch, capsys
):
    for day in ("day1", "day2"):
        (tmp_path / day).mkdir()
        counts = RNG.poisson(0.4, (300, 5))
        np.savez(tmp_path / day / "spikes.npz", counts=counts, bin_s=0.05)
    images = RNG.random((40, 3, 16, 16)).astype(np.float32)
    images[:, 0] = 0  # no red
    np.savez(tmp_path / "cells.npz", stimuli=images, responses=RNG.random((40, 12)))
    for k in range(2):
        np.savetxt(
            tmp_path / f"worm {k}.csv",
            RNG.random((200, 4)),
            delimiter=",",
            header="a,b,c,d",
            comments="",
        )
    settings = {
        "data": {"kind": "none"},
        "hmmglm": {"input": "spikes", "sets": {"rat": ["day1/spikes.npz", "day2/spikes.npz"]}},
        "mds": {"input": ["cells.npz"], "n_clusters_init": 4},
        "ntf": {"sources": ["recordings"], "recordings": {"files": ["worm*.csv"], "fs_hz": 4.0}},
    }
    status, out, drawn = checked(settings, tmp_path, monkeypatch, capsys)
    assert status == 0, out.err
    assert set(drawn) == {
        "spikes.npz.png",
        "day2-spikes.npz.png",
        "cells.npz.png",
        "worm_0.csv.png",
        "worm_1.csv.png",
    }
    assert "5 picture(s) of what was read in drawn" in out.out
    # pictures come with a stimulus in its colours: one without red has none
    picture = pixels(drawn["cells.npz.png"])[60:120, 20:90].reshape(-1, 3).astype(int)
    coloured = picture[np.ptp(picture, axis=1) > 40]
    assert len(coloured) > 200 and (coloured[:, 0] < coloured[:, 1:].max(axis=1)).all()


def test_counts_are_as_long_as_their_bins():
    import types

    sequences = [np.ones((40, 3)), np.ones((20, 3))]
    (panel,) = pictures._counts(types.SimpleNamespace(sequences=sequences, bin_s=0.05))[-1:]
    assert panel.extent == pytest.approx(3.0) and panel.across == "time (s)"
    assert panel.name == "3 units, 60 bins in 2 sequences"


def test_a_run_is_a_slice_and_a_carpet_of_what_its_mask_holds(tmp_path, monkeypatch, capsys):
    from datasets import tiny

    from neuro.io.images.nifti import load_bold

    tiny(tmp_path / "d")
    bold = next((tmp_path / "d").rglob("*_bold.nii.gz"))
    mask = next(bold.parent.glob("*mask.nii.gz"))
    slice_, carpet = pictures.panels(load_bold(bold, tr=2.0), mask)
    assert slice_.values.shape == (6, 6) and carpet.values.shape[0] == 16
    assert carpet.name.startswith("260 volumes") and carpet.across == "time (s)"
    assert carpet.extent == 520.0
    assert pictures.panels(load_bold(bold, tr=2.0))[1].values.shape[0] == 36


@pytest.mark.parametrize("shape", [(30, 2), (12, 20, 1), (12, 5, 1, 8, 8), (12, 1, 8, 9)])
def test_stimuli_of_each_kind_are_drawn(shape):
    from neuro.io.responses.reader import build

    content = {"stimuli": RNG.random(shape), "responses": RNG.random((shape[0], 3)), "fs": 10.0}
    data = build(content, "x")
    figure = pictures.figure(pictures.panels(data))
    names = figure.data["panel"].unique()
    assert "mean response of all units" in names and f"3 units, {shape[0]} trials" in names
    rows = figure.data[figure.data["panel"] == "mean response of all units"]
    np.testing.assert_allclose(rows["value"], data.responses.mean(axis=1), rtol=1e-5)
