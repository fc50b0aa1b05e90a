"""Eigenvalues of connectomes, real and synthetic, and how well the two are told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.evaluation.readouts import compact
from neuro.stats.splits import stratified_group_folds

TINY = 1e-4
"""Eigenvalues below are nothing but rounding of a connectome without full rank."""
_FOLDS = 3
_CHUNK = 128
"""People whose matrices are held at once."""
_LOG_FLOOR = 1e-6
SPECTRUM_COLUMNS = ("rank", "real", "real_sd", "synthetic", "synthetic_sd")


def matrices(edges, n_regions: int) -> np.ndarray:
    """Symmetric matrices with unit diagonal, float64, shape (n_rows, n_regions, n_regions)."""
    edges = np.asarray(edges, dtype=np.float64)
    upper = np.triu_indices(n_regions, 1)
    out = np.empty((len(edges), n_regions, n_regions))
    out[:] = np.eye(n_regions)
    out[:, upper[0], upper[1]] = edges
    out[:, upper[1], upper[0]] = edges
    return out


def packed(symmetric) -> np.ndarray:
    """Upper triangles with the diagonal; norms of rows are Frobenius norms of matrices."""
    row, column = np.triu_indices(symmetric.shape[-1])
    return symmetric[..., row, column] * np.where(row == column, 1.0, np.sqrt(2.0))


def unpacked(rows, n_regions: int) -> np.ndarray:
    """The symmetric matrices behind rows of :func:`packed`, or that behind one row."""
    row, column = np.triu_indices(n_regions)
    out = np.empty((*np.shape(rows)[:-1], n_regions, n_regions))
    out[..., row, column] = rows / np.where(row == column, 1.0, np.sqrt(2.0))
    out[..., column, row] = out[..., row, column]
    return out


def eigenvalues(edges, n_regions: int) -> np.ndarray:
    """Eigenvalues of each row as a matrix, largest first, shape (n_rows, n_regions)."""
    edges = np.asarray(edges)
    values = np.empty((len(edges), n_regions))
    for first in range(0, len(edges), _CHUNK):
        rows = edges[first : first + _CHUNK]
        values[first : first + _CHUNK] = np.linalg.eigvalsh(matrices(rows, n_regions))
    return values[:, ::-1]


def spectrum_table(real, synthetic, n_regions: int) -> pd.DataFrame:
    """Mean and spread of the sorted eigenvalues of real and synthetic connectomes.

    Parameters
    ----------
    real, synthetic : array, shape (n_rows, n_edges)
        Correlations.
    n_regions : int

    Returns
    -------
    pandas.DataFrame
        One row per rank (1 is the largest): `rank`, `real`, `real_sd`, `synthetic`,
        `synthetic_sd`.
    """
    spectra = [eigenvalues(rows, n_regions) for rows in (real, synthetic)]
    table = {"rank": np.arange(1, n_regions + 1)}
    for name, values in zip(("real", "synthetic"), spectra):
        table |= {name: values.mean(axis=0), f"{name}_sd": values.std(axis=0)}
    return pd.DataFrame(table)[list(SPECTRUM_COLUMNS)]


def tiny_eigenvalues(edges, n_regions: int) -> float:
    """Median over rows of the number of eigenvalues below 1e-4."""
    return float(np.median((eigenvalues(edges, n_regions) < TINY).sum(axis=1)))


def told_apart(real, synthetic, n_regions: int, random_state: int = 0) -> dict[str, float]:
    """How well classifiers tell synthetic connectomes from real ones that their maker never saw.

    Parameters
    ----------
    real, synthetic : array, shape (n_rows, n_edges)
        Correlations of as many people of the same demographics, if figures should be 0.5 for
        perfect samples.
    n_regions : int
    random_state : int
        Of the folds.

    Returns
    -------
    dict
        Areas under the ROC curve, cross-validated: `linear` and `rbf` machines on the edges,
        `eigenvalues` for a linear machine on the logarithms of the sorted eigenvalues.
    """
    label = np.r_[np.zeros(len(real), int), np.ones(len(synthetic), int)]
    fold = stratified_group_folds(
        np.arange(len(label)), label, _FOLDS, seeds.stream(random_state, "told apart")
    )
    edges = np.vstack([real, synthetic])
    spectra = np.log(np.maximum(eigenvalues(edges, n_regions), _LOG_FLOOR))
    return {
        "linear": _auc(edges, label, fold, "linear"),
        "rbf": _auc(edges, label, fold, "rbf"),
        "eigenvalues": _auc(spectra, label, fold, "linear"),
    }


def _auc(rows, label, fold, kernel) -> float:
    from sklearn.metrics import roc_auc_score
    from sklearn.svm import SVC

    score = np.empty(len(label))
    for held_out in range(_FOLDS):
        inside, out = fold != held_out, fold == held_out
        Z, new = compact(rows[inside], rows[out])
        gamma = 1.0 / max(float((Z**2).sum() / len(Z)), 1e-12)
        machine = SVC(C=1.0, kernel=kernel, gamma=gamma, class_weight="balanced")
        if kernel == "linear":
            Z, new = Z * np.sqrt(gamma), new * np.sqrt(gamma)
            machine.set_params(C=10.0)
        score[out] = machine.fit(Z, label[inside]).decision_function(new)
    return float(
        np.mean([roc_auc_score(label[fold == k], score[fold == k]) for k in range(_FOLDS)])
    )
