"""Seeds of everything random: named streams derived from the user's seed.

A seed is never made by arithmetic: `seed + k` is the stream of image k of one seed and of image
k - 1 of the next. A stream belongs to one seed, one name and one set of numbers, and to no other.
"""

from __future__ import annotations

STREAMS = {
    # fmri
    "fmri compare communities": 161,
    # adhd
    "outer folds": 101,
    "inner folds": 102,
    "bootstrap of subjects": 103,
    "permuted labels": 7,
    "permuted residuals": 105,
    # demovae
    "evaluation folds": 111,
    "halves": 112,
    "half": 113,
    "planted halves": 114,
    "nearest people": 115,
    "first layers": 116,
    "demovae seed": 117,
    "validation subjects": 3,
    "shuffled labels": 5,
    "fresh folds": 6,
    "training order": 118,
    "sampled people": 21,
    "synthetic people": 31,
    "told apart": 211,
    "compared folds": 212,
    "permuted phenotypes": 217,
    "permuted confound": 213,
    "attacked samples": 214,
    # ntf
    "surrogates": 11,
    "shifted traces": 20240214,
    "null statistic": 122,
    "moved neurons": 123,
    "assemblies by ICA": 124,
    "states of windows": 125,
    "states of a chain": 126,
    "moved baselines": 127,
    "dealt animals": 128,
    # hmmglm
    "bootstrap of segments": 171,
    # mds
    "shuffled conditions": 131,
    "shown units": 132,
    "held-out units": 17,
    "gap splits": 133,
    "searched units": 134,
    "halves of stimuli": 135,
    "plainly clustered units": 136,
    "next stimulus": 137,
    "test stimuli": 138,
    "typing protocols": 139,
    "flat cells": 140,
    # encoding and braindive
    "noise put back": 251,
    "copies for the gradient": 252,
    "image": 141,
    "readout folds": 81,
    "readout optimiser": 82,
    "tiny backbone": 83,
    "augmented copies": 84,
    "tiny generator": 91,
    "bootstrap of images": 95,
    "sub-regions": 96,
    "bootstrap of judges": 97,
    "candidates": 142,
    "step noise": 146,
    # simulated images
    "unseen scenes": 151,
}
"""Number of each stream. Numbers never change: results hang on them."""


def stream(seed, name: str, *numbers: int):
    """The stream of a name, for one seed.

    Parameters
    ----------
    seed : int or None
        None takes fresh entropy.
    name : str
        One of :data:`STREAMS`.
    *numbers : int
        Number of the repeat, permutation, image, ...; as many wherever the name is used, because
        a missing number is the same as 0.

    Returns
    -------
    numpy.random.SeedSequence

    Raises
    ------
    KeyError
        For a name that is not in the list.
    ValueError
        From numpy, for a negative number.
    """
    from numpy.random import SeedSequence

    if seed is None:
        seed = SeedSequence().entropy
    return SeedSequence([int(seed), STREAMS[name], *(int(number) for number in numbers)])


def generator(seed, name: str, *numbers: int):
    """A :class:`numpy.random.Generator` on the stream; parameters as for :func:`stream`."""
    from numpy.random import default_rng

    return default_rng(stream(seed, name, *numbers))


def number(seed, name: str, *numbers: int) -> int:
    """A 32-bit seed for what takes a whole number (an estimator, torch); see :func:`stream`."""
    return int(stream(seed, name, *numbers).generate_state(1)[0])


def restart(seed: int, number: int) -> int:
    """A whole number for a restart that tables and log lines name; no two pairs share one.

    Raises
    ------
    ValueError
        For the thousandth restart or a later one, which would be a restart of the next seed.
    """
    if not 0 <= number < 1000:
        raise ValueError(f"restart: got number {number}, expected 0 to 999")
    return 1000 * int(seed) + int(number)
