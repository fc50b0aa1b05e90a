"""Images that are no runs of their own: echoes, phases, and what stands in place of volumes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from neuro.io.bids.names import Name
from neuro.io.images import grayordinates as gray
from neuro.io.images.header import n_volumes
from neuro.io.problems import InputProblem

_VERSIONS = ("echo", "part")
MISSING = {
    "mask": "no brain mask on the same grid found",
    "confounds": "no confounds table found",
}
"""What is said of a run that lacks a file."""
ADVICE = {
    ("xcpd", "mask"): (
        "; put fMRIPrep's *_desc-brain_mask.nii.gz of that space beside it, or read XCP-D's region "
        "tables with data.kind: table"
    ),
}
"""What to do about it, by layout."""


def runs_only(images: list[Name], echo=None, layout="", root="") -> list[Name]:
    """The images that stand for runs.

    Parameters
    ----------
    images : list of Name
    echo : str, optional
        Of multi-echo runs this one; by default the combined image, which has no echo in its
        name.
    layout : str
        In 'xcpd' images that hold all runs in a row are left out as well.
    root : path-like
        Folder of the images, to look into these.

    Returns
    -------
    list of Name
        In the order given. Of a run without a combined image the first echo is kept, and of one
        without a magnitude image the first part; :func:`problem` tells that they are no runs.

    Raises
    ------
    InputProblem
        When no run has the wanted echo.
    """
    groups: dict = {}
    for name in images:
        key = (tuple(entity for entity in name.run if entity[0] not in _VERSIONS), _folder(name))
        groups.setdefault(key, []).append(name)
    kept: list[Name] = []
    echoes = {_number(name) for name in images if "echo" in name.entities}
    if echo is not None and _as_number(echo) not in echoes:
        listed = ", ".join(sorted(echoes)) or "no image with an echo in its name"
        raise InputProblem(f"data.echo: no image of echo '{echo}'; found {listed}")
    for group in groups.values():
        magnitudes = [name for name in group if name.entities.get("part", "mag") == "mag"]
        group = magnitudes or [n for n in group if n.entities["part"] == group[0].entities["part"]]
        combined = [name for name in group if "echo" not in name.entities]
        several = [name for name in group if "echo" in name.entities]
        if echo is not None:
            wanted = [name for name in several if _number(name) == _as_number(echo)]
            kept += wanted or combined
        elif combined:
            kept += combined
        else:
            first = min(map(_number, several))
            kept += [name for name in several if _number(name) == first]
    if layout == "xcpd":
        kept = without_combined(kept, lambda name: _length(name, f"{root}/{name.path}"))
    order = {id(name): position for position, name in enumerate(images)}
    return sorted(kept, key=lambda name: order[id(name)])


def _length(name: Name, path: str) -> int:
    """Volumes of an image, or of a series on surfaces."""
    return gray.header_volumes(path) if name.is_surface else n_volumes(path) or 0


def problem(image: Name, echo: str | None = None) -> list[str]:
    """Why an image that :func:`runs_only` kept is no run, in a list of at most one line."""
    component = image.entities.get("part", "mag")
    if component != "mag":
        return [
            f"{image.path}: not a magnitude image (part-{component}), and there is none beside it"
        ]
    if "echo" in image.entities and echo is None:
        return [
            f"{image.path}: one echo of a multi-echo run without a combined image; combine the "
            "echoes (fMRIPrep or tedana do), or choose one with data.echo, quoted"
        ]
    return []


def instead(names: Iterable[Name]) -> str:
    """What a folder without volumes holds instead, with what to do; empty for neither."""
    names = list(names)
    parcels = [n for n in names if n.extension == ".ptseries.nii"]
    if parcels:
        return f"; there are {len(parcels)} region tables (*.ptseries.nii): set data.kind: table"
    spaces = sorted({n.space for n in names if n.is_surface})
    if spaces:
        return (
            f"; there are series on surfaces in {', '.join(spaces)}: set data.space to one, and "
            "data.kind to fmriprep or xcpd"
        )
    if any(n.suffix in ("boldref", "xfm") for n in names):
        return (
            "; there are references and transforms only, as fMRIPrep writes with --level minimal: "
            "run it again with --level full"
        )
    return ""


def _folder(name: Name) -> str:
    return name.path.rpartition("/")[0]


def _number(name: Name) -> str:
    return _as_number(name.entities["echo"])


def _as_number(echo) -> str:
    return str(echo).removeprefix("echo-").lstrip("0") or "0"


def without_combined(names, length) -> list:
    """Leave out files that hold the runs of a task in a row, where the runs stand beside them.

    XCP-D writes such a file without `run` in its name; what it holds must not count twice.

    Parameters
    ----------
    names : list of Name
    length : callable
        Volumes of a file, by its `Name`; a file whose volumes are not those of all runs together
        is a run of its own.

    Returns
    -------
    list of Name
    """
    groups: dict = {}
    for name in names:
        own = tuple(entity for entity in name.entities.items() if entity[0] != "run")
        groups.setdefault((own, name.extension), []).append(name)
    left_out = set()
    for members in groups.values():
        whole = [name for name in members if "run" not in name.entities]
        runs = [name for name in members if "run" in name.entities]
        if len(whole) == 1 and runs and length(whole[0]) == sum(map(length, runs)):
            left_out.add(whole[0].path)
    if left_out:
        warnings.warn(
            f"{min(left_out)}: holds the runs beside it in a row, so it is no run of its own "
            f"({len(left_out)} such files passed over)",
            stacklevel=2,
        )
    return [name for name in names if name.path not in left_out]
