"""Maps over subjects: one grid for all, a group mask, group means and their difference."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.permutation import permute_labels
from neuro.io.problems import InputProblem
from neuro.stats.false_discovery import adjusted_p


def check_same_grid(records) -> None:
    """Refuse subjects whose voxels are not the same ones in the same order.

    Parameters
    ----------
    records : sequence of tuple (name, voxel, affine)
        `voxel`: int array (n_voxels,) or (n_voxels, 3), the place of each value in the image;
        `affine`: array (4, 4) in mm, or None.

    Raises
    ------
    InputProblem
        One line per subject that differs from the first, with the first differing index.
    """
    records = list(records)
    if not records:
        return
    name0, voxel0, affine0 = records[0]
    voxel0 = np.asarray(voxel0)
    problems = []
    for name, voxel, affine in records[1:]:
        voxel = np.asarray(voxel)
        if voxel.shape[1:] != voxel0.shape[1:]:
            problems.append(
                f"{name}: voxel index of shape {voxel.shape}, {name0} has {voxel0.shape}"
            )
            continue
        shared = min(len(voxel), len(voxel0))
        same = (voxel[:shared] == voxel0[:shared]).reshape(shared, -1).all(axis=1)
        if not same.all() or len(voxel) != len(voxel0):
            at = shared if same.all() else int(np.flatnonzero(~same)[0])
            mine, first = (
                values[at].tolist() if at < len(values) else "nothing" for values in (voxel, voxel0)
            )
            problems.append(
                f"{name}: voxel order differs from {name0}, first at index {at} "
                f"({mine} instead of {first}; {len(voxel)} and {len(voxel0)} voxels); "
                "use one mask for all subjects"
            )
            continue
        if (affine is None) != (affine0 is None) or (
            affine is not None and not np.allclose(affine, affine0, atol=1e-3)
        ):
            problems.append(
                f"{name}: the affine differs from that of {name0}; resample to one grid"
            )
    if problems:
        raise InputProblem(problems)


def group_mask(masks, *, scope: str = "all", train=None, coverage: float = 1.0) -> np.ndarray:
    """Voxels that enough subjects cover.

    Parameters
    ----------
    masks : array of bool, shape (n_subjects, n_voxels)
        Coverage of each subject.
    scope : {'train', 'all'}, default 'all'
        Whose masks count: those of the training rows, or of everybody (which uses no labels, and
        is named in the report).
    train : array of int or bool, optional
        Training rows; needed by 'train'.
    coverage : float, default 1.0
        Share of subjects; 1 is the intersection.

    Returns
    -------
    ndarray of bool, shape (n_voxels,)

    Raises
    ------
    ValueError
        When `scope` is unknown, rows are missing, or no voxel is left.
    """
    masks = np.asarray(masks, dtype=bool)
    if scope not in ("train", "all"):
        raise ValueError(f"mask scope: got '{scope}', expected 'train' or 'all'")
    if scope == "train":
        if train is None:
            raise ValueError("mask scope 'train': the training rows are needed; pass train=")
        masks = masks[train]
    kept = masks.mean(axis=0) >= coverage
    if not kept.any():
        raise ValueError(
            f"group mask: no voxel is covered by {100 * coverage:g} % of {len(masks)} subjects"
        )
    return kept


def group_maps(
    X,
    y,
    groups,
    site,
    *,
    n_permutations: int = 1000,
    coverage: float = 0.9,
    random_state: int = 0,
) -> pd.DataFrame:
    """Mean maps of cases and controls, and their difference with a within-site permutation p.

    The difference is that of the site-centred values: the coefficient of the diagnosis in a
    regression on diagnosis and site. Sites with one class do not enter it, but do enter the
    means. Its p value is two-sided, `(b + 1) / (m + 1)`, from labels permuted within sites.

    Parameters
    ----------
    X : array, shape (n_subjects, n_nodes)
        One map; NaN where a subject has no value. A node is compared in the subjects that have
        it; one that fewer than `coverage` of them have has no difference.
    y : array of 0 and 1, shape (n_subjects,)
    groups, site : array of str, shape (n_subjects,)
    n_permutations : int, default 1000
    coverage : float, default 0.9 (ours, as for the classifier)
    random_state : int, default 0

    Returns
    -------
    pandas.DataFrame
        `case`, `control`, `difference`, `p`, `q` (Benjamini-Hochberg); one row per node.
    """
    X = np.asarray(X, dtype=np.float64)
    y = np.asarray(y).astype(int)
    site = np.asarray(site).astype(str)
    groups = np.asarray(groups).astype(str)
    finite = np.isfinite(X)
    filled = np.where(finite, X, 0.0)
    means = []
    for label in (1, 0):
        count = finite[y == label].sum(axis=0)
        total = filled[y == label].sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    labels = np.column_stack(
        [y]
        + [
            permute_labels(y, groups, site, number, random_state, key=2)
            for number in range(n_permutations)
        ]
    ).astype(np.float64)
    difference = np.full(X.shape[1], np.nan)
    p = np.full(X.shape[1], np.nan)
    # nodes that the same subjects have share their labels
    patterns, member = np.unique(finite, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        if rows.mean() >= coverage:
            nodes = np.flatnonzero(np.ravel(member) == number)
            measured = X[np.ix_(rows, nodes)]
            difference[nodes], p[nodes] = _compared(measured, labels[rows], site[rows])
    return pd.DataFrame(
        {
            "case": means[0],
            "control": means[1],
            "difference": difference,
            "p": p,
            "q": adjusted_p(p),
        }
    )


def _compared(X, labels, site):
    """Site-centred difference of each column and its p, from the true labels and permuted ones."""
    # label minus its site's mean: orthogonal to every site indicator
    labels = labels.copy()
    for name in np.unique(site):
        rows = site == name
        labels[rows] -= labels[rows].mean(axis=0)
    spread = (labels**2).sum(axis=0)
    if not spread[0] > 0:
        return np.nan, np.nan
    weights = labels / np.where(spread > 0, spread, 1.0)
    difference = weights[:, 0] @ X
    beyond = np.zeros(X.shape[1], dtype=int)
    size = np.abs(difference) * (1 - 1e-9)
    n_permutations = labels.shape[1] - 1
    for low in range(1, n_permutations + 1, 100):
        projections = np.abs(weights[:, low : low + 100].T @ X)
        beyond += (projections >= size).sum(axis=0)
    return difference, (beyond + 1) / (n_permutations + 1) if n_permutations else np.nan
