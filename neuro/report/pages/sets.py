"""Stages that work on several data sets: one section per set, arrays of a result file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from neuro.report.site import model
from neuro.report.site.tables import read_table


def sections(
    folder: Path, title: str, names: Mapping[str, str], blocks: Callable[[Path, str], list]
) -> list[model.Section]:
    """One section per data set of a stage, in the order of its `sets.tsv`.

    Parameters
    ----------
    folder : pathlib.Path
        Of the stage; each set has a folder of its own in it.
    title : str
        What comes before the name of the set.
    names : mapping of str to str
        How sets are called; others by their own name.
    blocks : callable
        Blocks of a section from the set's folder and name.

    Returns
    -------
    list of neuro.report.site.model.Section
        Empty where the stage has no results.
    """
    table = read_table(folder / "sets.tsv", set=str)
    made = []
    for name in [] if table is None else table["set"]:
        called = f"{title}: {names.get(name, name)}"
        made.append(model.Section(f"{folder.name}_{name}", called, blocks(folder / name, name)))
    return made


def arrays(path: Path) -> dict[str, np.ndarray] | None:
    """Arrays of a result file by name, or None where it is missing or empty."""
    if not path.is_file() or not path.stat().st_size:
        return None
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}
