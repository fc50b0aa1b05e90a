"""Folders of spike sorters: Kilosort and Phy, and ALF as the IBL writes it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.spikes.data import SpikeData

GROUPS = ("cluster_group.tsv", "cluster_group.csv", "cluster_info.tsv", "cluster_KSLabel.tsv")
"""Tables of what a cluster is, the one a person made first."""


def read_phy(path, sampling_hz: float | None = None) -> SpikeData:
    """Read a folder of Kilosort or Phy.

    Parameters
    ----------
    path : path-like
        With `spike_times.npy` (samples), `spike_clusters.npy` (or `spike_templates.npy`),
        `params.py` and one of :data:`GROUPS`.
    sampling_hz : float, optional
        Where `params.py` is missing.

    Returns
    -------
    SpikeData
        `quality` of a unit is its group; clusters that are noise are no units.

    Raises
    ------
    InputProblem
        When a file is missing, lengths differ, or no sampling rate is known or two that differ.
    """
    path = Path(path)
    times = _vector(path / "spike_times.npy")
    clusters = next(
        (
            path / f"spike_{name}.npy"
            for name in ("clusters", "templates")
            if (path / f"spike_{name}.npy").exists()
        ),
        path / "spike_clusters.npy",
    )
    ids = _vector(clusters)
    notes = []
    if (times == np.round(times)).all():
        times = times / _sampling(path, sampling_hz)
    else:
        notes.append("spike_times.npy has fractions: taken as seconds, not as samples")
    quality = _groups(path)
    data = _by_cluster(path, times, ids, sorted({*np.unique(ids).astype(int), *quality}))
    data.notes += notes
    if quality:
        data.units["quality"] = [quality.get(int(unit), "unsorted") for unit in data.units["unit"]]
        noise = (data.units["quality"] == "noise").to_numpy()
        if noise.any():
            data = data.keep(~noise)
            data.notes.append(f"{int(noise.sum())} clusters are noise; left out")
    return data


def read_alf(path) -> SpikeData:
    """Read a folder of ALF files.

    Parameters
    ----------
    path : path-like
        With `spikes.times*.npy` (s) and `spikes.clusters*.npy`; each `clusters.<name>*.npy` or
        column of `clusters.metrics*.csv` with one value per cluster is kept. `region` is the
        acronym of a cluster's brain area.

    Returns
    -------
    SpikeData

    Raises
    ------
    InputProblem
        When a file is missing or not the only one, or lengths differ.
    """
    path = Path(path)
    times = _vector(_only(path, "spikes.times*.npy"))
    ids = _vector(_only(path, "spikes.clusters*.npy"))
    columns = {}
    for file in sorted(path.glob("clusters.*.npy")):
        with readable(file, "not a plain .npy of numbers or text"):
            values = np.load(file, allow_pickle=False)
        if values.ndim == 1:
            columns[file.name.split(".")[1]] = values
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1:
        raise InputProblem(f"{path}: clusters.*.npy have {min(sizes)} to {max(sizes)} rows")
    count = max([int(ids.max(initial=-1)) + 1, *sizes])
    if sizes and count > max(sizes):
        raise InputProblem(
            f"{path}: a spike is of cluster {count - 1}, but clusters.*.npy have {max(sizes)} rows"
        )
    data = _by_cluster(path, times, ids, range(count) if sizes else np.unique(ids).astype(int))
    for name, values in columns.items():
        data.units["region" if "cronym" in name else name] = values
    for file in sorted(path.glob("clusters.metrics*.csv")):
        with readable(file, "not a readable table"):
            table = pd.read_csv(file)
        if "cluster_id" in table:
            table = table.set_index("cluster_id").reindex(data.units["unit"].astype(int))
            new = [name for name in table if name not in data.units]
            data.units[new] = table[new].to_numpy()
    return data


def _by_cluster(path, times, ids, labels):
    """Spike trains by cluster; only clusters that exist are units."""
    if len(times) != len(ids):
        raise InputProblem(f"{path}: {len(times)} spike times, but {len(ids)} clusters of spikes")
    order = np.argsort(ids, kind="stable")
    edges = np.searchsorted(ids[order], np.append(labels, np.inf))
    moved = times[order].astype(np.float64)
    trains = [moved[low:high] for low, high in itertools.pairwise(edges)]
    units = pd.DataFrame({"unit": [str(int(label)) for label in labels]})
    return SpikeData(trains, units, None, None, str(path))


def _vector(path):
    if not path.exists():
        raise InputProblem(f"{path}: no such file; copy it from the sorter's folder")
    with readable(path, "not a plain .npy of numbers"):
        values = np.load(path, allow_pickle=False)
    if values.dtype.kind not in "fiu" or values.size != max(values.shape, default=0):
        raise InputProblem(f"{path}: shape {values.shape}, expected one number per spike")
    return values.ravel()


def _only(folder, pattern):
    files = sorted(folder.glob(pattern))
    if len(files) != 1:
        what = ", ".join(file.name for file in files) or "none"
        raise InputProblem(f"{folder}: expected one file {pattern}; found: {what}")
    return files[0]


def _sampling(path, given):
    """Sampling rate from `params.py`, which is read as text and never run."""
    file = path / "params.py"
    text = file.read_text("utf-8", errors="replace") if file.exists() else ""
    match = re.search(r"^\s*sample_rate\s*=\s*([0-9.eE+]+)", text, re.MULTILINE)
    stated = float(match[1]) if match else None
    if not (stated or given):
        raise InputProblem(
            f"{path}: spike times are samples, but params.py states no sample_rate; set "
            "hmmglm.sampling_hz"
        )
    if stated and given and abs(stated - given) > 1e-3 * given:
        raise InputProblem(
            f"{file}: sample_rate {stated:g}, but hmmglm.sampling_hz is {given:g}; remove the "
            "wrong one"
        )
    return stated or given


def _groups(path) -> dict[int, str]:
    """What a cluster is (good, mua, noise), by its id."""
    for name in GROUPS:
        if not (path / name).exists():
            continue
        with readable(path / name, "not a readable table"):
            table = pd.read_csv(path / name, sep=None, engine="python")
        column = next((key for key in ("group", "KSLabel") if key in table), None)
        label = next((key for key in ("cluster_id", "id") if key in table), None)
        if column is None or label is None:
            continue
        labelled = table[table[column].notna()]
        return {int(key): str(value) for key, value in zip(labelled[label], labelled[column])}
    return {}
