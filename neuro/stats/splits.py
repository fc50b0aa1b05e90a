"""Every split of every stage: what repeats (a subject, a session, a stimulus) stays on one side."""

from __future__ import annotations

import hashlib

import numpy as np

from neuro.io.problems import InputProblem

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
    InputProblem
        When there are fewer groups than folds.
    """
    names, first, inverse = _groups(groups)
    if n_folds < 2 or len(names) < n_folds:
        raise InputProblem(
            f"folds: got {n_folds} for {len(names)} subjects; need 2 to that many: use fewer "
            "folds, or more subjects"
        )
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


def ordered_folds(n_items: int, n_folds: int, order: str = "blocks", weight=None) -> np.ndarray:
    """Fold of every item of a row of items in time.

    Parameters
    ----------
    n_items : int
    n_folds : int
    order : {'blocks', 'interleaved'}
        Contiguous blocks of items, or every n-th item.
    weight : array of int, shape (n_items,), optional
        What an item holds, for example observed bins. Blocks hold about the same; items that hold
        nothing count for no turn. All alike by default.

    Returns
    -------
    ndarray of int, shape (n_items,)
    """
    weight = np.ones(n_items, dtype=np.int64) if weight is None else np.asarray(weight, np.int64)
    filled = weight > 0
    turn = np.cumsum(filled) - filled
    if order == "interleaved":
        return turn % n_folds
    before = np.cumsum(weight) - weight
    fold = np.minimum(before * n_folds // max(int(weight.sum()), 1), n_folds - 1)
    if len(np.unique(fold[filled])) < n_folds:
        # one item holds more than a fold
        fold = np.minimum(turn * n_folds // max(int(filled.sum()), 1), n_folds - 1)
    return fold


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
    ids = np.empty(len(items), dtype=np.int64)
    for first in range(0, len(items), _BLOCK):
        for row, array in enumerate(np.asarray(items[first : first + _BLOCK]), first):
            key = hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()
            ids[row] = seen.setdefault(key, len(seen))
    return ids


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
    component = connected_components(joins, directed=False)[1][:n]
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
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


def shared_over_folds(group, fold) -> int:
    """How many groups a cross-validation has in training and test at once.

    Parameters
    ----------
    group : array, shape (n,)
        Subject, session or stimulus of each item.
    fold : array, shape (n,)
        The fold in which an item is tested; it is trained on in all others.

    Returns
    -------
    int
        Groups of which the items are not all in one fold.
    """
    number = np.unique(np.asarray(group), return_inverse=True)[1].ravel()
    codes = np.unique(np.asarray(fold), return_inverse=True)[1].ravel()
    pairs = np.unique(np.stack([number, codes]), axis=1)
    return int((np.bincount(pairs[0]) > 1).sum())


def overlapping(source, start, stop) -> np.ndarray:
    """Families of windows of continuous recordings: those that overlap, directly or by others.

    Parameters
    ----------
    source : array, shape (n,)
        Recording of each window; windows of different recordings never overlap.
    start, stop : array of float, shape (n,)
        On the clock of the recording; the stop is not part of a window.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    source = np.unique(np.asarray(source).astype(str), return_inverse=True)[1].ravel()
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    family = np.empty(len(source), np.int64)
    number, last, end = -1, -1, -np.inf
    # bins are sums of floats: what ends where the next begins is apart
    slack = 1e-9 * max(float(np.abs(stop).max(initial=0.0)), 1.0)
    for k in np.lexsort((start, source)):
        if source[k] != last or start[k] >= end - slack:
            number, last, end = number + 1, source[k], -np.inf
        family[k], end = number, max(end, stop[k])
    return family


def window_places(items) -> np.ndarray | None:
    """Where trials begin on one recording, if they are windows of it that overlap.

    Parameters
    ----------
    items : array, or anything sliced along its first axis, shape (n, n_frames, ...)

    Returns
    -------
    ndarray of int, shape (n,) or None
        In frames; None where fewer than half of the trials go on where the one before stopped.
    """
    n, length = items.shape[:2]
    # which steps a trial may be ahead of the one before; stills fit several
    fits = np.zeros((max(n - 1, 0), max(length - 1, 1)), bool)
    still = np.zeros(max(n - 1, 0), bool)
    before = None
    for first in range(0, n, _BLOCK):
        for k, window in enumerate(np.asarray(items[first : first + _BLOCK]), first):
            if before is not None:
                still[k - 1] = (window == window[:1]).all()
                for s in range(1, length - 1):
                    if (before[s] == window[0]).all():
                        fits[k - 1, s] = (before[s:] == window[:-s]).all()
            before = window
    moving = fits[~still]
    if len(moving) < 2 or moving.mean(axis=0).max() < 0.5:
        return None
    step = int(moving.sum(axis=0).argmax())
    return np.concatenate([[0], np.cumsum(np.where(fits[:, step], step, length))])


def _gaps(place, used, held):
    """Distance of each held item to the nearest used one, by their places in order."""
    last, here = np.sort(place[used]), place[held]
    if not len(last):
        return np.full(len(here), np.inf)
    after = np.searchsorted(last, here)
    low, high = last[np.maximum(after - 1, 0)], last[np.minimum(after, len(last) - 1)]
    return np.minimum(np.abs(here - low), np.abs(here - high))


def shared_windows(place, train, test, reach: int) -> int:
    """How many windows of the test touch a sample that a window of the training touches.

    Parameters
    ----------
    place : array of int, shape (n,)
        First (or last) sample of each window of a continuous recording.
    train, test : array of bool, shape (n,)
    reach : int
        Length of a window in samples, as long as the longest filter.

    Returns
    -------
    int
    """
    return int((_gaps(np.asarray(place), train, test) < reach).sum())


def apart(tier, place, reach: int) -> np.ndarray:
    """Tiers without test windows that reach into training: such windows are 'unused'.

    Parameters
    ----------
    tier : array of str, shape (n,)
    place, reach
        As for :func:`shared_windows`.

    Returns
    -------
    ndarray of str, shape (n,)
    """
    tier = np.asarray(tier).astype("<U10")
    held = np.flatnonzero(tier == "test")
    near = _gaps(np.asarray(place), np.isin(tier, ("train", "validation")), held) < reach
    tier[held[near]] = "unused"
    return tier
