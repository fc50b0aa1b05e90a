"""Connectomes: one edge vector per run, in the order of `numpy.triu_indices(n_regions, 1)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Transformer
from neuro.stats.fisher import LIMIT, fisher_z
from neuro.stats.shrinkage import ledoit_wolf

KINDS = ("pearson", "fisher_z", "partial", "covariance")
"""Correlations are clipped to this before the Fisher transform."""


def edge_index(n_regions: int) -> np.ndarray:
    """Rows and columns of the edges, shape (n_edges, 2), `numpy.triu_indices(n_regions, 1)`."""
    return np.column_stack(np.triu_indices(n_regions, 1))


def edge_names(n_regions: int) -> np.ndarray:
    """Names `row-column` of the edges in the order of :func:`edge_index`."""
    return np.array([f"{i}-{j}" for i, j in edge_index(n_regions)], dtype=object)


def to_matrix(edges, diagonal: float = 0.0) -> np.ndarray:
    """Unpack edges into symmetric matrices.

    Parameters
    ----------
    edges : array, shape (n_edges,) or (n_runs, n_edges)
    diagonal : float
        Value on the diagonal (default 0).

    Returns
    -------
    ndarray, shape (n_regions, n_regions) or (n_runs, n_regions, n_regions)
        Same type as `edges`.

    Raises
    ------
    ValueError
        When the number of edges is not n (n - 1) / 2 for a whole n.
    """
    edges = np.asarray(edges)
    n_edges = edges.shape[-1]
    n_regions = round((1 + np.sqrt(1 + 8 * n_edges)) / 2)
    if n_regions * (n_regions - 1) // 2 != n_edges:
        raise ValueError(f"edges: {n_edges} edges are not n (n - 1) / 2 for any n")
    matrix = np.full((*edges.shape[:-1], n_regions, n_regions), diagonal, dtype=edges.dtype)
    row, column = np.triu_indices(n_regions, 1)
    matrix[..., row, column] = edges
    matrix[..., column, row] = edges
    return matrix


def connectome_graph(edges, names=None, coords_mm=None, membership=None, **about):
    """The connectome of a run or a group as networkx.

    Parameters
    ----------
    edges : array, shape (n_edges,)
        NaN and 0 are no edges; threshold before, if you want fewer.
    names : sequence of str, length n_regions, optional
    coords_mm : array, shape (n_regions, 3), optional
        Become the attributes `x`, `y`, `z` of the nodes.
    membership : sequence, length n_regions, optional
        Network or community of each region, attribute `membership`.
    **about
        Attributes of the graph.

    Returns
    -------
    networkx.Graph
        Edges have `weight` and `sign`.

    Raises
    ------
    ValueError
        When the number of edges is not n (n - 1) / 2 for a whole n.
    InputProblem
        When the names do not fit.

    Examples
    --------
    >>> connectome_graph([0.5, -0.25, 0], ["V1", "V2", "MT"]).edges["V1", "MT"]["sign"]
    -1
    """
    from neuro.io.graphs import to_networkx

    attributes = {"coords_mm": coords_mm, "membership": membership}
    attributes = {key: values for key, values in attributes.items() if values is not None}
    return to_networkx(to_matrix(edges), names, nodes=attributes, **about)


class Connectome(Transformer):
    """Connectomes of single runs.

    Parameters
    ----------
    kind : {'fisher_z', 'pearson', 'partial', 'covariance'}
        `pearson` is the correlation; `fisher_z` (default) its inverse hyperbolic tangent, r
        clipped to +-(1 - 1e-7); `partial` the correlation given all other regions, from the
        inverse of the Ledoit-Wolf covariance of the standardised series; `covariance` has the
        denominator n - 1.

    Notes
    -----
    A region without a finite, varying series has NaN edges and the others are computed without
    it. `tangent` is refused here: it learns a group mean and would carry test subjects into the
    training data; use
    :class:`neuro.fmri.regions.tangent.TangentConnectome` inside a fold.

    References
    ----------
    Ledoit and Wolf 2004, J. Multivar. Anal. 88:365 (shrinkage of `partial`).
    """

    _tags: ClassVar = {"requires_fit": False, "input_tags.two_d_array": False}

    def __init__(self, kind: str = "fisher_z"):
        self.kind = kind

    def fit(self, series=None, y=None) -> Connectome:
        """Nothing is learned but the number of regions.

        Parameters
        ----------
        series : sequence of arrays, each (n_timepoints, n_regions), optional
        y
            Ignored.

        Returns
        -------
        Connectome

        Raises
        ------
        ValueError
            When the kind is unknown, or is 'tangent', which is an estimator of its own.
        """
        if self.kind == "tangent":
            raise ValueError(
                "kind: 'tangent' learns a group mean and is no kind of file; "
                "fit neuro.fmri.regions.tangent.TangentConnectome on the training runs"
            )
        if self.kind not in KINDS:
            raise ValueError(f"kind: got '{self.kind}', expected one of {', '.join(KINDS)}")
        if series is not None:
            self.n_regions_ = checked_runs(series)[0].shape[1]
        return self

    def transform(self, series: Sequence) -> np.ndarray:
        """Edges of each run.

        Parameters
        ----------
        series : sequence of arrays, each (n_timepoints, n_regions)
            The lengths may differ, the regions may not.

        Returns
        -------
        ndarray of float32, shape (n_runs, n_edges)

        Raises
        ------
        ValueError
            When the kind is unknown, no run is given, the numbers of regions differ, or a run
            has fewer than 3 volumes.
        """
        self.fit()
        runs = checked_runs(series, getattr(self, "n_regions_", None))
        row, column = np.triu_indices(runs[0].shape[1], 1)
        edges = np.empty((len(runs), len(row)), dtype=np.float32)
        for number, values in enumerate(runs):
            edges[number] = self._matrix(values)[row, column]
        return edges

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Edges by their regions, such as `0-1`, of the runs given to `fit`."""
        self._check_fitted("n_regions_")
        return edge_names(self.n_regions_)

    def _matrix(self, values) -> np.ndarray:
        usable = usable_regions(values)
        signal = values[:, usable].astype(np.float64)
        signal -= signal.mean(axis=0)
        if self.kind == "covariance":
            submatrix = signal.T @ signal / (len(signal) - 1)
        else:
            # unit length columns: their products are correlations
            signal /= np.sqrt(np.einsum("ij,ij->j", signal, signal))
            submatrix = self._standardised(signal)
        if usable.all():
            return submatrix
        matrix = np.full((len(usable), len(usable)), np.nan)
        matrix[np.ix_(usable, usable)] = submatrix
        return matrix

    def _standardised(self, unit) -> np.ndarray:
        if self.kind == "partial":
            precision = np.linalg.inv(ledoit_wolf(unit * np.sqrt(len(unit))))
            scale = 1.0 / np.sqrt(np.diag(precision))
            return -precision * scale[:, None] * scale
        r = np.clip(unit.T @ unit, -LIMIT, LIMIT)
        return np.arctanh(r) if self.kind == "fisher_z" else r


