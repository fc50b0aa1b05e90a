"""From spike times to sequences of counts, and which units are worth keeping."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.io.problems import InputProblem
from neuro.io.pynapple import frame_step, is_group, pieces_of, spikes_from_pynapple
from neuro.io.spikes.data import merged
from neuro.io.spikes.reader import check_trials

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
        False marks bins in which not all units were observed.
    table : pandas.DataFrame
        One row per sequence: `sequence`, `label`, `source`, `start_s` (time of its first bin on
        the recording's clock), `n_bins`, `n_observed`, and `event_s`, the time within the
        sequence that states are aligned to (NaN where there is none).
    units : pandas.DataFrame
        One row per column of the counts, with `unit` and `rate_hz`.
    bin_s : float
        Bin width (s); for BOLD events the repetition time.
    covariates : list of ndarray, shape (T_i, C), or None
        NaN where there is no value.
    covariate_table : pandas.DataFrame or None
        One row per column, see :func:`neuro.hmmglm.design.covariates.expand`.
    observed : list of ndarray of bool, shape (T_i, N), or None
        Bins in which each unit was observed; None where `masks` holds for all of them. `n_observed`
        of the table counts bins in which any unit was.
    """

    sequences: list
    masks: list
    table: pd.DataFrame
    units: pd.DataFrame
    bin_s: float
    observed: list | None = None
    covariates: list | None = None
    covariate_table: pd.DataFrame | None = None

    def keep(self, chosen) -> Binned:
        """The same sequences with some of the units; the others cost no bin any more."""
        chosen = np.asarray(chosen, dtype=bool)
        kept = dataclasses.replace(
            self,
            sequences=[counts[:, chosen] for counts in self.sequences],
            units=self.units[chosen].reset_index(drop=True),
        )
        if self.observed is not None:
            kept.observed = [counts[:, chosen] for counts in self.observed]
            kept.masks = [counts.all(axis=1) for counts in kept.observed]
            kept.table = self.table.assign(n_observed=[int(m.sum()) for m in kept.recorded])
        return kept

    @property
    def entries(self) -> list:
        """Masks of a fit: per unit and bin, shape (T_i, N), where units differ, else per bin."""
        return self.masks if self.observed is None else self.observed

    @property
    def recorded(self) -> list:
        """Bins in which any unit was observed, shape (T_i,) per sequence."""
        if self.observed is None:
            return self.masks
        return [seen.any(axis=1) for seen in self.observed]

    def seen(self) -> list:
        """Bins in which each unit was observed, shape (T_i, N) per sequence."""
        if self.observed is not None:
            return self.observed
        n_units = len(self.units)
        return [np.repeat(mask[:, None], n_units, axis=1) for mask in self.masks]


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
    index = np.floor((times[first:end] - start) / bin_s).astype(np.int64)
    return np.bincount(np.clip(index, 0, n_bins - 1), minlength=n_bins)[:n_bins]


