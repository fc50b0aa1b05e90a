"""From spike times to sequences of counts, and which units are worth keeping."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.io.pynapple import frame_step, is_group, pieces_of, spikes_from_pynapple

COLUMNS = ["sequence", "label", "source", "start_s", "n_bins", "n_observed", "event_s"]
"""Of the table of sequences."""

SLACK = 1e-9
"""Relative tolerance (in bins) when durations are divided by the bin width."""


@dataclasses.dataclass
class Binned:
    """Counts of a data set, cut into sequences.

    Attributes
    ----------
    sequences : list of ndarray, shape (T_i, N)
    masks : list of ndarray of bool, shape (T_i,)
        False marks bins outside the recorded time.
    table : pandas.DataFrame
        One row per sequence: `sequence`, `label`, `source`, `start_s` (time of its first bin on
        the recording's clock), `n_bins`, `n_observed`, and `event_s`, the time within the
        sequence that states are aligned to (NaN where there is none).
    units : pandas.DataFrame
        One row per column of the counts, with `unit` and `rate_hz`.
    bin_s : float
        Bin width (s); for BOLD events the repetition time.
    """

    sequences: list
    masks: list
    table: pd.DataFrame
    units: pd.DataFrame
    bin_s: float

    def keep(self, chosen) -> Binned:
        """The same sequences with some of the units."""
        chosen = np.asarray(chosen, dtype=bool)
        return dataclasses.replace(
            self,
            sequences=[item[:, chosen] for item in self.sequences],
            units=self.units[chosen].reset_index(drop=True),
        )


def whole_bins(seconds: float, bin_s: float) -> int:
    """Number of complete bins in a duration."""
    return int(np.floor(seconds / bin_s * (1 + SLACK) + SLACK))


def count_spikes(times, start: float, n_bins: int, bin_s: float) -> np.ndarray:
    """Counts of one unit in bins `[start + k * bin_s, start + (k + 1) * bin_s)`.

    Parameters
    ----------
    times : ndarray
        Not decreasing (s).
    start : float
        Start of the first bin (s).
    n_bins : int
    bin_s : float

    Returns
    -------
    ndarray of int64, shape (n_bins,)
    """
    first, end = np.searchsorted(times, [start, start + n_bins * bin_s])
    place = np.floor((times[first:end] - start) / bin_s).astype(np.int64)
    return np.bincount(np.clip(place, 0, n_bins - 1), minlength=n_bins)[:n_bins]


def observed_bins(intervals, start: float, n_bins: int, bin_s: float) -> np.ndarray:
    """Bins that lie wholly inside the recorded intervals; all of them where none are given."""
    if not len(intervals):
        return np.ones(n_bins, dtype=bool)
    edges = start + np.arange(n_bins) * bin_s
    slack = SLACK * max(abs(start), 1.0)
    inside = np.zeros(n_bins, dtype=bool)
    for low, high in intervals:
        inside |= (edges >= low - slack) & (edges + bin_s <= high + slack)
    return inside


def bin_recording(
    data, bin_s: float, *, segment_s: float | None = None, origin: float | None = None, label=""
) -> Binned:
    """Cut one recording into sequences of counts.

    Parameters
    ----------
    data : neuro.io.spikes.reader.SpikeData
    bin_s : float
        Bin width (s).
    segment_s : float, optional
        Length of a sequence (s) where trials are not used. None: one sequence per trial, or one
        for the whole recording where there are no trials.
    origin : float, optional
        Start of the first bin (s); the start of the recorded time, else the first spike, by
        default. Trials bring their own.
    label : str
        Name of the recording in the table.

    Returns
    -------
    Binned

    Raises
    ------
    InputProblem
        When nothing is left to bin.
    """
    name = label or data.path
    if segment_s is None and data.trials is not None:
        spans = _trial_spans(data, bin_s)
    else:
        spans = _segments(data, bin_s, segment_s, origin)
    if not spans:
        raise InputProblem(f"{name}: shorter than one bin of {bin_s:g} s")
    sequences, masks, rows = [], [], []
    for number, (start, n_bins, text, event) in enumerate(spans):
        counts = np.stack(
            [count_spikes(train, start, n_bins, bin_s) for train in data.times], axis=1
        )
        mask = observed_bins(data.intervals, start, n_bins, bin_s)
        counts[~mask] = 0
        sequences.append(counts.astype(np.int32))
        masks.append(mask)
        rows.append((number, text, name, start, n_bins, int(mask.sum()), event))
    units = data.units.copy()
    return Binned(sequences, masks, pd.DataFrame(rows, columns=COLUMNS), units, float(bin_s))


def bin_pynapple(data, bin_s: float | None = None, label: str = "") -> Binned:
    """Counts of a `TsGroup`, or a `TsdFrame` of counts; one sequence per interval of its support.

    Parameters
    ----------
    data : pynapple.TsGroup or pynapple.TsdFrame
        Restricted to the epochs that are wanted, `data.restrict(epochs)`.
    bin_s : float, optional
        Bin width (s), for a `TsGroup`; a frame has its own.
    label : str
        Name of the recording in the table.

    Returns
    -------
    Binned
        Bins begin where an interval begins; what is left at its end is no bin.

    Raises
    ------
    InputProblem
        When the bin width is missing, an interval is shorter than a bin, or the samples of a
        frame are not evenly spaced.
    """
    if is_group(data):
        if bin_s is None:
            raise InputProblem("hmmglm: a TsGroup needs the bin width; give bin_s (fit: dt) in s")
        return bin_recording(spikes_from_pynapple(data), bin_s, label=label)
    step = frame_step(data)
    sequences, rows = [], []
    for number, (first, values) in enumerate(pieces_of(data)):
        sequences.append(values)
        name = label or "TsdFrame"
        rows.append((number, f"interval {number}", name, first - step / 2, *[len(values)] * 2))
    table = pd.DataFrame(rows, columns=COLUMNS[:-1]).assign(event_s=np.nan)
    units = pd.DataFrame({"unit": [str(name) for name in data.columns]})
    masks = [~np.isnan(np.asarray(item, float)).any(axis=1) for item in sequences]
    table["n_observed"] = [int(mask.sum()) for mask in masks]
    return Binned(sequences, masks, table, units, step)


def _trial_spans(data, bin_s):
    spans = []
    for row in data.trials.itertuples():
        n_bins = whole_bins(row.stop - row.start, bin_s)
        if n_bins < 1:
            raise InputProblem(
                f"{data.path}: trial {row.Index} lasts {row.stop - row.start:g} s, less than one "
                f"bin of {bin_s:g} s"
            )
        onset = getattr(row, "onset", row.start)
        spans.append((float(row.start), n_bins, f"trial {row.Index}", float(onset - row.start)))
    return spans


def _segments(data, bin_s, segment_s, origin):
    recorded = len(data.intervals) > 0
    if origin is None:
        origin = float(data.intervals[0, 0]) if recorded else data.first
    end = float(data.intervals[-1, 1]) if recorded else data.last
    total = whole_bins(end - origin, bin_s)
    length = total if segment_s is None else max(whole_bins(segment_s, bin_s), 1)
    spans = []
    for number, first in enumerate(range(0, total, max(length, 1))):
        n_bins = min(length, total - first)
        # a stub at the end joins the segment before it
        if spans and n_bins < length / 2:
            start, before, text, event = spans[-1]
            spans[-1] = (start, before + n_bins, text, event)
        else:
            spans.append((origin + first * bin_s, n_bins, f"segment {number}", np.nan))
    return spans


def join(parts) -> Binned:
    """Put recordings of the same units behind one another.

    Parameters
    ----------
    parts : list of Binned

    Returns
    -------
    Binned
        Units are matched by label; a unit that a recording does not mention was silent there.

    Raises
    ------
    InputProblem
        When bin widths differ, or recordings without named units differ in their number.
    """
    if len(parts) == 1:
        return parts[0]
    widths = sorted({part.bin_s for part in parts})
    if len(widths) > 1:
        raise InputProblem(f"hmmglm: bins of {widths[0]:g} and {widths[-1]:g} s do not mix")
    longest = max(parts, key=lambda part: len(part.units)).units
    labels = list(longest["unit"])
    place = {name: number for number, name in enumerate(labels)}
    sequences, masks, tables = [], [], []
    for part in parts:
        strange = [name for name in part.units["unit"] if name not in place]
        if strange:
            sizes = ", ".join(str(len(item.units)) for item in parts)
            raise InputProblem(
                f"hmmglm: neuron counts differ between sequences ({sizes}); unit '{strange[0]}' of "
                f"{part.table['source'].iloc[0]} is not in the others"
            )
        columns = [place[name] for name in part.units["unit"]]
        for item in part.sequences:
            whole = np.zeros((len(item), len(labels)), dtype=item.dtype)
            whole[:, columns] = item
            sequences.append(whole)
        masks += part.masks
        tables.append(part.table)
    table = pd.concat(tables, ignore_index=True)
    table["sequence"] = np.arange(len(table))
    return Binned(sequences, masks, table, longest.copy(), parts[0].bin_s)


def fold_of(n_sequences: int, n_folds: int, order: str = "blocks") -> np.ndarray:
    """Fold of every sequence.

    Parameters
    ----------
    n_sequences : int
    n_folds : int
    order : {'blocks', 'interleaved'}
        Contiguous blocks of sequences, or every n-th sequence.

    Returns
    -------
    ndarray of int, shape (n_sequences,)

    Raises
    ------
    InputProblem
        When there are fewer sequences than folds.
    """
    if n_sequences < n_folds:
        raise InputProblem(
            f"hmmglm: {n_sequences} sequences for {n_folds} folds; use shorter segments or fewer "
            "folds"
        )
    number = np.arange(n_sequences)
    return number % n_folds if order == "interleaved" else number * n_folds // n_sequences


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
    rows = []
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
