"""Layouts of input data: how the runs, the participants and the region tables of each are found."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from neuro.base.beside import SERIES
from neuro.io.problems import InputProblem
from neuro.run import select


@dataclasses.dataclass
class Found:
    """What a scan found.

    Attributes
    ----------
    kind : str
        The layout, after detection.
    why : str
        How the layout was found, in words.
    rows : list of dict
        One per run, sorted; the unusable ones with a status and a reason.
    files : list of str
        Files that hold region tables (empty for images).
    sources : list of str
        Files that the list of participants is made from.
    notes : list of str
        Oddities that were dealt with.
    """

    kind: str
    why: str
    rows: list[dict]
    files: list[str] = dataclasses.field(default_factory=list)
    sources: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


def scan(config) -> Found:
    """Find all runs of the input.

    Parameters
    ----------
    config : dict
        Resolved configuration.

    Returns
    -------
    Found

    Raises
    ------
    InputProblem
        When nothing usable is there, or labels are asked for that do not exist.
    """
    kind = config["data"]["kind"]
    if kind == "auto":
        kind = detect(config["data"]["root"])
    scanned = _READERS[kind]({**config, "data": {**config["data"], "kind": kind}})
    people = select.people(config["data"], scanned)
    rows = select.chosen(scanned.rows, config, scanned.kind, people)
    if scanned.kind in ("table", "adhd200"):
        scanned.files = sorted({row["table"] for row in rows if row["status"] == "ok"})
    scanned.rows = sorted(rows, key=lambda row: row["run_key"])
    return scanned


QUESTIONABLE = "questionable to its site (QC_Rest 0)"
"""Reason of a run that `data.use_qc` leaves out."""


def detect(root) -> str:
    """Guess the layout of a folder from the names in it.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    str
        `adhd200`; `images` where there are runs, whose kind `neuro.io.bids.scanner` tells; else
        `table`.
    """
    from neuro.io.adhd200.cohort import looks_like_adhd200

    if looks_like_adhd200(root):
        return "adhd200"
    return "images" if Path(root).is_dir() and _has_bold(root) else "table"


def _has_bold(root):
    """Whether there is an image below a folder that could be a run.

    A series on surfaces is one where no region tables were made of it.
    """
    surfaces = tables = False
    for _, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        # fMRIPrep before 1.2 wrote *_bold_space-*_preproc.nii.gz
        endings = ("_bold.nii.gz", "_bold.nii", "_preproc.nii.gz")
        if any(name.endswith(endings) and "_bold" in name for name in names):
            return True
        surfaces |= any(name.endswith(SERIES) and "_bold" in name for name in names)
        tables |= any(map(_is_region_table, names))
    return surfaces and not tables


def _is_region_table(name) -> bool:
    return name.endswith((".ptseries.nii", "_timeseries.tsv")) and "desc-confounds" not in name


def _simulated(config):
    from neuro.simulate.names import run_files, run_key, subject_labels

    base = "results/simulated"
    simulate = config["simulate"]
    rows = []
    for number, label in enumerate(subject_labels(simulate["n_subjects"])):
        files = {name: f"{base}/{path}" for name, path in run_files(label).items()}
        rows.append(
            {
                "run_key": run_key(label),
                "participant_id": label,
                "task": "rest",
                "site": simulate["sites"][number % len(simulate["sites"])],
                "kind": "simulated",
                "bold": files["bold"],
                "mask": files["mask"],
                "confounds": files["confounds"],
                "json": files["bold_json"],
                "tr": simulate["tr"],
                "tr_source": "simulation",
                "status": "ok",
            }
        )
    return Found("simulated", "settings", rows, sources=[f"{base}/participants.tsv"])


def _adhd200(config):
    index = _adhd200_index(config["data"])
    root = Path(config["data"]["root"])
    rows = []
    for row in index.runs.to_dict("records"):
        row["table"] = (root / (row["archive"] or row["path"])).as_posix()
        if row["qc"] == 0 and config["data"]["use_qc"]:
            row |= {"status": "excluded", "reason": QUESTIONABLE}
        rows.append(row)
    notes = list(index.notes)
    n_doubtful = int((index.runs["qc"] == 0).sum())
    if n_doubtful and not config["data"]["use_qc"]:
        notes.append(
            f"{n_doubtful} of {len(index.runs)} runs are questionable to their site (QC_Rest 0) "
            "and stay in; data.use_qc: true leaves them out"
        )
    rows += [_excluded(row) for row in index.exclusions]
    phenotypes = sorted(path.as_posix() for path in root.glob("*/*_phenotypic.csv"))
    archives = {row["table"] for row in rows if str(row.get("table", "")).endswith(".tar.gz")}
    return Found(
        "adhd200",
        "folders or archives named like ADHD-200 sites",
        rows,
        sources=sorted(archives) + phenotypes,
        notes=notes,
    )


def _adhd200_index(data):
    from neuro.io.adhd200.cohort import scan_adhd200

    return scan_adhd200(
        data["root"],
        filtered=data["filtered"],
        sites=None if data["sites"] == "all" else data["sites"],
        tr_by_site=data["site_tr"],
    )


def read_series(kind, data, rows, exclusions, constant="missing"):
    """Load the region series of runs that came as tables.

    Parameters
    ----------
    kind : str
        `adhd200` or `table`.
    data : dict
        Section `data` of the configuration.
    rows : list of dict
        Runs of the run table.
    exclusions : list of dict
        Tables that cannot be used are added here as rows.
    constant : {'missing', 'exclude_run'}
        What a region is that is constant in a run, see `fmri.constant_regions`.

    Yields
    ------
    RegionSeries
    """
    from neuro.io.formats.tables import exclusion
    from neuro.io.regions.roi import read_roi_table

    constant = "nan" if constant == "missing" else "raise"
    if kind == "adhd200":
        from neuro.io.adhd200.cohort import iter_adhd200

        keys = [row["run_key"] for row in rows]
        yield from iter_adhd200(_adhd200_index(data), exclusions, keys, constant)
        return
    for row in rows:
        try:
            tr = float(row["tr"]) if row["tr"] else data["tr"]
            run = read_roi_table(row["table"], tr=tr, constant=constant)
        except InputProblem as problem:
            # the run is named in the row: the same reason reads the same for every run
            lines = [line.removeprefix(f"{row['table']}: ") for line in problem.problems]
            exclusions.append(exclusion(row["run_key"], "read", "; ".join(lines)))
            continue
        yield dataclasses.replace(
            run,
            run_key=row["run_key"],
            participant_id=row["participant_id"],
            site=row["site"],
        )


def _excluded(exclusion):
    key = str(exclusion["what"])
    return {
        "run_key": key,
        "participant_id": key.split("_")[0].removeprefix("sub-"),
        "status": "excluded",
        "reason": exclusion["reason"],
    }


def _tables(config):
    from neuro.io.formats.tables import read_participants
    from neuro.io.regions.roi_scan import scan_roi_tables

    data = config["data"]
    people = _participants_file(data)
    table = scan_roi_tables(
        data["root"],
        read_participants(people[0], data["columns"]) if people else None,
        tr=data["tr"],
        site_tr=data["site_tr"],
        atlas=data["atlas"],
    )
    rows = _records(table, data["root"], {"path": "table"})
    why = table.attrs["why"]
    for row in rows:
        row |= _beside(row)
    if any(row.get("outliers") for row in rows):
        why += " of XCP-D, no denoised images"
    return Found("table", why, rows, sources=people)


def _records(table, root, names):
    """Rows of a scan with paths that can be opened; missing cells are left out."""
    folder = Path(table.attrs.get("root") or root)
    rows = []
    for row in table.to_dict("records"):
        # Files of 0 bytes are planned with; the job that reads them says what is wrong.
        if row["status"] == "empty":
            row["status"] = "ok"
        row = {name: value for name, value in row.items() if value == value and value != ""}
        for name, target in names.items():
            if row.get(name):
                row[target] = (folder / row[name]).as_posix()
        rows.append(row)
    return rows


def _images(config, surfaces=True):
    from neuro.io.bids.scanner import scan as scan_bids

    data = config["data"]
    layout = "auto" if data["kind"] == "images" else data["kind"]
    table = scan_bids(
        data["root"],
        layout=layout,
        space=data["space"],
        res=data["res"],
        tr=data["tr"],
        echo=data["echo"],
        surfaces=surfaces,
    )
    kind = table.attrs["layout"]
    names = {name: name for name in ("bold", "mask", "confounds", "motion", "outliers", "json")}
    rows = _records(table, data["root"], names)
    for row in rows:
        path = affine(config, row) if kind == "bids" else ""
        if path and row["status"] == "ok" and not Path(path).exists():
            reason = f"{path}: no such file; fmri.normalise.affine names it"
            row |= {"status": "problem", "reason": reason}
    return Found(kind, table.attrs["why"], rows, sources=_participants_file(data))


def _xcpd(config):
    """Denoised images, or the region tables where there are none, or series on surfaces."""
    try:
        return _images(config, surfaces=False)
    except InputProblem as no_images:
        try:
            return _tables(config)
        except InputProblem as no_tables:
            tables = [line for line in no_tables.problems if "several" in line]
            if not tables:
                with contextlib.suppress(InputProblem):
                    return _images(config)
            raise InputProblem(tables or no_images.problems) from None


def _beside(row) -> dict:
    """Outliers and motion that XCP-D left in the folder of a run's region table."""
    folder = Path(row["table"]).parent
    columns = {}
    for name in ("outliers", "motion"):
        files = sorted(folder.glob(f"{row['run_key']}_*{name}.tsv"))
        files += sorted(folder.glob(f"{row['run_key']}_{name}.tsv"))
        if not files:
            break  # motion without outliers does not tell which volumes a table holds
        columns[name] = files[0].as_posix()
    return columns


