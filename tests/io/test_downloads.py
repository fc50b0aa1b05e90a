"""Rows of responses, pictures and regions of public downloads belong together."""

import sys
import tracemalloc
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


def test_pictures_stay_bytes_until_they_are_asked_for(tmp_path):
    make = made.algonauts(edge=256)
    make(tmp_path)
    folder = next(iter(tmp_path.iterdir()))
    read_stimulus_response(folder)  # imports are not counted
    tracemalloc.start()
    data = read_stimulus_response(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    values = int(np.prod(data.stimuli.shape))
    # a byte per value, and one block of them; float32 has four, beside the bytes
    assert data.stimuli.dtype == np.float32 and peak < 3 * values
    assert data.stimuli[[3, 1, 3]].shape == (3, 3, 128, 128)
    np.testing.assert_array_equal(data.stimuli[[3, 1]], np.asarray(data.stimuli)[[3, 1]])


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


def kept(folder, rows, *, rois=True, voxels=True):
    """Pictures of two folders, a table that names them, and voxels that know their colour."""
    rng = np.random.default_rng(6)
    picture_of, lines = {}, []
    for k in range(rows // 2):
        name = f"{'faces' if k % 2 else 'places'}/{k // 2:02d}.png"
        picture_of[name] = rng.integers(0, 256, (24, 24, 3), np.uint8)
        made.save_picture(folder / "pictures" / name, picture_of[name])
    names = [*picture_of, *picture_of]
    order = rng.permutation(len(names))
    shown = [names[k] for k in order]
    values = np.array([picture_of[name].mean(axis=(0, 1)) for name in shown])
    head = ["picture", "condition", *(("red", "green", "blue") if voxels else ())]
    for name, row in zip(shown, values):
        cells = [f"pictures/{name}", name.split("/")[0]]
        lines.append("\t".join([*cells, *(f"{v:.6f}" for v in row if voxels)]))
    (folder / "trials.tsv").write_text("\n".join(["\t".join(head), *lines]) + "\n")
    if not voxels:
        np.save(folder / "betas.npy", values)
    if rois:
        names = ("red", "green") if voxels else ("v00000", "v00001")
        table = f"voxel\troi\n{names[0]}\tFFA\n{names[0]}\tEBA\n{names[1]}\tFFA\n"
        (folder / "rois.tsv").write_text(table)
    return picture_of, shown, values


@pytest.mark.parametrize("voxels", [True, False])
def test_rows_of_a_table_have_the_pictures_that_they_name(tmp_path, voxels):
    picture_of, shown, values = kept(tmp_path, 40, voxels=voxels)
    data = read_stimulus_response(tmp_path)
    expected = np.stack([picture_of[name] for name in shown]).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(np.asarray(data.stimuli), expected, atol=1e-6)
    np.testing.assert_allclose(data.responses, values, atol=1e-4)
    # both folders hold 00.png, which are two pictures; each is shown twice
    assert len(set(data.family)) == 20 and set(np.bincount(data.family)) == {2}
    assert data.units["roi"] == ["FFA|EBA", "FFA", "none"] and data.shared() == 0
    assert data.condition[0] == shown[0].split("/")[0]


def test_init_writes_settings_for_pictures_with_a_table(tmp_path):
    import yaml

    from neuro.command import init

    kept(tmp_path, 40)
    settings = yaml.safe_load(init.settings([tmp_path]))["braindive"]
    assert settings["enabled"] and settings["images"] == tmp_path.as_posix()
    assert settings["objectives"] == ["EBA", "FFA"] and "judge" not in settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("pictures/faces/03.png", "pictures/faces/99.png"), "in no folder"),
        (lambda t: t.replace("\tfaces\t", "\tfaces\tx", 1), "is no number"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(tmp_path, change, words):
    from neuro.io.problems import InputProblem

    kept(tmp_path, 40, rois=False)
    table = tmp_path / "trials.tsv"
    table.write_text(change(table.read_text()))
    with pytest.raises(InputProblem, match=words) as problem:
        read_stimulus_response(tmp_path)
    assert len(problem.value.problems) == 1


def test_a_table_without_responses_says_what_is_missing(tmp_path):
    from neuro.io.problems import InputProblem

    kept(tmp_path, 40, voxels=False)
    (tmp_path / "betas.npy").unlink()
    with pytest.raises(InputProblem, match=r"no columns of voxels, .* none of betas\.npy"):
        read_stimulus_response(tmp_path)
    (tmp_path / "betas.npy").unlink(missing_ok=True)
    np.save(tmp_path / "betas.npy", np.zeros((7, 2)))
    with pytest.raises(InputProblem, match=r"a row for each of the 40 rows of trials\.tsv"):
        read_stimulus_response(tmp_path)
