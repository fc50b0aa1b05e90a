"""What a header says is not believed before it has been checked."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from neuro.io.images.header import header_tr
from neuro.io.images.nifti import load_bold, load_mask
from neuro.io.problems import InputProblem

AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = [-90, -126, -72]


def save(path, shape=(5, 6, 4, 10), affine=AFFINE, tr=2.0, unit="sec", dtype=np.int16, kind=None):
    data = np.random.default_rng(0).integers(0, 1000, shape).astype(dtype)
    img = (kind or nib.Nifti1Image)(data, affine)
    if len(shape) == 4 and tr is not None:
        img.header.set_zooms((*img.header.get_zooms()[:3], tr))
    img.header.set_xyzt_units("mm", unit)
    nib.save(img, path)
    return path


def bare(path):
    """All edges 1, no unit, no affine, as some converters leave it."""
    img = nib.Nifti1Image(np.ones((5, 6, 4, 10), np.int16), None)
    img.header["pixdim"][1:5] = 1
    nib.save(img, path)
    return path


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize(
    ("tr", "unit", "seconds"),
    [
        (2.0, "sec", 2.0),
        (2000.0, "msec", 2.0),
        (720000.0, "usec", 0.72),
        (2000.0, "sec", 2.0),
        (2000.0, "unknown", 2.0),
        (0.72, "unknown", 0.72),
        (1.0, "sec", 1.0),
        (1.0, "unknown", None),
        (0.0, "sec", None),
    ],
)
def test_interval_of_the_header(tmp_path, name, kind, tr, unit, seconds):
    path = save(tmp_path / name, tr=tr, unit=unit, kind=kind)
    assert header_tr(path) == (pytest.approx(seconds) if seconds else None)
    if seconds:
        bold = load_bold(path)
        assert bold.tr == pytest.approx(seconds)
        assert bold.tr_source == "header"
    else:
        with pytest.raises(InputProblem, match=r"no sampling interval.*set data\.tr"):
            load_bold(path)
        assert load_bold(path, tr=1.1).tr_source == "config"


def test_a_big_endian_header_is_read(tmp_path):
    img = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), AFFINE).header.as_byteswapped(">")
    img.set_zooms((3, 3, 4, 2.5))
    img.set_xyzt_units("mm", "sec")
    (tmp_path / "x.nii").write_bytes(img.binaryblock + b"\0" * 100)
    assert header_tr(tmp_path / "x.nii") == 2.5
    (tmp_path / "y.nii").write_bytes(b"too short")
    assert header_tr(tmp_path / "y.nii") is None
    (tmp_path / "z.nii.gz").write_bytes(b"no gzip")
    assert header_tr(tmp_path / "z.nii.gz") is None


def test_the_sidecar_wins_and_must_agree(tmp_path):
    path = save(tmp_path / "x.nii.gz", tr=2.0)
    side = tmp_path / "x.json"
    side.write_text(json.dumps({"RepetitionTime": 2.01}))
    assert (load_bold(path).tr, load_bold(path).tr_source) == (2.01, "sidecar")
    side.write_text(json.dumps({"RepetitionTime": 2.03}))
    with pytest.raises(InputProblem, match=r"2\.03 s in the sidecar but 2 s in the header"):
        load_bold(path)
    side.write_text(json.dumps({"RepetitionTime": 2.5}))
    with pytest.raises(InputProblem) as caught:
        load_bold(path)
    assert caught.value.problems == [
        f"{path}: sampling interval is 2.5 s in the sidecar but 2 s in the header; "
        "correct the wrong one"
    ]
    side.write_text(json.dumps({"RepetitionTime": 2.0}))
    with pytest.raises(InputProblem, match=r"2 s in the sidecar but 3 s in the config"):
        load_bold(path, tr=3.0)
    other = tmp_path / "elsewhere.json"
    other.write_text(json.dumps({"RepetitionTime": 1.0}))
    with pytest.raises(InputProblem, match="1 s in the sidecar but 2 s in the header"):
        load_bold(path, sidecar=other)


def test_a_header_without_voxel_size_asks_for_it(tmp_path):
    path = bare(tmp_path / "x.nii.gz")
    with pytest.raises(InputProblem) as caught:
        load_bold(path)
    assert caught.value.problems == [
        f"{path}: the header holds no voxel size (all 1, no affine); set data.voxel_size (mm) "
        "and data.tr (s)"
    ]
    with pytest.raises(InputProblem, match="no voxel size"):
        load_bold(path, tr=3.0)
    with pytest.raises(InputProblem, match=r"set data\.tr"):
        load_bold(path, voxel_size=(3.75, 3.75, 6))
    bold = load_bold(path, tr=3.0, voxel_size=(3.75, 3.75, 6))
    assert bold.voxel_size == (3.75, 3.75, 6.0)
    assert bold.n_volumes == 10
    centre = bold.img.affine @ [2, 2.5, 1.5, 1]
    np.testing.assert_allclose(centre[:3], 0)
    with pytest.raises(InputProblem, match=r"data\.voxel_size: got \(1, 2\)"):
        load_bold(path, tr=3.0, voxel_size=(1, 2))


def test_a_real_one_millimetre_grid_is_no_bare_header(tmp_path):
    affine = np.eye(4)
    affine[:3, 3] = [-90, -126, -72]
    path = save(tmp_path / "x.nii.gz", affine=affine, tr=1.0)
    assert load_bold(path).voxel_size == (1.0, 1.0, 1.0)


def test_a_voxel_size_that_contradicts_the_header(tmp_path):
    path = save(tmp_path / "x.nii.gz")
    assert load_bold(path, voxel_size=(3, 3, 4)).voxel_size == (3, 3, 4)
    with pytest.raises(InputProblem, match=r"3 x 3 x 4 mm in the header but 2 x 2 x 2 mm"):
        load_bold(path, voxel_size=(2, 2, 2))


def test_all_problems_of_an_image_at_once(tmp_path):
    path = tmp_path / "x.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((5, 6, 4), np.int16), None), path)
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(InputProblem) as caught:
        load_bold(path)
    lines = caught.value.problems
    assert len(lines) == 3
    assert "3D image of shape (5, 6, 4), expected 4D" in lines[0]
    assert "no voxel size" in lines[1]
    assert "holds a list, expected a JSON object" in lines[2]
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("share", [0.999, 0.5])
def test_a_file_that_ends_early(tmp_path, name, share):
    path = save(tmp_path / name, shape=(20, 20, 20, 10))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputProblem, match="cut off"):
        load_bold(path)


def test_a_gzip_of_several_members_is_complete(tmp_path):
    path = save(tmp_path / "x.nii.gz")
    content = gzip.decompress(path.read_bytes())
    half = len(content) // 2
    path.write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    assert load_bold(path).n_volumes == 10


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.nii.gz", b"", r"the file is empty \(0 bytes\)"),
        ("x.nii", b"hello" * 200, "not a readable NIfTI image"),
        ("x.nii.gz", b"hello" * 200, "not a readable NIfTI image"),
        ("x.txt", b"hello", "not a readable NIfTI image"),
    ],
)
def test_files_that_are_no_image(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputProblem, match=message) as caught:
        load_bold(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputProblem, match="no such file"):
        load_bold(tmp_path / "absent.nii")


def test_masks(tmp_path):
    bold = load_bold(save(tmp_path / "bold.nii.gz"))
    inside = np.zeros((5, 6, 4), np.float32)
    inside[1:3] = 0.7
    inside[0] = np.nan
    nib.save(nib.Nifti1Image(inside, AFFINE), tmp_path / "mask.nii.gz")
    mask = load_mask(tmp_path / "mask.nii.gz", like=bold.img)
    np.testing.assert_array_equal(np.asarray(mask.dataobj), np.nan_to_num(inside) > 0)
    nib.save(nib.Nifti1Image(inside[..., None], AFFINE), tmp_path / "four.nii.gz")
    assert load_mask(tmp_path / "four.nii.gz").shape == (5, 6, 4)
    nib.save(nib.Nifti1Image(inside * 0, AFFINE), tmp_path / "none.nii.gz")
    with pytest.raises(InputProblem, match="no voxel of the mask is above 0"):
        load_mask(tmp_path / "none.nii.gz")
    with pytest.raises(InputProblem, match=r"4D image of shape \(5, 6, 4, 10\), expected a 3D"):
        load_mask(tmp_path / "bold.nii.gz")
    nib.save(nib.Nifti1Image(inside[:4], AFFINE), tmp_path / "small.nii.gz")
    with pytest.raises(InputProblem, match=r"grid 4x6x4 differs from 5x6x4 of the image"):
        load_mask(tmp_path / "small.nii.gz", like=bold.img)


@pytest.mark.parametrize(
    ("dtype", "word"), [([("R", "u1"), ("G", "u1"), ("B", "u1")], "colours"), ("c8", "complex64")]
)
def test_colours_and_complex_voxels_are_one_line(tmp_path, dtype, word):
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    for shape, read in (((4, 4, 4, 6), load_bold), ((4, 4, 4), load_mask)):
        path = tmp_path / f"{len(shape)}.nii.gz"
        nib.save(nib.Nifti1Image(np.zeros(shape, dtype=dtype), affine), path)
        with pytest.raises(InputProblem, match=f"voxels hold .*{word}, expected one real number"):
            read(path)
