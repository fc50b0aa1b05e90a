"""What a kind of input decides: the automatic confound strategy, and settings it forbids."""

from __future__ import annotations

import os
import re
from pathlib import Path

TABLES = ("table", "adhd200")
"""Kinds whose input are region series rather than images."""
NATIVE = "bids"
"""The kind that goes through slice timing and realignment first."""
DENOISED = "xcpd"
"""The kind that was cleaned before."""
NEED_TISSUE = re.compile(
    r"athena|36P|36P_nogsr|acompcor|.*\b(wm_csf|global_signal|high_pass|compcor|ica_aroma)\b.*"
)
"""Strategies that need signals or components of white matter and CSF."""
NATIVE_SPACES = ("native", "T1w", "func", "scanner")
"""Spaces in which template coordinates have no meaning."""
COORDINATES = ("power264", "dosenbach160", "seitzman300")
"""Atlases that are coordinates in template space."""

RUN_MAPS = ("alff", "falff", "reho", "seed")
"""Maps that stage fmri makes of the voxels of each run."""


def strategy(kind, wanted, *, has_tables=True) -> tuple[str, str]:
    """The confound strategy of a kind of input.

    Parameters
    ----------
    kind : str
        The layout, after detection.
    wanted : str
        Value of `fmri.strategy`; only `auto` leaves a choice.
    has_tables : bool
        Whether every run has a confounds table with tissue signals, rather than six motion
        parameters only.

    Returns
    -------
    name : str
    why : str
        Why it was chosen; empty where the user named it.
    """
    if wanted != "auto":
        return wanted, ""
    if kind == DENOISED:
        return "none", "XCP-D data are denoised already"
    if kind == NATIVE:
        return "24P", "raw BIDS has no tissue signals"
    if kind in TABLES:
        return "none", "region tables carry no confounds"
    if not has_tables:
        return "24P", "not every run has a confounds table, head motion is all there is"
    return "36P", "confounds tables hold motion and tissue signals"


def problems(kind, config, *, has_tables=True, space="") -> list[str]:
    """Settings that a kind of input cannot serve.

    Parameters
    ----------
    kind : str
        The layout; `auto` is judged after detection.
    config : dict
        Resolved settings.
    has_tables : bool
        Whether every run has a confounds table.
    space : str
        Space of the images, where it is known.

    Returns
    -------
    list of str
        One line per problem, each with the key and what to do.
    """
    fmri = config["fmri"]
    lines = _surfaces(fmri["surfaces"])
    lines += _normalise(kind, fmri["normalise"]) + _without_positions(kind, config)
    lines += _maps(kind, config, space)
    wanted = fmri["strategy"]
    if kind == DENOISED and wanted not in ("auto", "none"):
        lines.append(
            f"fmri.strategy: got '{wanted}', but XCP-D data are denoised already; set it to auto"
        )
    lines += _tissue(kind, fmri, has_tables)
    if is_native(kind, config, space):
        what = "raw BIDS stays native" if kind == NATIVE else f"the images are in space {space}"
        way = "fmri.normalise.affine" if kind == NATIVE else "another data.space"
        if fmri["atlas"] in COORDINATES:
            lines.append(
                f"fmri.atlas: {fmri['atlas']} holds template coordinates, {what}; give {way} or "
                "an atlas image"
            )
        if config["adhd"]["enabled"] and config["adhd"]["level"] == "voxel":
            lines.append(
                f"adhd.level: voxels of native images do not correspond between subjects; use roi, "
                f"or give {way}"
            )
    return lines


def _tissue(kind, fmri, has_tables):
    """Strategies whose tissue signals a kind of input does not have."""
    lines = []
    wanted = [("fmri.strategy", fmri["strategy"], "use 24P or acompcor_lite")]
    wanted += [("fmri.compare", name, "remove it") for name in fmri["compare"]]
    for key, name, way in wanted:
        if not NEED_TISSUE.fullmatch(name):
            continue
        if kind == NATIVE:
            lines.append(
                f"{key}: '{name}' needs white matter and CSF signals, raw BIDS has none; {way}"
            )
        if kind == "nifti" and not has_tables:
            lines.append(
                f"{key}: '{name}' needs a confounds table with white matter and CSF; some runs "
                f"have none; {way.removesuffix(' or acompcor_lite')}"
            )
    return lines


