"""Rows of edges: how many regions they have, and whether they can be used."""

from __future__ import annotations

import numpy as np

from neuro.io.regions.connectomes import n_regions
from neuro.stats.observed import usable_block


def check_edges(X, expected: int | None = None) -> list[str]:
    """Problems of a table of edges, one line each; empty when all is well.

    Parameters
    ----------
    X : ndarray
    expected : int, optional
        Number of edges that the model was fitted on.
    """
    if X.ndim != 2 or X.dtype.kind not in "fiu":
        return [f"X: shape {X.shape} of {X.dtype}, expected numbers (n_rows, n_edges)"]
    if expected is not None and X.shape[1] != expected:
        return [f"X: {X.shape[1]} edges, the model was fitted on {expected}"]
    regions = n_regions(X.shape[1])
    if regions is None:
        return [f"X: {X.shape[1]} edges is not R(R-1)/2; expected the upper triangle of a matrix"]
    if expected is None and len(X) < 4:
        return [f"X: {len(X)} rows; a fit needs at least 4"]
    bad = np.zeros(X.shape[1], dtype=bool)
    worst = None
    for row in X:
        wrong = ~np.isfinite(row)
        if wrong.any():
            bad |= wrong
            worst = wrong if worst is None else worst
    if worst is None:
        return []
    rows, columns = np.triu_indices(regions, 1)
    count = np.bincount(rows[bad], minlength=regions) + np.bincount(columns[bad], minlength=regions)
    dead = np.flatnonzero(count == regions - 1)
    where = f"ROI {', '.join(map(str, dead[:5]))} dead" if len(dead) else "no ROI as a whole"
    return [f"X: NaN in {int(bad.sum())} edges ({where}, counted from 0); mask it first"]


def usable_regions(edges, labels, limit: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Regions and rows to keep so that no edge is missing.

    See :func:`neuro.stats.observed.usable_block`; dead regions cost a region, not the people.
    Rows that still miss an edge are left out.

    Parameters
    ----------
    edges : array, shape (n_rows, n_edges)
    labels : sequence of str, length n_regions
    limit : float, default 0.05 (ours)

    Returns
    -------
    regions : ndarray of bool, shape (n_regions,)
    rows : ndarray of bool, shape (n_rows,)
    """
    count = len(labels)
    first, second = np.triu_indices(count, 1)
    dead = np.zeros((len(edges), count), dtype=bool)
    for place, row in enumerate(edges):
        wrong = ~np.isfinite(row)
        if wrong.any():
            hits = np.bincount(first[wrong], minlength=count)
            hits += np.bincount(second[wrong], minlength=count)
            dead[place] = hits == count - 1
    regions, _ = usable_block(dead, limit)
    kept = regions[first] & regions[second]
    rows = np.array([bool(np.isfinite(row[kept]).all()) for row in edges], dtype=bool)
    return regions, rows
