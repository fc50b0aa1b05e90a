"""Realignment on a planted head: recovered motion, flagged failures, one interpolation."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from sklearn.base import clone

from neuro.fmri.quality.measures import framewise_displacement
from neuro.fmri.raw.realign import RigidRealign
from neuro.fmri.raw.rigid import rigid_matrix

# Left-handed and oblique enough that a mix-up of axes or signs would show.
AFFINE = rigid_matrix([0, 0, 0, 0.1, -0.05, 0.2]) @ np.diag([-3.5, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = [60, -50, -30]
SHAPE = (34, 38, 24)


def phantom(seed=0):
    """A head with a smooth inside; zero outside."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    inside = ((grid / np.array([0.75, 0.8, 0.7]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
    texture = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 2.0)
    image = inside * (800 + 150 * texture / texture.std())
    return ndimage.gaussian_filter(image, 0.7)


def moved(image, params, center):
    """The head after a movement: reference point x is found at x' = M x."""
    world = rigid_matrix(params, center)
    back = np.linalg.inv(np.linalg.inv(AFFINE) @ world @ AFFINE)
    return ndimage.affine_transform(image, back[:3, :3], back[:3, 3], order=3)


@pytest.fixture(scope="module")
def planted():
    image = phantom()
    first = nib.Nifti1Image(np.repeat(image[..., None], 2, 3).astype(np.float32), AFFINE)
    center = RigidRealign().fit(first).center_
    rng = np.random.default_rng(1)
    params = np.column_stack([rng.uniform(-2, 2, (8, 3)), rng.uniform(-0.03, 0.03, (8, 3))])
    params[0] = 0
    volumes = np.stack([moved(image, p, center) for p in params], axis=3)
    volumes[..., 5] *= 1.3
    img = nib.Nifti1Image(volumes.astype(np.float32), AFFINE)
    img.header.set_zooms((*img.header.get_zooms()[:3], 2.5))
    return img, params, center


def test_planted_motion_is_recovered(planted):
    img, params, center = planted
    fitted = RigidRealign().fit(img)
    np.testing.assert_allclose(fitted.center_, center)
    assert not fitted.failed_.any()
    error = fitted.params_ - params
    assert np.abs(error[:, :3]).max() < 0.06
    assert np.abs(error[:, 3:]).max() < 0.002
    for matrix, p in zip(fitted.matrices_, fitted.params_):
        np.testing.assert_allclose(matrix, rigid_matrix(p, center), atol=1e-9)
    assert fitted.n_iter_.max() < 15


def test_unmoved_volumes_stay_put():
    image = phantom().astype(np.float32)
    img = nib.Nifti1Image(np.repeat(image[..., None], 3, axis=3), AFFINE)
    fitted = RigidRealign().fit(img)
    assert np.abs(fitted.params_[:, :3]).max() < 0.005
    assert np.abs(fitted.params_[:, 3:]).max() < 1e-4
    out = fitted.transform(img).get_fdata()
    np.testing.assert_allclose(out[1:-1, 1:-1, 1:-1], img.get_fdata()[1:-1, 1:-1, 1:-1], atol=0.5)


def test_reslicing_undoes_the_motion(planted):
    img, _, _ = planted
    fitted = RigidRealign().fit(img)
    out = fitted.transform(img)
    assert out.get_data_dtype() == np.float32
    assert out.header.get_zooms()[3] == pytest.approx(2.5)
    data, first = out.get_fdata(), img.get_fdata()[..., 0]
    inside = fitted.mask_ & fitted.always_inside_
    for t in (1, 3, 7):
        before = np.abs(img.get_fdata()[..., t] - first)[inside].mean()
        after = np.abs(data[..., t] - first)[inside].mean()
        assert after < 0.1 * before
    assert (data[..., 1:][~fitted.always_inside_] == 0).any()
    assert not fitted.always_inside_.all()


def test_another_reference_gives_the_same_relative_motion(planted):
    img, _, _ = planted
    mask = RigidRealign().fit(img).mask_
    one = RigidRealign().fit(img, mask=mask)
    other = RigidRealign(reference=3).fit(img, mask=mask)
    mean = RigidRealign(reference="mean").fit(img, mask=mask)
    point = [*np.add(one.center_, [20, -15, 10]), 1]
    for fitted in (other, mean):
        to_first = np.linalg.inv(fitted.matrices_[0])
        for a, b in zip(fitted.matrices_, one.matrices_):
            np.testing.assert_allclose((a @ to_first @ point)[:3], (b @ point)[:3], atol=0.08)
    assert np.abs(other.params_[3]).max() < 0.005


