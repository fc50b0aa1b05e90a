"""A derivative data set made of links to what single jobs left, valid files only.

A workflow needs every file that a job declares, so a run that was left out leaves files of 0
bytes in the work folder. What the data set shows are the others.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from neuro.base import provenance
from neuro.io.formats import excluded

PUBLISHED = ("run_key", "n_files", "n_left_out", "left_out", "reason")
"""Columns of the table of published runs."""


def publish(files: Sequence, work, target) -> list[Path]:
    """Show the results of single jobs in a data set, without those of runs that were left out.

    Folders of participants that stand in the data set are made anew, so that what was left out
    since is gone from it.

    Parameters
    ----------
    files : sequence of path-like
        Results below `work`; each with its sidecar, where it has one.
    work, target : path-like
        Folder of the jobs and folder of the data set.

    Returns
    -------
    list of pathlib.Path
        Files of the data set.
    """
    work, target = Path(work), Path(target)
    for folder in sorted(target.glob("sub-*")):
        shutil.rmtree(folder)
    links: dict[Path, Path] = {}
    for path in map(Path, files):
        if excluded.is_excluded(path):
            continue
        for file in (path, provenance.sidecar_path(path)):
            if file.is_file():
                links[target / file.relative_to(work)] = file
    for destination, path in links.items():
        destination.parent.mkdir(parents=True, exist_ok=True)
        link(path, destination)
    return list(links)


def link(path, place) -> None:
    """Give a file a second name; a copy of it where the disk has no such links.

    Parameters
    ----------
    path, place : path-like
        The file, and its further name, which must not be taken.
    """
    try:
        os.link(path, place)
    except OSError:
        # other disk, or one without hard links; a real error comes again here
        shutil.copy2(path, place)


def published_table(files: Sequence, exclusions: Sequence) -> list[dict]:
    """One row per run: how many of its files the data set shows, and why it lacks the others.

    Parameters
    ----------
    files : sequence of (str, list of path-like)
        Run key, and all files that its jobs declare.
    exclusions : sequence of dict
        Rows of the exclusions tables, all runs together.

    Returns
    -------
    list of dict
        See :data:`PUBLISHED`. `left_out` names what follows the run key in the file names.
    """
    reasons: dict[str, list[str]] = {}
    for row in exclusions:
        reasons.setdefault(str(row["what"]), []).append(str(row["reason"]))
    rows = []
    for key, paths in files:
        empty = [Path(path).name for path in paths if excluded.is_excluded(path)]
        values = (
            key,
            len(paths) - len(empty),
            len(empty),
            " ".join(sorted(name.removeprefix(f"{key}_") for name in empty)) or None,
            "; ".join(dict.fromkeys(reasons.get(key, ()))) or None,
        )
        rows.append(dict(zip(PUBLISHED, values)))
    return rows
