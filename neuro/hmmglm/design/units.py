"""Which units are worth keeping."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.hmmglm.design.bins import Binned
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem


def _ever_together(binned):
    """Refuse recordings in which no two units were observed at the same time."""
    if binned.observed is None:
        return
    seen = np.concatenate(binned.observed)
    if (seen.sum(axis=1) > 1).any():
        return
    raise InputProblem(
        f"hmmglm: none of {seen.shape[1]} units were observed at the same time as another; "
        "couplings need at least 2: check the observed intervals"
    )


def select_units(binned: Binned, min_rate_hz: float, folds) -> tuple[Binned, list[dict]]:
    """Leave out units that fire too rarely for every training set to see them.

    Parameters
    ----------
    binned : Binned
    min_rate_hz : float
        Mean rate over the time in which the unit was observed.
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
    _ever_together(binned)
    n_folds = int(folds.max()) + 1
    per_fold = np.zeros((n_folds, binned.sequences[0].shape[1]))
    n_seen = np.zeros(per_fold.shape[1])
    for counts, seen, fold in zip(binned.sequences, binned.seen(), folds):
        per_fold[fold] += np.nansum(np.where(seen, counts, 0), axis=0)
        n_seen += seen.sum(axis=0)
    if not n_seen.any():
        raise InputProblem("hmmglm: no bin lies inside the recorded time")
    rate = per_fold.sum(axis=0) / (np.maximum(n_seen, 1) * binned.bin_s)
    active = (per_fold > 0).sum(axis=0)
    units = binned.units.copy()
    units["rate_hz"] = rate
    rows = []
    for number, name in enumerate(units["unit"]):
        if not n_seen[number]:
            reason = "never observed; not silent"
            rows.append(exclusion(f"unit {name}", "units", reason, 0, 1))
        elif rate[number] < min_rate_hz:
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
