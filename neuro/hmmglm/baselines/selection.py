"""Choosing the number of states of sequences in memory."""

from __future__ import annotations

import numpy as np

from neuro.hmmglm.baselines.sweep import (
    Sweep,
    as_table,
    baseline_rows,
    choose_k,
    curve_of,
    fit_fold,
)
from neuro.hmmglm.design.folds import fold_of
from neuro.hmmglm.model import OneHotHMMGLM


def select_states(
    sequences,
    n_states=(1, 2, 3, 4, 5),
    models=("onehot",),
    *,
    masks=None,
    n_folds: int = 3,
    fold_order: str = "blocks",
    n_starts: int = 5,
    seed: int = 0,
    dt: float = 1.0,
    rule: str = "one_se",
    **settings,
) -> Sweep:
    """Choose the number of states by held-out marginal log-likelihood.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N), or one ndarray, shape (T, N)
        One array is cut into four segments per fold.
    n_states : sequence of int
    models : sequence of str
        The last one decides.
    masks : list of ndarray of bool, optional
    n_folds : int, default 3
        Folds are whole sequences.
    fold_order : {'blocks', 'interleaved'}
    n_starts : int, default 5
    seed : int
    dt : float
        Bin width (s).
    rule : {'one_se', 'best'}
    **settings
        Further arguments of :class:`neuro.hmmglm.model.OneHotHMMGLM`.

    Returns
    -------
    Sweep
    """
    if isinstance(sequences, np.ndarray) and sequences.ndim == 2:
        sequences = np.array_split(sequences, min(4 * n_folds, len(sequences)))
        masks = None if masks is None else np.array_split(masks, len(sequences))
    sequences = list(sequences)
    masks = [np.ones(len(counts), bool) for counts in sequences] if masks is None else masks
    observed = [int(np.reshape(mask, (len(mask), -1)).any(axis=1).sum()) for mask in masks]
    folds = fold_of(len(sequences), n_folds, fold_order, observed=observed)
    rows = []
    for k in n_states:
        for fold in range(n_folds):
            rows += fit_fold(
                settings,
                models,
                sequences,
                masks,
                folds,
                fold,
                k,
                range(n_starts),
                seed=seed,
                dt=dt,
            )[0]
            model = OneHotHMMGLM(**settings)
            rows += baseline_rows(
                sequences,
                masks,
                folds,
                fold,
                k,
                emission=model.emission,
                n_history=model.n_history,
                n_starts=n_starts,
                seed=seed,
            )
    table = as_table(rows)
    return Sweep(table, curve_of(table, models[-1]), choose_k(table, models[-1], rule))
