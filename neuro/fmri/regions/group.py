"""What concerns all runs together: gathered series, connectomes as text, group QC."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.fmri.quality.run import QC_COLUMNS
from neuro.fmri.regions.connectome import average_by_participant, to_matrix
from neuro.io.formats import excluded, tables
from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries
from neuro.io.regions.series import read_series_tsv, text


def gather_series(paths, run_keys, rows, participants) -> list[RegionSeries]:
    """Read the series of all runs that were not excluded, with subject and site.

    Parameters
    ----------
    paths : sequence of path-like
        Series tables; a file of 0 bytes stands for an excluded run.
    run_keys : sequence of str
        Same order.
    rows : dict of str to dict
        Run table by run key, with `participant_id` and `site`.
    participants : pandas.DataFrame

    Returns
    -------
    list of RegionSeries

    Raises
    ------
    InputProblem
        When every run was excluded.
    """
    sites = participants.set_index("participant_id")["site"]
    runs = []
    for path, key in zip(paths, run_keys):
        if excluded.is_excluded(path):
            continue
        run = read_series_tsv(path)
        label = rows[key]["participant_id"]
        site = text(rows[key].get("site")) or text(sites.get(label))
        runs.append(RegionSeries(key, run.series, run.regions, run.tr, label, site, str(path)))
    if not runs:
        raise InputProblem(
            "fmri: every run was excluded; see *_desc-exclusions.tsv beside each run"
        )
    return runs


def region_table(paths) -> pd.DataFrame:
    """Names and coordinates (mm) of the regions, from the first table that is not empty."""
    for path in paths:
        if not excluded.is_excluded(path):
            table = tables.read_tsv(path, dtype={"region": str})
            return table.reindex(columns=["region", "x", "y", "z"])
    raise InputProblem("fmri: no run names its regions; see *_desc-exclusions.tsv beside each run")


def distances(regions: pd.DataFrame) -> np.ndarray | None:
    """Distance in mm of every pair of regions in edge order; None without coordinates."""
    coords = regions[["x", "y", "z"]].to_numpy(float)
    if np.isnan(coords).any():
        return None
    i, j = np.triu_indices(len(coords), 1)
    return np.linalg.norm(coords[i] - coords[j], axis=1)


def write_relmat(path, edges, regions) -> None:
    """Write one connectome as a square table with a header of region labels.

    Parameters
    ----------
    path : path-like
    edges : ndarray, shape (n_edges,)
        In the order of `numpy.triu_indices(n_regions, 1)`; the diagonal is missing.
    regions : sequence of str
    """
    matrix = to_matrix(np.asarray(edges, dtype=float), diagonal=np.nan)
    tables.write_tsv(path, pd.DataFrame(matrix, columns=list(regions)), float_format="%.7g")


def group_qc(paths, rows, participants, coverage=()) -> pd.DataFrame:
    """One row per used run, joined from the runs' QC tables.

    Parameters
    ----------
    paths : sequence of path-like
        Tables with the columns of the group table; empty files are skipped.
    rows : dict of str to dict
        Run table by run key.
    participants : pandas.DataFrame
    coverage : sequence of path-like
        Tables of the regions' coverage in the order of `paths`, or none.

    Returns
    -------
    pandas.DataFrame
        Columns as in :data:`~neuro.fmri.quality.run.QC_COLUMNS` (volumes, minutes, mm and shares)
        and `status`: used or excluded.
    """
    parts = [
        tables.read_tsv(path, dtype={"run_key": str, "participant_id": str})
        for path in paths
        if not excluded.is_excluded(path)
    ]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"run_key": []})
    smallest = _smallest_coverage(paths, coverage)
    if smallest:
        table["min_coverage"] = table["run_key"].map(smallest)
    sites = participants.set_index("participant_id")["site"]
    table["participant_id"] = [rows[key]["participant_id"] for key in table["run_key"]]
    table["site"] = [
        text(rows[key].get("site")) or text(sites.get(label)) or None
        for key, label in zip(table["run_key"], table["participant_id"])
    ]
    if "mean_fd" in participants and "mean_fd" in table:
        # region tables bring no motion, but published tables of people often do
        stated = participants.set_index("participant_id")["mean_fd"]
        own = pd.to_numeric(table["mean_fd"], errors="coerce")
        table["mean_fd"] = own.fillna(table["participant_id"].map(stated))
    columns = [*QC_COLUMNS, "status"]
    return table.reindex(columns=columns).sort_values("run_key", ignore_index=True)


def _smallest_coverage(paths, coverage) -> dict:
    """Share of the least covered region by run key."""
    smallest = {}
    for path, table in zip(paths, coverage):
        if excluded.is_excluded(path) or excluded.is_excluded(table):
            continue
        key = str(tables.read_tsv(path, dtype={"run_key": str})["run_key"][0])
        smallest[key] = float(tables.read_tsv(table)["coverage"].min())
    return smallest


def by_participant(edges, runs: pd.DataFrame, kind: str):
    """Edges and head motion with one row per participant.

    The runs of a person are no independent observations, so a test over runs would find too much.

    Parameters
    ----------
    edges : ndarray, shape (n_runs, n_edges)
    runs : pandas.DataFrame
        `participant_id`, `n_kept` and `mean_fd` (mm) of each run, in the order of `edges`.
    kind : str
        Of connectome, see :func:`neuro.fmri.regions.connectome.average_runs`.

    Returns
    -------
    edges : ndarray of float32, shape (n_participants, n_edges)
        Weighted by the kept volumes.
    mean_fd : ndarray, shape (n_participants,)
        Mean over the runs that have a value; NaN without any.
    """
    # Volumes are not known of every table; such runs weigh alike.
    kept = pd.to_numeric(runs["n_kept"], errors="coerce").fillna(4).clip(lower=4)
    labels = runs["participant_id"].astype(str).tolist()
    names, means = average_by_participant(edges, labels, kept.to_numpy(), kind)
    fd = pd.to_numeric(runs["mean_fd"], errors="coerce").groupby(labels).mean()
    return means, fd.reindex(names).to_numpy(float)


def join_exclusions(paths) -> pd.DataFrame:
    """All exclusion tables of the stage in one."""
    parts = [tables.read_tsv(path, dtype=str) for path in paths if not excluded.is_excluded(path)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return table.reindex(columns=list(tables.EXCLUSION_COLUMNS))


def headline(qc: pd.DataFrame, n_excluded: int, motion=None) -> list[dict]:
    """Headline figures of the stage for `report.json`.

    Parameters
    ----------
    qc : pandas.DataFrame
        See :func:`group_qc`.
    n_excluded : int
        Rows of the exclusions table.
    motion : dict of str to QcFc, optional
        Association with motion, keys `before` and `after`.
    """

    def figure(name, value, unit, n, baseline=None, null=None):
        return {
            "name": name,
            "value": value,
            "unit": unit,
            "n": n,
            "baseline": baseline,
            "null": null,
        }

    qc = qc[qc["status"] == "used"]
    n = len(qc)
    figures = [
        figure("runs used", n, "runs", n),
        figure("subjects used", qc["participant_id"].nunique(), "subjects", n),
        figure("exclusions", n_excluded, "rows", n),
    ]
    for column, name, unit in (
        ("minutes_kept", "median time kept", "min"),
        ("mean_fd", "median mean framewise displacement", "mm"),
        ("dof_left", "median degrees of freedom left", "dof"),
        ("in_band_power", "mean power in the pass band", "share"),
    ):
        values = pd.to_numeric(qc[column], errors="coerce").dropna()
        if len(values):
            value = values.mean() if name.startswith("mean") else values.median()
            figures.append(figure(name, float(value), unit, len(values)))
    if motion:
        before, after = motion.get("before"), motion["after"]
        figures.append(
            figure(
                "edges correlated with motion (p < .05)",
                after.share,
                "share",
                after.n_subjects,
                baseline=before.share if before else None,
                null=0.05,
            )
        )
    return figures


def planted(qc: pd.DataFrame, edges, regions, truth: dict) -> list[dict]:
    """How far the planted truth of a simulated cohort came back, for `report.json`.

    Parameters
    ----------
    qc : pandas.DataFrame
        See :func:`group_qc`.
    edges : ndarray, shape (n_runs, n_edges)
        Connectomes of the runs that were used.
    regions : sequence of str
    truth : dict
        Content of `truth.json`, see :func:`neuro.simulate.mni.write_cohort`.

    Returns
    -------
    list of dict
        The restless subjects that were left out, and how well the mean connectome tells pairs of
        regions of one planted network from other pairs (area under the ROC curve; .5 is chance).
    """
    from sklearn.metrics import roc_auc_score

    used = set(qc.loc[qc["status"] == "used", "participant_id"])
    restless = {label for label, person in truth["subjects"].items() if person["restless"]}
    wrong = len(restless & used) + len(set(truth["subjects"]) - restless - used)
    figures = [
        {
            "name": "restless subjects left out",
            "value": len(restless - used),
            "unit": "subjects",
            "n": len(truth["subjects"]),
            "planted": len(restless),
            "recovered": len(restless - used),
            "error": f"{wrong} wrongly kept or lost",
        }
    ]
    network = np.array([truth["networks"].get(name, -1) for name in regions])
    i, j = np.triu_indices(len(network), 1)
    same = network[i] == network[j]
    if same.any() and not same.all() and network.min() >= 0:
        area = float(roc_auc_score(same, np.asarray(edges, float).mean(axis=0)))
        figures.append(
            {
                "name": "pairs of one network told from others",
                "value": area,
                "unit": "AUROC",
                "n": len(same),
                "null": 0.5,
                "planted": 1.0,
                "recovered": area,
                "error": 1.0 - area,
            }
        )
    return figures
