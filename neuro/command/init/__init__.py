"""Write a settings file for what lies at some paths: what was found there, and nothing else."""

from __future__ import annotations

from pathlib import Path

from neuro.command.init import bold, glance, responses, spikes, tables, traces
from neuro.command.init.found import Found, compose
from neuro.io.problems import InputProblem
from neuro.io.responses import downloads

RECOGNISERS = (bold.recognise, tables.recognise)
"""Asked in this order. Each gets a path and the wishes of the command line, and gives a
:class:`~neuro.command.init.found.Found`, or None where the path holds nothing of its kind; it
raises `InputProblem` where the path is of its kind but cannot be used."""
FURTHER = {
    "spikes": spikes.recognise,
    "recordings": traces.recognise,
    "responses": responses.recognise,
    "voxels": responses.recognise_voxels,
}
"""By kind what is no BOLD; each gets all files and folders of its kind at once."""
KNOWN = (
    "sub-* folders (BIDS, fMRIPrep, XCP-D), region tables or a table with the columns "
    "participant_id and path, spikes, traces, stimuli with responses, images.npy with betas.npy"
)


def settings(paths, **wishes) -> str:
    """The text of a settings file for one or several paths.

    Parameters
    ----------
    paths : sequence of path-like
        Files or folders.
    **wishes
        Choices of the command line: `atlas`, and `hint` (`bids` or `table`) for the kind.

    Returns
    -------
    str

    Raises
    ------
    InputProblem
        When a path holds nothing that is recognised, or nothing that can be used.
    """
    inputs: list[Found] = []
    problems: list[str] = []
    others = []
    for path in map(Path, paths):
        try:
            recognised = _recognise(path, wishes)
        except InputProblem as problem:
            problems += problem.problems
            continue
        if recognised is None:
            others.append(path)
        else:
            inputs.append(recognised)
    further, lines = _others(others)
    if problems + lines:
        raise InputProblem(problems + lines)
    return compose(inputs + further)


def _recognise(path, wishes) -> Found | None:
    if not _exists(path):
        what = {"bids": "folder", "table": "file or folder"}.get(
            wishes.get("hint"), "file or folder"
        )
        raise InputProblem(f"{path}: no such {what}")
    if not wishes.get("hint") and not any(path.glob("sub-*/")) and downloads.recognise(path):
        # its tables are no region tables
        return None
    for recognise in RECOGNISERS:
        recognised = recognise(path, **wishes)
        if recognised is not None:
            return recognised
    below = glance.with_subjects(path)
    if len(below) > 1:
        names = ", ".join(folder.as_posix() for folder in below[:6])
        raise InputProblem(f"{path}: several folders hold subjects; give one of {names}")
    return _recognise(below[0], wishes) if below else None


def _exists(path) -> bool:
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        return path.exists()
    except OSError as error:
        raise InputProblem(f"{path}: cannot be looked into ({error.strerror})") from None


def _others(paths):
    """What is no BOLD, and a line for every path that nobody knows."""
    places: dict[str, list] = {}
    problems = []
    paths, sets = glance.voxel_sets(paths)
    if sets:
        places["voxels"] = sets
    for path in paths:
        try:
            inside = glance.sort(path)
        except InputProblem as problem:
            problems += problem.problems
            continue
        if not inside:
            problems.append(
                f"{path}: nothing in it was recognised; seen: {glance.seen(path)}; known are "
                f"{KNOWN}"
            )
        for kind, files in inside.items():
            places.setdefault(kind, []).extend(files)
    recognised, lines = [], []
    for kind, recognise in FURTHER.items():
        try:
            if kind in places:
                recognised.append(recognise(places[kind]))
        except InputProblem as problem:
            lines += problem.problems
    # a file that may be of two kinds need only be of one
    return recognised, problems or ([] if recognised else lines)


def write(text, path, *, force=False) -> Path:
    """Write settings; an existing file is kept unless `force` is given.

    Parameters
    ----------
    text : str
    path : path-like
    force : bool

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputProblem
        When the file exists, or cannot be written.
    """
    path = refuse_existing(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputProblem(f"{path}: cannot be written ({error.strerror})") from None
    return path


def refuse_existing(path, *, force=False) -> Path:
    """The path, unless a file is there that must not be replaced.

    Raises
    ------
    InputProblem
        When the file exists and `force` is not given, or is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InputProblem(f"{path}: a folder; give the name of a file with -o")
    if path.exists() and not force:
        raise InputProblem(f"{path}: exists already; choose another name with -o, or add --force")
    return path
