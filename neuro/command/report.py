"""`neuro report`: the headline figures of a run, whether they hold, and where its report lies."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from neuro.base import verify
from neuro.config import STAGES
from neuro.io.problems import InputProblem


def show(folder=".", out=print) -> int:
    """Print the figures of every stage that ended.

    Parameters
    ----------
    folder : path-like
        Working directory of the run.
    out : callable
        Takes a line.

    Returns
    -------
    int
        0 with a report, 1 where stages ended but the report was not made.

    Raises
    ------
    InputProblem
        When no stage ended there, or a result file cannot be read.
    """
    results = Path(folder) / "results"
    reports = {stage: results / stage / "report.json" for stage in STAGES}
    reports = {stage: path for stage, path in reports.items() if path.is_file()}
    if not reports:
        raise InputProblem(f"{results}: no stage has ended there; name the --directory of a run")
    for stage, path in reports.items():
        try:
            rows = [row for row in json.loads(path.read_text("utf-8")) if row["name"]]
        except (ValueError, KeyError, TypeError) as error:
            raise InputProblem(f"{path}: not a stage's result file ({error}); run again") from None
        out(stage)
        for row in rows:
            out(f"  {_line(row)}")
    # a stage that was switched off since may have left figures of other data
    with contextlib.chdir(folder):
        if line := verify.sentence(writing=""):
            out(line)
    page = results / "report" / "index.html"
    if page.is_file():
        out(f"report: {page}")
        return 0
    out(f"{page}: not made yet; start the run again")
    return 1


def _line(row) -> str:
    value, unit = row.get("value"), row.get("unit") or ""
    text = f"{row['name']}: {_number(value)} {unit}".rstrip()
    beside = [
        f"{key} {_number(row[key])}"
        for key in ("null", "baseline", "n")
        if row.get(key) is not None
    ]
    return text + (f" ({', '.join(beside)})" if beside else "")


def _number(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
