"""Maps of all people: means over people, tables of regions, and how runs and sites differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.fmri.maps.run import RELATIVE
from neuro.io.formats import excluded, tables
from neuro.io.images import graph_maps, nifti
from neuro.io.problems import InputProblem
from neuro.stats.zscore import map_z

STEP = "fmri_maps"
RUN_COLUMNS = ("run_key", "participant_id", "site", "map", "seed", "n", "mean", "sd")


@dataclasses.dataclass(frozen=True)
class RunMaps:
    """Files of one map of one run.

    Attributes
    ----------
    run_key, participant_id, site : str
    image, table, mask : path-like
        Image, means of regions, and mask of the run.
    """

    run_key: str
    participant_id: str
    site: str
    image: str
    table: str
    mask: str


def read_map(path, mask_img) -> np.ndarray:
    """Voxels of a map inside a mask, shape (n_voxels, n_volumes); NaN without signal."""
    import nibabel

    image = nibabel.load(path)
    nifti.check_grid(mask_img, image, names=("mask", str(path)))
    inside = np.asarray(mask_img.dataobj) > 0
    values = np.asarray(image.dataobj, dtype=np.float64)[inside]
    return values.reshape(len(values), -1)


def run_rows(name, run: RunMaps, seeds) -> list[dict]:
    """How many voxels a run's map has, their mean and spread; one row per volume."""
    values = read_map(run.image, nifti.load_mask(run.mask))
    rows = []
    for column, seed in zip(values.T, list(seeds) if name == "seed" else ["n/a"]):
        finite = column[np.isfinite(column)]
        size = (finite.mean(), finite.std()) if len(finite) else (np.nan, np.nan)
        where = (run.run_key, run.participant_id, run.site, name, seed)
        rows.append(dict(zip(RUN_COLUMNS, (*where, len(finite), *size))))
    return rows


def group_volume(name, runs):
    """Mean over people of one map, voxel by voxel, and how many people each voxel has.

    Runs of a person are averaged first. Amplitudes and homogeneity are z-scored inside each
    run's mask before, because their units differ between scanners; seed maps are Fisher z as
    they are.

    Parameters
    ----------
    name : str
    runs : sequence of RunMaps
        Images on one grid.

    Returns
    -------
    mean : ndarray, shape (x, y, z, n_volumes)
        NaN where nobody has a value.
    n : ndarray of int, shape (x, y, z, n_volumes)
        People.
    affine : ndarray, shape (4, 4)

    Raises
    ------
    InputProblem
        When grids differ.
    """
    first = nifti.load_mask(runs[0].mask)
    total = count = None
    for who in dict.fromkeys(run.participant_id for run in runs):
        own = own_n = None
        for run in (run for run in runs if run.participant_id == who):
            mask = nifti.load_mask(run.mask, like=first)
            values = read_map(run.image, mask)
            if name in RELATIVE:
                values = np.stack([map_z(column) for column in values.T], axis=1)
            if own is None:
                own = np.zeros((*first.shape[:3], values.shape[1]))
                own_n = np.zeros(own.shape, dtype=np.int32)
            inside, finite = np.asarray(mask.dataobj) > 0, np.isfinite(values)
            own[inside] += np.where(finite, values, 0.0)
            own_n[inside] += finite
        if total is None:
            total, count = np.zeros(own.shape), np.zeros(own.shape, dtype=np.int32)
        total += own / np.maximum(own_n, 1)
        count += own_n > 0
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, count, first.affine


def region_stack(name, runs, regions) -> np.ndarray:
    """Means of the regions in all runs, shape (n_runs, n_regions) or (n_runs, n_regions, n_seeds).

    On the scale of :func:`group_volume`: amplitudes and homogeneity less the mean of the run's
    voxels, divided by their spread.

    Raises
    ------
    InputProblem
        When a run has other regions.
    """
    rows = []
    for run in runs:
        table = tables.read_tsv(run.table)
        if list(table.columns) != list(regions):
            raise InputProblem(f"{run.table}: its regions are not those of the other runs")
        values = table.to_numpy(float)
        if name in RELATIVE:
            voxels = read_map(run.image, nifti.load_mask(run.mask))
            voxels = voxels[np.isfinite(voxels)]
            spread = voxels.std() if voxels.size else 1.0
            mean = voxels.mean() if voxels.size else 0.0
            values = (values - mean) / (spread if spread > 0 else 1.0)
        rows.append(values[0] if name != "seed" else values.T)
    return np.stack(rows)


