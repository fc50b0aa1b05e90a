"""Cubic B-spline interpolation of volumes.

Coefficients, smoothing and gradients are products with one matrix per axis; the evaluation at
arbitrary points is compiled. Volumes continue by reflection about their outermost voxels.
"""

from __future__ import annotations

import numba
import numpy as np

LEFT, RIGHT = 1, 2
"""Coefficients that are repeated at either end of an axis, so that no point needs a branch."""
SMALLEST = 4
"""Voxels per axis below which there is nothing to interpolate."""


def _reflect(index, n):
    index = np.abs(index)
    return np.where(index > n - 1, 2 * (n - 1) - index, index)


def coefficient_matrix(n) -> np.ndarray:
    """Matrix from `n` samples to the `n` coefficients of their cubic B-spline."""
    collocation = np.zeros((n, n))
    for step, weight in ((-1, 1 / 6), (0, 4 / 6), (1, 1 / 6)):
        np.add.at(collocation, (np.arange(n), _reflect(np.arange(n) + step, n)), weight)
    matrix = np.linalg.inv(collocation)
    # The entries fall off for ever; as subnormal numbers they would slow every product down.
    matrix[np.abs(matrix) < 1e-9] = 0.0
    return matrix


def padded(matrix) -> np.ndarray:
    """Repeat the outermost rows by reflection, as the evaluation expects it."""
    n = len(matrix)
    return matrix[_reflect(np.arange(-LEFT, n + RIGHT), n)]


def gradient_matrix(n) -> np.ndarray:
    """Matrix from `n` samples to the derivative of their spline at the samples (per voxel)."""
    coefficients = coefficient_matrix(n)
    after = coefficients[_reflect(np.arange(n) + 1, n)]
    before = coefficients[_reflect(np.arange(n) - 1, n)]
    return (after - before) / 2


def blur_matrix(n, sigma) -> np.ndarray:
    """Gaussian of `sigma` samples with reflecting ends; rows sum to one."""
    if sigma <= 0:
        return np.eye(n)
    radius = int(4 * sigma + 0.5)
    offset = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offset / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((n, n))
    period = 2 * (n - 1)
    for step, weight in zip(offset, kernel):
        column = np.abs((np.arange(n) + step) % period)
        np.add.at(matrix, (np.arange(n), np.where(column > n - 1, period - column, column)), weight)
    return matrix


def along_axes(volume, matrices) -> np.ndarray:
    """Apply one matrix per axis to a volume.

    Parameters
    ----------
    volume : ndarray, shape (nx, ny, nz)
    matrices : sequence of 3 ndarray, shapes (mx, nx), (my, ny), (mz, nz)

    Returns
    -------
    ndarray, shape (mx, my, mz), C order
    """
    mx, my, mz = matrices
    nx, ny, nz = volume.shape
    out = (mx @ volume.reshape(nx, ny * nz)).reshape(len(mx), ny, nz)
    out = np.matmul(my, out)
    return (out.reshape(-1, nz) @ mz.T).reshape(len(mx), len(my), len(mz))


_FAST = {"contract", "reassoc", "nsz"}
_SIXTH, _TWO_THIRDS = np.float32(1 / 6), np.float32(2 / 3)
_HALF, _ONE, _TWO = np.float32(0.5), np.float32(1), np.float32(2)


@numba.njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _weights(t):
    """Values of the four B-splines that reach a point at fraction `t` between two samples."""
    s = _ONE - t
    return (
        s * s * s * _SIXTH,
        _TWO_THIRDS - _HALF * t * t * (_TWO - t),
        _TWO_THIRDS - _HALF * s * s * (_TWO - s),
        t * t * t * _SIXTH,
    )


@numba.njit(cache=True, nogil=True, fastmath=_FAST, inline="always")
def _value(c, stride_x, stride_y, x, y, z):
    """A spline at a point (voxels, all >= 0) from flat, padded coefficients."""
    i, j, k = int(x), int(y), int(z)
    wx = _weights(np.float32(x - i))
    wy = _weights(np.float32(y - j))
    wz = _weights(np.float32(z - k))
    # Unsigned offsets: a signed one would be tested for being negative at every access.
    base = np.uint64(i) * stride_x + np.uint64(j) * stride_y + np.uint64(k)
    v0, v1, v2, v3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for a in range(4):
        for b in range(4):
            at = base + np.uint64(a) * stride_x + np.uint64(b) * stride_y
            w = wx[a] * wy[b]
            v0 += w * c[at]
            v1 += w * c[at + np.uint64(1)]
            v2 += w * c[at + np.uint64(2)]
            v3 += w * c[at + np.uint64(3)]
    return wz[0] * v0 + wz[1] * v1 + wz[2] * v2 + wz[3] * v3


