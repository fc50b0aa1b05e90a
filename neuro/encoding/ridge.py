"""Ridge readouts with a penalty of its own for every voxel."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.problems import InputProblem

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
    _, image = np.unique(np.asarray(groups), return_inverse=True)
    n_images = int(image.max()) + 1
    if n_images < n_folds:
        raise InputProblem(
            f"cv: {n_folds} folds for {n_images} different images; give more images or fewer folds"
        )
    order = np.random.default_rng([random_state, 81]).permutation(n_images)
    return (np.argsort(order) % n_folds)[image]


def _decompose(X, Y):
    """Eigenvectors, eigenvalues and projected targets; by features or by rows, what is smaller."""
    if X.shape[0] >= X.shape[1]:
        values, vectors = np.linalg.eigh(X.T @ X)
        return vectors, values, vectors.T @ (X.T @ Y)
    values, vectors = np.linalg.eigh(X @ X.T)
    keep = values > max(values[-1], 1e-30) * 1e-7
    values, vectors = values[keep], vectors[:, keep]
    basis = X.T @ vectors / np.sqrt(values)
    return basis, values, np.sqrt(values)[:, None] * (vectors.T @ Y)


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
        x_mean, y_mean = X[~test].mean(axis=0), Y[~test].mean(axis=0)
        basis, values, target = _decompose(X[~test] - x_mean, Y[~test] - y_mean)
        unit = _unit(values, len(X) - test.sum(), X.shape[1])
        held_x = ((X[test] - x_mean) @ basis).astype(np.float32)
        held_y = (Y[test] - y_mean).astype(np.float32)
        total += (held_y.astype(np.float64) ** 2).sum(axis=0)
        for place, alpha in enumerate(alphas):
            weights = (target / (values + alpha * unit)[:, None]).astype(np.float32)
            guess = held_x @ weights
            errors[place] += ((held_y - guess) ** 2).sum(axis=0, dtype=np.float64)
            moments[place, 0] += (guess * held_y).sum(axis=0, dtype=np.float64)
            moments[place, 1] += (guess**2).sum(axis=0, dtype=np.float64)
            moments[place, 2] += (held_y**2).sum(axis=0, dtype=np.float64)
    best = errors.argmin(axis=0)
    voxel = np.arange(n_voxels)
    x_mean, y_mean = X.mean(axis=0), Y.mean(axis=0)
    basis, values, target = _decompose(X - x_mean, Y - y_mean)
    unit = _unit(values, len(X), X.shape[1])
    coef = (basis @ (target / (values[:, None] + alphas[best][None] * unit))).T
    dot, guess, real = moments[best, :, voxel].T
    with np.errstate(invalid="ignore", divide="ignore"):
        r = dot / np.sqrt(guess * real)
        r2 = 1 - errors[best, voxel] / total
    return Readout(
        coef.astype(np.float32),
        (y_mean - coef @ x_mean).astype(np.float32),
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
