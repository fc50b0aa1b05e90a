"""Association of connectivity with head motion over subjects."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.stats.false_discovery import adjusted_p

LEAST = 4
"""Subjects that a correlation needs at least."""


@dataclasses.dataclass(frozen=True)
class QcFc:
    """Outcome of :func:`qc_fc`.

    Attributes
    ----------
    r, p : ndarray, shape (n_edges,)
        Correlation over subjects of each edge with mean FD, and its two-sided p; NaN where
        fewer than 4 subjects have the edge or it is constant.
    significant : ndarray of bool, shape (n_edges,)
        Edges that pass a false discovery rate of 5 % (Benjamini-Hochberg).
    share : float
        Share of edges with p < 0.05, uncorrected, as the literature reports it; 0.05 is
        what chance gives.
    share_fdr : float
        Share of edges in `significant`.
    median_abs_r : float
    slope : float
        Change of r per mm of distance between the regions; NaN without distances.
    distance_r : float
        Correlation of r with distance.
    n_subjects, n_edges : int
        Subjects, and edges with a value.
    """

    r: np.ndarray
    p: np.ndarray
    significant: np.ndarray
    share: float
    share_fdr: float
    median_abs_r: float
    slope: float
    distance_r: float
    n_subjects: int
    n_edges: int

    def table(self, index, stage, distances=None):
        """One row per edge, for `qc_fc.tsv`.

        Parameters
        ----------
        index : ndarray of int, shape (n_edges, 2)
            Regions of each edge.
        stage : str
            `before` or `after` cleaning.
        distances : ndarray, shape (n_edges,), optional
            In mm.

        Returns
        -------
        pandas.DataFrame
            Columns stage, edge, i, j, r, p, distance_mm.
        """
        import pandas as pd

        index = np.asarray(index)
        missing = np.full(self.r.size, np.nan)
        return pd.DataFrame(
            {
                "stage": stage,
                "edge": np.arange(self.r.size),
                "i": index[:, 0],
                "j": index[:, 1],
                "r": self.r,
                "p": self.p,
                "distance_mm": missing if distances is None else np.asarray(distances, float),
            }
        )


def qc_fc(edges, mean_fd, distances=None, alpha=0.05) -> QcFc:
    """Correlate every edge with mean framewise displacement over subjects.

    Parameters
    ----------
    edges : ndarray, shape (n_subjects, n_edges)
        NaN edges are left out subject by subject.
    mean_fd : ndarray, shape (n_subjects,)
        In mm; subjects without a value are left out.
    distances : ndarray, shape (n_edges,), optional
        Distance between the two regions (mm).
    alpha : float
        Level for `share` and `significant` (0.05).

    Returns
    -------
    QcFc

    Raises
    ------
    ValueError
        When shapes do not agree or fewer than 4 subjects have a mean FD.

    References
    ----------
    Ciric et al. (2017), NeuroImage 154:174-187.
    """
    edges = np.asarray(edges, dtype=np.float64)
    mean_fd = np.asarray(mean_fd, dtype=np.float64)
    if edges.ndim != 2 or len(edges) != mean_fd.size:
        raise ValueError(f"edges: shape {edges.shape} for {mean_fd.size} values of mean_fd")
    if distances is not None:
        distances = np.asarray(distances, dtype=np.float64)
        if distances.size != edges.shape[1]:
            raise ValueError(f"distances: {distances.size} values for {edges.shape[1]} edges")
    measured = np.isfinite(mean_fd)
    edges, mean_fd = edges[measured], mean_fd[measured]
    if mean_fd.size < LEAST:
        raise ValueError(
            f"mean_fd: {mean_fd.size} subjects with a value, at least {LEAST} are needed"
        )
    from scipy.special import stdtr

    have = np.isfinite(edges)
    n = have.sum(axis=0)
    filled = np.where(have, edges, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = np.where(have, edges - filled.sum(axis=0) / n, 0.0)
        motion = np.where(have, mean_fd[:, None], 0.0)
        motion = np.where(have, motion - motion.sum(axis=0) / n, 0.0)
        spread = np.sqrt((x**2).sum(axis=0) * (motion**2).sum(axis=0))
        r = np.clip((x * motion).sum(axis=0) / spread, -1, 1)
    flat = (n < LEAST) | ~(spread > 1e-12 * np.sqrt(n))
    r[flat] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        t = r * np.sqrt((n - 2) / (1 - r**2))
        p = 2 * stdtr(n - 2, -np.abs(t))
    live = np.isfinite(r)
    significant = np.zeros(r.size, dtype=bool)
    slope = distance_r = np.nan
    if live.any():
        significant[live] = adjusted_p(p[live]) <= alpha
        if distances is not None:
            use = live & np.isfinite(distances)
            if use.sum() > 2 and np.ptp(distances[use]) > 0 and np.ptp(r[use]) > 0:
                slope = float(np.polyfit(distances[use], r[use], 1)[0])
                distance_r = float(np.corrcoef(distances[use], r[use])[0, 1])
    n_live = int(live.sum())
    return QcFc(
        r=r,
        p=p,
        significant=significant,
        share=float((p[live] < alpha).mean()) if n_live else np.nan,
        share_fdr=float(significant[live].mean()) if n_live else np.nan,
        median_abs_r=float(np.median(np.abs(r[live]))) if n_live else np.nan,
        slope=slope,
        distance_r=distance_r,
        n_subjects=int(mean_fd.size),
        n_edges=n_live,
    )
