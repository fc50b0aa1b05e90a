"""Comparing factorisations, and describing their components."""

from __future__ import annotations

import numpy as np

BACKGROUND_COSINE = 0.97
"""Factors this close to a constant make a component background (ours)."""


def cosines(first, second) -> np.ndarray:
    """Cosines between the columns of two factors; 0 for columns of zeros.

    Parameters
    ----------
    first : array, shape (n, r)
    second : array, shape (n, s)

    Returns
    -------
    ndarray of float64, shape (r, s)
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    size = np.outer(np.linalg.norm(first, axis=0), np.linalg.norm(second, axis=0))
    return (first.T @ second) / np.where(size > 0, size, 1)


def match(first, second):
    """Pair the components of two factorisations so that the sum of agreements is largest.

    Agreement of two components is the product of their cosines over the modes.

    Parameters
    ----------
    first, second : sequence of arrays, shape (n_mode, rank)
        Factors mode by mode; the ranks may differ.

    Returns
    -------
    left, right : ndarray of int
        Matched components, as many as the smaller rank has.
    agreement : ndarray of float64
    """
    from scipy.optimize import linear_sum_assignment

    table = np.prod([cosines(a, b) for a, b in zip(first, second)], axis=0)
    left, right = linear_sum_assignment(-table)
    return left, right, table[left, right]


def similarity(first, second) -> float:
    """Mean agreement of the matched components, 1 for equal factorisations."""
    return float(match(first, second)[2].mean())


def participation(animals) -> np.ndarray:
    """Effective number of animals that carry each component, (sum f)^2 / sum f^2.

    Parameters
    ----------
    animals : array, shape (n_animals, rank)

    Returns
    -------
    ndarray of float64, shape (rank,)
    """
    animals = np.asarray(animals, np.float64)
    squares = (animals**2).sum(axis=0)
    return animals.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1)


def is_background(*factors, least=BACKGROUND_COSINE) -> np.ndarray:
    """Which components are near constant in all given modes.

    Noise that cannot be negative has a positive mean, which every factorisation spends a
    component on.

    Parameters
    ----------
    *factors : arrays, shape (n, rank)
        Usually time and animals; NaN rows are left out, a mode of length 1 says nothing.
    least : float
        Least cosine with a constant (default :data:`BACKGROUND_COSINE`, ours).

    Returns
    -------
    ndarray of bool, shape (rank,)
    """
    result = np.ones(np.asarray(factors[0]).shape[1], bool)
    for factor in factors:
        factor = np.asarray(factor, np.float64)
        factor = factor[~np.isnan(factor).any(axis=1)]
        if len(factor) > 1:
            result &= cosines(factor, np.ones((len(factor), 1)))[:, 0] >= least
    return result


def core_consistency(operator, time, animals, pairs) -> float:
    """How well a superdiagonal core describes the tensor in these factors, in percent.

    Parameters
    ----------
    operator : object with `dot` and `shape`
        A complete tensor; with a mask the value has no meaning.
    time, animals, pairs : arrays, shape (n_mode, rank)
        `pairs` holds the weights.

    Returns
    -------
    float
        100 for a perfect three-way model, near 0 or negative for too many components.

    References
    ----------
    Bro and Kiers 2003, J. Chemometrics 17:274.
    """
    rank = time.shape[1]
    inverse = np.linalg.pinv(pairs.astype(np.float64)).astype(np.float32)
    cube = operator.dot(np.ascontiguousarray(inverse.T)).reshape(*operator.shape[:2], rank)
    core = np.einsum("at,twr->awr", np.linalg.pinv(time.astype(np.float64)), cube)
    core = np.einsum("bw,awr->abr", np.linalg.pinv(animals.astype(np.float64)), core)
    ideal = np.zeros((rank, rank, rank))
    ideal[(np.arange(rank),) * 3] = 1
    return float(100 * (1 - ((core - ideal) ** 2).sum() / rank))


def flattened_variance(pairs) -> float:
    """Sum of the normalised variances of the pair factor's singular values.

    Columns get unit norm and are centred; variances are divided by the largest. It stops growing
    once new components only repeat old ones.

    Parameters
    ----------
    pairs : array, shape (n_pairs, rank)

    Returns
    -------
    float
    """
    pairs = np.asarray(pairs, np.float64)
    size = np.linalg.norm(pairs, axis=0)
    unit = pairs / np.where(size > 0, size, 1)
    variance = np.linalg.svd(unit - unit.mean(axis=0), compute_uv=False) ** 2
    return float((variance / variance[0]).sum()) if variance[0] > 0 else 0.0
