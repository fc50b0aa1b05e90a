"""Rigid realignment of a run to one of its volumes.

Gauss-Newton on the squared difference between the moving volume and the reference, in the
inverse compositional form: derivatives are those of the reference and are computed once, so an
iteration costs one spline evaluation of the moving volume.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Params
from neuro.fmri.clean.smooth import FWHM_TO_SIGMA
from neuro.fmri.raw.epi_mask import epi_mask
from neuro.fmri.raw.rigid import rigid_matrix, rigid_params
from neuro.fmri.raw.splines import (
    SMALLEST,
    along_axes,
    blur_matrix,
    coefficient_matrix,
    gradient_matrix,
    normal_equations,
    padded,
    sample_affine,
)

STOP_MM, STOP_RAD = 1e-3, 2e-5
"""An update smaller than both ends the iterations."""
LEAST_INSIDE = 0.6
"""Share of the points that must stay inside the field of view."""
LEAST_EXPLAINED = 0.25
"""Share of the moving volume's variance that the aligned reference must explain."""
MARGIN = 1.0
"""Voxels before the edge of the moving volume from which on points lose their weight."""


@dataclasses.dataclass
class _Level:
    """A reference at one smoothness, with everything that is computed once."""

    to_coefficients: list
    points: np.ndarray
    target: np.ndarray
    jacobian: np.ndarray
    normal: np.ndarray


@dataclasses.dataclass
class _Fit:
    """Outcome of the iterations at one level."""

    matrix: np.ndarray
    scale: float
    costs: list
    variance: float
    inside: float
    explained: float
    converged: bool