def test_a_volume_without_a_head_is_flagged_never_called_unmoved(planted):
    img, params, _ = planted
    data = img.get_fdata(dtype=np.float32).copy()
    data[..., 2] = 0
    data[..., 4] = np.random.default_rng(2).normal(500, 100, SHAPE)
    data[3, 3, 3, 6] = np.nan
    fitted = RigidRealign().fit(nib.Nifti1Image(data, AFFINE))
    np.testing.assert_array_equal(np.flatnonzero(fitted.failed_), [2, 4, 6])
    assert np.isnan(fitted.params_[[2, 4, 6]]).all()
    assert np.abs((fitted.params_ - params)[[1, 3, 5, 7], :3]).max() < 0.06
    filled = fitted.filled_params()
    np.testing.assert_allclose(filled[2], filled[1], atol=1e-9)
    assert np.isfinite(framewise_displacement(filled)[1:]).all()


def test_a_far_jump_is_found_again():
    image = phantom()
    center = (
        RigidRealign()
        .fit(nib.Nifti1Image(np.repeat(image[..., None], 2, 3).astype(np.float32), AFFINE))
        .center_
    )
    jumps = np.zeros((4, 6))
    jumps[1] = [8, -7, 4, 0.1, -0.08, 0.1]
    jumps[2] = [-8, 6, -4, -0.1, 0.08, -0.1]
    volumes = np.stack([moved(image, p, center) for p in jumps], axis=3).astype(np.float32)
    fitted = RigidRealign().fit(nib.Nifti1Image(volumes, AFFINE))
    assert not fitted.failed_.any()
    assert np.abs(fitted.params_ - jumps)[:, :3].max() < 0.15


def test_a_head_that_leaves_the_field_of_view_is_flagged():
    image = phantom()
    volumes = np.stack([image, np.roll(image, 20, axis=2)], axis=3)
    volumes[:, :, :20, 1] = 0
    fitted = RigidRealign().fit(nib.Nifti1Image(volumes.astype(np.float32), AFFINE))
    assert fitted.failed_[1]


def test_later_steps_are_combined_into_one_interpolation(planted):
    img, _, _ = planted
    fitted = RigidRealign().fit(img)
    world = rigid_matrix([2, -1, 1, 0.02, 0.03, -0.01], fitted.center_)
    grid = AFFINE @ np.diag([2, 2, 2, 1])
    shape = tuple(n // 2 for n in SHAPE)
    out = fitted.transform(img, target=(shape, grid), world=world).get_fdata()
    assert out.shape == (*shape, 8)
    t, index = 3, np.array([8, 9, 6])
    point = fitted.matrices_[t] @ world @ grid @ [*index, 1]
    place = (np.linalg.inv(AFFINE) @ point)[:3, None]
    expected = ndimage.map_coordinates(img.get_fdata()[..., t], place, order=3, mode="mirror")
    assert out[(*index, t)] == pytest.approx(expected[0], rel=1e-4)


def test_threads_do_not_change_the_result(tmp_path, planted):
    img, _, _ = planted
    nib.save(img, tmp_path / "run.nii")
    code = (
        "import sys, nibabel, numpy; from neuro.fmri.raw.realign import RigidRealign; "
        "img = nibabel.load(sys.argv[1]); "
        "numpy.save(sys.argv[2], RigidRealign().fit(img).params_)"
    )
    found = []
    for n in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        target = tmp_path / f"params{n}.npy"
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run.nii"), str(target)],
            env={**os.environ, **dict.fromkeys(names, n)},
            cwd=Path(__file__).parents[2],
            check=True,
        )
        found.append(np.load(target))
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


def test_follows_the_estimator_contract(planted):
    img, _, _ = planted
    model = RigidRealign(reference="mean", fwhm=6.0)
    assert clone(model).get_params() == model.get_params()
    fitted = RigidRealign().fit(img)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.params_, fitted.params_)
    np.testing.assert_array_equal(RigidRealign().fit(img).params_, fitted.params_)


def test_bad_input_is_one_line(planted):
    img, _, _ = planted
    flat = nib.Nifti1Image(np.zeros((8, 8, 8), dtype=np.float32), np.eye(4))
    thin = nib.Nifti1Image(np.ones((8, 8, 2, 5), dtype=np.float32), np.eye(4))
    for bad, words in ((flat, "expected 4D"), (thin, "at least 4 voxels per axis")):
        with pytest.raises(ValueError, match=words) as caught:
            RigidRealign().fit(bad)
        assert "\n" not in str(caught.value)
    for reference in (99, "first"):
        with pytest.raises(ValueError, match=r"expected 'mean' or a volume 0\.\.7"):
            RigidRealign(reference=reference).fit(img)
    with pytest.raises(ValueError, match="0 voxels inside"):
        RigidRealign().fit(img, mask=np.zeros(SHAPE, dtype=bool))
    tiny = np.zeros(SHAPE, dtype=bool)
    tiny[17, 19, 12] = True
    with pytest.raises(ValueError, match="points to compare"):
        RigidRealign().fit(img, mask=tiny)
    short = nib.Nifti1Image(np.zeros((*SHAPE, 3), dtype=np.float32), AFFINE)
    with pytest.raises(ValueError, match="3 volumes, motion was estimated for 8"):
        RigidRealign().fit(img).transform(short)
