"""Which sequences are held out together, and which bins lie too near to them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.hmmglm.design.bins import Binned
from neuro.io.problems import InputProblem
from neuro.stats import splits

MANY = 20
"""Filled bins from which on two sequences of equal counts are the same recording."""


def repeats(binned: Binned) -> np.ndarray:
    """Families of sequences that overlap in time, are of one person, or hold the same counts.

    Parameters
    ----------
    binned : Binned

    Returns
    -------
    ndarray of int, shape (n_sequences,)
        A few spikes are alike by chance: content counts from :data:`MANY` filled bins on.
    """
    table = binned.table
    stop = table["start_s"] + table["n_bins"] * binned.bin_s
    alike = [
        array.tobytes() if np.count_nonzero(array) >= MANY else number
        for number, array in enumerate(binned.sequences)
    ]
    content = {key: number for number, key in enumerate(dict.fromkeys(alike))}
    # sequences of a file of counts have a clock each
    own = table["label"].str.findall(r"^sequence \d+").str.join("")
    return splits.families(
        splits.overlapping(table["source"] + " " + own, table["start_s"], stop),
        [content[key] for key in alike],
    )


def fold_of(
    n_sequences: int, n_folds: int, order: str = "blocks", family=None, observed=None
) -> np.ndarray:
    """Fold of every sequence.

    Parameters
    ----------
    n_sequences : int
    n_folds : int
    order : {'blocks', 'interleaved'}
        Contiguous blocks of sequences, or every n-th sequence.
    family : array of int, shape (n_sequences,), optional
        Sequences of one family get the same fold, see :func:`repeats`.
    observed : array of int, shape (n_sequences,), optional
        Observed bins; blocks hold about as many of them, and a gap fills no fold.

    Returns
    -------
    ndarray of int, shape (n_sequences,)

    Raises
    ------
    InputProblem
        When there are fewer sequences than folds.
    """
    number = np.arange(n_sequences) if family is None else np.asarray(family)
    observed = np.ones(n_sequences, int) if observed is None else np.asarray(observed)
    weight = np.bincount(number, weights=observed).astype(np.int64)
    n_apart = int((weight > 0).sum())
    if n_apart < n_folds:
        more = ""
        if n_apart < n_sequences:
            empty = n_apart == int((observed > 0).sum())
            more = "with observed bins" if empty else "that repeat nothing of each other"
            more = f" ({n_apart} {more})"
        raise InputProblem(
            f"hmmglm: {n_sequences} sequences{more} for {n_folds} folds; use shorter segments or "
            "fewer folds"
        )
    return splits.ordered_folds(len(weight), n_folds, order, weight)[number]


def followed(table: pd.DataFrame, bin_s: float) -> np.ndarray:
    """The sequence that each one follows without a gap, -1 where there is none.

    Parameters
    ----------
    table : pandas.DataFrame
        As of :class:`Binned`.
    bin_s : float

    Returns
    -------
    ndarray of int, shape (n_sequences,)
    """
    stop = table["start_s"] + table["n_bins"] * bin_s
    before = np.full(len(table), -1)
    for a in range(1, len(table)):
        near = abs(table["start_s"].iloc[a] - stop.iloc[a - 1]) < bin_s / 2
        own = table["label"].iloc[[a - 1, a]].str.findall(r"^sequence \d+").str.join("")
        same = table["source"].iloc[a] == table["source"].iloc[a - 1] and own.nunique() == 1
        before[a] = a - 1 if near and same else -1
    return before


def guarded(masks, folds, fold: int, before, n_bins: int) -> list:
    """Masks in which training bins next to a held-out sequence are missing.

    Parameters
    ----------
    masks : list of ndarray of bool, shape (T_i,) or (T_i, N)
    folds : ndarray of int, shape (n_sequences,)
    fold : int
        The one that is held out.
    before : ndarray of int
        As :func:`followed` gives it.
    n_bins : int
        As long as the history.

    Returns
    -------
    list of ndarray of bool
    """
    clear = [np.array(mask, dtype=bool) for mask in masks]
    for after, first in enumerate(before):
        if first < 0 or (folds[first] == fold) == (folds[after] == fold):
            continue
        if folds[first] == fold:
            clear[after][:n_bins] = False
        else:
            clear[first][max(len(clear[first]) - n_bins, 0) :] = False
    return clear
