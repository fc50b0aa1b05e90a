"""From graph maps to one row of features per subject, with a region label for every feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from neuro.adhd.features.table import FeatureTable
from neuro.base.estimator import Tagged
from neuro.io.problems import InputProblem
from neuro.stats.fisher import fisher_z
from neuro.stats.observed import usable_block
from neuro.stats.tangent import pack, shrunk_correlation

MAPS = ("degree", "distdegree", "cycle3", "weighteddegree", "clustering")
"""Maps of graphs; the counts among them are heavy tailed, log-transformed by default."""
RUN_MAPS = ("alff", "falff", "reho", "seed")
"""Maps that stage fmri makes of each run; `seed` has a column per node and seed."""
RELATIVE = ("alff", "falff", "reho")
"""Those of them that are compared between people as z-scores inside the run's own mask."""
_ATTRIBUTE = {
    "degree": "degree_",
    "distdegree": "distance_degree_",
    "cycle3": "cycles3_",
    "weighteddegree": "weighted_degree_",
    "clustering": "clustering_",
}


class GraphFeatures(Tagged, TransformerMixin, BaseEstimator):
    """Stack the maps of many graphs into feature rows.

    Parameters
    ----------
    maps : sequence of str, default ('degree', 'distdegree', 'cycle3')
        From 'degree', 'distdegree' (one column per node and bin), 'cycle3', 'weighteddegree',
        'clustering'; of mappings also 'alff', 'falff', 'reho', 'seed' (one column per node and
        seed).
    regions : array of str, shape (n_nodes,), optional
        Region of each node; default every node is a region of its own.

    Attributes
    ----------
    n_nodes_ : int
    feature_, region_, node_, bin_ : ndarray, shape (n_features,)
        See :class:`FeatureTable`.
    """

    _tags: ClassVar = {"input_tags.two_d_array": False, "transformer_tags.preserves_dtype": []}

    def __init__(self, maps=("degree", "distdegree", "cycle3"), regions=None):
        self.maps = maps
        self.regions = regions

    def fit(self, graphs, y=None):
        """Learn the layout from the first graph; nothing is estimated.

        Parameters
        ----------
        graphs : sequence or mapping
            Fitted :class:`neuro.adhd.VoxelGraph`, or mappings of map name to array of shape
            (n_nodes,) or (n_nodes, n_bins); or one mapping of map name to the stacked
            arrays, graphs first.

        Raises
        ------
        ValueError
            When a map is unknown or absent, or labels and nodes differ in number.
        """
        allowed = (*MAPS, *RUN_MAPS)
        unknown = [name for name in self.maps if name not in allowed]
        if unknown or not len(self.maps):
            raise ValueError(f"maps: got {list(self.maps)}, expected some of {', '.join(allowed)}")
        graphs = self._listed(graphs)
        if not len(graphs):
            raise ValueError("graphs: none given")
        blocks = [_block(graphs[0], name, 0) for name in self.maps]
        self.n_nodes_ = len(blocks[0])
        width = len(str(max(self.n_nodes_ - 1, 0)))
        regions = (
            [f"{node:0{width}d}" for node in range(self.n_nodes_)]
            if self.regions is None
            else self.regions
        )
        regions = np.asarray(regions).astype(str)
        if len(regions) != self.n_nodes_:
            raise ValueError(f"regions: {len(regions)} labels for {self.n_nodes_} nodes")
        bins = [block.shape[1] for block in blocks]
        node = [np.repeat(np.arange(self.n_nodes_), count) for count in bins]
        self.node_ = np.concatenate(node)
        self.bin_ = np.concatenate([np.tile(np.arange(count), self.n_nodes_) for count in bins])
        self.feature_ = np.repeat(list(self.maps), [self.n_nodes_ * count for count in bins])
        self.region_ = regions[self.node_]
        return self

    def transform(self, graphs) -> np.ndarray:
        """Feature rows, float32, shape (n_graphs, n_features).

        Parameters
        ----------
        graphs : sequence or mapping
            As in :meth:`fit`.

        Returns
        -------
        ndarray of float32, shape (n_graphs, n_features)

        Raises
        ------
        ValueError
            When a graph has another number of nodes or bins than the first.
        """
        check_is_fitted(self)
        graphs = self._listed(graphs)
        rows = np.empty((len(graphs), len(self.node_)), dtype=np.float32)
        for number, graph in enumerate(graphs):
            blocks = [_block(graph, name, number) for name in self.maps]
            row = np.concatenate([block.ravel() for block in blocks])
            if len(blocks[0]) != self.n_nodes_ or len(row) != rows.shape[1]:
                raise ValueError(
                    f"graphs: number {number} has {len(blocks[0])} nodes and {len(row)} values, "
                    f"the first has {self.n_nodes_} and {rows.shape[1]}"
                )
            rows[number] = row
        return rows

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names `map_node_bin` of the features."""
        check_is_fitted(self)
        columns = zip(self.feature_, self.node_, self.bin_)
        return np.array(
            [f"{name}_{node}_{bin_number}" for name, node, bin_number in columns], dtype=object
        )

    def _listed(self, graphs):
        if not isinstance(graphs, Mapping):
            return graphs
        absent = [name for name in self.maps if name not in graphs]
        if absent:
            raise ValueError(f"graphs: no map '{absent[0]}'; found {', '.join(graphs)}")
        return [dict(zip(self.maps, row)) for row in zip(*(graphs[name] for name in self.maps))]

    def table(self, graphs, participant_id, runs="mean", density=np.nan) -> FeatureTable:
        """Features with one row per subject.

        Parameters
        ----------
        graphs : sequence or mapping
        participant_id : sequence of str
            Subject of each graph; runs of a subject in their order.
        runs : {'mean', 'first'}, default 'mean'
        density : float, optional
            Nominal density of these graphs.

        Returns
        -------
        FeatureTable
        """
        X = np.asarray(self.fit(graphs).transform(graphs))
        X, participant_id = combine_runs(X, participant_id, runs)
        return FeatureTable(
            X=X,
            participant_id=participant_id,
            feature=self.feature_,
            region=self.region_,
            node=self.node_,
            bin=self.bin_,
            density=np.full(len(self.node_), density, dtype=float),
        )


def _block(graph, name: str, number: int) -> np.ndarray:
    """One map as (n_nodes, n_bins)."""
    values = (
        graph.get(name) if hasattr(graph, "get") else getattr(graph, _ATTRIBUTE.get(name, ""), None)
    )
    if values is None:
        raise ValueError(f"graphs: number {number} has no map '{name}'")
    values = np.asarray(values)
    return values.reshape(len(values), -1)


def combine_runs(X, participant_id, runs: str = "mean"):
    """One row per subject, in the order of first appearance.

    Parameters
    ----------
    X : array, shape (n_runs, n_features)
    participant_id : sequence of str, length n_runs
    runs : {'mean', 'first'}
        'mean' averages what is known, so a region that only one run covers is kept.

    Returns
    -------
    X : ndarray of float32, shape (n_subjects, n_features)
    participant_id : ndarray of str, shape (n_subjects,)

    Raises
    ------
    ValueError
        When `runs` is unknown or lengths differ.
    """
    if runs not in ("mean", "first"):
        raise ValueError(f"runs: got '{runs}', expected 'mean' or 'first'")
    X = np.asarray(X)
    names = np.asarray(participant_id).astype(str)
    if len(names) != len(X):
        raise ValueError(f"participant_id: {len(names)} values for {len(X)} rows")
    subjects, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(first)
    if runs == "first":
        return X[first[order]].astype(np.float32), subjects[order]
    finite = np.isfinite(X)
    by_subject = np.argsort(inverse, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(inverse[by_subject]) > 0])
    total = np.add.reduceat(np.where(finite, X, 0.0)[by_subject], starts, axis=0, dtype=np.float64)
    count = np.add.reduceat(finite[by_subject], starts, axis=0, dtype=np.int64)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean[order].astype(np.float32), subjects[order]


def edge_table(
    edges, participant_id, kind: str = "pearson", runs: str = "mean", regions=None
) -> FeatureTable:
    """Connectome edges as features for the linear reference (input 'fc').

    Parameters
    ----------
    edges : array, shape (n_runs, n_edges)
    participant_id : sequence of str, length n_runs
    kind : str, default 'pearson'
        'pearson' is turned into Fisher's z; other kinds are taken as they are.
    runs : {'mean', 'first'}, default 'mean'
    regions : sequence of str, optional
        Names of the regions; edges are named `A|B` after them.

    Returns
    -------
    FeatureTable
    """
    edges = np.asarray(edges, dtype=np.float64)
    if kind == "pearson":
        edges = fisher_z(edges)
    X, participant_id = combine_runs(edges, participant_id, runs)
    n_edges = X.shape[1]
    return FeatureTable(
        X=X,
        participant_id=participant_id,
        feature=np.full(n_edges, "fc"),
        region=_pair_names(regions, 1, n_edges),
        node=np.full(n_edges, -1),
        bin=np.zeros(n_edges, dtype=int),
        density=np.full(n_edges, np.nan),
    )


def covariance_table(series, participant_id, runs: str = "mean", regions=None) -> FeatureTable:
    """Covariances of region series, from which folds learn a tangent space (input 'tangent').

    Parameters
    ----------
    series : sequence of arrays, each (n_timepoints, n_regions)
    participant_id : sequence of str, length n_runs
    runs : {'mean', 'first'}, default 'mean'
    regions : sequence of str, optional
        Names of the regions.

    Returns
    -------
    FeatureTable
        Upper triangles with the diagonal. A run that lacks most regions is left out; regions
        that another run lacks are left out of all runs.

    Raises
    ------
    InputProblem
        When fewer than two regions are covered in every other run.
    """
    series = [np.asarray(values, dtype=np.float64) for values in series]
    dead = np.array([~np.isfinite(x).all(axis=0) | (np.ptp(x, axis=0) == 0) for x in series])
    usable, good = usable_block(dead, limit=0.0)
    if usable.sum() < 2 or not good.any():
        raise InputProblem(
            "adhd.features: 'tangent' needs regions that every run covers; "
            f"{(~dead).all(axis=0).sum()} of {usable.size} are"
        )
    rows = np.flatnonzero(good)
    X = pack(np.stack([shrunk_correlation(series[row][:, usable]) for row in rows]))
    X, participant_id = combine_runs(X, np.asarray(participant_id)[rows], runs)
    n_values = X.shape[1]
    names = None if regions is None else np.asarray(regions)[usable]
    return FeatureTable(
        X=X,
        participant_id=participant_id,
        feature=np.full(n_values, "tangent"),
        region=_pair_names(names, 0, n_values),
        node=np.full(n_values, -1),
        bin=np.zeros(n_values, dtype=int),
        density=np.full(n_values, np.nan),
    )


def _pair_names(regions, diagonal: int, n_pairs: int) -> np.ndarray:
    """Names `A|B` of the pairs in an upper triangle; empty without names of the regions."""
    if regions is None:
        return np.full(n_pairs, "")
    regions = np.asarray(regions).astype(str)
    row, column = np.triu_indices(len(regions), diagonal)
    return np.char.add(np.char.add(regions[row], "|"), regions[column])
