"""Rows of responses, pictures and regions of public downloads belong together."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "conformance"))
import of_downloads as made

from neuro.io.responses.reader import read_stimulus_response


def read(make, folder):
    make(folder)
    return read_stimulus_response(next(iter(folder.iterdir())))


def test_each_row_of_algonauts_has_its_picture(tmp_path):
    data = read(made.algonauts(masks=made.LEFT), tmp_path)
    shown = made.pictures(30).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(np.asarray(data.stimuli[:]), shown, atol=1e-6)
    files = sorted((tmp_path / "subj01").rglob("*_training_fmri.npy"))
    both = np.concatenate([np.load(file) for file in files], axis=1)
    np.testing.assert_array_equal(data.responses, both)
    assert data.unit[3:5] == ["lh00003", "rh00000"] and data.stimulus_id[29] == "nsd-29"


def test_large_pictures_are_means_of_their_pixels(tmp_path):
    data = read(made.algonauts(edge=256), tmp_path)
    shown = made.pictures(30, 256)[7].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3)) / 255
    found = np.asarray(data.stimuli[7])
    np.testing.assert_allclose(found, shown.transpose(2, 0, 1), atol=1 / 255)
    assert any("256 x 256 are read as squares of 128" in note for note in data.notes)


def test_voxels_and_trials_of_nsd_are_those_of_the_design(tmp_path):
    from scipy.io import loadmat

    data = read(made.nsd(), tmp_path)
    # planted: one voxel, known by its place, that alternates from trial to trial
    assert data.unit[-1] == "v4_3_2" and data.units["roi"][-1] == "FFA-1"
    np.testing.assert_allclose(data.responses[:, -1], np.tile([-1, 1], 375), atol=1e-5)
    design = loadmat(next(tmp_path.rglob("nsd_expdesign.mat")))
    trial = 500
    number = design["subjectim"][1, design["masterordering"][0, trial] - 1]
    picture = made.pictures(900)[number - 1].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(np.asarray(data.stimuli[trial]), picture, atol=1e-6)
    assert data.stimulus_id[trial] == f"nsd-{number}"
    assert set(data.tier[np.isin(data.stimulus_id, [f"nsd-{k}" for k in range(1, 41)])]) == {"test"}


def test_repeats_of_bold5000_and_things_are_one_picture(tmp_path):
    (tmp_path / "a").mkdir()
    data = read(made.bold5000(), tmp_path / "a")
    # the last four trials show the first four pictures again
    np.testing.assert_array_equal(data.family[20:], data.family[:4])
    first = made.pictures(20, 24)[3].astype(float)
    found = 255 * np.asarray(data.stimuli[23]).transpose(1, 2, 0)
    other = made.pictures(20, 24)[5]
    # as JPEG: near its own picture, far from another
    assert 1.5 * abs(found - first).mean() < abs(found - other).mean()
    (tmp_path / "b").mkdir()
    data = read(made.things(), tmp_path / "b")
    assert (data.tier == "test").sum() == 20 and len(set(data.family[20:])) == 5
    assert data.condition[20:24].tolist() == ["thing20"] * 4


@pytest.mark.parametrize("make", [made.algonauts(), made.nsd(), made.bold5000(), made.things()])
def test_no_picture_is_in_training_and_test(make, tmp_path):
    assert read(make, tmp_path).shared() == 0
