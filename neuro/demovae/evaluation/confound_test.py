"""Partial confound test of predictions: do they depend on a confound beyond the truth itself?"""

from __future__ import annotations

import functools

import numpy as np

from neuro.base import seeds
from neuro.demovae.coding.schema import level_names, missing, numbers
from neuro.stats.permuted.design import places

PERMUTATIONS = 999


@functools.lru_cache(maxsize=4)
def _orders(code: tuple, n_permutations: int, random_state) -> np.ndarray:
    """Rows exchanged within classes, shape (n_permutations, n_rows): one deal for all confounds."""
    return places(code, n_permutations, seeds.generator(random_state, "permuted confound"))


def partial_confound_test(
    score, y, confound, kind="continuous", n_permutations=PERMUTATIONS, random_state=0
) -> dict[str, float]:
    """Permute the confound within classes of the truth.

    Under the null the score depends on the confound through the truth only, so that within a
    class the confound may be dealt anew. The statistic is the share of the score's variance that
    the confound explains linearly.

    Parameters
    ----------
    score : array, shape (n_rows,)
        Predictions for rows that no fit has seen.
    y : array, shape (n_rows,)
        True classes.
    confound : array, shape (n_rows,)
        Rows without a value are left out.
    kind : {'continuous', 'categorical'}
    n_permutations : int, default 999
    random_state : int, default 0

    Returns
    -------
    dict
        `r2`, mean of the null `r2_null`, `p` (the smallest possible is 1 / (n_permutations + 1)),
        `n`. NaN where confound or score do not vary.

    References
    ----------
    Spisak, T. (2022). Statistical quantification of confounding bias in machine learning models.
    GigaScience 11, giac082 (the question; the test here permutes within classes instead of
    modelling the conditional distribution).
    """
    score, y = np.asarray(score, dtype=np.float64), np.asarray(y)
    known = ~missing(confound, kind) & np.isfinite(score)
    score, y = score[known], y[known]
    rest = np.asarray(confound)[known]
    if kind == "continuous":
        values = numbers(rest)[:, None]
    else:
        names = level_names(rest)
        values = (names[:, None] == np.array(sorted(set(names)), object)[None]).astype(float)
    values = values - values.mean(axis=0)
    if not len(score) or score.std() == 0 or not values.any():
        return {"r2": np.nan, "r2_null": np.nan, "p": np.nan, "n": len(score)}
    left, scale, _ = np.linalg.svd(values, full_matrices=False)
    basis = left[:, scale > 1e-8 * scale[0]]
    target = (score - score.mean()) / np.linalg.norm(score - score.mean())
    explained = float(((basis.T @ target) ** 2).sum())
    code = tuple(np.unique(y, return_inverse=True)[1].tolist())
    null = np.zeros(n_permutations)
    for column in basis.T:
        null += (column[_orders(code, n_permutations, random_state)] @ target) ** 2
    p = (1 + (null >= explained - 1e-12).sum()) / (1 + n_permutations)
    return {"r2": explained, "r2_null": float(null.mean()), "p": float(p), "n": len(score)}
