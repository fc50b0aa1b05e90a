"""Realignment of a real EPI volume moved by known amounts, and of the real run itself."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neuro.fmri.quality.measures import framewise_displacement
from neuro.fmri.raw.realign import RigidRealign
from neuro.fmri.raw.rigid import rigid_matrix

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
IMAGE = DATA / "bold" / "oro_filtered_func.nii.gz"
# The header carries no voxel size; these are the acquisition's as far as is known.
AFFINE = np.diag([3.75, 3.75, 6.0, 1.0])
AFFINE[:3, 3] = [-118.125, -118.125, -60.0]

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not IMAGE.exists(), reason=f"no recording {IMAGE.name}"),
]


@pytest.fixture(scope="module")
def run():
    return np.asarray(nib.load(IMAGE).dataobj, dtype=np.float32)


def moves(volume, params, center, order, mode):
    volumes = [volume]
    for p in params:
        world = rigid_matrix(p, center)
        back = np.linalg.inv(np.linalg.inv(AFFINE) @ world @ AFFINE)
        volumes.append(
            ndimage.affine_transform(volume, back[:3, :3], back[:3, 3], order=order, mode=mode)
        )
    return nib.Nifti1Image(np.stack(volumes, axis=3), AFFINE)


@pytest.mark.parametrize("mode", ["constant", "nearest"])
def test_twenty_planted_moves(run, mode):
    rng = np.random.default_rng(0)
    params = np.column_stack([rng.uniform(-2, 2, (20, 3)), rng.uniform(-0.03, 0.03, (20, 3))])
    center = RigidRealign().fit(nib.Nifti1Image(run[..., :2], AFFINE)).center_
    fitted = RigidRealign().fit(moves(run[..., 0], params, center, 3, mode))
    assert not fitted.failed_.any()
    error = np.abs(fitted.params_[1:] - params)
    assert error[:, :3].max() < 0.06
    assert error[:, 3:].max() < 0.002
    assert np.abs(fitted.params_[0, :3]).max() < 0.005


def test_the_run_is_motion_corrected_already(run):
    img = nib.Nifti1Image(run, AFFINE)
    fitted = RigidRealign().fit(img)
    assert not fitted.failed_.any()
    assert 0.05 < np.nanmean(framewise_displacement(fitted.params_)) < 0.10
    assert np.abs(fitted.params_[:, :3]).max() < 0.2


def test_a_volume_of_zeros_is_flagged(run):
    data = run[..., :6].copy()
    data[..., 3] = 0
    fitted = RigidRealign().fit(nib.Nifti1Image(data, AFFINE))
    np.testing.assert_array_equal(np.flatnonzero(fitted.failed_), [3])
    assert np.isnan(fitted.params_[3]).all()
