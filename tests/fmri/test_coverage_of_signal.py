"""Coverage counts voxels with signal: what a mask promises and the image lacks is not covered."""

import nibabel
import numpy as np
import pytest

from neuro.fmri.regions.parcellate import Parcellator

AFFINE = np.diag([4.0, 4, 4, 1])
SHAPE = (8, 8, 8)


def image(data):
    return nibabel.Nifti1Image(data, AFFINE)


@pytest.fixture
def parts():
    labels = np.zeros(SHAPE, np.int16)
    labels[:4], labels[4:] = 1, 2
    data = 1000 + np.random.default_rng(0).standard_normal((*SHAPE, 12)).astype(np.float32)
    return labels, data


@pytest.mark.parametrize("nothing", [0.0, 37.5, np.nan, np.inf])
@pytest.mark.parametrize("maps", [False, True])
def test_voxels_without_signal_are_not_covered(parts, nothing, maps):
    labels, data = parts
    data[:3] = nothing  # the field of view ends here, the mask does not
    atlas = labels
    if maps:
        atlas = np.stack([labels == 1, labels == 2], axis=-1).astype(np.float32)
    p = Parcellator(image(atlas), image(np.ones(SHAPE, np.uint8)), 0.5)
    found = p.transform(image(data))
    np.testing.assert_allclose(p.coverage_, [0.25, 1.0], atol=1e-12)
    assert p.n_voxels_.tolist() == [64, 256] and p.kept_.tolist() == [False, True]
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1], data[labels == 2].mean(axis=0), rtol=1e-6)
    p.min_coverage = 0.25
    found = p.transform(image(data))
    np.testing.assert_allclose(found[:, 0], data[3][labels[3] == 1].mean(axis=0), rtol=1e-6)


def test_the_coverage_of_a_run_does_not_stay_for_the_next(parts):
    labels, data = parts
    whole = Parcellator(image(labels), image(np.ones(SHAPE, np.uint8)))
    before = whole.transform(image(data))
    gone = data.copy()
    gone[:4] = 0
    assert np.isnan(whole.transform(image(gone))[:, 0]).all()
    np.testing.assert_array_equal(whole.transform(image(data)), before)
    assert whole.coverage_.tolist() == [1.0, 1.0]


def test_one_volume_has_a_mean(parts):
    labels, data = parts
    p = Parcellator(image(labels), image(np.ones(SHAPE, np.uint8)))
    assert np.isfinite(p.transform(image(data[..., :1]))).all()
