"""What kind of numbers edges are: it decides how samples are made matrices again."""

from __future__ import annotations

import numpy as np

KINDS = ("pearson", "fisher_z", "partial", "covariance")
_ROWS, _SHARE, _ROUNDING = 20, 0.9, 1e-3


def learned_kind(X, n_regions: int) -> str:
    """Kind of connectomes, from the matrices that their rows are.

    Correlations with a unit diagonal have no negative eigenvalue; those behind Fisher's z have
    none after tanh, but values beyond 1 or negative eigenvalues before it; partial correlations
    have none with the opposite sign. Anything else is taken for covariances, which are neither
    repaired nor clipped. Where correlations are so weak that they and their Fisher's z both
    pass, they are taken for correlations: say `kind` to be sure.

    Parameters
    ----------
    X : array, shape (n_rows, n_edges)
        At most 20 of its rows are looked at.
    n_regions : int

    Returns
    -------
    {'pearson', 'fisher_z', 'partial', 'covariance'}
    """
    rows = np.asarray(X)[np.unique(np.linspace(0, len(X) - 1, _ROWS).round().astype(int))]
    rows = rows.astype(np.float64)
    inside = np.abs(rows).max() <= 1 + 1e-6
    if inside and _are_matrices(rows, n_regions):
        return "pearson"
    if _are_matrices(np.tanh(rows), n_regions):
        return "fisher_z"
    if inside and _are_matrices(-rows, n_regions):
        return "partial"
    return "covariance"


def _are_matrices(rows, n_regions) -> bool:
    """Whether most rows have no negative eigenvalue under a unit diagonal."""
    upper = np.triu_indices(n_regions, 1)
    good = 0
    for row in rows:
        matrix = np.eye(n_regions)
        matrix[upper] = row
        good += np.linalg.eigvalsh(matrix, UPLO="U")[0] >= -_ROUNDING
    return good >= _SHARE * len(rows)