class RigidRealign(Params):
    """Estimate and undo head motion within a run.

    Reference point x (mm) is found in volume t at x' = R (x - c) + c + q, with the centre c of
    the brain mask, a translation q in mm and rotations w in rad, R = Rz Ry Rx.

    Parameters
    ----------
    reference : int or "mean"
        Volume that the others are brought to (0, Athena), or the mean of all volumes after a
        first pass.
    step : int
        Every `step`-th voxel of the mask is compared (3, ours).
    fwhm : float
        Smoothing of the volumes during estimation (8 mm, ours). Planted motion is recovered
        better with it than on unsmoothed volumes, where interpolation blurs one side of the
        comparison only.
    max_iter : int
        Iterations per volume (30, ours).

    Attributes
    ----------
    params_ : ndarray, shape (n_volumes, 6)
        Translations (mm), then rotations (rad). NaN for volumes that failed.
    matrices_ : ndarray, shape (n_volumes, 4, 4)
        World to world, reference to volume t; a failed volume has its predecessor's.
    failed_ : ndarray of bool, shape (n_volumes,)
        Volumes that could not be aligned: they are flagged, never passed as unmoved.
    center_ : ndarray, shape (3,)
        Centre of rotation (mm).
    mask_ : ndarray of bool, shape (nx, ny, nz)
    n_iter_ : ndarray of int, shape (n_volumes,)
    always_inside_ : ndarray of bool, shape of the resliced volumes
        Voxels that no volume leaves without data; known after `transform`.

    References
    ----------
    Baker, Matthews (2004), International Journal of Computer Vision 56:221-255.
    Unser (1999), IEEE Signal Processing Magazine 16(6):22-38.
    """

    def __init__(self, reference=0, step=3, fwhm=8.0, max_iter=30):
        self.reference = reference
        self.step = step
        self.fwhm = fwhm
        self.max_iter = max_iter

    _tags: ClassVar = {"input_tags.two_d_array": False}

    def fit(self, img, y=None, *, mask=None) -> RigidRealign:
        """Estimate the motion of every volume.

        Parameters
        ----------
        img : nibabel image, 4D
            With voxel sizes in its affine.
        y
            Ignored.
        mask : ndarray of bool, shape (nx, ny, nz), optional
            Brain; default is found on the reference volume.

        Returns
        -------
        RigidRealign

        Raises
        ------
        ValueError
            When the image is not 4D, too small, or the reference is no volume of it.
        """
        data, affine = _volumes(img)
        n_volumes = data.shape[3]
        first = 0 if self.reference == "mean" else self.reference
        if not isinstance(first, (int, np.integer)) or not 0 <= first < n_volumes:
            raise ValueError(
                f"reference: got {self.reference!r}, expected 'mean' or a volume 0..{n_volumes - 1}"
            )
        reference = np.asarray(data[..., first], dtype=np.float32)
        self.mask_ = epi_mask(reference) if mask is None else np.asarray(mask) > 0
        if self.mask_.shape != reference.shape or not self.mask_.any():
            raise ValueError(
                f"mask: shape {self.mask_.shape} with {int(self.mask_.sum())} voxels inside, "
                f"the image has {reference.shape}"
            )
        self._set_center(affine)
        self._align_all(data, affine, reference, start=None)
        if self.reference == "mean":
            resliced = self._reslice(data, affine, data.shape[:3], np.eye(4))
            good = ~self.failed_
            mean = resliced[..., good].mean(axis=3, dtype=np.float64).astype(np.float32)
            self._align_all(data, affine, mean, start=self.matrices_)
        return self

    def transform(self, img, *, target=None, world=None):
        """Bring all volumes to the reference, interpolating once (cubic spline).

        Parameters
        ----------
        img : nibabel image, 4D
            The run of :meth:`fit`.
        target : (shape, affine), optional
            Grid of the result; default the grid of `img`.
        world : ndarray, shape (4, 4), optional
            Map (mm) from the target's world to the reference's, for instance a
            normalisation; it is combined with the motion, so there is no second
            interpolation.

        Returns
        -------
        nibabel.Nifti1Image, float32
            0 outside the field of view.

        Raises
        ------
        ValueError
            When `img` has another number of volumes than the fitted run.
        """
        import nibabel as nib

        self._check_fitted("matrices_")
        data, affine = _volumes(img)
        if data.shape[3] != len(self.matrices_):
            raise ValueError(
                f"img: {data.shape[3]} volumes, motion was estimated for {len(self.matrices_)}"
            )
        shape, grid = (data.shape[:3], affine) if target is None else target
        before = np.eye(4) if world is None else np.asarray(world, dtype=float)
        out = self._reslice(data, affine, tuple(shape), before, grid)
        result = nib.Nifti1Image(out, grid)
        zooms = img.header.get_zooms()
        result.header.set_zooms((*result.header.get_zooms()[:3], *zooms[3:4]))
        result.header.set_xyzt_units(*img.header.get_xyzt_units())
        return result

    def filled_params(self) -> np.ndarray:
        """`params_` with failed volumes given the parameters of their predecessor.

        Returns
        -------
        ndarray, shape (n_volumes, 6)
            Finite, for regressors; `failed_` tells which volumes to censor.
        """
        return np.array([rigid_params(matrix, self.center_) for matrix in self.matrices_])

    def _set_center(self, affine):
        voxel = np.array([axis.mean() for axis in np.nonzero(self.mask_)])
        self.center_ = affine[:3, :3] @ voxel + affine[:3, 3]

    def _align_all(self, data, affine, reference, start):
        n_volumes = data.shape[3]
        size = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        level = self._level(reference, affine, size, self.fwhm, self.step)
        coarse = None
        self.matrices_ = np.tile(np.eye(4), (n_volumes, 1, 1))
        self.failed_ = np.zeros(n_volumes, dtype=bool)
        self.n_iter_ = np.zeros(n_volumes, dtype=int)
        previous, scale = np.eye(4), 1.0
        for t in range(n_volumes):
            volume = np.asarray(data[..., t], dtype=np.float32)
            begin = previous if start is None else start[t]
            fit = None
            if np.isfinite(volume).all() and volume.max() > volume.min():
                fit = self._solve(volume, affine, level, begin, scale, self.max_iter)
                if not _is_good(fit):
                    if coarse is None:
                        coarse = self._level(reference, affine, size, 2 * self.fwhm, 2 * self.step)
                    rough = self._solve(volume, affine, coarse, np.eye(4), scale, self.max_iter)
                    fit = self._solve(
                        volume, affine, level, rough.matrix, rough.scale, self.max_iter
                    )
            if fit is None or not _is_good(fit):
                self.failed_[t] = True
                self.matrices_[t] = previous
                continue
            self.n_iter_[t] = len(fit.costs)
            self.matrices_[t] = previous = fit.matrix
            scale = fit.scale
        self.params_ = self.filled_params()
        self.params_[self.failed_] = np.nan

    def _level(self, reference, affine, size, fwhm, step) -> _Level:
        """Reference values and derivatives at the sampled voxels."""
        shape = reference.shape
        blur = [blur_matrix(n, fwhm * FWHM_TO_SIGMA / s) for n, s in zip(shape, size)]
        smooth = along_axes(reference.astype(np.float64), blur)
        points = np.argwhere(sampling_mask(self.mask_, size, fwhm))[::step]
        if len(points) < 50:
            raise ValueError(f"mask: {len(points)} points to compare, at least 50 are needed")
        gradient = np.empty((len(points), 3))
        for axis in range(3):
            slope = np.tensordot(gradient_matrix(shape[axis]), smooth, axes=(1, axis))
            gradient[:, axis] = np.moveaxis(slope, 0, axis)[tuple(points.T)]
        gradient = gradient @ np.linalg.inv(affine[:3, :3])  # per voxel to per mm
        arm = points @ affine[:3, :3].T + affine[:3, 3] - self.center_
        target = smooth[tuple(points.T)]
        jacobian = np.column_stack([gradient, np.cross(arm, gradient), target])
        return _Level(
            to_coefficients=[
                padded(coefficient_matrix(n) @ b).astype(np.float32) for n, b in zip(shape, blur)
            ],
            points=points.astype(np.float64),
            target=target,
            jacobian=jacobian,
            normal=jacobian.T @ jacobian,
        )

    def _solve(self, volume, affine, level, matrix, scale, max_iter) -> _Fit:
        """Gauss-Newton iterations from a starting transform."""
        coefficients = along_axes(volume, level.to_coefficients)
        to_voxel = np.linalg.inv(affine)
        costs, converged, variance, inside, explained = [], False, 0.0, 0.0, 0.0
        for _ in range(max_iter):
            normal = level.normal.copy()
            right, cost, sums = normal_equations(
                coefficients,
                np.ascontiguousarray((to_voxel @ matrix @ affine)[:3]),
                volume.shape,
                MARGIN,
                level.points,
                level.target,
                level.jacobian,
                scale,
                normal,
            )
            count = sums[0]
            inside = count / len(level.points)
            spread = sums[2] - sums[1] ** 2 / max(count, 1.0)
            variance = spread / max(count, 1.0)
            explained = 1.0 - cost / spread if spread > 0 else 0.0
            if inside < LEAST_INSIDE or spread <= 0:
                break
            costs.append(cost / count)
            try:
                update = np.linalg.solve(normal, right)
            except np.linalg.LinAlgError:
                break
            scale += update[6]
            if not np.isfinite(update).all() or scale <= 0:
                explained = 0.0
                break
            move = update[:6] / scale
            matrix = matrix @ np.linalg.inv(rigid_matrix(move, self.center_))
            if np.abs(move[:3]).max() < STOP_MM and np.abs(move[3:]).max() < STOP_RAD:
                converged = True
                break
        return _Fit(matrix, scale, costs, variance, inside, explained, converged)

    def _reslice(self, data, affine, shape, world, grid=None) -> np.ndarray:
        """All volumes on a grid, each interpolated once; notes where none lacks data."""
        grid = affine if grid is None else np.asarray(grid, dtype=float)
        matrices = [padded(coefficient_matrix(n)).astype(np.float32) for n in data.shape[:3]]
        out = np.empty((*shape, data.shape[3]), dtype=np.float32, order="F")
        self.always_inside_ = np.ones(shape, dtype=bool)
        to_voxel = np.linalg.inv(affine)
        one = np.empty(tuple(shape), dtype=np.float32)
        for t in range(data.shape[3]):
            mapping = to_voxel @ self.matrices_[t] @ world @ grid
            coefficients = along_axes(np.asarray(data[..., t], dtype=np.float32), matrices)
            outside = sample_affine(
                coefficients, np.ascontiguousarray(mapping[:3]), data.shape[:3], one
            )
            out[..., t] = one
            if outside:
                self.always_inside_ &= _inside(mapping, shape, data.shape[:3])
        return out


