"""From graph maps to one row of features per subject, with a region label for every feature."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

MAPS = ("degree", "distdegree", "cycle3", "weighteddegree", "clustering")
COUNTS = ("degree", "distdegree", "cycle3")
"""Maps that are counts: heavy tailed, log-transformed by default."""
_ATTRIBUTE = {
    "degree": "degree_",
    "distdegree": "distance_degree_",
    "cycle3": "cycles3_",
    "weighteddegree": "weighted_degree_",
    "clustering": "clustering_",
}


@dataclasses.dataclass(frozen=True)
class FeatureTable:
    """Features of a cohort.

    Attributes
    ----------
    X : ndarray of float32, shape (n_rows, n_features)
        NaN where unknown.
    participant_id : ndarray of str, shape (n_rows,)
    feature : ndarray of str, shape (n_features,)
        Map that the column comes from, 'fc' for edges.
    region : ndarray of str, shape (n_features,)
        Empty for edges.
    node : ndarray of int, shape (n_features,)
        Voxel or region index; -1 for edges.
    bin : ndarray of int, shape (n_features,)
        Distance bin; 0 elsewhere.
    density : ndarray of float, shape (n_features,)
        Nominal graph density; NaN when unknown.
    """

    X: np.ndarray
    participant_id: np.ndarray
    feature: np.ndarray
    region: np.ndarray
    node: np.ndarray
    bin: np.ndarray
    density: np.ndarray

    def __len__(self) -> int:
        return len(self.X)

    @property
    def counts(self) -> np.ndarray:
        """Which columns are counts, shape (n_features,)."""
        return np.isin(self.feature, COUNTS)

    def select(self, name: str) -> FeatureTable:
        """Columns of one map, or of several joined by `+`, e.g. `degree+cycle3`.

        Parameters
        ----------
        name : str

        Returns
        -------
        FeatureTable

        Raises
        ------
        ValueError
            When a map is not in the table.
        """
        wanted = name.split("+")
        for one in wanted:
            if one not in self.feature:
                found = ", ".join(dict.fromkeys(self.feature.tolist()))
                raise ValueError(f"features: no map '{one}'; found {found}")
        return self._columns(np.isin(self.feature, wanted))

    def _columns(self, keep) -> FeatureTable:
        return dataclasses.replace(
            self,
            X=self.X[:, keep],
            **{name: getattr(self, name)[keep] for name in _COLUMN_FIELDS},
        )

    def rows(self, participant_id) -> FeatureTable:
        """The rows of these subjects, in this order.

        Parameters
        ----------
        participant_id : sequence of str

        Returns
        -------
        FeatureTable

        Raises
        ------
        ValueError
            When a subject is not in the table, or has several rows.
        """
        where = {}
        for row, who in enumerate(self.participant_id):
            if who in where:
                raise ValueError(f"features: subject '{who}' has several rows; average its runs")
            where[who] = row
        missing = [who for who in map(str, participant_id) if who not in where]
        if missing:
            raise ValueError(
                f"features: {len(missing)} subjects have none, first '{missing[0]}'; "
                "leave them out or compute their graphs"
            )
        order = [where[str(who)] for who in participant_id]
        return dataclasses.replace(self, X=self.X[order], participant_id=self.participant_id[order])

    def save(self, path) -> Path:
        """Write `features.h5`: the arrays under their own names.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        pathlib.Path
        """
        import h5py

        from neuro.io.series import write_strings

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["X"] = np.asarray(self.X, dtype=np.float32)
            for name in ("node", "bin", "density"):
                file[name] = getattr(self, name)
            for name in ("participant_id", "feature", "region"):
                write_strings(file, name, getattr(self, name))
        return path

    @classmethod
    def load(cls, path) -> FeatureTable:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        FeatureTable

        Raises
        ------
        InputProblem
            When the file is missing, is no such file, or its sizes do not match.
        """
        from neuro.io.problems import InputProblem
        from neuro.io.series import open_h5, read_strings

        names = [field.name for field in dataclasses.fields(cls)]
        with open_h5(path, names) as file:
            text = ("participant_id", "feature", "region")
            values = {
                name: np.array(read_strings(file, name), dtype=object).astype(str)
                if name in text
                else file[name][()]
                for name in names
            }
        table = cls(**values)
        if table.X.shape != (len(table.participant_id), len(table.feature)):
            raise InputProblem(
                f"{path}: X has shape {table.X.shape} for {len(table.participant_id)} subjects "
                f"and {len(table.feature)} features; write the file again"
            )
        return table


_COLUMN_FIELDS = ("feature", "region", "node", "bin", "density")


