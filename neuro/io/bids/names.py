"""BIDS file names: entities, suffix, extension."""

from __future__ import annotations

import dataclasses
import functools
import os
import re

SPACE_ENTITIES = ("space", "cohort", "res", "den")
DERIVED_ENTITIES = (
    *SPACE_ENTITIES,
    *("desc", "hemi", "stat", "atlas", "seg", "label"),
    # how HALFpipe and C-PAC name the settings of a denoising
    *("feature", "setting", "reg"),
)
"""Entities that name a version of a run, not the run."""

_ENTITY = re.compile(r"([a-zA-Z]+)-(.+)")
_LABEL = re.compile(r"[a-zA-Z0-9]+")


@dataclasses.dataclass(frozen=True)
class Name:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Relative to the data set, `/` between folders.
    entities : dict of str
        In the order of the file name.
    suffix : str
        Last part of the name, e.g. `bold`.
    extension : str
        From the first dot on, e.g. `.nii.gz`.
    size : int
        Bytes; -1 for a link that leads nowhere.
    """

    path: str
    entities: dict
    suffix: str
    extension: str
    size: int

    @functools.cached_property
    def run(self) -> tuple:
        """Entities that identify the run, in the order of the file name."""
        return tuple(
            entity for entity in self.entities.items() if entity[0] not in DERIVED_ENTITIES
        )

    @property
    def run_key(self) -> str:
        return "_".join(f"{key}-{value}" for key, value in self.run)

    @property
    def space(self) -> str:
        """Space with its cohort; `native` where the name has none."""
        space = self.entities.get("space", "native")
        cohort = self.entities.get("cohort")
        return f"{space}_cohort-{cohort}" if cohort else space

    @property
    def res(self) -> str:
        """Resolution of an image, density of a surface."""
        return self.entities.get("res", self.entities.get("den", ""))

    @property
    def desc(self) -> str:
        return self.entities.get("desc", "")

    @property
    def is_image(self) -> bool:
        return self.extension in (".nii.gz", ".nii")

    @property
    def is_surface(self) -> bool:
        """Whether it is a series on surfaces; of hemispheres the left one stands for both."""
        left = self.extension == ".func.gii" and self.entities.get("hemi") == "L"
        return self.extension == ".dtseries.nii" or left


def parse(path: str, size: int) -> Name | None:
    """Take a relative path apart; None when the name has no entity or no suffix.

    Old fMRIPrep names (`..._bold_space-X_preproc.nii.gz`, before 1.2) are given the meaning of
    today's: suffix `bold` with `desc-preproc`, `mask` with `desc-brain`, `timeseries` with
    `desc-confounds`.
    """
    filename = path.rpartition("/")[2]
    # the extension starts in the last part; a dot before it belongs to a (bad) label
    before, line, last = filename.rpartition("_")
    last, dot, rest = last.partition(".")
    parts = f"{before}{line}{last}".split("_")
    entities, suffix, old = {}, "", False
    for number, word in enumerate(parts):
        match = _ENTITY.fullmatch(word)
        if match:
            entities[match[1]] = match[2]
        elif number == len(parts) - 1:
            suffix = word
        elif word == "bold":
            old = True
    if not suffix:
        return None
    if old and suffix in ("preproc", "brainmask", "confounds"):
        new = {"preproc": "bold", "brainmask": "mask", "confounds": "timeseries"}
        desc = {"preproc": "preproc", "brainmask": "brain", "confounds": "confounds"}
        entities["desc"], suffix = desc[suffix], new[suffix]
    return Name(path, entities, suffix, dot + rest, size)


def bad_labels(name: Name) -> list[str]:
    """Entities of the run whose label is not made of letters and digits."""
    return [f"{key}-{value}" for key, value in name.run if not _LABEL.fullmatch(value)]


def listing(root: str, relative: str) -> tuple[list[Name], list[str]]:
    """Files and folders of one folder; names that are no BIDS names are left out.

    Parameters
    ----------
    root : str
    relative : str
        Folder below the root, `""` for the root itself.

    Returns
    -------
    names : list of Name
        Sorted by path.
    folders : list of str
        Sorted, relative to the root.
    """
    names, folders = [], []
    prefix = f"{relative}/" if relative else ""
    with os.scandir(os.path.join(root, relative) if relative else root) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(prefix + entry.name)
                continue
            try:
                size = entry.stat().st_size
            except OSError:
                size = -1
            name = parse(prefix + entry.name, size)
            if name is not None:
                names.append(name)
    return sorted(names, key=lambda name: name.path), sorted(folders)
