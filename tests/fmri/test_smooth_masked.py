"""Smoothing inside a mask against scipy's Gaussian, and what must not change."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neuro.fmri.clean.smooth import FWHM_TO_SIGMA, MaskedGaussian, smooth, smooth_series

AFFINE = np.array([[-3.0, 0, 0, 40], [0, 2.5, 0, -50], [0, 0, 4.0, -30], [0, 0, 0, 1]])


def head(seed=0, shape=(14, 17, 11)):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    mask = (grid**2).sum(axis=0) < 0.9
    return mask, nib.Nifti1Image(mask.astype(np.uint8), AFFINE), rng


def test_equals_scipy_ratio_of_two_blurs():
    mask, mask_img, rng = head()
    volume = rng.standard_normal(mask.shape)
    sigma = 6 * FWHM_TO_SIGMA / np.array([3.0, 2.5, 4.0])
    blur = [
        ndimage.gaussian_filter(x, sigma, mode="constant", truncate=4.0)
        for x in (volume * mask, mask.astype(float))
    ]
    found = smooth_series(volume[mask][None].astype(np.float32), mask_img, 6.0)
    np.testing.assert_allclose(found[0], (blur[0] / blur[1])[mask], atol=2e-6)


def test_width_of_the_kernel_in_mm():
    mask = np.ones((41, 41, 41), dtype=bool)
    kernel = MaskedGaussian(mask, AFFINE, 8.0)
    point = np.zeros(mask.shape)
    point[20, 20, 20] = 1
    out = kernel(point[mask]).reshape(mask.shape).astype(float)
    place = np.arange(41) - 20
    for axis, size in enumerate((3.0, 2.5, 4.0)):
        profile = out.sum(axis=tuple({0, 1, 2} - {axis}))
        sd = np.sqrt((profile * (place * size) ** 2).sum() / profile.sum())
        assert sd / FWHM_TO_SIGMA == pytest.approx(8.0, rel=0.01)


def test_constant_stays_constant_up_to_the_edge():
    mask, mask_img, _ = head()
    ones = np.full((2, mask.sum()), 731.0, dtype=np.float32)
    np.testing.assert_allclose(smooth_series(ones, mask_img, 9.0), 731.0, rtol=1e-5)


def test_order_of_volumes_and_sign_do_not_matter():
    mask, mask_img, rng = head()
    x = rng.standard_normal((4, mask.sum())).astype(np.float32)
    out = smooth_series(x, mask_img, 6.0)
    np.testing.assert_array_equal(smooth_series(x[::-1], mask_img, 6.0)[::-1], out)
    np.testing.assert_array_equal(smooth_series(-x, mask_img, 6.0), -out)


def test_in_place_zero_width_and_input_untouched():
    mask, mask_img, rng = head()
    x = rng.standard_normal((3, mask.sum())).astype(np.float32)
    copy = x.copy()
    out = smooth_series(x, mask_img, 5.0)
    np.testing.assert_array_equal(x, copy)
    np.testing.assert_array_equal(smooth_series(x, mask_img, 0), copy)
    assert smooth_series(x, mask_img, 5.0, out=x) is x
    np.testing.assert_array_equal(x, out)


def test_unused_voxels_give_and_get_nothing():
    mask, mask_img, rng = head()
    x = rng.standard_normal((2, mask.sum())).astype(np.float32)
    use = np.ones(mask.sum(), dtype=bool)
    use[::17] = False
    x[:, ~use] = 1e9
    out = smooth_series(x, mask_img, 6.0, use=use)
    np.testing.assert_array_equal(out[:, ~use], x[:, ~use])
    smaller = mask.copy()
    smaller[mask] = use
    expected = smooth_series(x[:, use], nib.Nifti1Image(smaller.astype(np.uint8), AFFINE), 6.0)
    np.testing.assert_array_equal(out[:, use], expected)
    # Smoothing away only constant voxels: nothing in use, nothing changes.
    np.testing.assert_array_equal(smooth_series(x, mask_img, 6.0, use=np.zeros_like(use)), x)


def test_images_of_three_and_four_dimensions():
    mask, mask_img, rng = head()
    data = rng.standard_normal((*mask.shape, 3)).astype(np.float32)
    img = nib.Nifti1Image(data, AFFINE)
    img.header.set_zooms((3.0, 2.5, 4.0, 2.2))
    out = smooth(img, 6.0, mask_img)
    expected = smooth_series(data[mask].T, mask_img, 6.0)
    np.testing.assert_array_equal(out.get_fdata(dtype=np.float32)[mask].T, expected)
    assert out.header.get_zooms()[3] == pytest.approx(2.2)
    assert (out.get_fdata()[~mask] == 0).all()
    one = smooth(nib.Nifti1Image(data[..., 1], AFFINE), 6.0, mask_img)
    np.testing.assert_array_equal(one.get_fdata(dtype=np.float32)[mask], expected[1])
    assert smooth(img, 6.0).shape == img.shape


def test_bad_input_is_one_line():
    mask, mask_img, rng = head()
    with pytest.raises(ValueError, match="millimetres >= 0"):
        MaskedGaussian(mask, AFFINE, -1)
    with pytest.raises(ValueError, match="0 voxels inside"):
        MaskedGaussian(np.zeros_like(mask), AFFINE, 6)
    with pytest.raises(ValueError, match="they must come from one grid"):
        smooth_series(np.zeros((2, 5), dtype=np.float32), mask_img, 6)
    other = nib.Nifti1Image(rng.standard_normal(mask.shape), np.eye(4))
    with pytest.raises(ValueError, match="affines do"):
        smooth(other, 6, mask_img)
