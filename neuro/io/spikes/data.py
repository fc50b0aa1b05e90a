"""Spike trains and counts as all readers of spikes give them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.io.problems import InputProblem

LARGEST_ID = 100_000
"""Larger ids are no units: silent ones keep their place, so each would make a train."""


@dataclasses.dataclass
class SpikeData:
    """Spike times of simultaneously recorded units.

    Attributes
    ----------
    times : list of ndarray of float64
        Spike times of each unit (s), not decreasing. The clock is the file's own.
    units : pandas.DataFrame
        One row per unit: `unit` (text) and whatever else is known (quality, region).
    intervals : ndarray, shape (n, 2), or None
        When the recording was on (s); outside is missing, not silent. None: not known, which
        counts as throughout. Empty: never.
    trials : pandas.DataFrame or None
        `start`, `stop` (s) and further columns, one row per trial.
    path : str
        Where the data came from.
    observed : list of ndarray, shape (n_i, 2), or None
        When each unit was observed (s), for files that say so unit by unit.
    notes : list of str
        What a reader changed or took for granted, one line each.
    """

    times: list
    units: pd.DataFrame
    intervals: np.ndarray | None
    trials: pd.DataFrame | None
    path: str
    observed: list | None = None
    notes: list = dataclasses.field(default_factory=list)

    @property
    def span(self) -> tuple[float, float]:
        """First and last moment at which any unit was observed (s); of spikes where unknown."""
        low, high = self.first, self.last
        if self.intervals is not None and len(self.intervals):
            low, high = _finite(self.intervals[0, 0], low), _finite(self.intervals[-1, 1], high)
        if self.observed is not None and any(map(len, self.observed)):
            every = np.concatenate(self.observed)
            low, high = _finite(every[:, 0].min(), low), _finite(every[:, 1].max(), high)
        return low, high

    @property
    def n_spikes(self) -> int:
        """Number of spikes of all units."""
        return int(sum(len(train) for train in self.times))

    @property
    def first(self) -> float:
        """Time of the first spike (s)."""
        return float(min(train[0] for train in self.times if len(train)))

    @property
    def last(self) -> float:
        """Time of the last spike (s)."""
        return float(max(train[-1] for train in self.times if len(train)))

    def keep(self, chosen) -> SpikeData:
        """The same recording with some of its units.

        Parameters
        ----------
        chosen : ndarray of bool, shape (n_units,)
        """
        chosen = np.asarray(chosen, dtype=bool)
        return dataclasses.replace(
            self,
            times=[train for train, use in zip(self.times, chosen) if use],
            units=self.units[chosen].reset_index(drop=True),
            observed=self.observed and [spans for spans, use in zip(self.observed, chosen) if use],
        )

    def seconds(self, factor: float) -> SpikeData:
        """The same spikes with their times multiplied, for files in another unit."""
        return dataclasses.replace(self, times=[train * factor for train in self.times])


@dataclasses.dataclass
class CountData:
    """Counts that are binned already.

    Attributes
    ----------
    sequences : list of ndarray, shape (T_i, N)
        NaN marks missing bins.
    bin_s : float
        Bin width (s).
    units : pandas.DataFrame
        With `unit`.
    path : str
    notes : list of str
    """

    sequences: list
    bin_s: float
    units: pd.DataFrame
    path: str
    notes: list = dataclasses.field(default_factory=list)


def _finite(value, otherwise) -> float:
    return float(value if np.isfinite(value) else otherwise)


def merged(intervals) -> np.ndarray:
    """Intervals in order, those that touch or overlap as one; shape (n, 2)."""
    spans = np.asarray(intervals, np.float64).reshape(-1, 2)
    if not len(spans):
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.flatnonzero(np.append(True, spans[1:, 0] > reach[:-1]))
    return np.column_stack([spans[first, 0], np.append(reach[first[1:] - 1], reach[-1])])


def from_ids(path, times, ids) -> SpikeData:
    """Spike trains from one time (s) and one unit id per spike; silent units keep their place.

    Parameters
    ----------
    path : path-like
        For the messages.
    times : ndarray, shape (n_spikes,)
    ids : ndarray, shape (n_spikes,)
        Whole numbers from 0.

    Returns
    -------
    SpikeData
        Units from 1 (or 0, where it occurs) to the largest id.

    Raises
    ------
    InputProblem
        When an id is larger than :data:`LARGEST_ID`.
    """
    if ids.max() > LARGEST_ID:
        raise InputProblem(
            f"{path}: unit id {ids.max():g}, at most {LARGEST_ID:,} is plausible; are the columns "
            "swapped?"
        )
    labels = np.arange(min(1, int(ids.min())), int(ids.max()) + 1)
    order = np.argsort(ids, kind="stable")
    edges = np.searchsorted(ids[order], labels)
    trains = np.split(np.asarray(times, np.float64)[order], edges[1:]) if len(labels) else []
    units = pd.DataFrame({"unit": [str(label) for label in labels]})
    return SpikeData(list(trains), units, None, None, str(path))