@numba.njit(cache=True, nogil=True)
def sample_affine(c, m, shape, out):
    """Evaluate a spline on a whole grid that an affine map takes into the volume.

    Parameters
    ----------
    c : ndarray, float32
        Padded coefficients of the volume.
    m : ndarray, shape (3, 4)
        Map from voxels of the grid to voxels of the volume.
    shape : tuple of 3 int
        Shape of the volume; points outside [0, n - 1] become 0.
    out : ndarray, shape of the grid
        Is filled.

    Returns
    -------
    int
        Number of points outside.
    """
    flat = c.ravel()
    stride_y, stride_x = np.uint64(c.shape[2]), np.uint64(c.shape[1] * c.shape[2])
    top_x, top_y, top_z = shape[0] - 1.0, shape[1] - 1.0, shape[2] - 1.0
    low = -1e-6  # room for rounding: a point on the outermost voxel is inside
    outside = 0
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            for e in range(out.shape[2]):
                x = m[0, 0] * a + m[0, 1] * b + m[0, 2] * e + m[0, 3]
                y = m[1, 0] * a + m[1, 1] * b + m[1, 2] * e + m[1, 3]
                z = m[2, 0] * a + m[2, 1] * b + m[2, 2] * e + m[2, 3]
                depth = min(min(x, top_x - x), min(min(y, top_y - y), min(z, top_z - z)))
                if depth < low:
                    out[a, b, e] = 0.0
                    outside += 1
                    continue
                x, y, z = max(x, 0.0), max(y, 0.0), max(z, 0.0)
                out[a, b, e] = _value(flat, stride_x, stride_y, x, y, z)
    return outside


@numba.njit(cache=True, nogil=True)
def normal_equations(c, m, shape, margin, points, target, jacobian, scale, normal):
    """Right-hand side and matrix of one Gauss-Newton step of an alignment.

    Points weigh 1 in the inside of the moving volume; from `margin` voxels before its
    outermost voxels on, the weight falls to 0. The gradual end keeps the cost smooth while
    points come and go.

    Parameters
    ----------
    c : ndarray, float32
        Padded coefficients of the moving volume.
    m : ndarray, shape (3, 4)
        Map from reference voxels to moving voxels.
    shape : tuple of 3 int
    margin : float
        In voxels, > 0.
    points : ndarray, shape (n, 3)
        Voxels of the reference.
    target : ndarray, shape (n,)
        Reference values there.
    jacobian : ndarray, shape (n, 7)
        Derivatives of the reference by six movements, and the reference itself.
    scale : float
        Intensity of the moving volume relative to the reference.
    normal : ndarray, shape (7, 7)
        J'J over all points with weight 1; what lacks is taken off it in place.

    Returns
    -------
    right : ndarray, shape (7,)
        J'r, r = moving - scale * reference.
    cost : float
        Sum of r squared.
    sums : ndarray, shape (3,)
        Sum of the weights, of moving and of moving squared.
    """
    flat = c.ravel()
    stride_y, stride_x = np.uint64(c.shape[2]), np.uint64(c.shape[1] * c.shape[2])
    top_x, top_y, top_z = shape[0] - 1.0, shape[1] - 1.0, shape[2] - 1.0
    right, sums = np.zeros(7), np.zeros(3)
    cost = 0.0
    for s in range(points.shape[0]):
        p, q, r = points[s, 0], points[s, 1], points[s, 2]
        x = m[0, 0] * p + m[0, 1] * q + m[0, 2] * r + m[0, 3]
        y = m[1, 0] * p + m[1, 1] * q + m[1, 2] * r + m[1, 3]
        z = m[2, 0] * p + m[2, 1] * q + m[2, 2] * r + m[2, 3]
        row = jacobian[s]
        depth = min(min(x, top_x - x), min(min(y, top_y - y), min(z, top_z - z)))
        weight = min(1.0, depth / margin)
        if weight < 1.0:
            lacking = 1.0 - max(weight, 0.0)
            for a in range(7):
                for b in range(7):
                    normal[a, b] -= lacking * row[a] * row[b]
        if weight <= 0.0:
            continue
        value = _value(flat, stride_x, stride_y, x, y, z)
        miss = value - scale * target[s]
        cost += weight * miss * miss
        for a in range(7):
            right[a] += weight * row[a] * miss
        sums[0] += weight
        sums[1] += weight * value
        sums[2] += weight * value * value
    return right, cost, sums
