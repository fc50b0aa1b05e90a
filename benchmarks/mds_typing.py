"""Typing of new cells by the posterior: accuracy, calibration, and cells of no type.

    python benchmarks/mds_typing.py

Eight planted types (training: 30 cells each, seed 5; new: 60 each, seeds 77 to 79), one
discriminative stimulus per type, best stimulus 2.8 events per repeat. The posterior is fitted to 40
of the new cells without their types (first table), or to all of them, with and without 50 flat and
50 random cells (second table). 1,000 flat cells have the mean events of the recorded ones; random
profiles are drawn evenly from all. Tables on standard output; the same seeds, the same figures.
"""

from __future__ import annotations

import time

import numpy as np
from page import heading, table
from threadpoolctl import threadpool_limits

from neuro.mds.clusters.grouped import one_step
from neuro.mds.clusters.typing import Typing, counts, reliability, shares
from neuro.mds.stimuli.objective import Ascender, membership
from neuro.simulate.ln8 import ln8_population

SEEDS = (77, 78, 79)
REPEATS = (1, 3, 9, 30, 100)
N_FOREIGN = 1000
PEAK = 2.8


def drawn(rng, rates, n_repeats):
    """Poisson counts, (n_repeats, K, n_cells)."""
    return rng.poisson(rates, (n_repeats, *rates.shape)).astype(float)


def typed(model, responses):
    """A table of types; one repeat of counts is told its unit."""
    return model.table(responses, unit=1.0 if len(responses) == 1 else None)


def own_cells(typing, new, n_repeats):
    """Accuracy, calibration and share of typed cells, fitted to 40 of them."""
    found = []
    for seed, (rates, types) in new.items():
        rng = np.random.default_rng(seed)
        responses = drawn(rng, rates, n_repeats)
        events, _ = counts(responses, 1.0)
        cells = typed(typing.calibrated(events[rng.permutation(len(events))[:40]]), responses)
        right, sure = cells["best"].to_numpy() - 1 == types, cells["cluster"].to_numpy() > 0
        largest = responses.mean(axis=0).argmax(axis=0) == types
        error = reliability(cells["probability"], right)[1]
        found.append(
            [
                *(right.mean(), largest.mean(), cells["probability"].mean(), error, sure.mean()),
                right[sure].mean(),
            ]
        )
    return np.mean(found, axis=0)


def foreign_cells(typing, new, n_repeats, n_among):
    """Flat and random cells that are typed, and own ones, fitted to all that were recorded."""
    found = []
    for seed, (rates, _) in new.items():
        rng = np.random.default_rng(seed)
        own = drawn(rng, rates, n_repeats)
        profiles = rng.dirichlet(np.ones(len(rates)), N_FOREIGN).T
        sets = [
            drawn(rng, np.full((len(rates), N_FOREIGN), own.mean()), n_repeats),
            drawn(rng, PEAK * profiles / profiles.max(axis=0), n_repeats),
        ]
        seen = np.concatenate([own, *(part[:, :, :n_among] for part in sets)], axis=2)
        model = typing.calibrated(counts(seen, 1.0)[0])
        found.append([(typed(model, part)["cluster"] > 0).mean() for part in (own, *sets)])
    return np.mean(found, axis=0)


def main():
    """Measure and print both tables."""
    begin = time.process_time()
    train = ln8_population(30, 5)
    space = Ascender(train, train.stimulus_shape, norm=3, low=-2, high=2)
    stimuli, _ = one_step(space, membership(train.types, len(train.types)), 40, 0)
    typing, new = Typing(shares(train.rates(stimuli)), train.types), {}
    for seed in SEEDS:
        cells = ln8_population(60, seed)
        rates = cells.rates(stimuli)
        new[seed] = PEAK * rates / rates.max(axis=0), cells.types
    own = [[n, *(f"{value:.3f}" for value in own_cells(typing, new, n))] for n in REPEATS]
    foreign = [
        [n, among, *(f"{value:.3f}" for value in foreign_cells(typing, new, n, among))]
        for n in REPEATS[:4]
        for among in (0, 50)
    ]
    titles = ["right", "by the largest response", "mean posterior", "calibration error", "typed"]
    lines = [
        *table(["repeats", *titles, "right of the typed"], own),
        "",
        *table(["repeats", "foreign of either kind", "own typed", "flat", "random"], foreign),
    ]
    head = heading(
        "Most discriminative stimuli: typing of new cells",
        "python benchmarks/mds_typing.py",
        ("numpy", "scipy"),
        f"One thread, {time.process_time() - begin:.0f} CPU s",
    )
    print("\n".join([*head, *lines]))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
