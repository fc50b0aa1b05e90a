"""Point events of region series: an adaptation to BOLD that is not part of the paper.

Events are not spikes. Haemodynamic lag and smoothness make the couplings descriptive: signs must
not be read as neural inhibition or excitation.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.hmmglm.design.bins import Binned
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.observed import usable_block

BANNER = "point events of ROI series, not spikes"
"""Stands in every figure title and sidecar of this input."""

ALIKE = 0.95
"""Pairs of regions that correlate more strongly than this are reported."""


def zscore(series, kept=None) -> np.ndarray:
    """Series of one run in standard deviations from its mean over kept volumes.

    Parameters
    ----------
    series : ndarray, shape (T, N)
    kept : ndarray of bool, shape (T,), optional

    Returns
    -------
    ndarray of float64, shape (T, N)
        NaN for a region without variance.
    """
    series = np.asarray(series, dtype=np.float64)
    kept = np.ones(len(series), dtype=bool) if kept is None else kept
    values = series[kept]
    spread = values.std(axis=0)
    constant = spread <= 1e-10 * np.maximum(np.abs(values).max(axis=0, initial=0.0), 1e-300)
    spread = np.where(constant | ~np.isfinite(spread), np.nan, spread)
    return (series - values.mean(axis=0)) / spread


def upward_crossings(z, threshold: float = 1.0, kept=None) -> np.ndarray:
    """Events: volumes at which a series comes from below and reaches the threshold.

    Parameters
    ----------
    z : ndarray, shape (T, N)
    threshold : float, default 1.0
        Standard deviations.
    kept : ndarray of bool, shape (T,), optional
        A crossing needs the volume before to be kept as well.

    Returns
    -------
    ndarray of int32, shape (T, N)
        0 and 1.
    """
    above = np.asarray(z) >= threshold
    events = np.zeros(above.shape, dtype=np.int32)
    events[1:] = above[1:] & ~above[:-1]
    if kept is not None:
        usable = kept.copy()
        usable[1:] &= kept[:-1]
        events[~usable] = 0
    return events


def bin_series(
    series, kept, run_keys, tr, regions, *, kind: str = "counts", threshold_z: float = 1.0
) -> tuple[Binned, list[dict], list[str]]:
    """One sequence per run: point events, or the z-scored series for a Gaussian emission.

    Runs with another repetition time than most are left out, and so are regions without variance
    in some run.

    Parameters
    ----------
    series : list of ndarray, shape (n_kept_i, N)
        Kept volumes only, as the cleaning leaves them.
    kept : list of ndarray of bool, shape (T_i,), or None
        Which volumes of the scan those are; None: all.
    run_keys : list of str
    tr : ndarray, shape (n_runs,)
        Repetition times (s).
    regions : list of str
    kind : {'counts', 'gaussian'}
    threshold_z : float, default 1.0

    Returns
    -------
    binned : Binned
    exclusions : list of dict
    notes : list of str
        Pairs of regions that are nearly the same.

    Raises
    ------
    InputProblem
        When nothing is left.
    """
    rows = []
    values, count = np.unique(np.round(np.asarray(tr, float), 4), return_counts=True)
    common = float(values[np.argmax(count)])
    scores, masks, names = [], [], []
    for number, run_key in enumerate(run_keys):
        if abs(float(tr[number]) - common) > 1e-3:
            rows.append(
                exclusion(
                    run_key, "events", "another repetition time (s)", float(tr[number]), common
                )
            )
            continue
        mask = (
            np.ones(len(series[number]), bool) if kept is None else np.asarray(kept[number], bool)
        )
        if int(mask.sum()) != len(series[number]):
            raise InputProblem(
                f"{run_key}: {len(series[number])} volumes in the series, but {int(mask.sum())} "
                "are marked as kept"
            )
        whole = np.zeros((mask.size, len(regions)))
        whole[mask] = zscore(series[number])
        scores.append(whole)
        masks.append(mask)
        names.append(run_key)
    dead = np.stack([np.isnan(whole[mask]).any(axis=0) for whole, mask in zip(scores, masks)])
    alive, usable = usable_block(dead, 0.0)
    flat = ~alive
    rows += [
        exclusion(
            names[place],
            "events",
            "no variance in most regions (dead, of all)",
            int(dead[place].sum()),
            len(regions),
        )
        for place in np.flatnonzero(~usable)
    ]
    scores, masks, names = (
        [value for value, good in zip(several, usable) if good]
        for several in (scores, masks, names)
    )
    if not names:
        raise InputProblem("hmmglm: no run has variance in half of its regions")
    rows += [
        exclusion(f"region {regions[place]}", "events", "no variance in at least one run")
        for place in np.flatnonzero(flat)
    ]
    if (~flat).sum() < 2:
        raise InputProblem("hmmglm: fewer than 2 regions vary in every run")
    scores = [whole[:, ~flat] for whole in scores]
    labels = [name for name, gone in zip(regions, flat) if not gone]
    sequences = scores
    if kind == "counts":
        sequences = [
            upward_crossings(whole, threshold_z, mask) for whole, mask in zip(scores, masks)
        ]
    table = pd.DataFrame(
        {
            "sequence": np.arange(len(names)),
            "label": names,
            "source": names,
            "start_s": 0.0,
            "n_bins": [mask.size for mask in masks],
            "n_observed": [int(mask.sum()) for mask in masks],
            "event_s": np.nan,
        }
    )
    units = pd.DataFrame({"unit": labels})
    notes = _alike(scores, masks, labels)
    return Binned(sequences, masks, table, units, common), rows, notes


def _alike(scores, masks, labels):
    joined = np.concatenate([whole[mask] for whole, mask in zip(scores, masks)])
    r = np.corrcoef(joined, rowvar=False)
    pairs = np.argwhere(np.triu(np.abs(r) > ALIKE, 1))
    return [f"regions {labels[a]} and {labels[b]}: r = {r[a, b]:.3f}" for a, b in pairs]


def shifted(sequences, masks, seed) -> list:
    """Null data: every region of every run shifted in a circle by its own random amount.

    Rates and the course of each region stay; what they have in common is lost.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
    masks : list of ndarray of bool, shape (T_i,)
        Missing bins stay where they are; the others are shifted among themselves.
    seed : int or sequence of int

    Returns
    -------
    list of ndarray
    """
    rng = np.random.default_rng(seed)
    result = []
    for counts, mask in zip(sequences, masks):
        kept = counts[mask]
        new = counts.copy()
        if len(kept) > 1:
            # different for every region, as long as there are enough volumes
            many = -(-kept.shape[1] // (len(kept) - 1))
            steps = np.concatenate([rng.permutation(len(kept) - 1) + 1 for _ in range(many)])
            steps = steps[: kept.shape[1]]
            rows = (np.arange(len(kept))[:, None] - steps) % len(kept)
            new[mask] = np.take_along_axis(kept, rows, axis=0)
        result.append(new)
    return result
