"""Which units are worth keeping."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.design.bins import Binned
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.observed import common_block


def _observed_together(binned):
    """Leave out units whose gaps would cost the others more bins than they bring."""
    if binned.observed is None:
        return binned, []
    seen = np.concatenate(binned.observed)
    chosen = common_block(seen)
    share = seen.sum(axis=0) / max(int(seen.any(axis=1).sum()), 1)
    reason = "observed in too little of the recorded time (share); not silent there"
    rows = [
        exclusion(f"unit {name}", "units", reason, share[number], 1.0)
        for number, name in enumerate(binned.units["unit"])
        if not chosen[number]
    ]
    if chosen.sum() < 2:
        raise InputProblem(
            f"hmmglm: {int(chosen.sum())} of {chosen.size} units were observed at the same time; "
            "couplings need at least 2: check the observed intervals"
        )
    return binned.keep(chosen), rows


def select_units(binned: Binned, min_rate_hz: float, folds) -> tuple[Binned, list[dict]]:
    """Leave out units that fire too rarely for every training set to see them.

    Parameters
    ----------
    binned : Binned
    min_rate_hz : float
        Mean rate over the recorded time.
    folds : ndarray of int, shape (n_sequences,)

    Returns
    -------
    binned : Binned
        With `rate_hz` in its unit table.
    exclusions : list of dict
        Rows of an exclusions table.

    Raises
    ------
    InputProblem
        When fewer than two units are left.
    """
    binned, rows = _observed_together(binned)
    n_folds = int(folds.max()) + 1
    per_fold = np.zeros((n_folds, binned.sequences[0].shape[1]))
    n_bins = 0
    for item, mask, fold in zip(binned.sequences, binned.masks, folds):
        per_fold[fold] += np.nansum(item[mask], axis=0)
        n_bins += int(mask.sum())
    if not n_bins:
        raise InputProblem("hmmglm: no bin lies inside the recorded time")
    rate = per_fold.sum(axis=0) / (n_bins * binned.bin_s)
    active = (per_fold > 0).sum(axis=0)
    units = binned.units.copy()
    units["rate_hz"] = rate
    for number, name in enumerate(units["unit"]):
        if rate[number] < min_rate_hz:
            rows.append(
                exclusion(
                    f"unit {name}",
                    "units",
                    "rate below the minimum (Hz)",
                    rate[number],
                    min_rate_hz,
                )
            )
        elif active[number] < 2:
            reason = f"bin_s {binned.bin_s:g} leaves 0 spikes in training folds"
            rows.append(exclusion(f"unit {name}", "units", reason, int(active[number]), 2))
    chosen = (rate >= min_rate_hz) & (active >= 2)
    if chosen.sum() < 2:
        raise InputProblem(
            f"hmmglm: {int(chosen.sum())} of {chosen.size} units fire above {min_rate_hz:g} Hz in "
            "two folds; couplings need at least 2"
        )
    return dataclasses.replace(binned, units=units).keep(chosen), rows
