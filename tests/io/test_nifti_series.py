"""Masked series: exactly the values of the image, read once and in little memory."""

import gzip
import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from neuro.io.images import nifti
from neuro.io.problems import InputProblem

AFFINE = np.array([[-3.0, 0, 0, 90], [0, 3.0, 0, -126], [0, 0, 4.0, -72], [0, 0, 0, 1]])
SHAPE = (7, 6, 5)


def ball(shape=SHAPE):
    grid = np.indices(shape)
    away = sum((axis - size / 2) ** 2 for axis, size in zip(grid, shape))
    return nib.Nifti1Image((away < 9).astype(np.uint8), AFFINE)


def image(path, dtype, slope=None, inter=None, n_volumes=11, swap=False):
    """A file with raw values of the given type and scaling."""
    rng = np.random.default_rng(5)
    raw = rng.integers(0, 120, (*SHAPE, n_volumes)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        raw = rng.standard_normal(raw.shape).astype(dtype)
    header = nib.Nifti1Header(endianness=">" if swap else "<")
    header.set_data_dtype(np.dtype(dtype).newbyteorder(">" if swap else "<"))
    header.set_data_shape(raw.shape)
    header.set_sform(AFFINE, 2)
    header.set_zooms((3, 3, 4, 2))
    header["vox_offset"] = 352
    if slope is not None:
        header["scl_slope"], header["scl_inter"] = slope, inter
    content = header.binaryblock + b"\0" * 4
    content += raw.astype(raw.dtype.newbyteorder(">" if swap else "<")).tobytes(order="F")
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "wb") as stream:
        stream.write(content)
    return nib.load(path)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "slope", "inter", "swap"),
    [
        (np.int16, None, None, False),
        (np.int16, 0.5, -3.0, False),
        (np.uint8, 2.0, 0.0, False),
        (np.float32, None, None, False),
        (np.float64, None, None, False),
        (np.int16, 0.25, 1.0, True),
        (np.float32, None, None, True),
    ],
)
def test_values_equal_those_of_nibabel(tmp_path, name, dtype, slope, inter, swap):
    img = image(tmp_path / name, dtype, slope, inter, swap=swap)
    mask = ball()
    series = nifti.masked_series(img, mask)
    expected = img.get_fdata()[np.asarray(mask.dataobj) > 0].T
    assert series.dtype == np.float32
    assert series.flags.c_contiguous
    np.testing.assert_allclose(series, expected, rtol=1e-6, atol=1e-6)


def test_blocks_do_not_matter(tmp_path, monkeypatch):
    img = image(tmp_path / "x.nii.gz", np.int16, 0.5, 1.0)
    whole = nifti.masked_series(img, ball())
    monkeypatch.setattr(nifti, "_BLOCK_BYTES", 3 * 7 * 6 * 5 * 2)
    np.testing.assert_array_equal(nifti.masked_series(img, ball()), whole)
    monkeypatch.setattr(nifti, "_BLOCK_BYTES", 1)
    np.testing.assert_array_equal(nifti.masked_series(img, ball()), whole)


def test_an_image_in_memory(tmp_path):
    img = image(tmp_path / "x.nii", np.float32)
    inside = nib.Nifti1Image(np.asarray(img.dataobj), img.affine)
    np.testing.assert_array_equal(
        nifti.masked_series(inside, ball()), nifti.masked_series(img, ball())
    )


def test_voxels_with_missing_values_are_zero_throughout(tmp_path):
    data = np.random.default_rng(0).standard_normal((*SHAPE, 8)).astype(np.float32)
    data[3, 3, 2, 4] = np.nan
    data[3, 3, 3, 0] = np.inf
    img = nib.Nifti1Image(data, AFFINE)
    series = nifti.masked_series(img, ball())
    place = nifti.mask_index(ball())
    bad = [tuple(row) in {(3, 3, 2), (3, 3, 3)} for row in place]
    assert sum(bad) == 2
    assert (series[:, bad] == 0).all()
    good = ~np.array(bad)
    inside = np.asarray(ball().dataobj) > 0
    np.testing.assert_array_equal(series[:, good], data[inside].T[:, good])


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_memory_stays_near_the_size_of_the_result(tmp_path, name):
    shape, n_volumes = (40, 40, 30), 100
    data = np.random.default_rng(0).integers(0, 999, (*shape, n_volumes), dtype=np.int16)
    img = nib.Nifti1Image(data, AFFINE)
    nib.save(img, tmp_path / name)
    del data, img
    img = nib.load(tmp_path / name)
    mask = nib.Nifti1Image(np.ones(shape, np.uint8), AFFINE)
    nifti.masked_series(img, mask)
    tracemalloc.start()
    series = nifti.masked_series(img, mask)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # one block of raw volumes may be in memory beside the result
    block = min(nifti._BLOCK_BYTES, 2 * series.size)
    assert peak < 1.3 * series.nbytes + 2.2 * block


