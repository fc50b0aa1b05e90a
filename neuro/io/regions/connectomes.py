"""Connectomes of a cohort: from region series, and in one HDF5 file."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.regions.series import DAMAGED, open_h5, read_strings, write_strings

KINDS = ("pearson", "fisher_z", "partial", "covariance")
"""Kinds that need one run only and may therefore be stored."""


@dataclasses.dataclass(frozen=True)
class Connectomes:
    """Edges of many runs.

    Attributes
    ----------
    edges : ndarray of float32, shape (n_runs, n_edges)
        NaN where a region had no signal.
    index : ndarray of int64, shape (n_edges, 2)
        Rows and columns of the edges, `numpy.triu_indices(n_regions, 1)`.
    participant_id, run_key, region : list of str
    kind : str
        One of :data:`KINDS`.
    """

    edges: np.ndarray
    index: np.ndarray
    participant_id: list[str]
    run_key: list[str]
    region: list[str]
    kind: str


def n_regions(n_edges: int) -> int | None:
    """Number of regions behind a number of edges, None where there is none."""
    count = (1 + math.isqrt(1 + 8 * n_edges)) // 2
    return count if n_edges > 0 and count * (count - 1) // 2 == n_edges else None


def pearson_connectomes(runs) -> Connectomes:
    """Correlations between the regions of each run.

    Parameters
    ----------
    runs : sequence of RegionSeries
        Series (n_timepoints, n_regions) of the same regions in the same order.

    Returns
    -------
    Connectomes
        One row per run in their order, kind 'pearson' (no unit, -1 to 1). NaN where a region has
        no signal: a column of NaN, or one value throughout.

    Raises
    ------
    ValueError
        Without a run, or when runs hold other regions.
    """
    runs = list(runs)
    if not runs:
        raise ValueError("runs: got none, expected at least one")
    region = [str(name) for name in runs[0].regions]
    for run in runs:
        if [str(name) for name in run.regions] != region:
            raise ValueError(f"{run.run_key}: other regions than {runs[0].run_key}")
    upper = np.triu_indices(len(region), 1)
    # a flat region has no correlation; it becomes NaN without a word
    with np.errstate(divide="ignore", invalid="ignore"):
        edges = [np.corrcoef(run.series, rowvar=False)[upper] for run in runs]
    return Connectomes(
        np.array(edges, dtype=np.float32),
        np.column_stack(upper),
        [run.participant_id for run in runs],
        [run.run_key for run in runs],
        region,
        "pearson",
    )


def write_connectomes(path, edges, participant_id, run_key, region, kind, index=None) -> Path:
    """Write the connectomes of a cohort.

    Parameters
    ----------
    path : path-like
    edges : array, shape (n_runs, n_edges)
        Stored as float32, not compressed.
    participant_id, run_key : sequence of str, length n_runs
    region : sequence of str, length n_regions
    kind : {'pearson', 'fisher_z', 'partial', 'covariance'}
        A tangent space depends on the group it was fitted to and is never stored.
    index : array of int, shape (n_edges, 2), optional
        Default and only accepted order: `numpy.triu_indices(n_regions, 1)`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When the sizes do not match, run keys repeat, the order differs or the kind may not be
        stored.
    """
    import h5py

    edges = np.asarray(edges, dtype=np.float32)
    expected = np.column_stack(np.triu_indices(len(region), 1))
    if kind not in KINDS:
        raise ValueError(f"kind: got '{kind}', expected one of {', '.join(KINDS)}")
    if edges.ndim != 2 or edges.shape[1] != len(expected):
        raise ValueError(
            f"edges: shape {edges.shape}, expected (n_runs, {len(expected)}) "
            f"for {len(region)} regions"
        )
    for name, values in (("participant_id", participant_id), ("run_key", run_key)):
        if len(values) != len(edges):
            raise ValueError(f"{name}: {len(values)} values for {len(edges)} runs")
    if len(set(run_key)) != len(run_key):
        raise ValueError("run_key: a key is repeated; keys must differ")
    if index is not None and not np.array_equal(np.asarray(index), expected):
        raise ValueError("index: edges must be in the order of numpy.triu_indices(n_regions, 1)")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = kind
        file["edges"] = edges
        file["index"] = expected.astype(np.int64)
        for name, values in (
            ("participant_id", participant_id),
            ("run_key", run_key),
            ("region", region),
        ):
            write_strings(file, name, values)
    return path


def read_connectomes(path) -> Connectomes:
    """Read the connectomes of a cohort.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Connectomes

    Raises
    ------
    InputProblem
        When the file is missing, is no such file, or its parts do not fit together.
    """
    with (
        open_h5(path, ("edges", "index", "participant_id", "run_key", "region")) as file,
        readable(path, DAMAGED),
    ):
        content = Connectomes(
            edges=file["edges"][()],
            index=file["index"][()],
            participant_id=read_strings(file, "participant_id"),
            run_key=read_strings(file, "run_key"),
            region=read_strings(file, "region"),
            kind=str(file.attrs.get("kind", "n/a")),
        )
    n_regions = len(content.region)
    expected = np.column_stack(np.triu_indices(n_regions, 1))
    if not np.array_equal(content.index, expected) or content.edges.shape != (
        len(content.run_key),
        len(expected),
    ):
        raise InputProblem(
            f"{path}: {content.edges.shape} edges for {len(content.run_key)} runs and {n_regions} "
            "regions, or another edge order; expected numpy.triu_indices(n_regions, 1)"
        )
    return content
