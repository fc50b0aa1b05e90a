"""Which trials train, which test."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem
from neuro.stats import splits

TIERS = ("train", "validation", "test", "unused")

WORDS = {
    **dict.fromkeys(("training", "tr"), "train"),
    **dict.fromkeys(("val", "valid", "dev"), "validation"),
    **dict.fromkeys(("testing", "oracle", "final_test", "live_test"), "test"),
    **dict.fromkeys(("none", "nan", ""), "unused"),
}
"""What others call the tiers; competitions add `_main` and `_bonus` to theirs."""


def in_our_words(tier, responses):
    """Tiers by our names, without trials whose responses are withheld.

    Parameters
    ----------
    tier : ndarray of str or None, shape (n_trials,)
    responses : array, shape (n_trials, n_units)

    Returns
    -------
    tier : ndarray of str, or None
        Unknown words are left as they are.
    notes : list of str
    """
    if tier is None:
        return None, []
    tier = np.asarray(tier).astype(str)
    given = dict.fromkeys(tier.tolist())
    ours = {}
    for word in given:
        plain = word.strip().lower()
        for ending in ("_main", "_bonus", "_ood"):
            plain = plain.removesuffix(ending)
        ours[word] = WORDS.get(plain, plain if plain in TIERS else word)
    out = np.array([ours[word] for word in tier.tolist()])
    said = [f"'{word}' as {name}" for word, name in ours.items() if word != name]
    notes = [f"Tiers were read: {', '.join(said)}."] if said else []
    values = np.asarray(responses, float)
    if len(out) != len(values):
        return out, notes  # the reader says so
    # of a competition's test the answers are kept back
    withheld = (np.isnan(values) | (values == 0)).all(axis=1) & (out == "test")
    if withheld.any() and values[out == "train"].any():
        out[withheld] = "unused"
        notes.append(f"{int(withheld.sum())} test trials have no responses and are not used.")
    return out, notes


def of_trials(tier, kind, family, n_trials):
    """Tiers of the trials, drawn where the file has none, and what to say about them.

    Parameters
    ----------
    tier : ndarray of str or None, shape (n_trials,)
    kind : str
    family : ndarray of int or None, shape (n_trials,)
    n_trials : int

    Returns
    -------
    tier : ndarray of str
    notes : list of str
    """
    if tier is None and kind == "discrete":
        return np.full(n_trials, "train"), []
    if tier is None and kind == "temporal":
        note = "The file names no tiers: the first 80 % train, the last 20 % test."
        return splits.time_tiers(n_trials), [note]
    if tier is None:
        note = "The file names no tiers; they were drawn with a fixed seed, repeats together."
        return splits.draw_tiers(family), [note]
    if family is None:
        return tier, []
    # what a stimulus is tested on must not have been seen, whatever the file says
    out = tier.astype("<U10")
    for held, seen in (("test", ("train", "validation")), ("validation", ("train",))):
        repeated = np.isin(family, family[out == held]) & np.isin(out, seen)
        out[repeated] = "unused"
    n_unused = int((out != tier).sum())
    note = (
        f"{n_unused} trials repeat a stimulus of a tier they are not in (a test or validation "
        "stimulus); they are not used."
    )
    return out, [note] if n_unused else []


def of_windows(tier, place, length, path):
    """Tiers of trials that are windows of one movie: none of the test overlaps one of training.

    Parameters
    ----------
    tier : ndarray of str or None, shape (n_trials,)
    place : ndarray of int, shape (n_trials,)
        First frame of each trial.
    length : int
        Frames of a trial.
    path : path-like

    Returns
    -------
    tier, notes
        As :func:`of_trials`.

    Raises
    ------
    InputProblem
        When every test trial overlaps one of training.
    """
    step = int(np.median(np.diff(place)))
    said = f"Trials are windows of one recording, {length} frames long and {step} apart: "
    if tier is None:
        drawn = splits.time_tiers(len(place), -(-length // step))
        return splits.apart(drawn, place, length), [
            f"{said}the first 80 % train, the last 20 % test, none that overlap."
        ]
    out = splits.apart(tier, place, length)
    if (tier == "test").any() and not (out == "test").any():
        raise InputProblem(
            f"{path}: trials are windows of one recording, {length} frames long and {step} apart, "
            "and every test window overlaps one of training; take 'tier' out to have them drawn in "
            "one stretch each"
        )
    n_unused = int((out != tier).sum())
    return out, [f"{said}{n_unused} of the test overlap training and are not used."]
