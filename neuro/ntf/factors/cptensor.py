"""Solvers that need a complete tensor, and the factors that they may start from."""

from __future__ import annotations

import numpy as np

from neuro.ntf.factors.lbfgs import fit_lbfgs

SOLVERS = ("hals", "lbfgs", "tensorly")


def cp_factors(cp, shape=None) -> list[np.ndarray]:
    """Checked factors of a three-way `CPTensor`, its weights folded into the last mode.

    Parameters
    ----------
    cp : tensorly.cp_tensor.CPTensor or tuple (weights, factors)
        Weights may be None.
    shape : tuple of int, optional
        Shape that the tensor must have.

    Returns
    -------
    list of ndarray of float64, shapes (n_bins, rank), (n_animals, rank), (n_pairs, rank)

    Raises
    ------
    ValueError
        When there are not three modes, the shape is another one, or a value is negative or not
        finite.
    """
    weights, factors = cp
    factors = [np.asarray(factor, np.float64) for factor in factors]
    if len(factors) != 3 or len({factor.shape[1:] for factor in factors}) != 1:
        raise ValueError(f"CPTensor: {len(factors)} modes, expected 3 (time, animals, pairs)")
    sizes = tuple(len(factor) for factor in factors)
    if shape is not None and sizes != tuple(shape):
        raise ValueError(f"CPTensor: shape {sizes}, expected {tuple(shape)}")
    if weights is not None:
        factors[2] = factors[2] * np.asarray(weights, np.float64)
    if not all(np.isfinite(factor).all() and factor.min(initial=0) >= 0 for factor in factors):
        raise ValueError("CPTensor: negative or not finite values; this model has none")
    return factors


def fit_tensorly(values, factors, *, max_iter=200, tol=1e-5):
    """One start by :func:`tensorly.decomposition.non_negative_parafac_hals`.

    Parameters
    ----------
    values : array of float64, shape (n_bins, n_animals, n_pairs)
    factors : list of ndarray
        Where it starts; left as they are.
    max_iter : int
        Sweeps at most.
    tol : float
        Absolute change of the relative error that ends it, tensorly's criterion.

    Returns
    -------
    factors : list of ndarray
    history : list of float
        Sum of squared residuals after each sweep.
    """
    from tensorly.cp_tensor import CPTensor
    from tensorly.decomposition import non_negative_parafac_hals

    factors = [np.array(factor, np.float64) for factor in factors]
    first = CPTensor((np.ones(factors[0].shape[1]), factors))
    (weights, cp), errors = non_negative_parafac_hals(
        values, len(first.weights), max_iter, init=first, tol=tol, return_errors=True
    )
    energy = float(np.vdot(values, values))
    return cp_factors((weights, cp)), [float(error) ** 2 * energy for error in errors]


def run_complete(solver, operator, starts, random_state, max_iter=1000, tol=1e-5) -> None:
    """Fit starts by a solver without masks one after the other, in place.

    Parameters
    ----------
    solver : {"lbfgs", "tensorly"}
        `lbfgs` draws its own uniform starts in double precision unless one was given.
    operator : object with `gather`
        A complete tensor.
    starts : list of TensorStart
    random_state : int or None
        The one that the starts were made with.
    max_iter : int
    tol : float
        Of `tensorly`.

    Raises
    ------
    ValueError
        When something was not observed.
    """
    if operator.incomplete:
        raise ValueError(f"solver '{solver}' has no mask; keep complete pairs only, or use 'hals'")
    values = operator.gather(slice(None), np.arange(operator.shape[2])).astype(np.float64)
    values = values.reshape(operator.shape)
    seeds = np.random.SeedSequence(random_state).spawn(len(starts))
    for start, seed in zip(starts, seeds):
        if solver == "tensorly":
            factors, start.history = fit_tensorly(
                values, start.factors(), max_iter=max_iter, tol=tol
            )
        else:
            rng = np.random.default_rng(seed)
            given = start.factors() if start.given else None
            factors, objective, _ = fit_lbfgs(
                values, start.rank, rng, max_iter=max_iter, init=given
            )
            start.history = [objective]
        start.time, start.animals, start.pairs = (factor.astype(np.float32) for factor in factors)
