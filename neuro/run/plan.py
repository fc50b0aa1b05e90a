"""What a run leaves about itself: settings, packages, the list of its jobs, run times."""

from __future__ import annotations

import csv
import errno
import json
import os
import tempfile
from importlib import metadata
from pathlib import Path

from neuro.base import record
from neuro.config import origins
from neuro.run import notes

FOLDER = Path("results/provenance")
ROOM = 1 << 20
"""Bytes that must be free for a run to begin: the lists of its files alone take some hundred KB."""
COLUMNS = (
    "stage",
    "rule",
    "subject",
    "needed",
    "path",
    "log",
    "benchmark",
    "settings",
    "temporary",
)
"""Of `plan.tsv`; `needed` says whether the run that wrote the plan had to run the job, `settings`
is a digest of its parameters, `temporary` names outputs that do not stay."""


def room() -> list[str]:
    """A line where the disk is full: Snakemake would tell it by a stack, before any job."""
    try:
        with tempfile.NamedTemporaryFile(dir=".", prefix=".neuro_room_") as stream:
            stream.write(bytes(ROOM))
            stream.flush()
    except OSError as error:
        # a folder that may only be read serves for a dry-run
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return [f"{os.getcwd()}: {os.strerror(error.errno)}; free space there and start again"]
    return []


def write(config, given, jobs=()):
    """Write what is known when a run starts.

    Parameters
    ----------
    config : dict
        Resolved settings, written to `config.yaml` with the origin of each value.
    given : dict
        Settings as the user gave them.
    jobs : iterable of dict
        Every job of the run with :data:`COLUMNS`, written to `plan.tsv`; `neuro status`
        compares it with the disk.
    """
    import yaml

    FOLDER.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False)
    where = "".join(f"# {key}: {value}\n" for key, value in sorted(origins(given).items()))
    (FOLDER / "config.yaml").write_text(f"{text}\n# Origin of each value\n{where}", "utf-8")
    # `name` and `version` would each parse the metadata again
    heads = [package.metadata for package in metadata.distributions()]
    pins = sorted({f"{head['Name']}=={head['Version']}" for head in heads})
    (FOLDER / "packages.txt").write_text("\n".join(pins) + "\n", "utf-8")
    rows = sorted(jobs, key=lambda row: (row["stage"], row["rule"], row["path"]))
    _table(FOLDER / "plan.tsv", COLUMNS, rows)


def finish(outputs=()) -> list[str]:
    """Write the run times of all jobs that have a benchmark to `times.tsv`, and look at the end.

    Parameters
    ----------
    outputs : iterable of tuple
        Every file of the plan that stays, and the log of its job, empty where it did not run.

    Returns
    -------
    list of str
        What keeps the run from being complete, one line per file.
    """
    rows = []
    for path in sorted(Path("results/benchmarks").rglob("*.tsv")):
        measured = benchmark(path)
        if measured:
            parts = path.relative_to("results/benchmarks").parts
            rows.append({"stage": parts[0], "job": "/".join(parts[1:])[:-4], **measured})
    _table(FOLDER / "times.tsv", ("stage", "job", "s", "cpu_time", "max_rss"), rows)
    outputs = list(outputs)
    lines = [*faults(outputs), *record.remember(), *record.altered()]
    lines += record.reread({log for _, log in outputs if log})
    notes.renew()
    return lines


def faults(outputs) -> list[str]:
    """Planned files that are missing, or empty although no exclusions table says why.

    Parameters
    ----------
    outputs : iterable of tuple
        See :func:`finish`.
    """
    lines, excluded, silent = [], None, set()
    for path, log in outputs:
        if log and log not in silent and not record.path_of(log).exists():
            silent.add(log)
            lines.append(f"{log}: its job left no record; delete {path} and start again")
        if not os.path.exists(path):
            lines.append(f"{path}: missing although its job ended; start again")
        elif not os.path.isdir(path) and not os.path.getsize(path):
            excluded = _excluded() if excluded is None else excluded
            name = os.path.basename(path)
            if not any(name.startswith((f"{what}_", f"sub-{what}_")) for what in excluded):
                why = "empty, and no exclusions table says why"
                lines.append(f"{path}: {why}; delete {path} and start again")
    return lines


def _excluded() -> set[str]:
    """What all exclusions tables name."""
    keys = set()
    for path in Path("results").rglob("*xclusions*.tsv"):
        with open(path, newline="", encoding="utf-8") as stream:
            keys |= {row.get("what") or "" for row in csv.DictReader(stream, delimiter="\t")}
    return keys - {""}


def benchmark(path) -> dict:
    """Wall seconds, CPU seconds and largest memory (MB) of a job; empty where there are none.

    Parameters
    ----------
    path : path-like
        A benchmark table of Snakemake.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            row = next(csv.DictReader(stream, delimiter="\t"), None)
    except OSError:
        return {}
    return {name: row.get(name, "") for name in ("s", "cpu_time", "max_rss")} if row else {}


def _table(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: row.get(name) or "n/a" for name in columns} for row in rows)