def checked_runs(series, n_regions=None) -> list[np.ndarray]:
    """Runs as arrays, each (n_timepoints, n_regions) with the same regions.

    Raises
    ------
    ValueError
        When there is no run, the numbers of regions differ, or a run has fewer than 3 volumes.
    """
    runs = [np.asarray(values) for values in series]
    if not runs:
        raise ValueError("series: no run was given")
    n_regions = n_regions or runs[0].shape[-1]
    for number, values in enumerate(runs):
        if values.ndim != 2 or values.shape[1] != n_regions:
            raise ValueError(
                f"series[{number}]: shape {values.shape}, expected (n_timepoints, {n_regions})"
            )
        if len(values) < 3:
            raise ValueError(f"series[{number}]: {len(values)} volumes, expected at least 3")
    return runs


def usable_regions(values) -> np.ndarray:
    """Which columns are finite and vary, shape (n_regions,)."""
    finite = np.isfinite(values).all(axis=0)
    return finite & (values != values[0]).any(axis=0)


def average_runs(edges, kept, kind: str = "fisher_z") -> np.ndarray:
    """Mean of the runs of one participant, weighted by the kept volumes less 3.

    Parameters
    ----------
    edges : array, shape (n_runs, n_edges)
    kept : sequence of int, length n_runs
        Volumes that went into each run's edges. The variance of a Fisher z is 1 / (n - 3) for
        independent volumes.
    kind : str
        `pearson` and `partial` are averaged as Fisher z and turned back; the others as they are.

    Returns
    -------
    ndarray of float32, shape (n_edges,)
        NaN where every run is NaN; a run that is NaN at an edge does not count there.

    Raises
    ------
    ValueError
        When the lengths differ or a run has 3 volumes or fewer.
    """
    edges = np.asarray(edges, dtype=np.float64)
    weight = np.asarray(kept, dtype=np.float64) - 3.0
    if edges.ndim != 2 or weight.shape != (len(edges),):
        raise ValueError(f"kept: {np.size(kept)} values for edges of shape {edges.shape}")
    if (weight <= 0).any():
        raise ValueError(f"kept: {np.min(kept)} volumes, every run needs more than 3")
    turned = kind in ("pearson", "partial")
    if turned:
        edges = fisher_z(edges)
    present = ~np.isnan(edges)
    total = weight @ present
    mean = (weight @ np.where(present, edges, 0.0)) / np.where(total > 0, total, np.nan)
    return (np.tanh(mean) if turned else mean).astype(np.float32)


def average_by_participant(
    edges, participant_id: Sequence[str], kept, kind: str = "fisher_z"
) -> tuple[list[str], np.ndarray]:
    """One connectome per participant.

    Parameters
    ----------
    edges : array, shape (n_runs, n_edges)
    participant_id : sequence of str, length n_runs
    kept : sequence of int, length n_runs
    kind : str
        See :func:`average_runs`.

    Returns
    -------
    participants : list of str
        In the order of their first run.
    edges : ndarray of float32, shape (n_participants, n_edges)
    """
    edges, kept = np.asarray(edges), np.asarray(kept)
    if len(participant_id) != len(edges):
        raise ValueError(f"participant_id: {len(participant_id)} values for {len(edges)} runs")
    rows: dict = {}
    for number, label in enumerate(participant_id):
        rows.setdefault(label, []).append(number)
    means = [average_runs(edges[group], kept[group], kind) for group in rows.values()]
    return list(rows), np.array(means, dtype=np.float32).reshape(len(rows), edges.shape[1])
