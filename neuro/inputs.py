"""The list of runs that the workflow plans with: scanned once, then read from a table.

Parsing the Snakefile must be fast, because every cluster job parses it again. The main process
scans the input when it has changed and writes `results/inputs.tsv`; everybody else reads that.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from pathlib import Path

import neuro
from neuro.digest import stage_digest
from neuro.io.problems import InputProblem
from neuro.layouts import scan

TABLE = Path("results/inputs.tsv")
STATE = Path("results/inputs.json")
COLUMNS = (
    "run_key",
    "participant_id",
    "session",
    "task",
    "run",
    "site",
    "kind",
    "bold",
    "mask",
    "confounds",
    "motion",
    "json",
    "table",
    "tr",
    "tr_source",
    "space",
    "status",
    "reason",
)


@dataclasses.dataclass
class Inputs:
    """What the workflow knows about the input at planning time.

    Attributes
    ----------
    kind : str
        The layout, after detection by :mod:`neuro.layouts`.
    runs : list of dict
        Usable runs, columns as in :data:`COLUMNS`, all values text.
    files : list of str
        Files that hold region tables (empty for images).
    sources : list of str
        Files that the list of participants is made from.
    problems : list of str
        Lines for the user; the workflow stops when there are any.
    """

    kind: str
    runs: list[dict]
    files: list[str]
    sources: list[str]
    problems: list[str]


def load(config, *, refresh=True) -> Inputs:
    """The runs of the configuration, from the cache where it is still true.

    Parameters
    ----------
    config : dict
        Resolved configuration.
    refresh : bool
        Whether a stale cache is renewed; False in jobs, which trust it.
    """
    state = _state()
    if refresh or not state:
        key = _key(config)
        if state.get("key") != key or not TABLE.exists():
            try:
                rows, kind, files, sources = scan(config)
            except InputProblem as error:
                return Inputs("", [], [], [], error.problems)
            state = {"key": key, "kind": kind, "files": files, "sources": sources}
            _write(rows, state)
    rows = read()
    usable = [row for row in rows if row["status"] == "ok"]
    problems = [] if usable else _nothing(config, rows)
    return Inputs(state["kind"], usable, state["files"], state["sources"], problems)


def read(path=TABLE) -> list[dict]:
    """Rows of `inputs.tsv`, every value text."""
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def _nothing(config, rows):
    where = config["data"]["root"]
    if not rows:
        return [f"data.root: no runs found in {where} (layout {config['data']['kind']})"]
    return [f"data.root: none of {len(rows)} runs in {where} is usable; first: {rows[0]['reason']}"]


def _state():
    try:
        return json.loads(STATE.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def _key(config):
    from neuro.provenance import config_hash

    parts = [neuro.__version__, stage_digest("inputs"), config["data"]]
    if config["data"]["kind"] == "simulated":
        parts.append(config["simulate"])
    else:
        parts.append(_fingerprint(config["data"]["root"]))
        parts.append(_stat(config["data"]["participants"]))
    return config_hash(parts)


def _stat(path):
    if not path or not os.path.exists(path):
        return None
    stat = os.stat(path)
    return [stat.st_mtime_ns, stat.st_size]


def _fingerprint(root, depth=3):
    """Names and times of the folders below `root`, and of the files in it."""
    found = []
    stack = [(Path(root), 0)]
    while stack:
        folder, level = stack.pop()
        if not folder.is_dir():
            continue
        for entry in os.scandir(folder):
            if entry.is_dir():
                found.append([entry.path, entry.stat().st_mtime_ns])
                if level < depth - 1:
                    stack.append((Path(entry.path), level + 1))
            elif level == 0:
                found.append([entry.path, entry.stat().st_mtime_ns, entry.stat().st_size])
    return sorted(found)


def _write(rows, state):
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(_text(row.get(name)) for name in COLUMNS) for row in rows]
    text = "\n".join(lines) + "\n"
    # An unchanged table keeps its time, so that nothing runs again.
    if not TABLE.exists() or TABLE.read_text("utf-8") != text:
        TABLE.write_text(text, "utf-8")
    STATE.write_text(json.dumps(state, indent=2) + "\n", "utf-8")


def _text(value):
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def result_path(stage, run, suffix) -> str:
    """Path of a run's file in a stage's derivatives.

    Parameters
    ----------
    stage : str
    run : dict
        Row of the run table.
    suffix : str
        What follows the run key, e.g. `desc-denoised_bold.nii.gz`.
    """
    folder = Path("results") / stage / f"sub-{run['participant_id']}"
    if run["session"]:
        folder /= f"ses-{run['session']}"
    return (folder / "func" / f"{run['run_key']}_{suffix}").as_posix()
