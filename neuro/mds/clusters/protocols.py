"""How well cells could be typed on the rig: by the stimuli of this search, or by any others.

A linear discriminant on as many ordinary stimuli is the control of every set of discriminative
stimuli: where profiles of types are known, it may type better than the largest response.
"""

from __future__ import annotations

import numpy as np

from neuro.base import seeds
from neuro.mds.clusters.typing import Typing, counts, shares
from neuro.stats.splits import stratified_group_folds

COLUMNS = ["protocol", "stimuli", "n_repeats", "accuracy", "low", "high", "chance", "n_cells"]
"""Columns of protocols.tsv."""
REPEATS = (1, 9)
PEAK = 2.8
"""Events of a cell's answer to the most discriminative stimulus that it likes best."""
N_DRAWS = 5
"""Sets of ordinary stimuli, and of trials, over which accuracies are averaged."""
N_FOLDS = 5
MOST = 1000
"""Cells that are typed, at most."""


def protocols(responses, ordinary, labels, random_state=0) -> list[dict]:
    """Accuracy of ways to type cells that took no part in making the profiles.

    Parameters
    ----------
    responses : array, shape (K, n_units)
        To the most discriminative stimuli.
    ordinary : array, shape (n_stimuli, n_units)
        To training stimuli, in the same units.
    labels : array of int, shape (n_units,)
        Types from 0; what is to be told.
    random_state : int, default 0

    Returns
    -------
    list of dict
        See :data:`COLUMNS`; accuracy with the least and greatest of the draws; chance is the
        share of the largest type. Empty for fewer than two types, types of fewer than two cells,
        or responses that are no rates.

    Notes
    -----
    Cells answer with Poisson counts about the twin's rates: recorded trials vary in more ways.
    Folds of cells: profiles and discriminants come from the others.
    """
    responses, ordinary = np.asarray(responses, float), np.asarray(ordinary, float)
    labels = np.asarray(labels)
    k, sizes = len(responses), np.bincount(labels)
    signed = any(rates.min() < -0.05 * rates.max() for rates in (responses, ordinary))
    able = responses.max(axis=0) > 0
    if k < 2 or sizes.min() < 2 or signed or not able.any():
        return []
    rng = seeds.generator(random_state, "typing protocols")
    cells = np.flatnonzero(able)
    if len(cells) > MOST:
        cells = np.sort(rng.permutation(cells)[:MOST])
    labels = labels[cells]
    gain = PEAK / responses[:, cells].max(axis=0)
    own = np.maximum(responses[:, cells], 0) * gain
    other = np.maximum(ordinary[:, cells], 0) * gain
    n_folds = min(N_FOLDS, len(cells) // 2)
    fold = stratified_group_folds(np.arange(len(cells)), labels, n_folds, rng)
    rows = []
    for n in REPEATS:
        right: dict = {}
        for _ in range(N_DRAWS):
            shown = rng.permutation(len(other))[:k]
            trials = [rng.poisson(rate, (n, *rate.shape)) for rate in (own, other[shown])]
            guesses = {
                ("largest response", "discriminative"): trials[0].mean(axis=0).argmax(axis=0),
                ("posterior", "discriminative"): _posterior(own, trials[0], labels, fold),
                ("linear discriminant", "discriminative"): _linear(trials[0], labels, fold),
                ("linear discriminant", "ordinary"): _linear(trials[1], labels, fold),
            }
            for key, guess in guesses.items():
                right.setdefault(key, []).append(float((guess == labels).mean()))
        rows += [
            {
                "protocol": protocol,
                "stimuli": stimuli,
                "n_repeats": n,
                "accuracy": float(np.mean(levels)),
                "low": min(levels),
                "high": max(levels),
                "chance": float(np.bincount(labels).max() / len(labels)),
                "n_cells": len(cells),
            }
            for (protocol, stimuli), levels in right.items()
        ]
    return rows


def _posterior(rates, trials, labels, fold) -> np.ndarray:
    """Most probable type by profiles of the other folds."""
    events, _ = counts(trials, 1.0)
    guess = np.empty(len(labels), int)
    for number in np.unique(fold):
        inside = fold == number
        kinds, codes = np.unique(labels[~inside], return_inverse=True)
        model = Typing(shares(rates[:, ~inside]), codes).calibrated(events[inside])
        guess[inside] = kinds[model.posterior(events[inside])[:, :-2].argmax(axis=1)]
    return guess


def _linear(trials, labels, fold) -> np.ndarray:
    """Linear discriminant with shrinkage, learned from trials of the other folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    seen = np.sqrt(trials.sum(axis=0)).T
    guess = np.empty(len(labels), int)
    for number in np.unique(fold):
        inside = fold == number
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        guess[inside] = model.fit(seen[~inside], labels[~inside]).predict(seen[inside])
    return guess
