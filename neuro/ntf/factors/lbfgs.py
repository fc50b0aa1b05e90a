"""All factors at once by L-BFGS-B, as the authors' manifold code fits them (preset `paper`)."""

from __future__ import annotations

import numpy as np

FACTR = 1e-5
PGTOL = 1e-4


def fit_lbfgs(values, rank, rng, *, max_iter=1000, factr=FACTR, pgtol=PGTOL, init=None):
    """One start of a complete non-negative CP by joint optimisation of all factors.

    Minimises half the sum of squared residuals with lower bounds of 0. Precision is double,
    because line searches fail on rounded objectives.

    Parameters
    ----------
    values : array of float64, shape (n_bins, n_animals, n_pairs)
    rank : int
    rng : numpy.random.Generator
        Uniform random start.
    max_iter : int
        Iterations at most (1000, authors' code for a related paper).
    factr, pgtol : float
        Stopping thresholds (1e-5 and 1e-4, the same source).
    init : list of ndarray, shapes (n_mode, rank), optional
        Where to start instead.

    Returns
    -------
    factors : list of ndarray, shapes (n_mode, rank)
    objective : float
        Sum of squared residuals.
    n_evaluations : int
    """
    from scipy.optimize import minimize

    shape = values.shape
    ends = np.cumsum([n * rank for n in shape])
    matrix = values.reshape(-1, shape[2])
    norm = float(np.vdot(matrix, matrix))

    def split(x):
        return [block.reshape(-1, rank) for block in np.split(x, ends[:-1])]

    def objective(x):
        time, animals, pairs = split(x)
        grams = [factor.T @ factor for factor in (time, animals, pairs)]
        cube = (matrix @ pairs).reshape(shape[0], shape[1], rank)
        rows = (time[:, None] * animals).reshape(-1, rank)
        product = matrix.T @ rows
        quadratic = (grams[0] * grams[1] * grams[2]).sum()
        value = 0.5 * (norm - 2 * np.vdot(product, pairs) + quadratic)
        gradient = [
            time @ (grams[1] * grams[2]) - np.einsum("twr,wr->tr", cube, animals),
            animals @ (grams[0] * grams[2]) - np.einsum("twr,tr->wr", cube, time),
            pairs @ (grams[0] * grams[1]) - product,
        ]
        return value, np.concatenate([block.ravel() for block in gradient])

    if init is None:
        first = rng.random(ends[-1])
    else:
        first = np.concatenate([np.asarray(block, np.float64).ravel() for block in init])
    result = minimize(
        objective,
        first,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * int(ends[-1]),
        options={
            "maxiter": max_iter,
            "maxfun": 15 * max_iter,
            "ftol": factr * np.finfo(float).eps,
            "gtol": pgtol,
        },
    )
    return split(result.x), 2 * float(result.fun), int(result.nfev)
