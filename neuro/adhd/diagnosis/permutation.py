"""What the same analysis gives when labels are permuted within sites."""

from __future__ import annotations

import logging
import time

import numpy as np
import pandas as pd
from sklearn.base import clone

from neuro.adhd.diagnosis.evaluate import check_training, outer_rows
from neuro.adhd.diagnosis.guard import guard
from neuro.adhd.diagnosis.metrics import METRICS, score_metrics
from neuro.base import seeds
from neuro.stats.subjects import iterate_folds

PERMUTATION_COLUMNS = ("scheme", "input", "mask", "metric", "permutation", "value")
_log = logging.getLogger(__name__)
_SCHEME_KEY = {"pooled": 0, "leave_site_out": 1}
_BATCH = 500
"""Label vectors that are carried through the folds together; bounds the memory."""


def permute_labels(y, groups, cells, permutation: int, random_state: int = 0, key: int = 0):
    """One permutation of the subjects' labels within cells.

    Parameters
    ----------
    y : array, shape (n_rows,)
    groups : array of str, shape (n_rows,)
        Rows of a subject keep one label.
    cells : array of str, shape (n_rows,)
        Labels are exchanged between subjects of the same cell (site) only.
    permutation : int
        Number of the permutation; the same number gives the same labels in every chunk.
    random_state, key : int

    Returns
    -------
    ndarray, shape (n_rows,)
    """
    _, first, inverse = np.unique(
        np.asarray(groups).astype(str), return_index=True, return_inverse=True
    )
    label = np.asarray(y)[first]
    cell = np.asarray(cells).astype(str)[first]
    rng = seeds.generator(random_state, "permuted labels", key, permutation)
    out = label.copy()
    for name in np.unique(cell):
        rows = np.flatnonzero(cell == name)
        out[rows] = label[rng.permutation(rows)]
    return out[inverse]


def chunk_numbers(n_permutations: int, chunk: int = 0, n_chunks: int = 1) -> np.ndarray:
    """Numbers of the permutations that belong to chunk `chunk` of `n_chunks`.

    Raises
    ------
    ValueError
        When there is no such chunk.
    """
    if not 0 <= chunk < n_chunks:
        raise ValueError(f"chunk: got {chunk}, expected 0 to {n_chunks - 1}")
    return np.array_split(np.arange(n_permutations), n_chunks)[chunk]


def permute_within_site(
    estimator,
    X,
    y,
    groups,
    site,
    folds,
    *,
    n_permutations: int = 1000,
    covariates=None,
    input: str = "features",
    mask: str = "none",
    random_state: int = 0,
    chunk: int = 0,
    n_chunks: int = 1,
    one_by_one: bool = False,
) -> pd.DataFrame:
    """Rerun the whole analysis, mask and inner choices included, on permuted labels.

    Labels are permuted between subjects of the same site, so that the prevalence of each site
    survives, and in the pooled scheme also of the same outer fold: the folds were balanced with
    the real labels, and only such permutations leave them as balanced as they were. The pooled
    scheme uses its first repeat. The mean of the values is what a real value must be compared
    with; it is not 0.5.

    Parameters
    ----------
    estimator, X, y, groups, site, covariates, input, mask
        As in :func:`neuro.adhd.diagnosis.evaluate.nested_cv`.
    folds : pandas.DataFrame
        The fold table of the real run.
    n_permutations : int, default 1000
        Of all chunks together.
    random_state : int, default 0
    chunk, n_chunks : int
        Compute one part; the parts of all chunks, one below the other, equal the whole.
    one_by_one : bool, default False
        Fit a clone for every permutation even if the estimator can decide for many label
        vectors at once; slow, the same result.

    Returns
    -------
    pandas.DataFrame
        `scheme`, `input`, `mask`, `metric`, `permutation` (from 0), `value`; one value per
        metric over all test subjects.
    """
    rows, y = outer_rows(X, y, groups, site, covariates)
    numbers = chunk_numbers(n_permutations, chunk, n_chunks)
    folds = folds[folds["repeat"] == 1]
    tables = []
    for scheme, table in folds.groupby("scheme", sort=False):
        started = time.perf_counter()
        splits = list(iterate_folds(table, rows.groups))
        cells = rows.site.astype(object)
        if scheme == "pooled":
            for _, _, fold, _, test in splits:
                cells[test] = cells[test] + "|" + fold
        key = _SCHEME_KEY[scheme]
        for low in range(0, len(numbers), _BATCH):
            batch = numbers[low : low + _BATCH]
            labels = np.column_stack(
                [
                    permute_labels(y, rows.groups, cells, number, random_state, key)
                    for number in batch
                ]
            )
            decisions = _decisions(estimator, rows, labels, splits, one_by_one)
            metrics = score_metrics(labels, decisions)
            for name in METRICS:
                tables.append(
                    pd.DataFrame(
                        {
                            "scheme": scheme,
                            "input": input,
                            "mask": mask,
                            "metric": name,
                            "permutation": batch,
                            "value": metrics[name],
                        }
                    )
                )
        _log.info(
            "%s, mask %s, %s: %d permutations in %.1f s",
            *(input, mask, scheme, len(numbers), time.perf_counter() - started),
        )
    if not tables:
        return pd.DataFrame(columns=list(PERMUTATION_COLUMNS))
    return pd.concat(tables, ignore_index=True)[list(PERMUTATION_COLUMNS)]


def _decisions(estimator, rows, labels, splits, one_by_one) -> np.ndarray:
    """Decisions on every row as a test row, shape (n_rows, n_labels)."""
    out = np.empty(labels.shape)
    wrapped = guard(estimator)
    many = hasattr(wrapped.estimator, "decide_many") and not one_by_one
    for scheme, _, fold, train, test in splits:
        train_rows, test_rows = rows.take(train), rows.take(test)
        for column in labels[train].T:
            check_training(column, scheme, fold)
        if many:
            out[test] = clone(wrapped).decide_many(train_rows, labels[train], test_rows)
            continue
        for one in range(labels.shape[1]):
            model = clone(wrapped).fit(
                train_rows.X,
                labels[train, one].astype(int),
                groups=train_rows.groups,
                strata=train_rows.strata,
                **train_rows.context(),
            )
            out[test, one] = model.decision_function(
                test_rows.X, test_rows.groups, **test_rows.context()
            )
    # as in the table of predictions
    return np.round(out, 6)
