"""A row of the table of equality: one hand-written block beside its library."""

from __future__ import annotations

import dataclasses
import importlib.util
import time
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """One block, and the arguments that make it equal to a library.

    Attributes
    ----------
    block : str
        Dotted name in `neuro`, with the choice in brackets where there are several.
    library : str
    equal : str
        What makes them equal.
    make : callable
        Returns two functions without arguments, ours and theirs; each gives an array, or a list
        of arrays, and both mean the same.
    bound : float
        Largest difference allowed, as a share of the largest value of the library's result.
    why : str
        Why ours as it is used differs on purpose; empty where it does not.
    as_used : callable, optional
        Returns two such functions: ours as it is used, and the library's default. Their
        difference is shown.
    needs : tuple of str
        Modules that only an extra of `neuro` installs (`bench`, `braindive`).
    """

    block: str
    library: str
    equal: str
    make: Callable
    bound: float
    why: str = ""
    as_used: Callable | None = None
    needs: tuple = ()

    @property
    def missing(self) -> list[str]:
        """Modules of extras that are not installed."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What came out for a case; `ratio` is the library's CPU time over ours."""

    difference: float
    ratio: float
    shown: float | None


def difference(ours, theirs) -> float:
    """Largest difference, as a share of the library's largest value; NaN must be at one place."""
    ours, theirs = (_flat(result) for result in (ours, theirs))
    if ours.shape != theirs.shape or not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return np.inf
    known = ~np.isnan(theirs)
    if not known.any():
        return np.inf
    return float(np.abs(ours - theirs)[known].max() / np.abs(theirs[known]).max())


def _flat(result):
    parts = result if isinstance(result, (list, tuple)) else [result]
    return np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])


def compare(case: Case, make=None) -> float:
    """Difference of one pair of functions, run once."""
    ours, theirs = (make or case.make)()
    return difference(ours(), theirs())


def measure(case: Case, seconds: float = 0.3) -> Measured:
    """Difference and time ratio; what each does on its first call is not timed."""
    ours, theirs = case.make()
    found = difference(ours(), theirs())
    spent = [_median(function, seconds) for function in (ours, theirs)]
    shown = None if case.as_used is None else compare(case, case.as_used)
    return Measured(found, spent[1] / spent[0], shown)


def _median(function, seconds):
    """Median CPU seconds of at least three calls."""
    times: list[float] = []
    while len(times) < 3 or (sum(times) < seconds and len(times) < 200):
        start = time.process_time_ns()
        function()
        times.append(max(1, time.process_time_ns() - start) / 1e9)
    return float(np.median(times))
