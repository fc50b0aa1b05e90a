"""Graphs of whole runs: from an image or region series to maps and one row of numbers."""

from __future__ import annotations

import resource
import time

import numpy as np

from neuro.io.problems import InputProblem

ROI_DENSITY = 0.10
VOXEL_DENSITY = 0.02
"""Default shares of pairs that are edges (ours)."""

MAPS = ("degree", "weighteddegree", "distdegree", "cycle3", "clustering")


def graph_options(settings, default_density) -> dict:
    """Arguments of :class:`~neuro.adhd.graph.voxel_graph.VoxelGraph` from the configuration."""
    options = {
        "threshold": settings["threshold"],
        "density": settings["density"],
        "distance_bins": (*settings["distance_bins"], np.inf),
        "cycles4": settings["cycles4"],
    }
    if options["threshold"] is None and options["density"] is None:
        options["density"] = default_density
    if "block" in settings:
        options["block"] = settings["block"]
    return options


def run_graph(series, coords_mm, options, *, truncate_to=None, n_threads=1):
    """The graph of one run.

    Parameters
    ----------
    series : ndarray, shape (n_timepoints, n_nodes)
        A node that is NaN throughout, or constant, was not observed.
    coords_mm : ndarray, shape (n_nodes, 3), or None
    options : dict
        See :func:`graph_options`.
    truncate_to : int, optional
        Only so many volumes are used, so that densities compare between runs.
    n_threads : int

    Returns
    -------
    maps : dict of ndarray of float64
        Keys :data:`MAPS` (and `cycle4`), shape (n_nodes,), `distdegree` (n_nodes, n_bins); NaN
        where nothing was observed. Such a node costs the others nothing: their graph is the one
        without it, and a density counts the pairs that were observed.
    row : dict
        Numbers of nodes, edges, triangles, constant nodes; density, threshold, seconds.
    """
    from neuro.adhd.graph.voxel_graph import VoxelGraph

    series = np.asarray(series, dtype=np.float32)
    if truncate_to is not None:
        if len(series) < truncate_to:
            raise InputProblem(
                f"adhd.truncate_to: {truncate_to} volumes, but a run has {len(series)}"
            )
        series = series[:truncate_to]
    seen = ~np.isnan(series).all(axis=0) & (series != series[:1]).any(axis=0)
    start = time.process_time()
    graph = VoxelGraph(**options, n_threads=n_threads).fit(
        series if seen.all() else series[:, seen],
        coords_mm=None if coords_mm is None else np.asarray(coords_mm)[seen],
    )
    maps = {
        "degree": graph.degree_,
        "weighteddegree": graph.weighted_degree_,
        "cycle3": graph.cycles3_,
        "clustering": graph.clustering_,
    }
    if coords_mm is not None:
        maps["distdegree"] = graph.distance_degree_
    if options["cycles4"]:
        maps["cycle4"] = graph.cycles4_
    for name, values in maps.items():
        maps[name] = np.full((len(seen), *values.shape[1:]), np.nan)
        maps[name][seen] = values
    row = {
        "n_volumes": len(series),
        "n_nodes": series.shape[1],
        "density": graph.density_,
        "threshold": graph.threshold_,
        "n_edges": graph.n_edges_,
        "n_triangles": graph.n_triangles_,
        "n_constant": int((~seen).sum()) + graph.n_constant_,
        "seconds": round(time.process_time() - start, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    return maps, row


def degrees_of_freedom(n_volumes, tr, band) -> float:
    """Independent samples of a band-passed run: `n x min(1, 2 TR (high - low))`.

    Parameters
    ----------
    n_volumes : int
    tr : float
        In s.
    band : pair of float
        In Hz.
    """
    return float(n_volumes * min(1.0, 2 * tr * (band[1] - band[0])))


def region_graphs(runs, coords_mm, settings, band):
    """Graphs of all runs at region level.

    Parameters
    ----------
    runs : neuro.io.regions.series.Timeseries
    coords_mm : ndarray, shape (n_regions, 3), or None
    settings : dict
        Keys threshold, density, distance_bins, cycles4, truncate_to.
    band : pair of float
        In Hz, for the degrees of freedom.

    Returns
    -------
    maps : dict of ndarray
        `(n_runs, n_regions)` float64 with NaN for missing regions; `distdegree`
        `(n_runs, n_regions, n_bins)`.
    rows : list of dict
    """
    options = graph_options(settings, ROI_DENSITY)
    stacks: dict[str, list] = {}
    rows = []
    for number, series in enumerate(runs.series):
        maps, row = run_graph(series, coords_mm, options, truncate_to=settings["truncate_to"])
        for name, values in maps.items():
            stacks.setdefault(name, []).append(values)
        tr = float(runs.tr[number])
        rows.append(
            {
                "run_key": runs.run_key[number],
                "participant_id": runs.participant_id[number],
                "site": runs.site[number],
                "tr": tr,
                "dof": degrees_of_freedom(row["n_volumes"], tr, band),
                **row,
            }
        )
    return {name: np.stack(values) for name, values in stacks.items()}, rows
