"""How far a run is: its plan compared with what lies on the disk. Works while it runs, too.

Nothing but files is looked at, so it serves for runs on a cluster and needs no Snakemake.
"""

from __future__ import annotations

import csv
import dataclasses
import statistics
import time
from pathlib import Path

from neuro.io.problems import InputProblem
from neuro.run.plan import benchmark

PLAN = Path("results/provenance/plan.tsv")
SLACK = 2.0
"""Seconds by which clocks of a file system may differ."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One job of the plan and what became of it.

    Attributes
    ----------
    stage, rule, subject : str
        `subject` is empty for jobs about everybody.
    state : str
        `done`, `running`, `failed` or `waiting`.
    seconds : float or None
        Wall time of a finished job.
    fresh : bool
        Whether the last run did it, in contrast to an earlier one.
    line : str
        Last line of the log of a failed job.
    log : str
    """

    stage: str
    rule: str
    subject: str
    state: str
    seconds: float | None
    fresh: bool
    line: str
    log: str


def jobs(folder=".") -> list[Job]:
    """All jobs of the last run with their state.

    Parameters
    ----------
    folder : path-like
        Working directory of the run.

    Raises
    ------
    InputProblem
        When no run was started there.
    """
    folder = Path(folder)
    plan = folder / PLAN
    if not plan.is_file():
        raise InputProblem(f"{plan}: no such file; start a run first, or name its --directory")
    start = plan.stat().st_mtime - SLACK
    alive = any((folder / ".snakemake" / "locks").glob("*"))
    with open(plan, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [_job(folder, row, start, alive) for row in rows]


def _job(folder, row, start, alive):
    row = {key: "" if cell == "n/a" else cell for key, cell in row.items()}
    written = _time(folder / row["path"])
    logged = _time(folder / row["log"]) if row["log"] else None
    fresh = row["needed"] == "yes"
    seconds, line = None, ""
    begun = fresh and logged is not None and logged >= start
    last = _last_line(folder / row["log"]) if begun else ""
    if begun and last.startswith("error:"):
        state, line = "failed", last
    elif written is not None and not (fresh and written < start) and _complete(begun, last):
        state = "done"
        measured = benchmark(folder / row["benchmark"]) if row["benchmark"] else {}
        seconds = _number(measured.get("s"))
    elif begun and alive:
        state = "running"
    elif begun:
        state, line = "failed", last or "ended without a word; see Slurm's log or the memory"
    else:
        state = "waiting"
    return Job(row["stage"], row["rule"], row["subject"], state, seconds, fresh, line, row["log"])


def _complete(begun, last):
    # outputs may stand half written while their job runs; its log ends with 'done in'
    return not begun or last.startswith("done in")


def _time(path):
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _last_line(path) -> str:
    try:
        with open(path, "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4096))
            lines = stream.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def remaining(all_jobs, elapsed: float) -> float | None:
    """Seconds until the end, from finished jobs of the same rule and the pace so far.

    Parameters
    ----------
    all_jobs : list of Job
    elapsed : float
        Seconds since the run started.

    Returns
    -------
    float or None
        None as long as nothing was finished.
    """
    durations: dict[str, list[float]] = {}
    for job in all_jobs:
        if job.seconds is not None:
            durations.setdefault(job.rule, []).append(job.seconds)
    if not durations:
        return None
    usual = statistics.median(second for times in durations.values() for second in times)
    left = sum(
        statistics.median(durations[job.rule]) if job.rule in durations else usual
        for job in all_jobs
        if job.state in ("running", "waiting")
    )
    work = sum(job.seconds or 0.0 for job in all_jobs if job.fresh and job.state == "done")
    # how many jobs ran side by side, as far as one can tell
    pace = max(work / elapsed, 1.0) if elapsed > 0 and work else 1.0
    return left / pace


def as_text(all_jobs, elapsed: float, width: int = 160) -> str:
    """The state of a run as lines for people.

    Parameters
    ----------
    all_jobs : list of Job
    elapsed : float
        Seconds since the run started.
    width : int
        No line is longer.
    """
    lines = [f"{'stage':<10}{'done':>12}{'running':>9}{'failed':>8}{'median s':>10}{'left':>9}"]
    stages = list(dict.fromkeys(job.stage for job in all_jobs))
    for name in [*stages, "all"]:
        in_stage = [job for job in all_jobs if name in (job.stage, "all")]
        count = {state: sum(job.state == state for job in in_stage) for state in _STATES}
        times = [job.seconds for job in in_stage if job.seconds is not None]
        median = f"{statistics.median(times):.1f}" if times else "-"
        seconds = remaining(in_stage, elapsed) if count["done"] < len(in_stage) else 0.0
        done = f"{count['done']}/{len(in_stage)}"
        lines.append(
            f"{name:<10}{done:>12}{count['running']:>9}{count['failed']:>8}{median:>10}"
            f"{duration(seconds):>9}"
        )
    failed = [job for job in all_jobs if job.state == "failed"]
    lines += [f"{_name(job)}: {job.line} ({job.log})" for job in failed]
    missing = sorted({job.subject for job in all_jobs if job.subject and job.state != "done"})
    if missing:
        more = f" and {len(missing) - 20} more" if len(missing) > 20 else ""
        lines.append(f"subjects with something missing: {' '.join(missing[:20])}{more}")
    return "\n".join(line if len(line) <= width else line[: width - 3] + "..." for line in lines)


_STATES = ("done", "running", "failed", "waiting")


def _name(job):
    return f"{job.rule} sub-{job.subject}" if job.subject else job.rule


def duration(seconds) -> str:
    """Seconds, minutes or hours, as people say them; a dash where unknown."""
    if seconds is None:
        return "-"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show(folder=".", watch: bool = False, every: float = 5.0, out=print) -> int:
    """Print the state once, or again and again until the run ends.

    Parameters
    ----------
    folder : path-like
    watch : bool
    every : float
        Seconds between two looks.
    out : callable
        Takes the text.

    Returns
    -------
    int
        1 when a job failed, else 0.
    """
    before = ""
    while True:
        states = jobs(folder)
        elapsed = time.time() - (Path(folder) / PLAN).stat().st_mtime
        text = as_text(states, elapsed)
        if text != before:
            out(text)
        before = text
        ended = not any((Path(folder) / ".snakemake" / "locks").glob("*"))
        if not watch or ended:
            return 1 if any(job.state == "failed" for job in states) else 0
        time.sleep(every)
