"""Real label images: AAL and CC200 give the regions they are known for."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neuro.fmri.regions.atlases import load_atlas
from neuro.fmri.regions.parcellate import Parcellator
from neuro.io.regions.atlas import label_centroids_mm

DATA = Path(os.environ.get("NEURO_TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
ROOT = DATA / "atlases"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not ROOT.exists(), reason="no recordings atlases/"),
]


@pytest.mark.parametrize(
    ("name", "n_regions", "n_voxels"),
    [
        ("athena_aal_4mm.nii.gz", 116, 30316),
        ("aal116_3mm.nii.gz", 116, 71913),
        ("cc200_3mm.nii.gz", 200, None),
    ],
)
def test_number_of_regions(name, n_regions, n_voxels):
    atlas = load_atlas(ROOT / name)
    assert len(atlas.labels) == n_regions
    assert (np.abs(atlas.coords_mm) < 120).all()
    if n_voxels:
        assert np.count_nonzero(np.asarray(atlas.img.dataobj)) == n_voxels


def test_left_and_right_come_from_the_affine():
    codes, coords, _ = label_centroids_mm(nib.load(ROOT / "athena_aal_4mm.nii.gz"))
    side = dict(zip(codes, coords[:, 0]))
    # AAL: odd codes of the cerebrum are left, even ones right
    pairs = [code for code in codes if code < 9000 and code % 2]
    assert len(pairs) == 45
    assert all(side[code] < 0 < side[code + 1] for code in pairs)


def test_the_two_aal_images_are_the_same_brain_on_two_grids():
    fine, coarse = nib.load(ROOT / "aal116_3mm.nii.gz"), nib.load(ROOT / "athena_aal_4mm.nii.gz")
    mask = nib.Nifti1Image((np.asarray(coarse.dataobj) > 0).astype(np.uint8), coarse.affine)
    moved = Parcellator(fine, mask).fit()
    assert moved.resampled_
    assert moved.labels_ == Parcellator(coarse, mask).fit().labels_
    assert moved.kept_.mean() > 0.95
    apart = np.linalg.norm(moved.coords_ - Parcellator(coarse, mask).fit().coords_, axis=1)
    assert np.median(apart) < 2.0


@pytest.mark.parametrize("atlas", ["power264", "dosenbach160", "seitzman300"])
def test_spheres_on_a_real_grey_matter_mask(atlas):
    mask = nib.load(ROOT / "abide_gm85_3mm.nii.gz")
    p = Parcellator(atlas, mask).fit()
    assert np.median(p.coverage_) > 0.6
    assert p.kept_.mean() > 0.7
