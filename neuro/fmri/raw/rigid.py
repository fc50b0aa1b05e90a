"""Rigid-body transforms: six parameters and 4x4 matrices, in mm and radians.

Parameters are (q_x, q_y, q_z, w_x, w_y, w_z): a translation in mm and rotations in radians.
The rotation is R = Rz Ry Rx (first about x, then y, then z) and acts about a centre c in mm:
x' = R (x - c) + c + q.
"""

from __future__ import annotations

import numpy as np


def rotation_matrix(angles) -> np.ndarray:
    """R = Rz Ry Rx for rotations about x, y and z in radians.

    Parameters
    ----------
    angles : sequence of 3 float

    Returns
    -------
    ndarray, shape (3, 3)
    """
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


def rotation_angles(rotation) -> np.ndarray:
    """Angles (rad) of R = Rz Ry Rx; the inverse of :func:`rotation_matrix`.

    Parameters
    ----------
    rotation : ndarray, shape (3, 3)

    Returns
    -------
    ndarray, shape (3,)
    """
    return np.array(
        [
            np.arctan2(rotation[2, 1], rotation[2, 2]),
            np.arcsin(np.clip(-rotation[2, 0], -1, 1)),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )


def rigid_matrix(params, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    """4x4 matrix of six parameters about a centre.

    Parameters
    ----------
    params : sequence of 6 float
        Translations (mm), then rotations (rad).
    center : sequence of 3 float
        Centre of rotation (mm).

    Returns
    -------
    ndarray, shape (4, 4)
    """
    params = np.asarray(params, dtype=float)
    center = np.asarray(center, dtype=float)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(params[3:])
    matrix[:3, 3] = center + params[:3] - matrix[:3, :3] @ center
    return matrix


def rigid_params(matrix, center=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Six parameters of a rigid 4x4 matrix; the inverse of :func:`rigid_matrix`.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
    center : sequence of 3 float
        Centre of rotation (mm).

    Returns
    -------
    ndarray, shape (6,)
    """
    matrix = np.asarray(matrix, dtype=float)
    center = np.asarray(center, dtype=float)
    shift = matrix[:3, 3] - center + matrix[:3, :3] @ center
    return np.concatenate([shift, rotation_angles(matrix[:3, :3])])
