"""A table of features: one row per subject, and what every column is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

COUNTS = ("degree", "distdegree", "cycle3")
"""Maps whose values are counts."""


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
        `A|B` for edges, empty where these were not named.
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
                held = ", ".join(dict.fromkeys(self.feature.tolist()))
                raise ValueError(f"features: no map '{one}'; found {held}")
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

        from neuro.io.regions.series import write_strings

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
        from neuro.io.regions.series import open_h5, read_strings

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