def test_a_file_that_is_damaged_inside(tmp_path):
    img = image(tmp_path / "x.nii.gz", np.int16, n_volumes=400)
    content = bytearray((tmp_path / "x.nii.gz").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "x.nii.gz").write_bytes(content)
    with pytest.raises(InputProblem, match="cut off or damaged after volume") as caught:
        nifti.masked_series(img, ball())
    assert "\n" not in str(caught.value)


def test_coordinates_belong_to_the_columns():
    mask = ball()
    coords = nifti.mask_coords_mm(mask)
    inside = np.asarray(mask.dataobj) > 0
    i, j, k = np.nonzero(inside)
    expected = np.array([AFFINE @ [a, b, c, 1] for a, b, c in zip(i, j, k)])[:, :3]
    np.testing.assert_allclose(coords, expected)
    # an image that holds its own x coordinate gives it back column by column
    x = (np.indices(SHAPE).T @ AFFINE[:3, :3].T + AFFINE[:3, 3]).T[0]
    img = nib.Nifti1Image(np.repeat(x[..., None], 3, axis=3).astype(np.float32), AFFINE)
    np.testing.assert_allclose(nifti.masked_series(img, mask)[1], coords[:, 0], rtol=1e-6)


def test_grids(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    tiny = AFFINE.copy()
    tiny[0, 3] += 1e-5
    img = nib.Nifti1Image(np.zeros((*SHAPE, 3), np.float32), AFFINE)
    nifti.check_grid(ball(), img)
    nifti.check_grid(nib.Nifti1Image(np.ones(SHAPE, np.uint8), tiny), img)
    with pytest.raises(InputProblem) as caught:
        nifti.check_grid(ball((7, 6, 4)), img, names=("mask.nii.gz", "bold.nii.gz"))
    assert caught.value.problems == [
        "mask.nii.gz: grid 7x6x4 differs from 7x6x5 of bold.nii.gz; resample one of them"
    ]
    with pytest.raises(InputProblem, match="place a corner 1 mm apart"):
        nifti.check_grid(nib.Nifti1Image(np.ones(SHAPE, np.uint8), moved), img)
    flipped = np.diag([-1.0, 1, 1, 1]) @ AFFINE
    with pytest.raises(InputProblem, match="mm apart"):
        nifti.masked_series(img, nib.Nifti1Image(np.ones(SHAPE, np.uint8), flipped))


@pytest.mark.parametrize("name", ["out.nii", "out.nii.gz"])
def test_series_round_trip(tmp_path, name):
    mask = ball()
    n_voxels = int(np.count_nonzero(mask.dataobj))
    series = np.random.default_rng(0).standard_normal((9, n_voxels)).astype(np.float32)
    path = nifti.write_series(tmp_path / "deep" / name, series, mask, 1.5)
    bold = nifti.load_bold(path)
    np.testing.assert_array_equal(nifti.masked_series(bold, mask), series)
    assert (bold.tr, bold.tr_source) == (1.5, "header")
    assert bold.img.get_data_dtype() == np.float32
    np.testing.assert_array_equal(bold.img.affine, AFFINE)
    outside = np.asarray(mask.dataobj) == 0
    assert (bold.img.get_fdata()[outside] == 0).all()


def test_map_round_trip_and_equal_bytes(tmp_path):
    mask = ball()
    values = np.arange(np.count_nonzero(mask.dataobj), dtype=np.float64)
    path = nifti.write_map(tmp_path / "a.nii.gz", values, mask)
    img = nib.load(path)
    assert img.shape == SHAPE
    np.testing.assert_array_equal(img.get_fdata()[np.asarray(mask.dataobj) > 0], values)
    again = nifti.write_map(tmp_path / "b.nii.gz", values, mask)
    assert path.read_bytes() == again.read_bytes()


def test_sizes_are_checked_before_writing(tmp_path):
    mask = ball()
    with pytest.raises(ValueError, match="3 voxels, the mask has"):
        nifti.write_map(tmp_path / "x.nii.gz", np.zeros(3), mask)
    with pytest.raises(ValueError, match=r"expected \(n_voxels,\)"):
        nifti.write_map(tmp_path / "x.nii.gz", np.zeros((2, 3)), mask)
    with pytest.raises(ValueError, match=r"expected \(n_timepoints, n_voxels\)"):
        nifti.write_series(tmp_path / "x.nii.gz", np.zeros(3), mask, 2.0)
    n_voxels = int(np.count_nonzero(mask.dataobj))
    with pytest.raises(ValueError, match="expected seconds > 0"):
        nifti.write_series(tmp_path / "x.nii.gz", np.zeros((2, n_voxels)), mask, 0.0)
    assert list(tmp_path.iterdir()) == []
