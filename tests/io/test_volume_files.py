"""Whole volumes written one after the other: same voxels, same bytes, readable elsewhere."""

import nibabel
import numpy as np
import pytest

from neuro.io.images.volumes import space_code, write_volumes

AFFINE = np.array([[-3.0, 0, 0, 90], [0, 3.0, 0.3, -100], [0, -0.3, 4.0, -60], [0, 0, 0, 1]])


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_voxels_survive_whatever_the_memory_order(tmp_path, suffix, order):
    data = np.asarray(np.random.default_rng(0).normal(size=(4, 5, 3, 7)), order=order)
    path = write_volumes(tmp_path / "deep" / f"x{suffix}", data, AFFINE, 2.5, code=1)
    image = nibabel.load(path)
    assert image.get_data_dtype() == np.float32
    assert np.array_equal(np.asarray(image.dataobj), data.astype(np.float32))
    assert np.allclose(image.affine, AFFINE, atol=1e-4)
    assert image.header.get_zooms()[3] == 2.5
    assert image.header.get_xyzt_units() == ("mm", "sec")
    assert space_code(image) == 1


def test_bytes_depend_on_the_content_only(tmp_path):
    data = np.ones((3, 3, 3, 2), dtype=np.float32)
    a = write_volumes(tmp_path / "a.nii.gz", data, AFFINE, 2.0).read_bytes()
    b = write_volumes(tmp_path / "other_name.nii.gz", data, AFFINE, 2.0).read_bytes()
    assert a == b


@pytest.mark.parametrize(
    ("data", "tr", "line"),
    [(np.ones((3, 3, 3)), 2.0, "data: shape"), (np.ones((3, 3, 3, 2)), 0, "tr: got 0")],
)
def test_what_is_no_run_is_refused(tmp_path, data, tr, line):
    with pytest.raises(ValueError, match=line):
        write_volumes(tmp_path / "x.nii.gz", data, AFFINE, tr)


def test_volumes_are_counted_from_the_header(tmp_path):
    from neuro.io.images.header import n_volumes

    for name, maker, shape, count in (
        ("a.nii.gz", nibabel.Nifti1Image, (3, 3, 3, 9), 9),
        ("b.nii", nibabel.Nifti2Image, (3, 3, 3, 11), 11),
        ("c.nii", nibabel.Nifti1Image, (3, 3, 3), 1),
    ):
        nibabel.save(maker(np.zeros(shape, np.int16), AFFINE), tmp_path / name)
        assert n_volumes(tmp_path / name) == count
    (tmp_path / "d.nii.gz").write_bytes(b"no gzip")
    assert n_volumes(tmp_path / "d.nii.gz") is None
