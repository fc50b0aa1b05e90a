"""Whether the results are what their jobs wrote, from the inputs that lie on the disk now.

Follows the records of all jobs (:mod:`neuro.base.record`): every checksum is taken again, what one
job read is compared with what another wrote, settings with those of the last plan, packages with
those that are installed. Paths are relative to the working directory of the run.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from neuro.base import record

PLAN = Path("results/provenance/plan.tsv")
STATES = ("altered", "missing", "stale", "unknown origin")
OWN = ("results/logs/", "results/benchmarks/", "results/provenance/")
"""Folders about the run, which are no results."""
LISTS = ("results/inputs.tsv", "results/inputs.json", "results/check_exclusions.tsv")
"""What the main process writes."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is not as it was recorded.

    Attributes
    ----------
    state : str
        One of :data:`STATES`.
    what : str
        A file, or a package.
    why : str
    """

    state: str
    what: str
    why: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What :func:`verify` found, and how much it looked at."""

    findings: list[Finding]
    n_files: int
    n_jobs: int


def verify(fast: bool = False, writing: str = "") -> Verdict:
    """Compare results and inputs with the records of their jobs.

    Parameters
    ----------
    fast : bool
        Whether a file whose size and time are those of the record is taken for unchanged.
    writing : str
        Rule of the job that asks: what it is about to write is not judged.

    Returns
    -------
    Verdict
    """
    findings: list[Finding] = []
    jobs = []
    seen = record.seen() if fast else None
    for path in record.records():
        try:
            jobs.append(record.read(path))
        except record.RecordProblem as problem:
            findings.append(Finding("altered", str(path), problem.problems[0].partition(": ")[2]))
    plan, temporary = _plan()
    made: dict[str, list[record.File]] = {}
    for job in jobs:
        for file in job.outputs:
            made.setdefault(file.name, []).append(file)
    findings += _outputs(made, temporary, seen)
    outside = _outside(jobs, made)
    findings += _inputs(jobs, made, outside, seen)
    findings += _settings(jobs, plan, writing)
    findings += _packages(jobs)
    findings += _unknown(made, plan, writing)
    return Verdict(findings, len(made) + len(outside), len(jobs))


def _is(file, seen) -> bool:
    return (seen is not None and file.untouched(seen)) or file.same()


def _is_as_read(file, seen) -> bool:
    # nobody but a user gives an input another time, however short after the job
    same = record.stamp(file.name) == (file.size, file.time)
    return (seen is not None and same) or file.same()


def _plan():
    """Rows of the last plan by record, and the temporary files of all jobs."""
    rows, temporary = {}, set()
    if PLAN.is_file():
        with open(PLAN, newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                rows[record.path_of(row["log"])] = row
                temporary |= set((row.get("temporary") or "").split(" "))
    return rows, temporary


def _outputs(made, temporary, seen) -> Iterator[Finding]:
    for name, files in sorted(made.items()):
        if not os.path.exists(name):
            if name not in temporary:
                yield Finding("missing", name, "its job wrote it")
        elif not any(_is(file, seen) for file in files):
            yield Finding("altered", name, "not what its job wrote")


def _outside(jobs, made) -> dict[str, list[tuple[str, record.File]]]:
    """What was read and no job wrote: the file as each rule found it."""
    files_outside: dict[str, list[tuple[str, record.File]]] = {}
    for job in jobs:
        for file in job.inputs:
            if file.name not in made:
                files_outside.setdefault(file.name, []).append((job.rule, file))
    return files_outside


def _inputs(jobs, made, outside, seen) -> Iterator[Finding]:
    for job in jobs:
        for file in job.inputs:
            sums = {other.checksum for other in made.get(file.name, ())}
            if sums and file.checksum not in sums:
                first = job.outputs[0].name if job.outputs else str(job.path)
                yield Finding("stale", first, f"made from another {file.name}")
    for name, readings in sorted(outside.items()):
        if not os.path.exists(name):
            yield Finding("missing", name, f"{readings[0][0]} read it")
        for rule in sorted({rule for rule, file in readings if not _is_as_read(file, seen)}):
            if os.path.exists(name):
                yield Finding("altered", name, f"since {rule} read it")


def _settings(jobs, plan, writing) -> Iterator[Finding]:
    by_path = {job.path: job for job in jobs}
    for path, row in sorted(plan.items()):
        job = by_path.get(path)
        if row["rule"] == writing:
            continue
        if job is None:
            if not path.exists():
                yield Finding("unknown origin", row["path"], f"{row['rule']} left no record")
        elif row.get("settings", job.settings) != job.settings:
            yield Finding("stale", row["path"], "made with other settings or code")


def _packages(jobs) -> Iterator[Finding]:
    counts: dict[tuple[str, str], int] = {}
    for job in jobs:
        for package in job.versions.items():
            counts[package] = counts.get(package, 0) + 1
    for (name, version), count in sorted(counts.items()):
        try:
            now = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # environments of single rules hold what this one need not
        if now != version:
            yield Finding("stale", name, f"{version} in {count} job(s), now {now}")


def _unknown(made, plan, writing) -> Iterator[Finding]:
    own: tuple[str, ...] = OWN
    if writing:
        own += tuple(
            f"{os.path.dirname(row['path'])}/" for row in plan.values() if row["rule"] == writing
        )
    for name in record.files(["results"]):
        if name not in made and name not in LISTS and not name.startswith(own):
            yield Finding("unknown origin", name, "no job has a record of it")


def sentence(writing: str = "report") -> str:
    """What the foot of the report says; empty where no job has left a record."""
    if not record.FOLDER.is_dir():
        return ""
    verdict = verify(fast=True, writing=writing)
    if not verdict.findings:
        now = datetime.datetime.now().strftime("%Y-%m-%d %H:%M")
        return f"Verified on {now}: {verdict.n_files} files of {verdict.n_jobs} jobs."
    first = verdict.findings[0]
    more = f" and {len(verdict.findings) - 1} more" if len(verdict.findings) > 1 else ""
    return f"Not verified: {first.what} ({first.state}: {first.why}){more}; see neuro verify."