def region_table(name, stack, people, regions, seeds) -> pd.DataFrame:
    """Mean, spread and number of people of each region.

    Parameters
    ----------
    name : str
    stack : ndarray
        See :func:`region_stack`.
    people : sequence of str, length n_runs
    regions : sequence of str
    seeds : sequence of str

    Returns
    -------
    pandas.DataFrame
        map, seed, region, mean, sd (over people), n.
    """
    stack = stack.reshape(len(stack), len(regions), -1)
    labels = np.asarray(people)
    own = np.stack([_known_mean(stack[labels == who]) for who in dict.fromkeys(people)])
    n = np.isfinite(own).sum(axis=0)
    mean = _known_mean(own)
    square = (np.where(np.isfinite(own), own - mean, 0.0) ** 2).sum(axis=0)
    sd = np.where(n > 1, np.sqrt(square / np.maximum(n - 1, 1)), np.nan)
    parts = [
        pd.DataFrame(
            {
                "map": name,
                "seed": seed,
                "region": list(regions),
                "mean": mean[:, column],
                "sd": sd[:, column],
                "n": n[:, column],
            }
        )
        for column, seed in enumerate(list(seeds) if name == "seed" else ["n/a"])
    ]
    return pd.concat(parts, ignore_index=True)


def _known_mean(values) -> np.ndarray:
    """Mean over the first axis of what is known; NaN where nothing is."""
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    return np.where(n > 0, np.where(finite, values, 0.0).sum(axis=0) / np.maximum(n, 1), np.nan)


def gather(files, seeds):
    """Tables of all runs and regions, and region maps for the diagnosis.

    Parameters
    ----------
    files : dict of str to sequence of RunMaps
        By map; an image of 0 bytes stands for a run that was left out.
    seeds : mapping of str to sequence of float

    Returns
    -------
    runs, regions : pandas.DataFrame
        Columns :data:`RUN_COLUMNS`, and those of :func:`region_table`.
    content : neuro.io.images.graph_maps.GraphMaps
    left_out : list of dict
        A row per run and seed without signal.
    used : dict of str to list of RunMaps

    Raises
    ------
    InputProblem
        When every run was left out.
    """
    used = {
        name: [run for run in runs if not excluded.is_excluded(run.image)]
        for name, runs in files.items()
    }
    first = next(iter(used.values()))
    if not first:
        raise InputProblem(
            "fmri.maps: every run was excluded; see *_desc-exclusions.tsv beside each run"
        )
    regions = list(tables.read_tsv(first[0].table).columns)
    people = [run.participant_id for run in first]
    rows, parts, stacks = [], [], {}
    for name, runs in used.items():
        rows += [row for run in runs for row in run_rows(name, run, seeds)]
        stacks[name] = region_stack(name, runs, regions)
        parts.append(region_table(name, stacks[name], people, regions, seeds))
    left_out = [
        tables.exclusion(row["run_key"], STEP, f"seed '{row['seed']}': no voxel with signal", 0, 1)
        for row in rows
        if row["map"] == "seed" and not row["n"]
    ]
    content = graph_maps.GraphMaps(stacks, [run.run_key for run in first], people, regions)
    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    return table, pd.concat(parts, ignore_index=True), content, left_out, used


def write_group_volumes(name, runs, mean_path, n_path) -> None:
    """Write mean and number of people of one map as images, 0 where nobody has a value."""
    import nibabel

    mean, count, affine = group_volume(name, runs)
    mean = np.nan_to_num(mean)
    for path, values in ((mean_path, mean.astype(np.float32)), (n_path, count.astype(np.int16))):
        image = nibabel.Nifti1Image(values if name == "seed" else values[..., 0], affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, path)
