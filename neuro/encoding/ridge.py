"""Ridge readouts with a penalty of its own for every voxel."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.base import seeds
from neuro.io.problems import InputProblem
from neuro.stats.ridge import RidgePath
from neuro.stats.splits import stratified_group_folds

ALPHAS = tuple(np.logspace(-3, 3, 13))
"""Penalties tried, relative to the mean eigenvalue of the features' scatter."""


@dataclasses.dataclass(frozen=True)
class Readout:
    """A linear readout.

    Attributes
    ----------
    coef : ndarray of float32, shape (n_voxels, n_features)
    intercept : ndarray of float32, shape (n_voxels,)
    alpha : ndarray, shape (n_voxels,)
        Chosen penalty, relative; NaN where none was chosen.
    r2_cv : ndarray, shape (n_voxels,)
        Share of variance explained on held-out images, at the chosen penalty.
    r_cv : ndarray, shape (n_voxels,)
        Correlation of held-out predictions with the responses.
    """

    coef: np.ndarray
    intercept: np.ndarray
    alpha: np.ndarray
    r2_cv: np.ndarray
    r_cv: np.ndarray


def fold_numbers(groups, n_folds: int, random_state: int = 0) -> np.ndarray:
    """Fold of each row; rows of one image share a fold.

    Parameters
    ----------
    groups : sequence, length n
        Image of each row.
    n_folds : int
    random_state : int

    Returns
    -------
    ndarray of int, shape (n,)

    Raises
    ------
    InputProblem
        When there are fewer images than folds.
    """
    n_images = len(np.unique(groups))
    if n_images < n_folds:
        raise InputProblem(
            f"cv: {n_folds} folds for {n_images} different images; give more images or fewer folds"
        )
    stream = seeds.stream(random_state, "readout folds")
    return stratified_group_folds(groups, np.zeros(len(groups)), n_folds, stream)


def fit_ridge(X, Y, groups=None, *, alphas=ALPHAS, cv=5, random_state=0) -> Readout:
    """Fit ridge readouts; each voxel gets the penalty that predicts held-out images best.

    One eigendecomposition per fold serves all penalties and voxels. A penalty `a` stands for
    `a` times the mean eigenvalue of the centred features' scatter matrix, so that pixels,
    energies and unit-norm embeddings share one grid.

    Parameters
    ----------
    X : array, shape (n, n_features)
    Y : array, shape (n, n_voxels)
    groups : sequence, length n, optional
        Image of each row: repeats of an image are never split between folds.
    alphas : sequence of float
        Relative penalties.
    cv : int
        Number of folds.
    random_state : int

    Returns
    -------
    Readout

    Raises
    ------
    InputProblem
        When there are too few images, or the features are constant.
    """
    X = np.asarray(X, dtype=np.float64)
    Y = np.asarray(Y, dtype=np.float64)
    alphas = np.asarray(alphas, dtype=np.float64)
    fold = fold_numbers(np.arange(len(X)) if groups is None else groups, cv, random_state)
    n_voxels = Y.shape[1]
    errors = np.zeros((len(alphas), n_voxels))
    moments = np.zeros((len(alphas), 3, n_voxels))
    total = np.zeros(n_voxels)
    for number in range(cv):
        test = fold == number
        path = RidgePath(X[~test], Y[~test])
        unit = _unit(path.values, len(X) - test.sum(), X.shape[1])
        held_x = path.project(X[test]).astype(np.float32)
        held_y = (Y[test] - path.y_mean).astype(np.float32)
        total += (held_y.astype(np.float64) ** 2).sum(axis=0)
        for index, alpha in enumerate(alphas):
            guess = held_x @ path.weights(alpha * unit).astype(np.float32)
            errors[index] += ((held_y - guess) ** 2).sum(axis=0, dtype=np.float64)
            moments[index, 0] += (guess * held_y).sum(axis=0, dtype=np.float64)
            moments[index, 1] += (guess**2).sum(axis=0, dtype=np.float64)
            moments[index, 2] += (held_y**2).sum(axis=0, dtype=np.float64)
    best = errors.argmin(axis=0)
    voxel = np.arange(n_voxels)
    path = RidgePath(X, Y)
    coef, intercept = path.solve(alphas[best] * _unit(path.values, len(X), X.shape[1]))
    dot, guess, real = moments[best, :, voxel].T
    with np.errstate(invalid="ignore", divide="ignore"):
        r = dot / np.sqrt(guess * real)
        r2 = 1 - errors[best, voxel] / total
    return Readout(
        coef.T.astype(np.float32),
        intercept.astype(np.float32),
        alphas[best],
        np.nan_to_num(r2),
        np.nan_to_num(r),
    )


def _unit(values, n_rows, n_features):
    """Mean eigenvalue over the dimensions that the rows can span."""
    mean = float(values.sum()) / min(int(n_rows) - 1, n_features)
    if not mean > 0:
        raise InputProblem("features: constant over all images; nothing can be predicted")
    return mean
