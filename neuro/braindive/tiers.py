"""Which images are tests, and what is known about voxels, by files that the user gives."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem


def names_of(stimulus, keep) -> np.ndarray:
    """Names of the stimuli of some trials; row numbers where they have none."""
    if stimulus is None:
        return np.array([str(row) for row in keep])
    return np.asarray(stimulus)[keep].astype(str)


def own_test(path, family, stimulus, rows) -> np.ndarray:
    """Trials of a list of test images, with all repeats of what is named.

    Parameters
    ----------
    path : path-like
        One name or row number per line; empty lines and those that start with # are left out.
    family : ndarray, shape (n_trials,)
        What must not be split.
    stimulus : ndarray of str, shape (n_trials,)
    rows : ndarray of int, shape (n_trials,)
        Row of each trial in the file.

    Returns
    -------
    ndarray of bool, shape (n_trials,)

    Raises
    ------
    InputProblem
        When the file is missing or names an image that is not there.
    """
    path = Path(path)
    if not path.is_file():
        raise InputProblem(f"{path}: no such file; expected test images, one per line")
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    trial_of = {str(row): k for k, row in enumerate(rows)}
    chosen = np.isin(stimulus, wanted)
    names = set(stimulus)
    strangers = [line for line in wanted if line not in names and line not in trial_of]
    if strangers or not wanted:
        raise InputProblem(
            f"{path}: {len(strangers)} of {len(wanted)} test images are not among the stimuli"
            + (f" (first: {strangers[0]})" if strangers else "")
            + f"; expected names such as {stimulus[0]}, or row numbers from 0"
        )
    chosen[[trial_of[line] for line in wanted if line not in names]] = True
    return np.isin(family, family[chosen])


def known_ratio(path, unit):
    """Column `ncsnr` of the table of regions, by voxel; None where there is none."""
    if path is None:
        return None
    from neuro.io.formats.tables import read_tsv

    table = read_tsv(path, dtype={"voxel": str, "roi": str})
    if "ncsnr" not in table or "voxel" not in table:
        return None
    names = [
        f"v{int(name.lstrip('v')):05d}" if re.fullmatch(r"v?\d+", name) else name
        for name in table["voxel"]
    ]
    stored = {**dict(zip(table["voxel"], table["ncsnr"])), **dict(zip(names, table["ncsnr"]))}
    return np.array([float(stored.get(name, np.nan)) for name in unit])
