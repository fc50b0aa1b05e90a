"""From the graph maps of all runs to one feature table."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np

from neuro.adhd.features.graph_features import (
    RELATIVE,
    RUN_MAPS,
    GraphFeatures,
    covariance_table,
    edge_table,
)
from neuro.adhd.features.table import FeatureTable, join_features
from neuro.io.formats import excluded, tables
from neuro.io.images import graph_maps, nifti
from neuro.io.images.nodes import load_nodes
from neuro.io.problems import InputProblem
from neuro.io.regions import connectomes, series
from neuro.stats.zscore import map_z


def region_features(
    maps_path, graphs_path, names, runs, run_maps=None
) -> tuple[FeatureTable, list[dict], list[dict]]:
    """Features of region graphs; degree by distance only where the regions' places are known.

    Parameters
    ----------
    maps_path : path-like
        See :mod:`neuro.io.images.graph_maps`.
    graphs_path : path-like
        Table with one row per run.
    names : sequence of str
        Maps to use.
    runs : {'mean', 'first'}
    run_maps : path-like, optional
        Region means of the maps of stage fmri, in the same form.

    Returns
    -------
    table : FeatureTable
    graphs : list of dict
        One row per run.
    exclusions : list of dict
        A row for `distdegree` where it is asked for and the places are not known.

    Raises
    ------
    InputProblem
        When a map was not computed, or nothing is left.
    """
    content = graph_maps.read_graph_maps(maps_path)
    if run_maps:
        content = _with_run_maps(content, run_maps)
    absent = [name for name in names if name not in content.maps]
    left_out = without_places(name for name in absent if name == "distdegree")
    names = [name for name in names if name != "distdegree" or name in content.maps]
    if len(absent) > len(left_out) or not names:
        hint = "; give fmri.atlas a label image with the regions" if left_out else ""
        raise InputProblem(f"adhd.features: no map '{absent[0]}' was computed{hint}")
    stack = [
        {name: content.maps[name][number] for name in names}
        for number in range(len(content.run_key))
    ]
    graphs = tables.read_tsv(graphs_path, dtype={"participant_id": str, "run_key": str})
    table = GraphFeatures(names, content.region).table(stack, content.participant_id, runs)
    return table, graphs.to_dict("records"), left_out


def _with_run_maps(content, path):
    """Graph maps and the region means of stage fmri, run by run."""
    more = graph_maps.read_graph_maps(path)
    row_of = {key: number for number, key in enumerate(more.run_key)}
    lost = [key for key in content.run_key if key not in row_of]
    if lost or more.region != content.region:
        what = f"no run '{lost[0]}'" if lost else "its regions are not those of the series"
        raise InputProblem(f"{path}: {what}; write the maps again")
    order = [row_of[key] for key in content.run_key]
    added = {name: values[order] for name, values in more.maps.items() if name in RUN_MAPS}
    return dataclasses.replace(content, maps={**content.maps, **added})


def without_places(names) -> list[dict]:
    """Rows of exclusions for maps that need to know where the nodes lie."""
    reason = "map not computed: it is not known where the regions lie"
    return [tables.exclusion(name, "adhd_features", reason) for name in names]


def voxel_features(
    files, graph_files, mask_files, group_mask, regions, labels, participants, runs
) -> tuple[FeatureTable, list[dict]]:
    """Features of voxel graphs; voxels outside a run's own mask are missing.

    Amplitudes and homogeneity are z-scores inside each run's mask: their units differ between
    scanners, and nothing of other people enters.

    Parameters
    ----------
    files : dict of str to dict
        Map name to run key to image.
    graph_files, mask_files : dict of str to path
        Run key to the numbers of its graph, and to its brain mask.
    group_mask, regions : path-like
        Mask of the graphs, and label image of the regions on the same grid.
    labels : path-like
        Table with `index` (value in the label image) and `region`.
    participants : dict of str to str
        Run key to participant.
    runs : {'mean', 'first'}

    Returns
    -------
    table : FeatureTable
    graphs : list of dict
    """
    nodes = load_nodes(group_mask)
    names = tables.read_tsv(labels, dtype={"region": str})
    names = dict(zip(names["index"].astype(int), names["region"]))
    codes = nodes.map(regions).astype(int)
    keys = [key for key, path in graph_files.items() if not excluded.is_excluded(path)]
    stack, graphs = [], []
    for key in keys:
        if nodes.axis is None:
            nifti.load_mask(mask_files[key], like=nodes.where)
        covered = nodes.map(mask_files[key]) > 0
        maps = {}
        for name, paths in files.items():
            values = nodes.map(paths[key])
            values[~covered] = np.nan
            maps[name] = map_z(values) if name in RELATIVE else values
        stack.append(maps)
        row = json.loads(Path(graph_files[key]).read_text("utf-8"))
        graphs.append({"run_key": key, "participant_id": participants[key], **row})
    table = GraphFeatures(list(files), [names[code] for code in codes]).table(
        stack, [participants[key] for key in keys], runs
    )
    return table, graphs


def with_covariances(table: FeatureTable, path, runs) -> tuple[FeatureTable, list[dict]]:
    """The table with the covariances of the region series as further features, named `tangent`.

    Also a row of exclusions for every subject that lacks most regions in all of its runs.
    """
    cohort = series.read_timeseries_h5(path)
    covariances = covariance_table(cohort.series, cohort.participant_id, runs, cohort.region)
    covered = [who for who in table.participant_id if who in set(covariances.participant_id)]
    left_out = [
        tables.exclusion(who, "adhd_features", "most regions are missing: no tangent space")
        for who in table.participant_id
        if who not in set(covered)
    ]
    return join_features([table.rows(covered), covariances.rows(covered)]), left_out


def with_edges(table: FeatureTable, path, runs) -> FeatureTable:
    """The table with the connectome's edges as further features, named `fc`."""
    cohort = connectomes.read_connectomes(path)
    edges = edge_table(cohort.edges, cohort.participant_id, cohort.kind, runs, cohort.region)
    return join_features([table, edges.rows(table.participant_id)])
