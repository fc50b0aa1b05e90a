"""Find the region tables of a cohort: a folder of files, or a table that lists them."""

from __future__ import annotations

import difflib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neuro.base import provenance
from neuro.io.bids.names import Name, bad_labels, parse
from neuro.io.bids.scanner import BETWEEN
from neuro.io.bids.tree import unknown_labels
from neuro.io.bids.variants import without_combined
from neuro.io.formats import contained, sampling
from neuro.io.formats.tables import read_tsv, subject_label
from neuro.io.formats.text_tables import SUFFIXES
from neuro.io.problems import InputProblem
from neuro.io.regions.plain_names import owner

COLUMNS = (
    "run_key",
    "participant_id",
    "session",
    "task",
    "run",
    "site",
    "kind",
    "path",
    "tr",
    "tr_source",
    "status",
    "reason",
)

_CIFTI = ".ptseries.nii"
_LISTED = ("participants.tsv", "participants.csv")


def scan_roi_tables(
    root,
    participants: pd.DataFrame | None = None,
    *,
    tr: float | None = None,
    site_tr: Mapping[str, float] | None = None,
    atlas: str | None = None,
    tasks: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
    sessions: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Find region tables without parsing them.

    Parameters
    ----------
    root : path-like
        A folder, or a table (`.tsv`, `.csv`) with the columns `participant_id` and `path`
        (relative to the table) and optionally `session`, `task`, `run`, `site`, `tr`,
        `run_key`. In a folder, `sub-*_timeseries.*` in the root, `sub-*`, `sub-*/ses-*`, their
        `func` and its `task-*` are taken; where there is none, every table in the root, whose
        name is matched with the participants. A CIFTI file (`.ptseries.nii`) beside a text table
        of the same run is passed over.
    participants : pandas.DataFrame, optional
        With `participant_id`, and `site` to fill in.
    tr : float, optional
        Sampling interval in s where no sidecar states it.
    site_tr : mapping, optional
        The same by site.
    atlas : str, optional
        Label after `atlas-` or `seg-` (or `rois_` at the end of a plain name), needed where the
        folder holds several, see :func:`varieties`.
    tasks, subjects, sessions : sequence of str, optional
        Labels to keep; all by default.

    Returns
    -------
    pandas.DataFrame
        One row per table with the columns :data:`COLUMNS`, sorted; `path` relative to the
        folder (`attrs["root"]`); `status` is `ok`, `empty` or `problem` and `reason` says why.

    Raises
    ------
    InputProblem
        When nothing can be used: nothing found, a table without the two columns, an unknown
        label, several atlases without a choice.
    """
    root = Path(root)
    if root.is_file():
        rows, folder = _from_table(root), root.parent
    elif root.is_dir():
        rows, folder = _from_folder(root, participants, atlas), root
    else:
        raise InputProblem(f"{root}: no such file or folder")
    problems = []
    everything = rows
    for entity, column, labels in (
        ("sub", "participant_id", subjects),
        ("task", "task", tasks),
        ("ses", "session", sessions),
    ):
        if labels is not None:
            labels = [str(label).removeprefix(f"{entity}-") for label in labels]
            present = {row[column] for row in everything}
            problems += unknown_labels(entity, labels, present, str(root))
            rows = [row for row in rows if row[column] in labels]
    if problems:
        raise InputProblem(problems)
    sites = {}
    if participants is not None and "site" in participants:
        sites = dict(zip(participants["participant_id"], participants["site"]))
    for row in rows:
        if not row["site"]:
            site = sites.get(row["participant_id"])
            row["site"] = site if isinstance(site, str) else ""
        _finish(row, folder, (site_tr or {}).get(row["site"], tr))
    _mark_repeated(rows)
    rows.sort(key=lambda row: (row["participant_id"], row["session"], row["task"], row["run_key"]))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs.update(root=str(folder), layout="table", why=f"{len(rows)} region tables")
    return table


def _row(**fields) -> dict:
    empty = dict.fromkeys(COLUMNS, "")
    return {**empty, "kind": "table", "tr": float("nan"), "status": "ok", **fields}


def _from_table(path: Path) -> list[dict]:
    listed = read_tsv(path, dtype=str)
    absent = [name for name in ("participant_id", "path") if name not in listed.columns]
    if absent:
        raise InputProblem(
            f"{path}: no column {' and '.join(repr(name) for name in absent)}; "
            f"found {', '.join(listed.columns[:8])}"
        )
    rows = []
    listed = listed.astype(object).where(listed.notna(), "")
    for number, line in enumerate(listed.to_dict("records"), start=2):
        label = subject_label(line["participant_id"])
        if not label or not line["path"]:
            raise InputProblem(f"{path}: line {number} has no participant_id or no path")
        row = _row(participant_id=label, path=str(line["path"]).strip())
        for name in ("session", "task", "run", "site", "run_key"):
            row[name] = str(line.get(name, "")).strip()
        for name, prefix in (("session", "ses-"), ("task", "task-"), ("run", "run-")):
            row[name] = row[name].removeprefix(prefix)
        row["run_key"] = row["run_key"] or _key(row)
        if line.get("tr"):
            row["tr"] = _positive(line["tr"], path, number)
        rows.append(row)
    if not rows:
        raise InputProblem(f"{path}: a header and no line")
    return rows


def _positive(cell, path, number) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise InputProblem(f"{path}: line {number}: tr is '{cell}', expected seconds > 0")
    return value


def _key(row: dict) -> str:
    parts = [("sub", row["participant_id"]), ("ses", row["session"])]
    parts += [("task", row["task"]), ("run", row["run"])]
    return "_".join(f"{key}-{value}" for key, value in parts if value)


def _files(root: Path) -> list[str]:
    """Relative paths in the root, `sub-*`, `sub-*/ses-*` and their `func`, sorted."""
    tables, folders = [], [""]
    while folders:
        below = folders.pop()
        with os.scandir(os.path.join(root, below)) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir():
                    first = "sub-" if not below else ("ses-", "func", "task-")
                    if entry.name.startswith(first):
                        folders.append(path)
                elif entry.name.endswith(SUFFIXES) and not entry.name.startswith("."):
                    tables.append(path)
    return sorted(tables)


def _from_folder(root: Path, participants, atlas) -> list[dict]:
    named, plain = _tables(root)
    if named:
        return [_from_name(name) for name in _one_atlas(_words(named), atlas)]
    if not plain:
        raise InputProblem(
            f"{root}: no region table; looked for sub-*_timeseries.tsv in sub-*/[ses-*/]func and "
            f"for {', '.join(SUFFIXES)} in the folder itself{_instead(root)}"
        )
    return _from_plain_names(root, _one_atlas(_plain_words(plain), atlas), participants)


def _instead(root) -> str:
    from neuro.io.bids.tree import Tree
    from neuro.io.bids.variants import instead

    tree = Tree(root)
    return instead(name for label in tree.subjects for name in tree.files(label)) or tree.hint()


def _tables(root: Path) -> tuple[list[Name], list[str]]:
    """Tables with BIDS names, and paths of those with other names in the root."""
    files = _files(root)
    names = [parse(path, 0) for path in files if path.rpartition("/")[2].startswith("sub-")]
    tables = [
        name
        for name in names
        if name and name.suffix == "timeseries" and name.desc not in ("confounds", "MELODIC")
    ]
    text = {(n.run_key, _word(n)) for n in tables if n.extension != _CIFTI}
    tables = [n for n in tables if n.extension != _CIFTI or (n.run_key, _word(n)) not in text]
    tables = without_combined(tables, lambda name: _n_lines(root / name.path))
    return tables, [path for path in files if "/" not in path and path not in _LISTED]


def _n_lines(path: Path) -> int:
    """Lines of data below a header."""
    with open(path, "rb") as stream:
        return max(sum(1 for _ in stream) - 1, 0)


def _word(name: Name) -> str:
    """What was done to the run (HALFpipe's feature, C-PAC's regression), and the atlas."""
    parts = [name.entities.get(key) for key in ("feature", "setting", "reg")]
    parts.append(name.entities.get("atlas") or name.entities.get("seg"))
    return "/".join(folder for folder in parts if folder)


def _words(tables: list[Name]) -> list[tuple]:
    return [(name, _word(name)) for name in tables]


def _plain_words(paths: list[str]) -> list[tuple]:
    words = [(path, re.search(r"_rois_([A-Za-z0-9]+)$", path.rpartition(".")[0])) for path in paths]
    return [(path, match[1] if match else "") for path, match in words]


def varieties(root) -> Counter:
    """Atlases that the region tables of a folder come from, with the numbers of tables.

    Parameters
    ----------
    root : path-like

    Returns
    -------
    collections.Counter
        Words that `atlas` of :func:`scan_roi_tables` accepts: the label of the atlas, after the
        labels of feature, setting and regression where names carry them, e.g.
        `corr1/schaefer400`. Empty where no name carries any.
    """
    named, plain = _tables(Path(root))
    words = [word for _, word in (_words(named) if named else _plain_words(plain))]
    return Counter(words) if any(words) else Counter()


def _one_atlas(tables: list[tuple], atlas) -> list:
    """What the tables hold of one atlas; `tables` are pairs with the word of their atlas."""
    counts = Counter(word for _, word in tables)
    listed = ", ".join(word or "none" for word in sorted(counts))
    if atlas is not None and atlas not in counts:
        near = difflib.get_close_matches(atlas, [word for word in counts if word], 1, 0.6)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise InputProblem(f"data.atlas: no table of '{atlas}'; found {listed}{hint}")
    if atlas is None and len(counts) > 1:
        raise InputProblem(f"data.atlas: the tables come from several, choose one: {listed}")
    return [table for table, word in tables if atlas in (None, word)]


def _from_name(name: Name) -> dict:
    entities = name.entities
    row = _row(
        run_key=name.run_key,
        participant_id=entities["sub"],
        session=entities.get("ses", ""),
        task=entities.get("task", ""),
        run=entities.get("run", ""),
        path=name.path,
    )
    bad = bad_labels(name)
    if bad:
        row.update(status="problem", reason=f"{name.path}: label '{bad[0]}' is not alphanumeric")
    return row


def _from_plain_names(root: Path, files: list[str], participants) -> list[dict]:
    """Match free file names with the participants: the longest label that stands alone in it."""
    labels = None
    if participants is not None:
        labels = sorted(participants["participant_id"].astype(str), key=len, reverse=True)
    rows: list[dict] = []
    lost: list[str] = []
    for path in files:
        stem = path.removesuffix(Path(path).suffix)
        label = stem if labels is None else owner(stem, labels)
        if label is None:
            lost.append(path)
            continue
        label = re.sub(r"[^A-Za-z0-9]", "", subject_label(label)) if labels is None else label
        rows.append(_row(run_key=f"sub-{label}", participant_id=label, path=path))
    if not rows:
        raise InputProblem(
            f"{root}: no participant_id stands in the name of any of {len(lost)} tables, e.g. "
            f"{lost[0]}; name them sub-<label>_timeseries.tsv or list them in a table"
        )
    for path in lost:
        label = re.sub(r"[^A-Za-z0-9]", "", Path(path).stem)
        reason = f"{path}: no participant_id stands in the name"
        row = _row(run_key=f"sub-{label}", participant_id=label, path=path)
        rows.append({**row, "status": "problem", "reason": reason})
    # several tables of one subject are runs, numbered in the order of their names
    by_key: dict = {}
    for row in rows:
        by_key.setdefault(row["run_key"], []).append(row)
    for group in by_key.values():
        if len(group) > 1:
            for number, row in enumerate(group, start=1):
                row.update(run=str(number), run_key=f"{row['run_key']}_run-{number}")
    return rows


def _finish(row: dict, folder: Path, tr):
    """Size and sampling interval of a listed table."""
    reasons = [row["reason"]] if row["reason"] else []
    path = folder / row["path"]
    if not path.exists():
        reasons.append(f"{row['path']}: no such file")
        row.update(status="problem")
    elif path.stat().st_size == 0 and row["status"] == "ok":
        reasons.append(f"{row['path']}: the file is empty (0 bytes)")
        row.update(status="empty")
    stated, source = None, "sidecar"
    beside = provenance.sidecar_path(str(path).replace(_CIFTI, ".tsv"))
    if beside.exists():
        content, problem = sampling.read_json(beside)
        stated = sampling.interval(content)
        reasons += [problem] if problem else []
    if stated is None and row["tr"] == row["tr"]:
        stated, source = row["tr"], "table"
    if (
        stated is None
        and path.name.endswith((".npz", _CIFTI))
        and tr is None
        and row["status"] == "ok"
    ):
        stated, source = _own_interval(path), "file"
    row["tr"], row["tr_source"], problem = sampling.decide(
        row["path"], sidecar=stated, config=tr, source=source
    )
    if problem:
        reasons.append(problem)
        row.update(status="problem")
    row["reason"] = BETWEEN.join(reasons)


def _own_interval(path: Path) -> float | None:
    import numpy as np

    if path.name.endswith(_CIFTI):
        from neuro.io.regions.cifti import read_parcels

        try:
            return read_parcels(path)[2]
        except InputProblem:
            return None  # told about where the table is read
    try:
        contained.check(path)
        with np.load(path, allow_pickle=False) as content:
            return float(content["tr"].ravel()[0]) if "tr" in content.files else None
    except (OSError, ValueError):
        return None


def _mark_repeated(rows: list[dict]):
    first: dict = {}
    for row in rows:
        other = first.setdefault(row["run_key"], row)
        if other is not row:
            line = f"{row['path']}: same run ({row['run_key']}) as {other['path']}; keep one"
            reason = f"{row['reason']}{BETWEEN}{line}" if row["reason"] else line
            row.update(status="problem", reason=reason)
