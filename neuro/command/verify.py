"""The command `neuro verify`: what is stale, missing, altered or of an unknown origin."""

from __future__ import annotations

import contextlib
from pathlib import Path

from neuro.base import record, verify
from neuro.io.problems import InputProblem


def show(results="results", fast: bool = False, out=print) -> int:
    """Print a table of what is not as it was recorded.

    Parameters
    ----------
    results : path-like
        The folder `results` of a run, or the working directory that holds it.
    fast : bool
        Whether files of the recorded size and time are taken for unchanged.
    out : callable
        Takes each line.

    Returns
    -------
    int
        1 when there is anything, else 0.

    Raises
    ------
    InputProblem
        When no run has left records there.
    """
    folder = Path(results)
    folder = folder.parent if folder.name == "results" else folder
    if not (folder / record.FOLDER).is_dir():
        raise InputProblem(
            f"{results}: no records of jobs in {folder / record.FOLDER}; expected the results of a "
            "finished run"
        )
    with contextlib.chdir(folder):
        verdict = verify.verify(fast)
    for state in verify.STATES:
        for finding in verdict.findings:
            if finding.state == state:
                out(f"{state:<15} {finding.what}: {finding.why}")
    how = "by size and time" if fast else "by checksum"
    out(
        f"{verdict.n_files} files of {verdict.n_jobs} jobs looked at {how}: "
        f"{len(verdict.findings) or 'no'} problem(s)"
    )
    return 1 if verdict.findings else 0
