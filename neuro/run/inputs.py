"""The list of runs that the workflow plans with: scanned once, then read from a table.

Parsing the Snakefile must be fast, because every cluster job parses it again. The main process
scans the input when it has changed and writes `results/inputs.tsv`; everybody else reads that.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import glob
import json
import os
from pathlib import Path

import neuro
from neuro.base.beside import is_series
from neuro.base.job import outer
from neuro.base.provenance import config_hash, sidecar_path
from neuro.config import kinds
from neuro.io.problems import InputProblem
from neuro.run import stamps
from neuro.run.digest import stage_digest
from neuro.run.layouts import affine, scan

__all__ = ["Inputs", "affine", "bad_runs", "decide", "load", "read", "sidecars"]

_REMEMBERED = ("kind", "why", "files", "sources", "notes")
TABLE = Path("results/inputs.tsv")
STATE = Path("results/inputs.json")
WORK = "results/work/fmri"
"""Folder of what the jobs on single runs of stage fmri leave."""
BETWEEN = " | "
"""Between the problems of one run in the column `reason`, as `neuro.io.bids.scanner` writes it."""
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
    "outliers",
    "json",
    "table",
    "tr",
    "tr_source",
    "space",
    "status",
    "reason",
)
FILES = ("bold", "mask", "confounds", "motion", "outliers", "json", "table")
"""Columns that hold paths."""


@dataclasses.dataclass
class Inputs:
    """What the workflow knows about the input at planning time.

    Attributes
    ----------
    kind : str
        The layout, after detection by :mod:`neuro.run.layouts`.
    runs : list of dict
        Usable runs, columns as in :data:`COLUMNS`, all values text.
    files : list of str
        Files that hold region tables (empty for images).
    sources : list of str
        Files that the list of participants is made from.
    problems : list of str
        Lines for the user; the workflow stops when there are any.
    why : str
        How the layout was found.
    notes : list of str
        Oddities of the input that were dealt with.
    native : bool
        Whether the images stay in native space.
    """

    kind: str = ""
    runs: list[dict] = dataclasses.field(default_factory=list)
    files: list[str] = dataclasses.field(default_factory=list)
    sources: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    why: str = ""
    notes: list[str] = dataclasses.field(default_factory=list)
    native: bool = False


def load(config, *, refresh=True, again=False) -> Inputs:
    """The runs of the configuration, from the cache where it is still true.

    Parameters
    ----------
    config : dict
        Resolved configuration.
    refresh : bool
        Whether a stale cache is renewed; False in jobs, which trust it.
    again : bool
        Whether the input is scanned although nothing seems to have changed.
    """
    state = _state()
    if refresh or not state:
        key = _key(config, state.get("outside", ()))
        if again or state.get("key") != key or not TABLE.exists() or _stops(config):
            try:
                fresh = scan(config)
            except InputProblem as error:
                return Inputs(problems=error.problems)
            outside = _outside(fresh.rows, config["data"]["root"])
            state = {"key": _key(config, outside), "outside": outside}
            state |= {name: getattr(fresh, name) for name in _REMEMBERED}
            try:
                _write(fresh.rows, state)
            except OSError as error:
                return Inputs(problems=[outer(error) or f"{TABLE}: cannot be written ({error})"])
    rows = read()
    usable = [row for row in rows if row["status"] == "ok"]
    inputs = Inputs(runs=usable, **{name: state[name] for name in _REMEMBERED})
    if inputs.kind == "none":
        return inputs
    if not usable:
        inputs.problems = _nothing(config, rows)
    elif not config["execution"]["skip_bad_subjects"]:
        inputs.problems = bad_runs(rows)
    space = usable[0]["space"] if usable else ""
    inputs.native = kinds.is_native(inputs.kind, config, space)
    earlier = kinds.problems(config["data"]["kind"], config)
    inputs.problems += [
        line
        for line in kinds.problems(
            inputs.kind, config, has_tables=_have_tables(usable), space=space
        )
        if line not in earlier  # those of a kind that was named are told with the settings
    ]
    return inputs


def _stops(config) -> bool:
    """Whether runs of the cached table would stop the workflow: they may have been mended."""
    return not config["execution"]["skip_bad_subjects"] and bool(bad_runs(read()))


def bad_runs(rows) -> list[str]:
    """What the scan found wrong with single runs, and how to go on without them.

    Parameters
    ----------
    rows : list of dict
        Run table.

    Returns
    -------
    list of str
        One line per problem; empty when every run can be used or was left out on purpose.
    """
    reasons = [row["reason"] for row in rows if row["status"] == "problem"]
    lines = [line for reason in reasons for line in reason.split(BETWEEN)]
    if lines:
        lines.append(
            f"{len(reasons)} of {len(rows)} runs cannot be used; mend them, or set "
            "execution.skip_bad_subjects: true to go on without them"
        )
    return lines


def _have_tables(runs) -> bool:
    """Whether every run has a confounds table."""
    return all(run["confounds"] for run in runs)


def decide(config, inputs) -> list[str]:
    """Fill in what the input decides: the kind of data and the automatic confound strategy.

    Parameters
    ----------
    config : dict
        Resolved configuration; `data.kind` and `fmri.strategy` are set in place.
    inputs : Inputs

    Returns
    -------
    list of str
        One line per decision, with the reason.
    """
    lines: list[str] = []
    if inputs.kind == "none":
        return lines
    if config["data"]["kind"] == "auto":
        lines.append(f"data.kind: auto is {inputs.kind} ({inputs.why})")
    config["data"]["kind"] = inputs.kind
    name, why = kinds.strategy(
        inputs.kind, config["fmri"]["strategy"], has_tables=_have_tables(inputs.runs)
    )
    if why and inputs.kind not in kinds.TABLES:
        lines.append(f"fmri.strategy: auto is {name} ({why})")
    config["fmri"]["strategy"] = name
    return lines + [f"note: {line}" for line in kinds.left_out(inputs.kind, config)]


def read(path=TABLE) -> list[dict]:
    """Rows of `inputs.tsv` or `runs.tsv`, every value text, empty where there is none."""
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [{key: "" if cell == "n/a" else cell for key, cell in row.items()} for row in rows]


def _nothing(config, rows):
    where = config["data"]["root"]
    if not rows:
        return [f"data.root: no runs found in {where} (layout {config['data']['kind']})"]
    lines = [line for row in rows for line in row["reason"].split(BETWEEN)]
    return [*lines, f"data.root: none of {len(rows)} runs in {where} is usable"]


def _state():
    try:
        return json.loads(STATE.read_text("utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}


def _key(config, outside):
    data = config["data"]
    parts = [neuro.__version__, stage_digest("run/inputs"), data]
    parts.append(config["adhd"]["site_groups"])
    affines = sorted(glob.glob(affine(config, {"participant_id": "*", "session": "*"})))
    parts.append([[path, stamps.look(path)] for path in affines])
    if data["kind"] == "simulated":
        parts.append(config["simulate"])
    elif data["kind"] != "none":
        parts.append(stamps.tree(data["root"]))
        parts.append(
            [[path, stamps.look(path)] for path in [data["participants"], *outside] if path]
        )
    return config_hash(parts)


def _outside(rows, root) -> list[str]:
    """Files of runs that do not lie below the root, such as those that a table lists."""
    top = str(root).rstrip("/") + "/" if root and os.path.isdir(root) else "\0"
    files = {str(row.get(name) or "") for row in rows for name in FILES}
    files |= {str(sidecar_path(path)) for path in files if path and not path.startswith(top)}
    return sorted(path for path in files if path and not path.startswith(top))


def sidecars(config, row) -> list[str]:
    """JSON files that apply to a run's image or table, those of the folders above included.

    Parameters
    ----------
    config : dict
    row : dict
        Row of the run table.
    """
    path = row["bold"] or row["table"]
    if row["table"]:
        return [str(sidecar_path(path))]
    root, folder = os.path.normpath(config["data"]["root"]), os.path.dirname(path)
    paths: list[str] = []
    while True:
        paths += _sidecars(folder)
        if os.path.normpath(folder) == root or not folder or folder == "/":
            return paths
        folder = os.path.dirname(folder)


@functools.lru_cache(maxsize=4096)
def _sidecars(folder) -> tuple[str, ...]:
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return ()
    return tuple(os.path.join(folder, name) for name in names if name.endswith("bold.json"))


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


def on_surfaces(rows) -> bool:
    """Whether the runs of a study are series on surfaces; all are, or none."""
    return any(is_series(row.get("bold") or "") for row in rows)


def result_path(stage, run, suffix) -> str:
    """Path of a run's file as its job leaves it; those of stage fmri are published later.

    Parameters
    ----------
    stage : str
    run : dict
        Row of the run table.
    suffix : str
        What follows the run key, e.g. `desc-denoised_bold.nii.gz`.
    """
    # thousands at a time: paths of pathlib take six times as long
    session = f"/ses-{run['session']}" if run["session"] else ""
    top = {"": "results", "fmri": WORK}.get(stage, f"results/{stage}")
    return f"{top}/sub-{run['participant_id']}{session}/func/{run['run_key']}_{suffix}"
