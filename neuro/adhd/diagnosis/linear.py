"""Linear classifiers solved exactly for many label vectors: squared-hinge SVM and logistic."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack


def svm_dual(gram, labels, C: float) -> np.ndarray:
    """Dual weights of class-balanced squared-hinge support vector machines.

    Newton's method on the active set: with the rows inside the margin known, the solution is a
    ridge regression; it is repeated until that set stays the same. The optimum is the one that
    liblinear approaches.

    Parameters
    ----------
    gram : ndarray, shape (n, n)
        Inner products, the constant feature included.
    labels : ndarray of bool, shape (n, n_labels)
    C : float
        Cost, multiplied by n / (2 n_class) for each class.

    Returns
    -------
    ndarray, shape (n, n_labels)
        The decision on a row is its inner products with the training rows times this.
    """
    n = len(gram)
    out = np.zeros(labels.shape)
    for one in range(labels.shape[1]):
        case = labels[:, one]
        n1 = int(case.sum())
        if n1 == 0 or n1 == n:
            continue
        y = np.where(case, 1.0, -1.0)
        ridge = np.where(case, n1, n - n1) / (C * n)
        out[:, one] = _one_svm(gram, y, ridge)
    return out


def _one_svm(gram, y, ridge):
    active = np.ones(len(y), dtype=bool)
    beta, value = np.zeros(len(y)), np.inf
    for _ in range(100):
        rows = np.flatnonzero(active)
        system = gram if active.all() else gram[np.ix_(rows, rows)]
        system = system.copy()
        system[np.diag_indices(len(rows))] += ridge[rows]
        _, solution, info = lapack.dposv(system, y[rows], overwrite_a=True)
        if info != 0:
            raise ValueError("svm: the Gram matrix is not positive semi-definite")
        new = np.zeros(len(y))
        new[rows] = solution
        # a full Newton step nearly always works; halve it where the objective would rise
        step, direction = 1.0, new - beta
        while True:
            trial = beta + step * direction
            decision = gram @ trial
            slack = np.maximum(1 - y * decision, 0)
            objective = trial @ decision / 2 + (slack**2 / (2 * ridge)).sum()
            if objective <= value * (1 + 1e-12) or step < 1e-6:
                break
            step /= 2
        beta, value = trial, objective
        now = y * decision < 1
        if step == 1.0 and np.array_equal(now, active):
            return beta
        active = now
    return beta


def logistic_weights(A, labels, C: float = 1.0) -> np.ndarray:
    """Class-balanced, L2-penalised logistic regression for many label vectors, by Newton's method.

    Minimises `C * sum_i c_i log(1 + exp(-y_i f_i)) + |w|^2 / 2` with an unpenalised intercept and
    `c_i = n / (2 n_class)`, the objective of scikit-learn's `LogisticRegression`.

    Parameters
    ----------
    A : ndarray, shape (n, d) or (n_labels, n, d)
        Rows; the second form has rows of its own for each label vector.
    labels : ndarray of bool, shape (n, n_labels)
    C : float, default 1.0

    Returns
    -------
    ndarray, shape (n_labels, d + 1)
        Weights, the intercept last; zeros for label vectors of one class.
    """
    n, n_labels = labels.shape
    A = np.broadcast_to(A, (n_labels, n, A.shape[-1])) if A.ndim == 2 else A
    A = np.concatenate([A, np.ones((n_labels, n, 1))], axis=2)
    y = labels.T.astype(float)
    n1 = y.sum(axis=1, keepdims=True)
    both = (n1 > 0) & (n1 < n)
    cost = C * n / 2 * np.where(y > 0, 1 / np.maximum(n1, 1), 1 / np.maximum(n - n1, 1))
    sign = 2 * y - 1
    penalty = np.ones(A.shape[2])
    penalty[-1] = 0.0
    weights = np.zeros((n_labels, A.shape[2]))

    def objective(w):
        decision = (A @ w[:, :, None])[..., 0]
        loss = (cost * np.logaddexp(0, -sign * decision)).sum(axis=1)
        return loss + (penalty * w**2).sum(axis=1) / 2, decision

    value, decision = objective(weights)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(decision, -500, 500)))
        slope = (A.swapaxes(1, 2) @ (cost * (chance - y))[..., None])[..., 0]
        slope += penalty * weights
        curve = (A * (cost * chance * (1 - chance))[..., None]).swapaxes(1, 2) @ A
        curve += np.diag(penalty + 1e-12)
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        length = np.ones(n_labels)
        for _ in range(30):
            trial = weights - length[:, None] * step
            new, decision = objective(trial)
            worse = new > value + 1e-10 * np.abs(value)
            if not worse.any():
                break
            length[worse] /= 2
        weights, value = trial, new
        if np.abs(length[:, None] * step).max() < 1e-9:
            break
    return np.where(both, weights, 0.0)
