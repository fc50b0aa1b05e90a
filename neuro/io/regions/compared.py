"""Connectomes of the same runs under several strategies in one HDF5 file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.regions.series import DAMAGED, open_h5, read_strings, write_strings

_TEXT = ("strategy", "run_key", "participant_id", "region")


@dataclasses.dataclass(frozen=True)
class Compared:
    """Edges of all runs under all strategies.

    Attributes
    ----------
    edges : ndarray of float32, shape (n_strategies, n_runs, n_edges)
        In the order of `numpy.triu_indices(n_regions, 1)`; NaN where a strategy loses a run.
    strategy, run_key, participant_id, region : list of str
    kind : str
        Of connectome.
    """

    edges: np.ndarray
    strategy: list[str]
    run_key: list[str]
    participant_id: list[str]
    region: list[str]
    kind: str


def write_compared(path, content: Compared) -> Path:
    """Write the connectomes; parent folders are made."""
    import h5py

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = content.kind
        file["edges"] = np.asarray(content.edges, dtype=np.float32)
        for name in _TEXT:
            write_strings(file, name, getattr(content, name))
    return path


def read_compared(path) -> Compared:
    """Read what :func:`write_compared` wrote.

    Raises
    ------
    InputProblem
        When the file is missing, is no such file, or its parts do not fit together.
    """
    with open_h5(path, ("edges", *_TEXT)) as file, readable(path, DAMAGED):
        compared = Compared(
            edges=file["edges"][()],
            kind=str(file.attrs.get("kind", "n/a")),
            **{name: read_strings(file, name) for name in _TEXT},
        )
    n = len(compared.region)
    expected = (len(compared.strategy), len(compared.run_key), n * (n - 1) // 2)
    if compared.edges.shape != expected:
        raise InputProblem(f"{path}: edges of shape {compared.edges.shape}, expected {expected}")
    return compared