def sampling_mask(mask, size, fwhm) -> np.ndarray:
    """Voxels that are compared: the brain and a rim around it, not the edge of the image.

    The rim brings the outside of the brain's surface in, without which the fit is drawn to
    one side. Next to the edge of the image the smoothed values rest on data that do not exist.

    Parameters
    ----------
    mask : ndarray of bool, shape (nx, ny, nz)
    size : sequence of 3 float
        Voxel size (mm).
    fwhm : float
        Smoothing (mm).

    Returns
    -------
    ndarray of bool, shape (nx, ny, nz)
    """
    from scipy import ndimage

    out = ndimage.binary_dilation(mask)
    for axis, (n, s) in enumerate(zip(mask.shape, size)):
        edge = min(int(np.ceil(0.5 + fwhm / 2 / s)), n // 5)
        keep = np.zeros(n, dtype=bool)
        keep[edge : n - edge] = True
        out &= np.expand_dims(keep, tuple({0, 1, 2} - {axis}))
    return out


def _inside(mapping, shape, volume_shape) -> np.ndarray:
    """Which voxels of a grid a map takes into the volume."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    inside = np.ones(shape, dtype=bool)
    for row, n in zip(mapping[:3], volume_shape):
        position = sum(weight * axis for weight, axis in zip(row, axes)) + row[3]
        inside &= (position > -1e-6) & (position < n - 1 + 1e-6)
    return inside


def _is_good(fit: _Fit) -> bool:
    """Converged, still inside, alike in the end, and not worse than at the start."""
    if not fit.converged or fit.inside < LEAST_INSIDE or fit.explained < LEAST_EXPLAINED:
        return False
    # Room for rounding, and for points that enter and leave, where the start was right already.
    return fit.costs[-1] <= 1.01 * fit.costs[0] + 1e-6 * fit.variance


def _volumes(img):
    """4D float data and affine, or one line that says what is wrong."""
    if len(img.shape) != 4:
        raise ValueError(f"img: shape {img.shape}, expected 4D (x, y, z, volumes)")
    if min(img.shape[:3]) < SMALLEST:
        raise ValueError(
            f"img: grid {img.shape[:3]}, at least {SMALLEST} voxels per axis are needed"
        )
    affine = np.asarray(img.affine, dtype=float)
    if np.linalg.det(affine[:3, :3]) == 0:
        raise ValueError("img: the affine has no volume; give the voxel size")
    return np.asarray(img.dataobj, dtype=np.float32), affine
