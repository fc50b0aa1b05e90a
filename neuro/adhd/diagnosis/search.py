"""The inner loop: density, share of regions and number of components, for many label vectors."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.adhd.diagnosis.lda import component_scores, discriminant, scores_from_gram
from neuro.adhd.diagnosis.mask import (
    Rows,
    inner_folds,
    kept_regions,
    region_columns,
    region_hits,
    scale_pair,
)

_GRAM_BYTES = 400_000_000
"""Memory that the Gram matrices of all regions may take."""


@dataclasses.dataclass(frozen=True)
class View:
    """Columns of one graph density, sorted into regions.

    Attributes
    ----------
    density : float
        NaN when there is only one.
    regions : ndarray of str, shape (n_regions,)
    columns : list of ndarray of int
        Columns of each region.
    """

    density: float
    regions: np.ndarray
    columns: list[np.ndarray]

    @property
    def all_columns(self) -> np.ndarray:
        return np.sort(np.concatenate(self.columns))


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the inner loop chooses from, and how.

    Attributes
    ----------
    views : list of View
    cuts : tuple of float
    sizes : tuple of int
        Numbers of components, rising.
    rule : {'top', 'se', 'none'}
    scaler : FeatureScaler
    shrinkage : {'auto', None}
    inner_cv, random_state, region_components : int
    """

    views: list[View]
    cuts: tuple
    sizes: tuple
    rule: str
    scaler: object
    shrinkage: str | None
    inner_cv: int
    random_state: int
    region_components: int

    @property
    def candidates(self) -> list[tuple[int, int, int]]:
        """(view, cut, size) as positions, in the order in which ties are broken."""
        return [
            (view, cut, size)
            for view in range(len(self.views))
            for cut in range(len(self.cuts))
            for size in range(len(self.sizes))
        ]


def make_views(regions, density, n_features: int) -> list[View]:
    """Sort the columns by density and region."""
    regions = np.zeros(n_features, int) if regions is None else np.asarray(regions)
    if len(regions) != n_features:
        raise ValueError(f"regions: {len(regions)} labels for {n_features} features")
    if density is None:
        return [View(np.nan, *region_columns(regions))]
    density = np.asarray(density, dtype=float)
    if len(density) != n_features:
        raise ValueError(f"density: {len(density)} values for {n_features} features")
    views = []
    for value in np.unique(density):
        inside = np.flatnonzero(density == value)
        labels, columns = region_columns(regions[inside])
        views.append(View(float(value), labels, [inside[feature] for feature in columns]))
    return views


def masks(rows: Rows, labels, plan: Plan):
    """Kept regions for every view and cut, and the regions' sensitivity and specificity.

    Returns
    -------
    kept : list (views) of list (cuts) of ndarray of bool, shape (n_regions, n_labels), or None
        None without a mask.
    scores : list (views) of ndarray, shape (n_regions, n_labels), or None
        Balanced accuracy of each region alone.
    """
    if plan.rule == "none":
        return [[None for _ in plan.cuts] for _ in plan.views], [None for _ in plan.views]
    kept, scores = [], []
    for view in plan.views:
        hits = region_hits(
            rows,
            labels,
            view.columns,
            plan.scaler,
            plan.inner_cv,
            plan.random_state,
            plan.region_components,
            plan.shrinkage,
        )
        kept.append([kept_regions(hits[0], hits[1], labels, plan.rule, cut) for cut in plan.cuts])
        scores.append((hits[0] + hits[1]) / 2)
    return kept, scores


def search(rows: Rows, labels, plan: Plan):
    """Judge every candidate by inner cross-validation; the mask is chosen anew in each fold.

    Parameters
    ----------
    rows : Rows
        Training subjects.
    labels : ndarray of bool, shape (n_rows, n_labels)
    plan : Plan

    Returns
    -------
    accuracy : ndarray, shape (n_candidates, n_labels)
        Balanced accuracy over all inner test subjects.
    best : ndarray of int, shape (n_labels,)
        The first best candidate.
    decisions : ndarray, shape (n_rows, n_labels)
        Inner out-of-fold decisions of the best candidate.
    """
    candidates = plan.candidates
    accuracies = np.empty((len(candidates), *labels.shape))
    fold = inner_folds(rows, plan.inner_cv, plan.random_state)
    for fold_number in range(fold.max() + 1):
        train, test = np.flatnonzero(fold != fold_number), np.flatnonzero(fold == fold_number)
        inner = rows.take(train)
        kept, _ = masks(inner, labels[train], plan)
        Z, Z_new = scale_pair(plan.scaler, inner, rows.take(test))
        row = 0
        for v, view in enumerate(plan.views):
            for c in range(len(plan.cuts)):
                block = slice(row, row + len(plan.sizes))
                accuracies[block, test] = decide(Z, Z_new, view, kept[v][c], labels[train], plan)
                row += len(plan.sizes)
    case = accuracies > 0
    n1 = np.maximum(labels.sum(axis=0), 1)
    n0 = np.maximum(len(labels) - labels.sum(axis=0), 1)
    accuracy = ((case & labels).sum(axis=1) / n1 + (~case & ~labels).sum(axis=1) / n0) / 2
    best = accuracy.argmax(axis=0)
    return accuracy, best, accuracies[best, :, np.arange(labels.shape[1])].T


