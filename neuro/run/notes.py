"""Whether Snakemake's notes (`.snakemake`) are about the results that lie here.

Snakemake knows from its notes with which parameters a file was made. Results that were copied
without them, put back from elsewhere, or are made with another work folder would pass for up to
date whatever the settings are. Both places therefore hold a word that changes whenever a run ends;
where the words differ, the records of the jobs decide.
"""

from __future__ import annotations

import time
from pathlib import Path

from neuro.base import record

PLACES = (Path("results/provenance/run.txt"), Path(".snakemake/neuro_run.txt"))
"""Of the same word, among the results and among Snakemake's notes."""


def same() -> bool:
    """Whether notes and results were left by the same run; True before any run has ended."""
    shared = []
    for path in PLACES:
        try:
            shared.append(path.read_text("utf-8"))
        except OSError:
            shared.append("")
    return shared[0] == shared[1]


def renew() -> None:
    """Write a new word to both places, when a run ends."""
    word = f"{time.time_ns():x}\n"
    for path in PLACES:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(word, "utf-8")


def other_settings(log, params) -> bool:
    """Whether a job was done with other parameters than those that are planned.

    Parameters
    ----------
    log : path-like
        The log of the job, see :func:`neuro.base.record.path_of`.
    params : dict

    Returns
    -------
    bool
        False where the job left no record that can be read: that is told elsewhere.
    """
    try:
        return record.read(record.path_of(log)).settings != record.settings_digest(params)
    except record.RecordProblem:
        return False