def _maps(kind, config, space):
    """Maps that a kind of input does not allow."""
    maps, adhd, lines = config["fmri"]["maps"], config["adhd"], []
    inputs = [name for name in adhd["features"] if name in RUN_MAPS]
    if on_surfaces(config["fmri"]):
        lines += [
            f"fmri.{key}: made of volumes only, these are series on surfaces; remove it"
            for key in ("maps", "compare")
            if config["fmri"][key]
        ]
    if kind == DENOISED and "falff" in maps:
        lines.append(
            "fmri.maps: 'falff' needs series from before the filter, XCP-D's are filtered; "
            "remove it"
        )
    if kind in TABLES and adhd["enabled"] and inputs:
        lines.append(
            f"adhd.features: '{inputs[0]}' is computed from voxels, region tables have none; "
            "remove it"
        )
    if "seed" in maps and is_native(kind, config, space):
        lines.append(
            "fmri.maps: 'seed' needs images in template space, these are native; remove it"
        )
    return lines


def on_surfaces(fmri) -> bool:
    """Whether the atlas is one of surfaces, as series on surfaces need it."""
    return (fmri["atlas"] or "").endswith((".dlabel.nii", ".annot", ".label.gii"))


def knows_positions(kind, config) -> bool:
    """Whether the places of the regions are known.

    Parameters
    ----------
    kind : str
        The layout, after detection.
    config : dict
        Resolved settings.

    Returns
    -------
    bool
        False for region tables without a label image in `fmri.atlas`, and on surfaces without
        meshes.
    """
    atlas = config["fmri"]["atlas"] or ""
    if on_surfaces(config["fmri"]):
        return bool(config["fmri"]["surfaces"]["left"])
    return kind not in TABLES or ".nii" in atlas


def left_out(kind, config) -> list[str]:
    """What the settings ask for and a kind of input cannot give, so that it is left out.

    Parameters
    ----------
    kind : str
        The layout, after detection.
    config : dict
        Resolved settings.

    Returns
    -------
    list of str
        One line each, with the key and what would bring it back.
    """
    adhd, lines = config["adhd"], []
    if kind in TABLES and config["fmri"]["maps"]:
        lines.append("fmri.maps: left out, region tables have no voxels")
    if adhd["enabled"] and _needs_positions(kind, config):
        lines.append(
            "adhd.features: distdegree is left out, it is not known where the regions lie; "
            "fmri.atlas with a label image (of series on surfaces fmri.surfaces) says it"
        )
    return lines


def _needs_positions(kind, config) -> bool:
    """Whether a map is asked for whose regions' places are not known."""
    return "distdegree" in config["adhd"]["features"] and not knows_positions(kind, config)


def _without_positions(kind, config):
    """A line where nothing is left of the maps, or of the primary one, without positions."""
    adhd = config["adhd"]
    if kind == "auto" or not adhd["enabled"] or not _needs_positions(kind, config):
        return []
    way = "; give fmri.atlas a label image with the regions, or name another map"
    if "distdegree" in adhd["primary"]:
        return [f"adhd.primary: '{adhd['primary']}' needs to know where the regions lie{way}"]
    return []


def _surfaces(surfaces):
    """Meshes that are not there, or one without the other."""
    given = {side: path for side, path in surfaces.items() if path}
    lines = [
        f"fmri.surfaces.{side}: no such file: {path}"
        for side, path in given.items()
        if not os.path.isfile(path)
    ]
    if len(given) == 1:
        (side,) = given
        lines.append(f"fmri.surfaces: only the {side} one is given; give both")
    return lines


def _normalise(kind, normalise):
    lines = []
    affine, target = normalise["affine"], normalise["target"]
    if affine and kind not in (NATIVE, "auto"):
        lines.append(f"fmri.normalise.affine: only for raw BIDS (data.kind is '{kind}'); remove it")
    if target and not affine:
        lines.append("fmri.normalise.target: given without fmri.normalise.affine; give both")
    elif target and not Path(target).exists():
        lines.append(f"fmri.normalise.target: no such file: {target}")
    try:
        (affine or "").format(participant_id="01", session="01")
    except (KeyError, IndexError, ValueError):
        lines.append(
            f"fmri.normalise.affine: got '{affine}'; only {{participant_id}} and {{session}} stand "
            "for labels"
        )
    return lines


def is_native(kind, config, space="") -> bool:
    """Whether images stay in native space.

    Parameters
    ----------
    kind : str
    config : dict
    space : str
        Space in the names of the images.

    Returns
    -------
    bool
    """
    if kind == NATIVE:
        return not config["fmri"]["normalise"]["affine"]
    # Names of bare template images carry no space; those of derivatives do.
    return kind in ("fmriprep", DENOISED) and space in NATIVE_SPACES
