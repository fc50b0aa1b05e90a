"""The folders of a BIDS data set: subjects, files, sidecars that apply to an image."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from neuro.io.bids.names import Name, listing
from neuro.io.formats import sampling
from neuro.io.formats.tables import subject_label
from neuro.io.problems import InputProblem


class Tree:
    """The folders of a data set, each listed once.

    Parameters
    ----------
    root : path-like

    Raises
    ------
    InputProblem
        When there is no such folder.
    """

    def __init__(self, root):
        self.root = str(root)
        if not os.path.isdir(self.root):
            raise InputProblem(f"{root}: no such folder")
        self._listed: dict = {}
        self._json: dict = {}
        self.top, folders = self.listed("")
        self.flat: dict = {}
        for name in self.top:
            self.flat.setdefault(name.entities.get("sub", ""), []).append(name)
        self.folders = {f.removeprefix("sub-") for f in folders if f.startswith("sub-")}
        self.subjects = sorted(self.folders | (set(self.flat) - {""}))

    def listed(self, relative: str) -> tuple[list[Name], list[str]]:
        """Names and folders of one folder."""
        if relative not in self._listed:
            self._listed[relative] = listing(self.root, relative)
        return self._listed[relative]

    def json(self, relative: str) -> dict[str, list[Name]]:
        """JSON files of one folder by subject; `""` holds those of all subjects."""
        if relative not in self._json:
            content: dict = {}
            for name in self.listed(relative)[0]:
                if name.extension == ".json":
                    content.setdefault(name.entities.get("sub", ""), []).append(name)
            self._json[relative] = content
        return self._json[relative]

    def choose_subjects(self, wanted) -> list[str]:
        """The wanted labels, or all; an unknown label is a problem."""
        if not self.subjects:
            raise InputProblem(f"{self.root}: no folder or file named sub-*{self.hint()}")
        if wanted is None:
            return self.subjects
        labels = [subject_label(label) for label in wanted]
        problems = unknown_labels("sub", labels, set(self.subjects), self.root)
        if problems:
            raise InputProblem(problems)
        return sorted(set(labels))

    def hint(self) -> str:
        """Where the images may be instead."""
        for base in ("derivatives", ""):
            folder = os.path.join(self.root, base)
            if not os.path.isdir(folder):
                continue
            for name in sorted(os.listdir(folder)):
                inside = os.path.join(folder, name)
                if os.path.isdir(inside) and not name.startswith(("sub-", ".")):
                    nested = any(entry.startswith("sub-") for entry in os.listdir(inside))
                    if nested:
                        return (
                            f"; there are some in {os.path.join(base, name)}: set data.root to it"
                        )
        return ""

    def sessions(self, label: str) -> list[str]:
        """Folders that may hold `func` and `anat`."""
        if label not in self.folders:
            return []
        top = f"sub-{label}"
        return [top, *(f for f in self.listed(top)[1] if f.rpartition("/")[2].startswith("ses-"))]

    def files(self, label: str) -> list[Name]:
        """Names in the root, the subject's and session folders and their `func`."""
        names = list(self.flat.get(label, ()))
        for folder in self.sessions(label):
            names += self.listed(folder)[0]
            if f"{folder}/func" in self.listed(folder)[1]:
                names += self.listed(f"{folder}/func")[0]
        return names

    def anatomy(self, label: str) -> list[Name]:
        """Names in the subject's `anat` folders."""
        names: list[Name] = []
        for folder in self.sessions(label):
            if f"{folder}/anat" in self.listed(folder)[1]:
                names += self.listed(f"{folder}/anat")[0]
        return names


def unknown_labels(entity: str, wanted: Iterable, known: set, where: str = "") -> list[str]:
    """One line per label that does not occur."""
    key = {"sub": "data.subjects", "task": "data.tasks", "ses": "data.sessions"}[entity]
    labels = sorted(label for label in known if label)
    problems = []
    for label in wanted:
        label = str(label).removeprefix(f"{entity}-")
        if label not in labels:
            listed = " ".join(labels[:3]) + (f" ... ({len(labels)})" if len(labels) > 3 else "")
            near = difflib.get_close_matches(label, labels, 1, 0.6)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(
                f"{key}: '{label}' not found{f' in {where}' if where else ''}; "
                f"found {listed or 'none'}{hint}"
            )
    return problems


class Intervals:
    """Sampling intervals from sidecars; each file is read once."""

    def __init__(self, root, tree: Tree):
        self.root, self.tree = str(root), tree
        self.read: dict = {}

    def interval(self, image: Name):
        """Interval or None, its source, the nearest sidecar, problem lines."""
        files = sidecars(image, self.tree)
        problems = []
        for name in files:
            if name.path not in self.read:
                path = os.path.join(self.root, name.path)
                content, problem = sampling.read_json(path) if name.size else ({}, None)
                problem = problem.replace(path, name.path) if problem else None
                problem = problem or sampling.irregular(content, name.path)
                self.read[name.path] = (sampling.interval(content), problem)
            value, problem = self.read[name.path]
            problems += [problem] if problem else []
            if value is not None:
                own = _stem(name) == _stem(image)
                return value, "sidecar" if own else "inherited", files[0].path, problems
        return None, "sidecar", files[0].path if files else "", problems


def _stem(name: Name) -> str:
    return name.path.removesuffix(name.extension)


def sidecars(image: Name, tree: Tree) -> list[Name]:
    """JSON files that apply to an image, nearest and most specific first."""
    inherited: list[Name] = []
    folder = os.path.dirname(image.path)
    while True:
        of_folder = tree.json(folder)
        here = [
            name
            for label in (image.entities["sub"], "")
            for name in of_folder.get(label, ())
            if name.suffix == image.suffix
            and all(image.entities.get(key) == value for key, value in name.entities.items())
        ]
        inherited += sorted(here, key=lambda name: -len(name.entities))
        if not folder:
            return inherited
        folder = os.path.dirname(folder)
