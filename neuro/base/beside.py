"""Files that readers look for beside a file that they are given: part of it, though unnamed.

A sidecar says units and rates, a table the names of an atlas's regions, `ops.npy` and `iscell.npy`
what suite2p's traces are. They count wherever the file itself counts: in the parameter that lets a
rule run again, and in the record of the job.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

LABEL_SUFFIXES = (".tsv", ".csv", ".txt", ".lut", ".LUT", "_LUT.txt", ".ctab")
"""Of look-up tables beside a label image."""
DROPPED = ("res", "den", "cohort", "space")
"""Entities that the table of several images may lack."""
SUITE2P = ("iscell.npy", "ops.npy")
_STEM = re.compile(r"(\.nii\.gz|\.ptseries\.nii|\.tsv\.gz|\.[^./]*)$")
_RUN = re.compile(r"_(bold|mask|boldref)\.nii(\.gz)?$")


def beside(path) -> list[str]:
    """Paths of what belongs to a file, as far as it exists.

    Parameters
    ----------
    path : path-like
        Of a file.
    """
    return [name for name in _names(str(path)) if name != str(path) and os.path.isfile(name)]


def _names(path) -> Iterator[str]:
    folder, name = os.path.split(path)
    stem = _STEM.sub("", name)
    top = os.path.join(folder, "")
    yield f"{top}{stem}.json"
    if name.endswith(".npy"):
        yield from (top + other for other in SUITE2P)
    # images of runs, thousands of them, are no atlases
    if name.endswith((".nii", ".nii.gz")) and not _RUN.search(name):
        yield from (f"{top}{one}{suffix}" for one in label_stems(stem) for suffix in LABEL_SUFFIXES)


def label_stems(stem: str) -> list[str]:
    """Names that the table of a label image may have, without suffix, best first.

    Parameters
    ----------
    stem : str
        Name of the image without suffix.
    """
    parts = stem.split("_")
    found = [stem]
    for count in range(1, len(DROPPED) + 1):
        left = [part for part in parts if part.partition("-")[0] not in DROPPED[:count]]
        found.append("_".join(left))
    return list(dict.fromkeys(found))
