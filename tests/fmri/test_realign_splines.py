"""Spline interpolation against scipy's, and the EPI mask on a planted head."""

import numpy as np
import pytest
from scipy import ndimage

from neuro.fmri.raw.epi_mask import epi_mask, otsu_threshold
from neuro.fmri.raw.rigid import rigid_matrix
from neuro.fmri.raw.splines import (
    along_axes,
    blur_matrix,
    coefficient_matrix,
    gradient_matrix,
    padded,
    sample_affine,
)

SHAPE = (11, 9, 6)


def volume(seed=0):
    return np.random.default_rng(seed).standard_normal(SHAPE)


def coefficients(x):
    matrices = [padded(coefficient_matrix(n)) for n in x.shape]
    return np.ascontiguousarray(along_axes(x, matrices), dtype=np.float32)


def test_values_on_a_turned_grid_equal_scipys():
    x = volume()
    matrix = rigid_matrix([0.4, -0.3, 0.2, 0.1, -0.05, 0.2], [5, 4, 2.5])
    out = np.empty((12, 10, 8), dtype=np.float32)
    outside = sample_affine(coefficients(x), np.ascontiguousarray(matrix[:3]), SHAPE, out)
    index = np.indices(out.shape).reshape(3, -1)
    place = matrix[:3, :3] @ index + matrix[:3, 3:]
    inside = ((place >= 0) & (place <= np.array(SHAPE)[:, None] - 1)).all(axis=0)
    expected = ndimage.map_coordinates(x, place, order=3, mode="mirror")
    np.testing.assert_allclose(out.ravel()[inside], expected[inside], atol=3e-6)
    assert (out.ravel()[~inside] == 0).all()
    assert outside == (~inside).sum() > 0


def test_identity_gives_the_samples_back_up_to_the_last_voxel():
    x = volume(1)
    out = np.empty(SHAPE, dtype=np.float32)
    assert sample_affine(coefficients(x), np.eye(4)[:3].copy(), SHAPE, out) == 0
    np.testing.assert_allclose(out, x, atol=3e-6)


def test_gradient_is_the_derivative_of_the_spline():
    x = volume(2)
    step = 1e-3
    for axis in range(3):
        expected = []
        for sign in (1, -1):
            shift = np.zeros((3, 1, 1, 1))
            shift[axis] = sign * step
            place = np.indices(SHAPE) + shift
            expected.append(ndimage.map_coordinates(x, place, order=3, mode="mirror"))
        difference = (expected[0] - expected[1]) / (2 * step)
        slope = np.tensordot(gradient_matrix(SHAPE[axis]), x, axes=(1, axis))
        np.testing.assert_allclose(np.moveaxis(slope, 0, axis), difference, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 1.3, 4.0])
def test_blur_equals_scipys_with_mirrored_ends(sigma):
    x = np.random.default_rng(3).standard_normal(9)
    expected = ndimage.gaussian_filter1d(x, sigma, mode="mirror", truncate=4.0)
    np.testing.assert_allclose(blur_matrix(9, sigma) @ x, expected, atol=1e-12)
    np.testing.assert_array_equal(blur_matrix(9, 0.0), np.eye(9))


def head(noise=20, seed=4):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in (30, 32, 20)], indexing="ij"))
    brain = (grid**2).sum(axis=0) < 0.5
    return brain, np.abs(brain * 800 + rng.normal(0, noise, brain.shape)), grid


def test_mask_finds_the_brain_fills_holes_and_leaves_the_eyes():
    brain, image, grid = head()
    image[14:16, 15:17, 9:11] = 0  # a ventricle
    eye = ((grid - np.array([0.0, 0.9, 0.0]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 0.01
    image[eye] = 900
    found = epi_mask(image)
    assert (found & brain).sum() / (found | brain).sum() > 0.97
    assert found[15, 16, 10]
    assert not (found & eye).any()


def test_mask_does_not_depend_on_scale():
    _, image, _ = head()
    np.testing.assert_array_equal(epi_mask(image), epi_mask(image * 0.01))


def test_otsu_splits_two_heaps():
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(10, 2, 5000), rng.normal(60, 5, 2000)])
    assert 20 < otsu_threshold(values) < 45


@pytest.mark.parametrize("bad", [np.zeros((5, 5, 5)), np.full((5, 5, 5), np.nan)])
def test_mask_of_nothing_is_refused(bad):
    with pytest.raises(ValueError, match="no brain can be told"):
        epi_mask(bad)
