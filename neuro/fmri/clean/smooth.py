"""Gaussian smoothing inside a brain mask.

A Gaussian along one axis is a banded matrix, so a volume is smoothed with three matrix
products. Dividing by the smoothed mask keeps the edge of the brain from fading into the
background and background from leaking in.
"""

from __future__ import annotations

import numpy as np

FWHM_TO_SIGMA = 1.0 / np.sqrt(8.0 * np.log(2.0))
TRUNCATE = 4.0
"""Kernel radius in units of sigma."""


def gaussian_matrix(n, sigma) -> np.ndarray:
    """Matrix that convolves `n` samples with a unit-sum Gaussian; outside counts as 0.

    Parameters
    ----------
    n : int
    sigma : float
        In samples; 0 gives the identity.

    Returns
    -------
    ndarray, shape (n, n), float32
    """
    if sigma <= 0:
        return np.eye(n, dtype=np.float32)
    radius = int(TRUNCATE * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    matrix = np.where(
        np.abs(distance) <= radius, kernel[np.clip(distance + radius, 0, 2 * radius)], 0.0
    )
    return matrix.astype(np.float32)


class MaskedGaussian:
    """Smooths volumes inside one mask; set up once per mask and width.

    Parameters
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
    affine : ndarray, shape (4, 4)
        Voxel sizes in mm come from its columns.
    fwhm : float or sequence of 3 float
        Full width at half maximum (mm), one value or one per voxel axis.

    Raises
    ------
    ValueError
        When the width is negative or not a number, or the mask is empty.
    """

    def __init__(self, mask, affine, fwhm):
        width = np.broadcast_to(np.asarray(fwhm, dtype=float), (3,))
        if not np.isfinite(width).all() or (width < 0).any():
            raise ValueError(f"fwhm: got {fwhm}, expected millimetres >= 0")
        mask = np.asarray(mask) > 0
        if mask.ndim != 3 or not mask.any():
            raise ValueError(f"mask: shape {mask.shape} with {int(mask.sum())} voxels inside")
        bounds = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {ax}))) for ax in range(3)]
        self._box = tuple(slice(b[0], b[-1] + 1) for b in bounds)
        self._mask = mask[self._box]
        self.full_mask = mask
        size = np.sqrt((np.asarray(affine, dtype=float)[:3, :3] ** 2).sum(axis=0))
        self.sigma = width * FWHM_TO_SIGMA / size
        self._along = [gaussian_matrix(n, s) for n, s in zip(self._mask.shape, self.sigma)]
        self._weight = self._convolve(self._mask.astype(np.float32))[self._mask]

    def _convolve(self, volume):
        nx, ny, nz = volume.shape
        gx, gy, gz = self._along
        volume = (gx @ volume.reshape(nx, ny * nz)).reshape(nx, ny, nz)
        volume = np.matmul(gy, volume)
        return (volume.reshape(nx * ny, nz) @ gz.T).reshape(nx, ny, nz)

    def __call__(self, values) -> np.ndarray:
        """Smooth one volume.

        Parameters
        ----------
        values : ndarray, shape (n_voxels,)
            Voxels of the mask in C order.

        Returns
        -------
        ndarray, shape (n_voxels,), float32
        """
        volume = np.zeros(self._mask.shape, dtype=np.float32)
        volume[self._mask] = values
        return self._convolve(volume)[self._mask] / self._weight


def smooth_series(series, mask_img, fwhm, *, use=None, out=None) -> np.ndarray:
    """Smooth every volume of a masked series.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        Voxels of `mask_img` in C order.
    mask_img : nibabel image
    fwhm : float
        Full width at half maximum (mm); 0 returns the series as it is.
    use : ndarray of bool, shape (n_voxels,), optional
        Voxels that take part; the others (constant ones, for instance) neither give nor get
        signal and stay as they are.
    out : ndarray, optional
        Where the result goes; `series` itself smooths in place.

    Returns
    -------
    ndarray, shape (n_volumes, n_voxels), float32

    Raises
    ------
    ValueError
        When series and mask have different numbers of voxels.
    """
    mask = np.asarray(mask_img.dataobj) > 0
    if series.shape[1] != int(mask.sum()):
        raise ValueError(
            f"series: {series.shape[1]} voxels, the mask holds {int(mask.sum())}; "
            "they must come from one grid"
        )
    if out is None:
        out = np.empty(series.shape, dtype=np.float32)
    everything = use is None or bool(np.all(use))
    if not np.any(fwhm) or (not everything and not np.any(use)):
        if out is not series:
            out[...] = series
        return out
    if not everything:
        mask[mask] = use
    kernel = MaskedGaussian(mask, mask_img.affine, fwhm)
    for before, after in zip(series, out):
        if everything:
            after[:] = kernel(before)
        else:
            smoothed = kernel(before[use])
            after[:] = before
            after[use] = smoothed
    return out


def smooth(img, fwhm, mask=None):
    """Smooth an image inside a mask.

    Parameters
    ----------
    img : nibabel image, 3D or 4D
    fwhm : float or sequence of 3 float
        Full width at half maximum (mm).
    mask : nibabel image, 3D, optional
        Same grid; default all voxels. Voxels outside are 0 in the result.

    Returns
    -------
    nibabel.Nifti1Image, float32

    Raises
    ------
    ValueError
        When image and mask have different grids.
    """
    import nibabel as nib

    shape = img.shape[:3]
    if mask is None:
        inside = np.ones(shape, dtype=bool)
    else:
        inside = np.asarray(mask.dataobj) > 0
        if inside.shape != shape or not np.allclose(mask.affine, img.affine, atol=1e-3):
            raise ValueError(
                f"mask: grid {inside.shape} differs from the image's {shape}, or the affines do"
            )
    kernel = MaskedGaussian(inside, img.affine, fwhm)
    out = np.zeros(img.shape, dtype=np.float32)
    if len(img.shape) == 3:
        out[inside] = kernel(np.asarray(img.dataobj, dtype=np.float32)[inside])
    else:
        for t in range(img.shape[3]):
            out[..., t][inside] = kernel(np.asarray(img.dataobj[..., t], dtype=np.float32)[inside])
    result = nib.Nifti1Image(out, img.affine)
    result.header.set_zooms(img.header.get_zooms()[: len(img.shape)])
    result.header.set_xyzt_units(*img.header.get_xyzt_units())
    return result
