"""The series of one run as all readers of region tables give them."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class RegionSeries:
    """The series of one run.

    Attributes
    ----------
    run_key : str
        All entities joined, e.g. `sub-01_task-rest_run-1`.
    series : ndarray of float32, shape (n_timepoints, n_regions)
        A region without coverage is a column of NaN.
    regions : list of str
        One label per column.
    tr : float
        Sampling interval in s.
    participant_id : str
        Without `sub-`.
    site : str
    path : str
        Where the series came from.
    """

    run_key: str
    series: np.ndarray
    regions: list[str]
    tr: float
    participant_id: str = ""
    site: str = ""
    path: str = ""

    @property
    def missing(self) -> list[str]:
        """Labels of the regions that hold NaN only."""
        empty = np.isnan(self.series).all(axis=0)
        return [name for name, gone in zip(self.regions, empty) if gone]
