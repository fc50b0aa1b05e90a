"""Node maps of graphs, all runs of a cohort in one HDF5 file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.regions.series import DAMAGED, open_h5, read_strings, write_strings


@dataclasses.dataclass(frozen=True)
class GraphMaps:
    """Node maps of a cohort.

    Attributes
    ----------
    maps : dict of ndarray of float64
        `(n_runs, n_nodes)`; a map in several bins is `(n_runs, n_nodes, n_bins)`.
    run_key, participant_id : list of str, length n_runs
    region : list of str, length n_nodes
    """

    maps: dict[str, np.ndarray]
    run_key: list[str]
    participant_id: list[str]
    region: list[str]


def write_graph_maps(path, content: GraphMaps) -> Path:
    """Write node maps; parent folders are made."""
    import h5py

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("maps")
        for name, values in content.maps.items():
            group[name] = values
        for name in ("run_key", "participant_id", "region"):
            write_strings(file, name, getattr(content, name))
    return path


def read_graph_maps(path) -> GraphMaps:
    """Read what :func:`write_graph_maps` wrote.

    Raises
    ------
    InputProblem
        When the file is missing or is no such file.
    """
    needed = ("maps", "run_key", "participant_id", "region")
    with open_h5(path, needed) as file, readable(path, DAMAGED):
        return GraphMaps(
            maps={name: dataset[()] for name, dataset in file["maps"].items()},
            **{name: read_strings(file, name) for name in ("run_key", "participant_id", "region")},
        )
