"""What a kind of input decides: the automatic confound strategy, and settings it forbids."""

from __future__ import annotations

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
    found = _normalise(kind, fmri["normalise"]) + _without_positions(kind, config)
    wanted = fmri["strategy"]
    if kind == DENOISED and wanted not in ("auto", "none"):
        found.append(
            f"fmri.strategy: got '{wanted}', but XCP-D data are denoised already; set it to auto"
        )
    if kind == NATIVE and NEED_TISSUE.fullmatch(wanted):
        found.append(
            f"fmri.strategy: '{wanted}' needs white matter and CSF signals, raw BIDS has none; "
            "use 24P or acompcor_lite"
        )
    if kind == "nifti" and NEED_TISSUE.fullmatch(wanted) and not has_tables:
        found.append(
            f"fmri.strategy: '{wanted}' needs a confounds table with white matter and CSF; some "
            "runs have none; use 24P"
        )
    if is_native(kind, config, space):
        what = "raw BIDS stays native" if kind == NATIVE else f"the images are in space {space}"
        way = "fmri.normalise.affine" if kind == NATIVE else "another data.space"
        if fmri["atlas"] in COORDINATES:
            found.append(
                f"fmri.atlas: {fmri['atlas']} holds template coordinates, {what}; give {way} or "
                "an atlas image"
            )
        if config["adhd"]["enabled"] and config["adhd"]["level"] == "voxel":
            found.append(
                f"adhd.level: voxels of native images do not correspond between subjects; use roi, "
                f"or give {way}"
            )
    return found


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
        False for region tables without a label image in `fmri.atlas`.
    """
    return kind not in TABLES or ".nii" in (config["fmri"]["atlas"] or "")


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
    adhd = config["adhd"]
    if not adhd["enabled"] or "distdegree" not in adhd["features"] or knows_positions(kind, config):
        return []
    return [
        "adhd.features: distdegree is left out, the tables do not say where their regions lie; "
        "fmri.atlas with a label image does"
    ]


def _without_positions(kind, config):
    """A line where nothing is left of the maps, or of the primary one, without positions."""
    adhd = config["adhd"]
    if kind == "auto" or not left_out(kind, config):
        return []
    way = "; give fmri.atlas a label image with the regions, or name another map"
    if "distdegree" in adhd["primary"]:
        return [f"adhd.primary: '{adhd['primary']}' needs to know where the regions lie{way}"]
    return []


def _normalise(kind, normalise):
    found = []
    affine, target = normalise["affine"], normalise["target"]
    if affine and kind not in (NATIVE, "auto"):
        found.append(f"fmri.normalise.affine: only for raw BIDS (data.kind is '{kind}'); remove it")
    if target and not affine:
        found.append("fmri.normalise.target: given without fmri.normalise.affine; give both")
    elif target and not Path(target).exists():
        found.append(f"fmri.normalise.target: no such file: {target}")
    try:
        (affine or "").format(participant_id="01", session="01")
    except (KeyError, IndexError, ValueError):
        found.append(
            f"fmri.normalise.affine: got '{affine}'; only {{participant_id}} and {{session}} stand "
            "for labels"
        )
    return found


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