def affine(config, row) -> str:
    """Path of a run's matrix from native to template space; empty without one."""
    pattern = config["fmri"]["normalise"]["affine"] or ""
    labels = {"participant_id": row["participant_id"], "session": row.get("session") or ""}
    return pattern.format(**labels)


def _participants_file(data):
    if data["participants"]:
        return [data["participants"]]
    path = Path(data["root"]) / "participants.tsv"
    return [str(path)] if path.exists() else []


_READERS = {
    "none": lambda config: Found("none", "settings", []),
    "simulated": _simulated,
    "adhd200": _adhd200,
    "table": _tables,
    "nifti": _images,
    "fmriprep": _images,
    "xcpd": _xcpd,
    "bids": _images,
    "images": _images,
}


ONE_SITE = "all"
"""Everybody's site where none is known."""


def participants(config, kind, rows):
    """The participants table of the input, standard columns first.

    Parameters
    ----------
    config : dict
    kind : str
        The layout that was found.
    rows : list of dict
        Run table; names the subjects where there is no participants table.

    Returns
    -------
    pandas.DataFrame
        Columns participant_id, site, age (years), sex, dx (0 control, 1 case), then others. Where
        no site is known, everybody is in :data:`ONE_SITE`.
    """
    import pandas as pd

    from neuro.io.formats.tables import PARTICIPANT_COLUMNS, read_participants

    if kind == "adhd200":
        table = _adhd200_index(config["data"]).participants
    else:
        sources = (
            ["results/simulated/participants.tsv"]
            if kind == "simulated"
            else _participants_file(config["data"])
        )
        if not sources:
            ids = sorted({row["participant_id"] for row in rows})
            table = pd.DataFrame({"participant_id": ids}).reindex(columns=PARTICIPANT_COLUMNS)
        else:
            table = read_participants(sources[0], config["data"]["columns"])
    if len(table) and table["site"].isna().all():
        # nothing tells them apart: splits and permutations know one site
        table["site"] = ONE_SITE
    first = list(PARTICIPANT_COLUMNS)
    return table[first + [name for name in table.columns if name not in first]]