def observed_bins(intervals, start: float, n_bins: int, bin_s: float) -> np.ndarray:
    """Bins that lie wholly inside the recorded intervals: None is throughout, no interval never."""
    if intervals is None:
        return np.ones(n_bins, dtype=bool)
    spans = merged(intervals)
    if not len(spans):
        return np.zeros(n_bins, dtype=bool)
    edges = start + np.arange(n_bins) * bin_s
    slack = SLACK * max(abs(start), 1.0)
    span = np.searchsorted(spans[:, 0] - slack, edges, side="right") - 1
    return (span >= 0) & (edges + bin_s <= spans[span, 1] + slack)


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
        A unit that was never observed counts for no mask.

    Raises
    ------
    InputProblem
        When nothing is left to bin, or the trials cannot be sequences.
    """
    name = label or data.path
    if segment_s is None and data.trials is not None:
        check_trials(data)
        spans = _trial_spans(data, bin_s)
    else:
        spans = _segments(data, bin_s, segment_s, origin)
    if not spans:
        raise InputProblem(f"{name}: shorter than one bin of {bin_s:g} s")
    own = None if data.observed is None else [merged(intervals) for intervals in data.observed]
    sequences, masks, observed, rows = [], [], [], []
    for number, (start, n_bins, text, event) in enumerate(spans):
        counts = np.stack(
            [count_spikes(train, start, n_bins, bin_s) for train in data.times], axis=1
        )
        mask = observed_bins(data.intervals, start, n_bins, bin_s)
        if own is not None:
            each = [mask & observed_bins(intervals, start, n_bins, bin_s) for intervals in own]
            observed.append(np.stack(each, axis=1))
            ever = np.array([len(intervals) > 0 for intervals in own])
            mask = np.asarray(observed[-1][:, ever].all(axis=1))
        seen = mask if own is None else observed[-1]
        counts[~seen] = 0
        sequences.append(counts.astype(np.int32))
        masks.append(mask)
        n_observed = int(seen.sum() if own is None else seen.any(axis=1).sum())
        rows.append((number, text, name, start, n_bins, n_observed, event))
    table, units = pd.DataFrame(rows, columns=COLUMNS), data.units.copy()
    return Binned(sequences, masks, table, units, float(bin_s), observed or None)


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
    return counted(sequences, table, units, step)


def counted(sequences, table, units, bin_s: float) -> Binned:
    """Counts that were made elsewhere, NaN where a unit was not observed.

    Parameters
    ----------
    sequences : list of array, shape (T_i, N)
    table : pandas.DataFrame
        As :class:`Binned`, without `n_observed`.
    units : pandas.DataFrame
    bin_s : float

    Returns
    -------
    Binned
        Whole numbers where the counts are.
    """
    whole = [np.asarray(sequence, np.float64) for sequence in sequences]
    observed = [~np.isnan(sequence) for sequence in whole]
    clean = [np.where(seen, sequence, 0) for sequence, seen in zip(whole, observed)]
    exact = all((sequence == np.round(sequence)).all() for sequence in clean)
    clean = [sequence.astype(np.int32) for sequence in clean] if exact else clean
    binned = Binned(clean, [], table.assign(n_observed=0)[COLUMNS], units, bin_s, observed)
    return binned.keep(np.ones(len(units), bool))


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
    low, end = data.span
    origin = low if origin is None else origin
    spans = pieces(whole_bins(end - origin, bin_s), bin_s, segment_s)
    return [
        (origin + first * bin_s, n_bins, f"segment {number}", np.nan)
        for number, (first, n_bins) in enumerate(spans)
    ]


def pieces(total: int, bin_s: float, segment_s: float | None) -> list[tuple[int, int]]:
    """First bin and number of bins of every segment; a stub at the end joins the one before."""
    length = total if segment_s is None else max(whole_bins(segment_s, bin_s), 1)
    spans: list[tuple[int, int]] = []
    for first in range(0, total, max(length, 1)):
        n_bins = min(length, total - first)
        if spans and n_bins < length / 2:
            spans[-1] = (spans[-1][0], spans[-1][1] + n_bins)
        else:
            spans.append((first, n_bins))
    return spans


def join(parts) -> Binned:
    """Put recordings of the same units behind one another.

    Parameters
    ----------
    parts : list of Binned

    Returns
    -------
    Binned
        Units are matched by label; a unit that a recording does not mention was not observed
        there, which is not the same as silent.

    Raises
    ------
    InputProblem
        When bin widths differ, or fewer than two units are in more than one recording.
    """
    if len(parts) == 1:
        return parts[0]
    widths = sorted({binned.bin_s for binned in parts})
    if len(widths) > 1:
        raise InputProblem(f"hmmglm: bins of {widths[0]:g} and {widths[-1]:g} s do not mix")
    longest = max(parts, key=lambda binned: len(binned.units))
    others = [binned.units for binned in parts if binned is not longest]
    units = pd.concat([longest.units, *others], ignore_index=True).drop_duplicates("unit")
    units = units.reset_index(drop=True)
    place = {name: number for number, name in enumerate(units["unit"])}
    labels = pd.concat([binned.units["unit"] for binned in parts])
    if (labels.value_counts() > 1).sum() < 2:
        sizes = ", ".join(str(len(counts.units)) for counts in parts)
        raise InputProblem(
            f"hmmglm: the recordings of a set ({sizes} units) have fewer than 2 units in common; "
            "name the units alike, or make a set of each recording"
        )
    sequences, observed, tables = [], [], []
    for binned in parts:
        columns = [place[name] for name in binned.units["unit"]]
        for counts, seen in zip(binned.sequences, binned.seen()):
            whole = np.zeros((len(counts), len(units)), dtype=counts.dtype)
            mask = np.zeros(whole.shape, bool)
            whole[:, columns], mask[:, columns] = counts, seen
            sequences.append(whole)
            observed.append(mask)
        tables.append(binned.table)
    table = pd.concat(tables, ignore_index=True)
    table["sequence"] = np.arange(len(table))
    joined = Binned(sequences, [], table, units, parts[0].bin_s, observed)
    return joined.keep(np.ones(len(units), bool))
