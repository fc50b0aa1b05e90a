"""Which trials train a twin, which stop or tune it, which judge it: no stimulus on two sides."""

from __future__ import annotations

import numpy as np

from neuro.base import seeds
from neuro.stats.splits import apart, hold_out, shared_over_folds, shared_windows

SIDES = ("train", "validation", "test")
SHARE = 10
"""One in so many stimuli goes to the validation, and to the test where there is none."""


def planned(data, seed) -> np.ndarray:
    """Tiers of a data set of trials, with a validation and a test part.

    What the file says is kept. Without a test tier the validation trials are the test; what is
    then missing is drawn from the training trials: whole families (trials whose stimuli have the
    same name or content), or the last stretch of windows of one recording.

    Parameters
    ----------
    data : StimulusResponses
        Of images, movies or clips. Others are returned as they are: continuous recordings are
        cut by their twin, conditions have no training.
    seed : int

    Returns
    -------
    ndarray of str, shape (n_trials,)
    """
    tier = np.asarray(data.tier).astype("<U10")
    if data.kind not in ("image", "movie", "clips"):
        return tier
    if not (tier == "test").any():
        if (tier == "validation").any():
            tier[tier == "validation"] = "test"
        else:
            _take(data, tier, "test", seeds.stream(seed, "test stimuli"))
    if not (tier == "validation").any():
        _take(data, tier, "validation", seed)
    if data.place is not None:
        tier = _windows_apart(tier, data.place, data.window)
    return tier


def _take(data, tier, name, seed) -> None:
    """Give one in ten training stimuli another tier, in place."""
    rows = np.flatnonzero(tier == "train")
    if len(rows) < 10:
        raise ValueError(f"{len(rows)} training trials, expected at least 10 to train a twin")
    if data.place is not None:
        tier[rows[-max(len(rows) // SHARE, 1) :]] = name
        return
    family = np.arange(len(tier)) if data.family is None else data.family
    n_held = len(np.unique(family[rows])) // SHARE or 1
    tier[rows[hold_out(family[rows], n_held, seed)]] = name


def _windows_apart(tier, place, reach) -> np.ndarray:
    """Tiers without test or validation windows that overlap one of training, nor each other."""
    out = apart(tier, place, reach)
    names = np.where(out == "validation", "test", np.where(out == "train", "train", "unused"))
    out[(out == "validation") & (apart(names, place, reach) == "unused")] = "unused"
    return out


def shared(data, tier) -> int:
    """Stimuli that are in more than one of training, validation and test: 0 unless they leak.

    Parameters
    ----------
    data : StimulusResponses
    tier : array of str, shape (n_trials,)
        See :func:`planned`.

    Returns
    -------
    int
        Families, or windows that overlap one of another side.
    """
    tier = np.asarray(tier)
    if data.place is not None:
        pairs = (("train", "validation"), ("train", "test"), ("validation", "test"))
        return sum(shared_windows(data.place, tier == a, tier == b, data.window) for a, b in pairs)
    if data.family is None:
        return 0
    used = np.isin(tier, SIDES)
    return shared_over_folds(data.family[used], tier[used])
