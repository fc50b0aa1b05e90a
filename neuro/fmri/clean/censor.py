"""Which volumes stay: steady state, head motion, intensity jumps, length of what is left."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.formats.tables import exclusion

FAILED = "realign_failed"
"""Column of a motion table and reason of censoring: volumes that could not be aligned."""


@dataclasses.dataclass(frozen=True)
class Censoring:
    """Outcome of :func:`censor`.

    Attributes
    ----------
    kept : ndarray of bool, shape (n_volumes,)
    reasons : dict of str to ndarray of bool
        `dropped`, `realign_failed`, `fd`, `std_dvars`, `short_segment`: volumes that each rule
        took out.
    seconds_kept : float
    excluded : str or None
        Why the whole run is unusable.
    rows : list of dict
        Row for the exclusions table when the whole run is unusable, else empty; single
        volumes are listed by :meth:`table`.
    """

    kept: np.ndarray
    reasons: dict
    seconds_kept: float
    excluded: str | None
    rows: list

    def table(self):
        """Outliers as BIDS derivatives list them: one row per volume, 1 where a rule fired.

        Returns
        -------
        pandas.DataFrame
            Columns `kept` and one per reason.
        """
        import pandas as pd

        columns = {"kept": self.kept, **self.reasons}
        return pd.DataFrame({name: flags.astype(int) for name, flags in columns.items()})


def drop_short_segments(keep, min_segment) -> np.ndarray:
    """Censor kept stretches of fewer than `min_segment` volumes.

    Parameters
    ----------
    keep : ndarray of bool, shape (n_volumes,)
    min_segment : int

    Returns
    -------
    ndarray of bool, shape (n_volumes,)
    """
    keep = np.array(keep, dtype=bool)
    if min_segment <= 1 or keep.all():
        return keep
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < min_segment:
            keep[start:stop] = False
    return keep


def n_steady_state(table) -> int:
    """Volumes at the start that a confounds table marks as not in steady state.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `non_steady_state_outlier*` hold a 1 in the row of such a volume.

    Returns
    -------
    int
        0 where the table has no such column.
    """
    names = [name for name in table.columns if str(name).startswith("non_steady_state_outlier")]
    if not names:
        return 0
    flagged = np.flatnonzero((table[names].to_numpy(dtype=float) > 0).any(axis=1))
    return int(flagged[-1]) + 1 if flagged.size else 0


def censor(
    n_volumes,
    tr,
    *,
    fd=None,
    std_dvars=None,
    fd_mm=0.5,
    max_std_dvars=1.5,
    drop=0,
    scrub=True,
    min_segment=5,
    min_seconds=240.0,
    failed=None,
    what="run",
) -> Censoring:
    """Decide which volumes of a run are kept.

    Parameters
    ----------
    n_volumes : int
    tr : float
        Sampling interval (s).
    fd, std_dvars : ndarray, shape (n_volumes,), optional
        Framewise displacement (mm) and standardised DVARS; NaN never censors.
    fd_mm : float
        Censor above this displacement (0.5 mm, nilearn; 0.2 mm is the strict variant).
    max_std_dvars : float
        Censor above this standardised DVARS (1.5, nilearn).
    drop : int
        Volumes at the start that are removed in any case.
    scrub : bool
        False keeps everything but the first `drop` volumes.
    min_segment : int
        Kept stretches shorter than this are censored too (5, XCP-D).
    min_seconds : float
        A run with less time kept is excluded (240 s, XCP-D).
    failed : ndarray of bool, shape (n_volumes,), optional
        Volumes that realignment could not place: taken out in any case.
    what : str
        Name of the run in the exclusions table.

    Returns
    -------
    Censoring

    Raises
    ------
    ValueError
        When a trace has another length than the run, or nothing remains after `drop`.

    References
    ----------
    Power, Mitra, Laumann, Snyder, Schlaggar, Petersen (2014), NeuroImage 84:320-341.
    """
    if not 0 <= drop < n_volumes:
        raise ValueError(f"drop_volumes: {drop} of {n_volumes} volumes, nothing would be left")
    dropped = np.arange(n_volumes) < drop
    reasons = {"dropped": dropped}
    keep = ~dropped
    if failed is not None:
        reasons[FAILED] = np.asarray(failed, dtype=bool) & ~dropped
        keep &= ~reasons[FAILED]
    if scrub:
        for name, trace, limit in (("fd", fd, fd_mm), ("std_dvars", std_dvars, max_std_dvars)):
            if trace is None or limit is None:
                continue
            trace = np.asarray(trace, dtype=float)
            if trace.size != n_volumes:
                raise ValueError(f"{name}: {trace.size} values for {n_volumes} volumes")
            with np.errstate(invalid="ignore"):
                reasons[name] = (trace > limit) & ~dropped
            keep &= ~reasons[name]
        before = keep
        keep = drop_short_segments(keep, min_segment)
        reasons["short_segment"] = before & ~keep
    seconds = float(keep.sum() * tr)
    rows, excluded = [], None
    if not keep.any():
        excluded = "no volume left after censoring"
        rows.append(exclusion(what, "censor", excluded, 0, 1))
    elif seconds < min_seconds:
        excluded = f"{seconds:.0f} s kept, fewer than {min_seconds:g} s"
        rows.append(
            exclusion(what, "censor", "too little time kept (s)", round(seconds, 3), min_seconds)
        )
    return Censoring(keep, reasons, seconds, excluded, rows)
