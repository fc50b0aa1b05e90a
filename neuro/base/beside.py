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
SERIES = (".dtseries.nii", ".func.gii")
"""Endings of series on surfaces."""
SURFACE_LABELS = (".dlabel.nii", ".annot", ".label.gii")
"""Endings of label files on surfaces; the last two are by hemisphere, the left one is given."""

SUITE2P = ("iscell.npy", "ops.npy")
_SIDES = (
    (r"(?<![a-zA-Z0-9])hemi-L(?![a-zA-Z0-9])", "hemi-R"),
    (r"(?<![a-zA-Z0-9])lh(?![a-zA-Z0-9])", "rh"),
    (r"(?<![a-zA-Z0-9])L(?![a-zA-Z0-9])", "R"),
    (r"(?<![a-zA-Z0-9])left(?![a-zA-Z0-9])", "right"),
)
"""How file names call the left hemisphere, and the right one."""
_STEM = re.compile(r"(\.nii\.gz|\.[dp]tseries\.nii|\.func\.gii|\.tsv\.gz|\.[^./]*)$")
_RUN = re.compile(r"_(bold|mask|boldref)(\.dtseries)?\.nii(\.gz)?$")


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
    if name.endswith((".func.gii", ".annot", ".label.gii")):
        # one hemisphere is given, both are read
        other = other_hemisphere(path)
        yield from [other, f"{top}{_STEM.sub('', os.path.basename(other))}.json"] if other else []
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
    entities = stem.split("_")
    stems = [stem]
    for count in range(1, len(DROPPED) + 1):
        left = [entity for entity in entities if entity.partition("-")[0] not in DROPPED[:count]]
        stems.append("_".join(left))
    return list(dict.fromkeys(stems))


def is_series(path) -> bool:
    """Whether a file name is that of a series on a surface."""
    return str(path).endswith(SERIES)


def is_surface_atlas(path) -> bool:
    """Whether a file name is that of labels on a surface."""
    return str(path).endswith(SURFACE_LABELS)


def other_hemisphere(path) -> str:
    """Path of the right hemisphere's file that belongs to one of the left; empty without sides.

    Examples
    --------
    >>> other_hemisphere("a/sub-1_hemi-L_bold.func.gii")
    'a/sub-1_hemi-R_bold.func.gii'
    >>> other_hemisphere("lh.aparc.annot")
    'rh.aparc.annot'
    """
    folder, line, name = str(path).rpartition("/")
    for pattern, word in _SIDES:
        plain = name.replace("_", "\0")
        other = re.sub(pattern, word, plain)
        if other != plain:
            return folder + line + other.replace("\0", "_")
    return ""
