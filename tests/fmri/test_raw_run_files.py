"""The light path of raw images, from file to file, on planted motion and slice times."""

import json

import nibabel
import numpy as np
import pandas as pd
import pytest

from neuro.base import provenance
from neuro.fmri.raw import realign_run as raw_realign
from neuro.fmri.raw import slices_run as raw_slices
from neuro.fmri.raw.slice_timing import shift_slices
from neuro.io.bids import scanner as bids
from neuro.io.bids.confounds import MOTION
from neuro.io.formats import excluded, tables
from neuro.io.images import nifti
from neuro.io.problems import InputProblem
from neuro.simulate.raw import NATIVE_TO_MNI, pose, write_raw

KEY = "sub-01_task-rest"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """One run of 24 volumes at 8 mm, with its truth."""
    folder = write_raw(
        tmp_path_factory.mktemp("raw") / "data", n_subjects=1, n_volumes=24, motion=1.0
    )
    return folder, json.loads((folder / "truth.json").read_text())


def bold_of(folder):
    return folder / "sub-01" / "func" / f"{KEY}_bold.nii.gz"


def files_in(folder):
    return raw_realign.RealignFiles(
        str(folder / "bold.nii.gz"),
        str(folder / "motion.tsv"),
        str(folder / "mask.nii.gz"),
        str(folder / "exclusions.tsv"),
    )


@pytest.fixture(scope="module")
def realigned(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    files = files_in(folder)
    return raw_realign.realign_run(bold_of(raw[0]), files, drop=2), files


def sidecar(path):
    return json.loads(provenance.sidecar_path(path).read_text())


def worst_error(table, side, truth, mask):
    """Largest displacement error of any brain voxel (mm), by volume, against the planted pose."""
    planted = np.array(truth["motion"][KEY])
    index = np.argwhere(np.asarray(mask.dataobj) > 0)
    points = np.c_[index @ mask.affine[:3, :3].T + mask.affine[:3, 3], np.ones(len(index))]
    first = int(table[MOTION[0]].first_valid_index())
    # the reference is the first volume that takes part
    home = np.linalg.inv(pose(planted[first], truth["center_mm"]))
    errors = []
    for t in range(first, len(table)):
        wanted = pose(planted[t], truth["center_mm"]) @ home
        found = pose(table.loc[t, list(MOTION)].to_numpy(float), side["CenterOfRotation"])
        errors.append(np.linalg.norm((points @ (wanted - found).T)[:, :3], axis=1).max())
    return np.array(errors)


def test_planted_motion_is_recovered(raw, realigned):
    found, files = realigned
    table = pd.read_csv(files.motion, sep="\t", na_values="n/a")
    side = sidecar(files.motion)
    errors = worst_error(table, side, raw[1], nibabel.load(files.mask))
    assert found["n_failed"] == 0
    assert found["n_mask"] > 2000
    # 8 mm voxels and slices at different moments: a fortieth of a voxel on average
    assert errors.mean() < 0.2 and errors.max() < 0.5
    assert np.abs(raw[1]["motion"][KEY]).max() > 0.7


def test_realigned_volumes_agree_where_raw_ones_do_not(raw, realigned):
    files = realigned[1]
    mask = nifti.load_mask(files.mask)
    edge = np.asarray(mask.dataobj) > 0
    before = np.asarray(nibabel.load(bold_of(raw[0])).dataobj, dtype=float)[edge][:, 2:]
    after = np.asarray(nibabel.load(files.bold).dataobj, dtype=float)[edge][:, 2:]
    assert after.std(axis=1).mean() < 0.5 * before.std(axis=1).mean()


def test_dropped_volumes_stay_in_place_and_take_no_part(realigned):
    files = realigned[1]
    table = pd.read_csv(files.motion, sep="\t", na_values="n/a")
    assert len(table) == 24 == nibabel.load(files.bold).shape[3]
    assert table.loc[:1, list(MOTION)].isna().all(axis=None)
    assert table.loc[2, list(MOTION)].abs().max() < 1e-6
    assert table["framewise_displacement"].isna().tolist() == [True] * 3 + [False] * 21
    assert list(table.columns) == [*MOTION, "framewise_displacement", "realign_failed"]


def test_sidecars_say_space_and_what_was_done(realigned):
    side = sidecar(realigned[1].bold)
    assert side["Space"] == "native"
    assert side["SliceTimingCorrected"] is False
    assert side["FailedVolumes"] == []
    assert side["Parameters"]["drop_volumes"] == 2
    assert "Rz Ry Rx" in side["Description"]


def test_a_lost_volume_is_flagged_and_never_kept(raw, tmp_path):
    from neuro.fmri.clean.run import denoise_run

    image = nibabel.load(bold_of(raw[0]))
    data = np.asarray(image.dataobj).copy()
    data[..., 7] = 0
    nibabel.save(nibabel.Nifti1Image(data, image.affine, image.header), tmp_path / "x.nii.gz")
    files = files_in(tmp_path)
    found = raw_realign.realign_run(tmp_path / "x.nii.gz", files, tr=2.0)
    assert found["n_failed"] == 1
    table = pd.read_csv(files.motion, sep="\t", na_values="n/a")
    assert np.flatnonzero(table["realign_failed"]).tolist() == [7]
    assert np.isfinite(table.loc[7, list(MOTION)].to_numpy(float)).all()
    mask = nifti.load_mask(files.mask)
    series = nifti.masked_series(nibabel.load(files.bold), mask)
    settings = {"strategy": "6P", "scrub": False, "filter": "none", "min_seconds": 10}
    result = denoise_run(series, mask, tr=2.0, confounds=table, settings=settings)
    assert not result.kept[7] and result.kept.sum() == 23
    assert result.qc["realign_failed"] == 1
    assert result.outliers["realign_failed"].tolist() == [int(t == 7) for t in range(24)]


def test_an_affine_brings_the_run_to_the_template_in_one_interpolation(raw, tmp_path):
    from neuro.simulate.template import load_template

    files = files_in(tmp_path)
    matrix = raw[0] / "xfm" / "sub-01.txt"
    assert np.allclose(raw_realign.read_affine(matrix), pose(NATIVE_TO_MNI))
    raw_realign.realign_run(bold_of(raw[0]), files, affine=matrix)
    mask = nibabel.load(files.mask)
    assert np.allclose(np.diag(mask.affine)[:3], 4.0)
    # the brain of the template lies in the mask that was found there
    points = load_template(8).coords_mm
    index = np.rint((points - mask.affine[:3, 3]) / 4).astype(int)
    inside = np.asarray(mask.dataobj)[tuple(index.T)] > 0
    assert inside.mean() > 0.85
    assert sidecar(files.bold)["Space"].startswith("template")
    target = tmp_path / "grid.nii.gz"
    grid = np.diag([10.0, 10.0, 10.0, 1.0])
    grid[:3, 3] = -80
    nibabel.save(nibabel.Nifti1Image(np.zeros((17, 17, 17), np.uint8), grid), target)
    raw_realign.realign_run(bold_of(raw[0]), files, affine=matrix, target=target)
    assert nibabel.load(files.bold).shape == (17, 17, 17, 24)
    assert np.allclose(nibabel.load(files.bold).affine, grid)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1 0 0 0\n", r"shape \(1, 4\), expected a 4x4"),
        ("a b\n", "expected a 4x4"),
        ("0 0 0 0\n0 0 0 0\n0 0 0 0\n0 0 0 1\n", "cannot be inverted"),
    ],
)
def test_a_bad_affine_is_one_line(tmp_path, text, line):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputProblem, match=line) as caught:
        raw_realign.read_affine(tmp_path / "a.txt")
    assert len(caught.value.problems) == 1
    with pytest.raises(InputProblem, match="no such file"):
        raw_realign.read_affine(tmp_path / "b.txt")


