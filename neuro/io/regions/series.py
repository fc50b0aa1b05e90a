"""Region time series: one table per run, or one HDF5 file for a cohort."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.io.formats import contained
from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.io.regions.region_series import RegionSeries

DAMAGED = "its parts are not those that are written there; write it again"
"""Said of HDF5 files of the workflow whose data sets cannot be read."""


def text(value) -> str:
    """A label as text; missing values become the empty string."""
    return "" if value is None or value != value else str(value)


def _checked(series, regions) -> tuple[np.ndarray, list[str]]:
    series = np.asarray(series, dtype=np.float32)
    regions = [str(name) for name in regions]
    if series.ndim != 2:
        raise ValueError(f"series: shape {series.shape}, expected (n_timepoints, n_regions)")
    if len(regions) != series.shape[1]:
        raise ValueError(f"regions: {len(regions)} labels for {series.shape[1]} columns")
    repeated = sorted({name for name in regions if regions.count(name) > 1})
    if repeated:
        raise ValueError(f"regions: label '{repeated[0]}' is repeated; labels must differ")
    odd = [name for name in regions if not name or "\t" in name or "\n" in name]
    if odd:
        raise ValueError(f"regions: {odd[0]!r} is no label (empty, or holds a tab or line break)")
    return series, regions


def write_series_tsv(path, series, regions, tr, **sidecar) -> Path:
    """Write the series of one run with region labels as header, and its JSON sidecar.

    Parameters
    ----------
    path : path-like
        Usually `..._timeseries.tsv`.
    series : array, shape (n_timepoints, n_regions)
        Stored with 9 significant digits, so float32 comes back bit by bit; NaN as `n/a`.
    regions : sequence of str
    tr : float
        Sampling interval in s; becomes `RepetitionTime` and `SamplingFrequency` (Hz).
    **sidecar
        Passed to :func:`neuro.base.provenance.sidecar` (`parameters`, `inputs`, `seed`, more).

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When labels and columns do not match, labels repeat, or `tr` is no positive number.
    """
    path = Path(path)
    series, regions = _checked(series, regions)
    if not (np.isfinite(tr) and tr > 0):
        raise ValueError(f"tr: got {tr}, expected seconds > 0")
    path.parent.mkdir(parents=True, exist_ok=True)
    row = "\t".join(["%.9g"] * len(regions))
    lines = ["\t".join(regions)] + [row % tuple(values) for values in series.tolist()]
    if np.isnan(series).any():
        lines[1:] = [
            "\t".join("n/a" if cell == "nan" else cell for cell in line.split("\t"))
            for line in lines[1:]
        ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    fields = {"RepetitionTime": float(tr), "SamplingFrequency": 1.0 / float(tr)}
    provenance.sidecar(path, **{**fields, **sidecar})
    return path


def read_series_tsv(path) -> RegionSeries:
    """Read what :func:`write_series_tsv` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    RegionSeries
        `run_key` and `participant_id` come from the file name.

    Raises
    ------
    InputProblem
        When the table or its sidecar is missing or damaged.
    """
    # the general reader knows every check; imported here because it imports this module
    from neuro.io.regions.roi import read_roi_table

    return read_roi_table(path, min_volumes=1, time_axis=0, constant="keep", header=True)


@dataclasses.dataclass(frozen=True)
class Timeseries:
    """A cohort's series as read from HDF5, one list entry per run.

    Attributes
    ----------
    series : list of ndarray of float32, shape (n_timepoints, n_regions)
    run_key, participant_id, site : list of str
    tr : ndarray of float64, shape (n_runs,)
        Sampling intervals in s.
    n_volumes : ndarray of int64, shape (n_runs,)
    region : list of str
    """

    series: list[np.ndarray]
    run_key: list[str]
    participant_id: list[str]
    site: list[str]
    tr: np.ndarray
    n_volumes: np.ndarray
    region: list[str]

    def __len__(self) -> int:
        return len(self.run_key)


def write_timeseries_h5(path, runs: Iterable[RegionSeries]) -> Path:
    """Write the series of many runs that share one set of regions.

    The file holds `/series/<run_key>` (float32, time first) and the columns `run_key`,
    `participant_id`, `site`, `tr` (s), `n_volumes` and `region`. Nothing is compressed, because
    decoding would take longer than reading.

    Parameters
    ----------
    path : path-like
    runs : iterable of RegionSeries
        Read one at a time; a generator keeps the memory small.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputProblem
        When runs differ in their regions, a run key is repeated, or there is no run. All
        problems at once; no file is left behind.
    """
    import h5py

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list] = {
        name: [] for name in ("run_key", "participant_id", "site", "tr", "n_volumes")
    }
    problems: list[str] = []
    regions: list[str] | None = None
    unfinished = path.with_name(path.name + ".part")
    try:
        with h5py.File(unfinished, "w") as file:
            group = file.create_group("series")
            for run in runs:
                series, labels = _checked(run.series, run.regions)
                regions = labels if regions is None else regions
                if labels != regions:
                    problems.append(_different(run.run_key, labels, regions))
                elif run.run_key in group:
                    problems.append(f"{run.run_key}: two runs have this key; keys must differ")
                else:
                    group.create_dataset(run.run_key, data=series)
                    values = (run.run_key, run.participant_id, run.site, run.tr, len(series))
                    for column, value in zip(columns.values(), values):
                        column.append(value)
            if regions is None:
                problems.append(f"{path.name}: no run to write")
            if problems:
                raise InputProblem(problems)
            for name in ("run_key", "participant_id", "site"):
                write_strings(file, name, columns[name])
            file["tr"] = np.array(columns["tr"], dtype=np.float64)
            file["n_volumes"] = np.array(columns["n_volumes"], dtype=np.int64)
            write_strings(file, "region", regions)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _different(key: str, labels: list[str], expected: list[str]) -> str:
    if len(labels) != len(expected):
        return f"{key}: {len(labels)} regions, the runs before it have {len(expected)}"
    column = next(i for i, pair in enumerate(zip(labels, expected)) if pair[0] != pair[1])
    return (
        f"{key}: region {column + 1} is '{labels[column]}', the runs before it have "
        f"'{expected[column]}'; all runs need the same regions in the same order"
    )


def read_timeseries_h5(path, run_keys=None) -> Timeseries:
    """Read what :func:`write_timeseries_h5` wrote.

    Parameters
    ----------
    path : path-like
    run_keys : sequence of str, optional
        Only these runs, in this order; all by default.

    Returns
    -------
    Timeseries

    Raises
    ------
    InputProblem
        When the file is missing or is no such file, or a wanted run is not in it.
    """
    needed = ("series", "run_key", "tr", "n_volumes", "region", "participant_id", "site")
    with open_h5(path, needed) as file, readable(path, DAMAGED):
        stored = read_strings(file, "run_key")
        wanted = stored if run_keys is None else [str(key) for key in run_keys]
        row_of = {key: number for number, key in enumerate(stored)}
        absent = [key for key in wanted if key not in row_of]
        if absent:
            raise InputProblem(
                f"{path}: no run '{absent[0]}' ({len(absent)} of {len(wanted)} wanted runs are "
                f"missing); the file holds {len(stored)} runs, e.g. {', '.join(stored[:3])}"
            )
        rows = np.array([row_of[key] for key in wanted], dtype=int)
        people, sites = (read_strings(file, name) for name in ("participant_id", "site"))
        return Timeseries(
            series=[file["series"][key][()] for key in wanted],
            run_key=list(wanted),
            participant_id=[people[row] for row in rows],
            site=[sites[row] for row in rows],
            tr=file["tr"][()][rows],
            n_volumes=file["n_volumes"][()][rows],
            region=read_strings(file, "region"),
        )


def open_h5(path, needed):
    """Open an HDF5 file for reading and check that it holds what is needed.

    Raises
    ------
    InputProblem
        When the file is missing, is not HDF5, or lacks a data set.
    """
    import h5py

    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    contained.check(path)
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise InputProblem(f"{path}: not an HDF5 file, or cut off; write it again") from None
    with readable(path, DAMAGED):
        absent = [name for name in needed if name not in file]
    if absent:
        file.close()
        raise InputProblem(f"{path}: no data set '{absent[0]}'; expected {', '.join(needed)}")
    return file


def write_strings(file, name: str, values):
    """Store a list of text as a UTF-8 data set."""
    import h5py

    data = np.array([text(value) for value in values], dtype=object)
    file.create_dataset(name, data=data, dtype=h5py.string_dtype())


def read_strings(file, name: str) -> list[str]:
    """Read a text data set as a list of str."""
    return list(file[name].asstr()[()])


def read_regions(path) -> list[str]:
    """Region labels of a file that :func:`write_timeseries_h5` wrote."""
    with open_h5(path, ("region",)) as file, readable(path, DAMAGED):
        return read_strings(file, "region")