def join_features(tables) -> FeatureTable:
    """Set tables of the same subjects side by side.

    Raises
    ------
    ValueError
        When the subjects differ; the first difference is named.
    """
    first, *others = tables
    for other in others:
        if not np.array_equal(first.participant_id, other.participant_id):
            raise ValueError("features: the tables list different subjects or another order")
    return dataclasses.replace(
        first,
        X=np.hstack([table.X for table in tables]),
        **{
            name: np.concatenate([getattr(table, name) for table in tables])
            for name in _COLUMN_FIELDS
        },
    )


class GraphFeatures(TransformerMixin, BaseEstimator):
    """Stack the maps of many graphs into feature rows.

    Parameters
    ----------
    maps : sequence of str, default ('degree', 'distdegree', 'cycle3')
        From 'degree', 'distdegree' (one column per node and bin), 'cycle3', 'weighteddegree',
        'clustering'.
    regions : array of str, shape (n_nodes,), optional
        Region of each node; default every node is a region of its own.

    Attributes
    ----------
    n_nodes_ : int
    feature_, region_, node_, bin_ : ndarray, shape (n_features,)
        See :class:`FeatureTable`.
    """

    def __init__(self, maps=("degree", "distdegree", "cycle3"), regions=None):
        self.maps = maps
        self.regions = regions

    def fit(self, graphs, y=None):
        """Learn the layout from the first graph; nothing is estimated.

        Parameters
        ----------
        graphs : sequence or mapping
            Fitted :class:`neuro.adhd.graph.VoxelGraph`, or mappings of map name to array of
            shape (n_nodes,) or (n_nodes, n_bins); or one mapping of map name to the stacked
            arrays, graphs first.

        Raises
        ------
        ValueError
            When a map is unknown or absent, or labels and nodes differ in number.
        """
        unknown = [name for name in self.maps if name not in MAPS]
        if unknown or not len(self.maps):
            raise ValueError(f"maps: got {list(self.maps)}, expected some of {', '.join(MAPS)}")
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
        X = self.fit(graphs).transform(graphs)
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
    values = graph.get(name) if hasattr(graph, "get") else getattr(graph, _ATTRIBUTE[name], None)
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
    known = np.isfinite(X)
    by_subject = np.argsort(inverse, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(inverse[by_subject]) > 0])
    total = np.add.reduceat(np.where(known, X, 0.0)[by_subject], starts, axis=0, dtype=np.float64)
    count = np.add.reduceat(known[by_subject], starts, axis=0, dtype=np.int64)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean[order].astype(np.float32), subjects[order]


def edge_table(edges, participant_id, kind: str = "pearson", runs: str = "mean") -> FeatureTable:
    """Connectome edges as features for the linear reference (input 'fc').

    Parameters
    ----------
    edges : array, shape (n_runs, n_edges)
    participant_id : sequence of str, length n_runs
    kind : str, default 'pearson'
        'pearson' is turned into Fisher's z; other kinds are taken as they are.
    runs : {'mean', 'first'}, default 'mean'

    Returns
    -------
    FeatureTable
    """
    edges = np.asarray(edges, dtype=np.float64)
    if kind == "pearson":
        # a correlation of exactly 1 has no finite z
        edges = np.arctanh(np.clip(edges, -0.999999, 0.999999))
    X, participant_id = combine_runs(edges, participant_id, runs)
    n_edges = X.shape[1]
    return FeatureTable(
        X=X,
        participant_id=participant_id,
        feature=np.full(n_edges, "fc"),
        region=np.full(n_edges, ""),
        node=np.full(n_edges, -1),
        bin=np.zeros(n_edges, dtype=int),
        density=np.full(n_edges, np.nan),
    )


def parcels(coords_mm, n_regions: int = 100, random_state: int = 0) -> np.ndarray:
    """K-means parcels of voxel coordinates: regions where there is no atlas.

    Parameters
    ----------
    coords_mm : array, shape (n_voxels, 3)
    n_regions : int, default 100
    random_state : int, default 0

    Returns
    -------
    ndarray of str, shape (n_voxels,)
        'parcel-001' and so on.
    """
    from sklearn.cluster import KMeans

    coords_mm = np.asarray(coords_mm, dtype=float)
    if not 1 <= n_regions <= len(coords_mm):
        raise ValueError(f"n_regions: got {n_regions} for {len(coords_mm)} voxels")
    labels = KMeans(n_regions, n_init=1, random_state=random_state).fit(coords_mm).labels_
    return np.array([f"parcel-{label + 1:03d}" for label in labels])