def test_images_without_a_brain_are_one_line(tmp_path):
    image = nibabel.Nifti1Image(np.full((9, 9, 9, 12), 7, np.int16), np.diag([4.0, 4, 4, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 2.0
    nibabel.save(image, tmp_path / "flat.nii.gz")
    for drop in (0, 12):
        with pytest.raises(InputProblem, match=r"flat\.nii\.gz: ") as caught:
            raw_realign.realign_run(tmp_path / "flat.nii.gz", files_in(tmp_path), drop=drop)
        assert len(caught.value.problems) == 1


def test_slices_are_shifted_and_dropped_volumes_left_alone(raw, tmp_path):
    folder, truth = raw
    content = bids.metadata(folder, f"sub-01/func/{KEY}_bold.nii.gz")
    out = tmp_path / "shifted.nii.gz"
    note = raw_slices.shift_run(bold_of(folder), out, metadata=content, drop=3)
    before = np.asarray(nibabel.load(bold_of(folder)).dataobj, dtype=np.float32)
    after = np.asarray(nibabel.load(out).dataobj)
    assert np.array_equal(after[..., :3], before[..., :3])
    wanted = shift_slices(before[..., 3:], 2.0, truth["slice_times"], axis="k")
    assert np.allclose(after[..., 3:], wanted, atol=1e-2)
    side = json.loads((tmp_path / "shifted.json").read_text())
    assert side["SliceTimingCorrected"] is True and side["StartTime"] == 0.75
    assert note in side["Notes"][0]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_without_slice_times_the_image_is_handed_on_with_a_note(raw, tmp_path, suffix):
    source = tmp_path / f"x{suffix}"
    nibabel.save(nibabel.load(bold_of(raw[0])), source)
    out = tmp_path / "out" / "same.nii.gz"
    note = raw_slices.shift_run(source, out, metadata={"RepetitionTime": 2.0}, tr=2.0)
    assert "no SliceTiming" in note
    assert np.array_equal(
        np.asarray(nibabel.load(out).dataobj), np.asarray(nibabel.load(source).dataobj)
    )
    files = files_in(tmp_path)
    raw_realign.realign_run(out, files)
    side = sidecar(files.bold)
    assert side["Notes"] == [note] and side["SliceTimingCorrected"] is False


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"SliceTiming": [0.0, 500.0] * 13 + [0.0]}, "they look like milliseconds"),
        ({"SliceTiming": [0.0, 0.5]}, "2 times for"),
        ({"SliceTiming": [0.0], "SliceEncodingDirection": "z"}, "expected i, j or k"),
    ],
)
def test_wrong_slice_times_are_one_line_with_the_file(raw, tmp_path, content, line):
    with pytest.raises(InputProblem, match=line) as caught:
        raw_slices.shift_run(bold_of(raw[0]), tmp_path / "o.nii.gz", metadata=content, tr=2.0)
    assert len(caught.value.problems) == 1
    assert f"{KEY}_bold.nii.gz" in caught.value.problems[0]


def test_a_left_out_run_hands_its_reason_on(tmp_path):
    rows = [tables.exclusion(KEY, "slicetime", "x: broken")]
    table = tmp_path / "e.tsv"
    excluded.mark_with_reasons([tmp_path / "a.nii.gz"], table, rows)
    assert excluded.is_excluded(tmp_path / "a.nii.gz")
    assert excluded.reasons(table)[0]["reason"] == "x: broken"
    assert excluded.reasons(None) == []
