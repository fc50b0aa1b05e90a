"""Every split of every stage: what repeats (a subject, a session, a stimulus) stays on one side."""

from __future__ import annotations

import hashlib

import numpy as np

GUARD = 64
"""Samples between training and test part of a continuous recording."""
_BLOCK = 64


def stratified_group_folds(groups, strata, n_folds: int, seed, dealt=None) -> np.ndarray:
    """Deal groups (subjects, images, animals) into folds of equal size, evenly within strata.

    Within a stratum the groups are shuffled and dealt one by one: to the fold with the fewest of
    the stratum, among those to the smallest, among those to the first. Without groups that were
    dealt before, that is dealing in turn, and fold sizes differ by one at most.

    Parameters
    ----------
    groups : array, shape (n_rows,)
        Group of each row; all rows of a group get the same fold.
    strata : array, shape (n_rows,)
        The first row of a group decides its stratum.
    n_folds : int
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
    dealt : array of int, shape (n_rows,), optional
        Folds that stand already, from 0; -1 where there is none. The first row of a group decides.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        Fold of each row, from 0.

    Raises
    ------
    ValueError
        When there are fewer groups than folds.
    """
    names, first, inverse = _groups(groups)
    if n_folds < 2 or len(names) < n_folds:
        raise ValueError(f"folds: got {n_folds} for {len(names)} subjects; need 2 to that many")
    rng = np.random.default_rng(seed)
    stratum = np.asarray(strata).astype(str)[first]
    fold = np.full(len(names), -1) if dealt is None else np.array(dealt, dtype=np.int64)[first]
    size = np.bincount(fold[fold >= 0], minlength=n_folds).tolist()
    for name in np.unique(stratum):
        inside = stratum == name
        mine = np.bincount(fold[inside & (fold >= 0)], minlength=n_folds).tolist()
        for group in rng.permutation(np.flatnonzero(inside & (fold < 0))):
            _, _, target = min(zip(mine, size, range(n_folds)))
            fold[group] = target
            mine[target] += 1
            size[target] += 1
    return fold[inverse]


def _groups(groups):
    """Names of the groups, the first row of each, the group of each row."""
    groups = np.asarray(groups)
    if not np.issubdtype(groups.dtype, np.number):
        groups = groups.astype(str)
    return np.unique(groups, return_index=True, return_inverse=True)


def sorted_folds(values, n_folds: int, groups=None) -> np.ndarray:
    """Folds of whole groups, dealt in turn along the sorted values; nothing is random.

    Parameters
    ----------
    values : array, shape (n_rows,)
        Numbers or names; the first row of a group decides.
    n_folds : int
    groups : array, shape (n_rows,), optional

    Returns
    -------
    ndarray of int, shape (n_rows,)
    """
    _, first, inverse = _groups(np.arange(len(values)) if groups is None else groups)
    fold = np.empty(len(first), dtype=np.int64)
    fold[np.argsort(values[first], kind="stable")] = np.arange(len(first)) % n_folds
    return fold[inverse]


def ordered_folds(n_items: int, n_folds: int, order: str = "blocks") -> np.ndarray:
    """Fold of every item of a row of items in time.

    Parameters
    ----------
    n_items : int
    n_folds : int
    order : {'blocks', 'interleaved'}
        Contiguous blocks of items, or every n-th item.

    Returns
    -------
    ndarray of int, shape (n_items,)
    """
    number = np.arange(n_items)
    return number % n_folds if order == "interleaved" else number * n_folds // n_items


def hold_out(groups, n_held: int, seed) -> np.ndarray:
    """Rows of randomly chosen groups.

    Parameters
    ----------
    groups : array, shape (n_rows,)
    n_held : int
        Groups.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n_rows,)
    """
    names, _, inverse = _groups(groups)
    return np.isin(inverse, np.random.default_rng(seed).permutation(len(names))[:n_held])


def content_ids(items) -> np.ndarray:
    """A number for each item that equal items share, by a checksum of their content.

    Parameters
    ----------
    items : array, or anything sliced along its first axis, shape (n, ...)
        Read in blocks, so that what lies on the disk need not fit into memory.

    Returns
    -------
    ndarray of int, shape (n,)
        In the order of first appearance, from 0.
    """
    seen: dict[bytes, int] = {}
    found = np.empty(len(items), dtype=np.int64)
    for first in range(0, len(items), _BLOCK):
        for place, item in enumerate(np.asarray(items[first : first + _BLOCK]), first):
            key = hashlib.blake2b(np.ascontiguousarray(item).tobytes(), digest_size=16).digest()
            found[place] = seen.setdefault(key, len(seen))
    return found


def families(*labels) -> np.ndarray:
    """Groups of items that share any of several labels, directly or through others.

    Parameters
    ----------
    *labels : array, shape (n,)
        For example the name of a stimulus and the checksum of its content.

    Returns
    -------
    ndarray of int, shape (n,)
        In the order of first appearance, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(labels[0])
    rows = np.arange(n)
    offset, ends = n, []
    for label in labels:
        number = np.unique(np.asarray(label), return_inverse=True)[1].ravel()
        ends.append(offset + number)
        offset += int(number.max(initial=-1)) + 1
    joins = coo_array(
        (np.ones(n * len(labels)), (np.tile(rows, len(labels)), np.concatenate(ends))),
        shape=(offset, offset),
    )
    part = connected_components(joins, directed=False)[1][:n]
    _, first, number = np.unique(part, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[number]


def draw_tiers(family, random_state: int = 0) -> np.ndarray:
    """Tiers of whole families: 80 % train, 10 % validation, 10 % test.

    Parameters
    ----------
    family : array, shape (n_trials,)
        Trials of one family get the same tier, see :func:`families`.
    random_state : int

    Returns
    -------
    ndarray of str, shape (n_trials,)
    """
    names, number = np.unique(np.asarray(family), return_inverse=True)
    order = np.random.default_rng(random_state).permutation(len(names))
    tenth = len(names) // 10
    tier = np.full(len(names), "train", dtype="<U10")
    tier[order[:tenth]] = "validation"
    tier[order[tenth : 2 * tenth]] = "test"
    return tier[number.ravel()]


def time_tiers(n_samples: int, guard: int = GUARD) -> np.ndarray:
    """Tiers of a continuous recording: the first 80 % train, the last 20 % test.

    Parameters
    ----------
    n_samples : int
    guard : int
        Samples between the two that are not used; at least the longest filter.

    Returns
    -------
    ndarray of str, shape (n_samples,)
    """
    cut = int(0.8 * n_samples)
    tier = np.full(n_samples, "train", dtype="<U10")
    tier[cut:] = "unused"
    tier[cut + guard :] = "test"
    return tier


def shared_groups(group, train, test) -> int:
    """How many groups stand on both sides of a split: 0 unless something leaks.

    Parameters
    ----------
    group : array, shape (n,)
        Subject, session or stimulus of each item.
    train, test : array of bool, or of int
        The two sides.

    Returns
    -------
    int
    """
    group = np.asarray(group)
    return len(np.intersect1d(group[train], group[test]))