def decide(Z, Z_new, view: View, kept, labels, plan: Plan, sizes=None):
    """Decisions on new subjects for every number of components.

    Parameters
    ----------
    Z, Z_new : ndarray, shape (n_rows, n_features), (n_new, n_features)
    view : View
    kept : ndarray of bool, shape (n_regions, n_labels), or None
    labels : ndarray of bool, shape (n_rows, n_labels)
    plan : Plan
    sizes : sequence of int, optional
        Default `plan.sizes`.

    Returns
    -------
    ndarray, shape (n_sizes, n_new, n_labels)
        Log odds of being a case.
    """
    limit = max(1, len(Z) - 2)
    sizes = [min(size, limit) for size in (sizes or plan.sizes)]
    y = labels.astype(np.float64)
    if kept is None:
        columns = view.all_columns
        every = np.vstack([Z[:, columns], Z_new[:, columns]])
        both, scatter = component_scores(every, len(Z), max(sizes))
        return _for_sizes(both[: len(Z)], both[len(Z) :], scatter, y, sizes, plan.shrinkage)
    widths = {len(nodes) for nodes in view.columns}
    counts = np.unique(kept.sum(axis=0))
    if len(widths) == 1 and len(counts) == 1 and counts[0] * max(widths) <= len(Z):
        return _decide_equal(Z, Z_new, view, kept, y, sizes, plan.shrinkage)
    return _decide_each(Z, Z_new, view, kept, y, sizes, plan.shrinkage)


def _for_sizes(scores, new, scatter, y, sizes, shrinkage):
    """Discriminants in the first k components; leading axes, if any, are label vectors."""
    out = []
    for size in sizes:
        weights, threshold = discriminant(scores[..., :size], scatter[..., :size], y, shrinkage)
        out.append(new[..., :size] @ weights - threshold[..., None, :])
    return np.stack(out)


def _decide_equal(Z, Z_new, view, kept, y, sizes, shrinkage):
    """As many columns for every label vector: stacked eigenvalue problems."""
    table = np.stack(view.columns)
    columns = np.sort(
        table[np.nonzero(kept.T)[1].reshape(kept.shape[1], -1)].reshape(kept.shape[1], -1), axis=1
    )
    width = columns.shape[1]
    scatter_all = Z.T @ Z
    out = np.empty((len(sizes), len(Z_new), kept.shape[1]))
    step = max(1, 1_000_000 // (len(Z) * width))
    for low in range(0, kept.shape[1], step):
        block = columns[low : low + step]
        values, vectors = np.linalg.eigh(scatter_all[block[:, :, None], block[:, None, :]])
        top = min(max(sizes), width)
        values, vectors = values[:, ::-1][:, :top], vectors[:, :, ::-1][:, :, :top]
        values = np.where(values > 1e-10 * np.maximum(values[:, :1], 1e-300), values, 0.0)
        vectors = vectors * (values > 0)[:, None, :]
        scores = Z.T[block].swapaxes(1, 2) @ vectors
        new = Z_new.T[block].swapaxes(1, 2) @ vectors
        mine = y.T[low : low + step, :, None]
        decisions = _for_sizes(scores, new, values, mine, sizes, shrinkage)
        out[:, :, low : low + step] = decisions[..., 0].swapaxes(1, 2)
    return out


def _decide_each(Z, Z_new, view, kept, y, sizes, shrinkage):
    """Regions of unequal size or more columns than subjects: one label vector at a time."""
    n, n_new, n_labels = len(Z), len(Z_new), kept.shape[1]
    every = np.vstack([Z, Z_new])
    out = np.empty((len(sizes), n_new, n_labels))
    gram_bytes = 8 * len(view.columns) * len(every) * n
    grams = None
    if n_labels > 4 and gram_bytes <= _GRAM_BYTES and sum(map(len, view.columns)) > n:
        grams = np.stack([every[:, nodes] @ Z[:, nodes].T for nodes in view.columns])
    for one in range(n_labels):
        inside = np.flatnonzero(kept[:, one])
        width = sum(len(view.columns[region]) for region in inside)
        if grams is None or width <= n:
            columns = np.sort(np.concatenate([view.columns[region] for region in inside]))
            both, values = component_scores(every[:, columns], n, max(sizes))
        else:
            both, values = scores_from_gram(np.add.reduce(grams[inside], axis=0), n, max(sizes))
        scores, new = both[:n], both[n:]
        decisions = _for_sizes(scores, new, values, y[:, one : one + 1], sizes, shrinkage)
        out[:, :, one] = decisions[..., 0]
    return out


def search_and_decide(train: Rows, labels, test: Rows, plan: Plan, inner: bool = False):
    """The whole chain for many label vectors: choose, fit, decide on new subjects.

    Parameters
    ----------
    train : Rows
    labels : ndarray of bool, shape (n_train, n_labels)
    test : Rows
    plan : Plan
    inner : bool, default False
        Whether inner out-of-fold decisions are wanted as well.

    Returns
    -------
    decisions : ndarray, shape (n_test, n_labels)
    inner_decisions : ndarray, shape (n_train, n_labels)
        Only with `inner`.
    """
    labels = np.asarray(labels, dtype=bool)
    candidates = plan.candidates
    best, decisions = np.zeros(labels.shape[1], dtype=int), None
    if inner or len(candidates) > 1:
        _, best, decisions = search(train, labels, plan)
    kept, _ = masks(train, labels, plan)
    Z, Z_new = scale_pair(plan.scaler, train, test)
    out = np.empty((len(test), labels.shape[1]))
    for v, view in enumerate(plan.views):
        for c in range(len(plan.cuts)):
            chosen = {
                size: np.flatnonzero(best == row)
                for row, (a, b, size) in enumerate(candidates)
                if (a, b) == (v, c)
            }
            for size, which in chosen.items():
                if len(which) == 0:
                    continue
                mask = kept[v][c]
                out[:, which] = decide(
                    Z,
                    Z_new,
                    view,
                    None if mask is None else mask[:, which],
                    labels[:, which],
                    plan,
                    [plan.sizes[size]],
                )[0]
    return (out, decisions) if inner else out
