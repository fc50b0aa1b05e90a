"""Which files of a data set are series of runs: images, or series on surfaces."""

from __future__ import annotations

from neuro.base.beside import other_hemisphere
from neuro.io.bids.names import Name

_PREPROCESSED = {"xcpd": ("denoised", "residual"), "fmriprep": ("preproc",)}


def _is_bold(name: Name) -> bool:
    return name.suffix == "bold" and name.is_image and "sub" in name.entities


def series_of(files: dict, space: str | None, surfaces: bool) -> list[Name]:
    """Images of volumes, or series on surfaces: where their space is wanted, or there is no other.

    Parameters
    ----------
    files : dict of str to list of Name
        By subject.
    space : str or None
        What the user wants.
    surfaces : bool
        Whether surfaces count where nothing else is there.
    """
    listed = [name for names in files.values() for name in names]
    volumes = [name for name in listed if _is_bold(name)]
    cortex = [n for n in listed if n.suffix == "bold" and n.is_surface and "sub" in n.entities]
    if space is None:
        return cortex if surfaces and not volumes else volumes
    named = str(space) in {name.space for name in cortex}
    return cortex if named and str(space) not in {name.space for name in volumes} else volumes


def fits(name: Name, layout: str) -> bool:
    """Whether a series is named as a layout names its own."""
    in_func = "/func/" in name.path
    if name.is_surface:
        # fMRIPrep names its series on surfaces without desc
        wanted = {"xcpd": ("denoised", "residual"), "fmriprep": ("", "preproc")}.get(layout, ())
        return name.desc in wanted and in_func and name.space != "native"
    if layout in _PREPROCESSED:
        return name.desc in _PREPROCESSED[layout] and in_func
    if layout == "bids":
        return not name.desc and name.space == "native" and in_func
    return True


def missing_hemisphere(image: Name, names: list[Name]) -> list[str]:
    """A line where the right hemisphere of a run is missing."""
    if image.extension != ".func.gii":
        return []
    right = other_hemisphere(image.path)
    if any(name.path == right for name in names):
        return []
    return [f"{image.path}: no right hemisphere beside it ({right.rpartition('/')[2]})"]
