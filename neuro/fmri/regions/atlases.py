"""Atlases that need no download: nilearn's bundled coordinates, or the user's own image."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuro.io.images.header import open_image
from neuro.io.problems import InputProblem
from neuro.io.regions.atlas import label_centroids_mm
from neuro.io.regions.label_tables import names_beside, names_of

BUNDLED = ("power264", "dosenbach160", "seitzman300")
"""Region centres in MNI space that nilearn carries in its package."""

DOWNLOADED = (
    "aal",
    "allen2011",
    "basc",
    "brainnetome",
    "cc200",
    "cc400",
    "craddock2012",
    "destrieux",
    "difumo",
    "glasser",
    "gordon",
    "harvard_oxford",
    "juelich",
    "msdl",
    "pauli2017",
    "schaefer2018",
    "smith2009",
    "talairach",
    "yeo2011",
)
"""Atlases that would have to be downloaded; refused by name."""


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Regions as coordinates, labels or maps.

    Attributes
    ----------
    name : str
        Letters and digits only, for file names.
    kind : {'coordinates', 'labels', 'maps'}
    labels : list of str
    coords_mm : ndarray of float64, shape (n_regions, 3)
        Given centres, centroids of the labels, or centres of mass of the maps; RAS+.
    codes : ndarray of int64, shape (n_regions,)
        Values of a label image; 1, 2, ... elsewhere.
    img : nibabel image or None
    path : str
        Empty for bundled coordinates.
    """

    name: str
    kind: str
    labels: list[str]
    coords_mm: np.ndarray
    codes: np.ndarray
    img: Any = None
    path: str = ""


def load_atlas(atlas, labels=None) -> Atlas:
    """Load an atlas by name or path, or take what nilearn's fetchers return.

    Parameters
    ----------
    atlas : str, path-like, nibabel image, mapping or array
        `power264`, `dosenbach160`, `seitzman300`, or a label image (3D, whole numbers, 0 is
        background) or maps (4D). A mapping with `maps` (and `lut` or `labels`) or `rois` is a
        nilearn atlas; an array of shape (n_regions, 3) or a table with columns x, y, z holds
        centres (mm, RAS+).
    labels : pandas.DataFrame or sequence of str, optional
        Region names: a look-up table with columns `index` and `name` (or `label`), or a list in
        the order of the codes, with or without a first `Background`. By default they come from a
        table beside the image, see :func:`neuro.io.regions.label_tables.names_beside`.

    Returns
    -------
    Atlas

    Raises
    ------
    InputProblem
        When the name would need a download or is unknown, the image is no atlas, or the names
        do not fit.

    References
    ----------
    Power et al. 2011, Neuron 72:665. Dosenbach et al. 2010, Science 329:1358. Seitzman et al.
    2020, NeuroImage 206:116290.
    """
    if isinstance(atlas, Mapping):
        if labels is None:
            labels = atlas.get("lut") if atlas.get("lut") is not None else atlas.get("labels")
        return load_atlas(atlas.get("maps", atlas.get("rois")), labels)
    if hasattr(atlas, "dataobj"):
        return _named(_from_image(atlas, "atlas", ""), labels)
    if not isinstance(atlas, (str, os.PathLike)):
        return _named(_from_array(atlas), labels)
    name = str(atlas)
    if name in BUNDLED:
        return _named(_from_coordinates(name), labels)
    if Path(name).is_file():
        stem = Path(name).name.split(".")[0]
        word = "".join(letter for letter in stem if letter.isalnum()) or "atlas"
        return _named(_from_image(open_image(name), word, name), labels)
    expected = f"expected {', '.join(BUNDLED)} or the path of a label image (3D) or maps (4D)"
    if _would_download(name):
        raise InputProblem(
            f"fmri.atlas: '{name}' would have to be downloaded, which is never done; {expected}"
        )
    near = difflib.get_close_matches(name, BUNDLED, 1, 0.6)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise InputProblem(f"fmri.atlas: '{name}' is no file and no known atlas; {expected}{hint}")


def _from_array(atlas) -> Atlas:
    if hasattr(atlas, "columns"):
        atlas = atlas[list("xyz")]
    try:
        dtype = getattr(atlas, "dtype", None)
        if dtype is not None and dtype.names:
            atlas = [atlas[axis] for axis in "xyz"]
            coords = np.asarray(atlas, dtype=np.float64).T
        else:
            coords = np.asarray(atlas, dtype=np.float64)
    except (TypeError, ValueError):
        coords = np.empty(0)
    if coords.ndim != 2 or coords.shape[1] != 3 or not len(coords) or not np.isfinite(coords).all():
        raise InputProblem(
            f"atlas: got {type(atlas).__name__} of shape {np.shape(coords)}, expected a name, a "
            "path, an image, a nilearn atlas or masker, or centres of shape (n_regions, 3) in mm"
        )
    codes = np.arange(1, len(coords) + 1)
    return Atlas("coordinates", "coordinates", [str(code) for code in codes], coords, codes)


def _named(atlas: Atlas, labels) -> Atlas:
    """The atlas with given names: a look-up table, or a list in the order of the codes."""
    if labels is None:
        return atlas
    if hasattr(labels, "columns"):
        table = names_of(labels, "labels")
        names = [table.get(int(code), str(code)) for code in atlas.codes]
    else:
        names = [word.decode() if isinstance(word, bytes) else str(word) for word in labels]
        n_regions = len(atlas.codes)
        if len(names) == n_regions + 1 and names[0].lower() == "background":
            names = names[1:]
        elif len(names) > n_regions and atlas.kind == "labels" and len(names) > atlas.codes[-1]:
            # A list that names every code, also those without a voxel.
            names = [names[code] for code in atlas.codes]
        if len(names) != n_regions:
            raise InputProblem(f"labels: {len(names)} names for {n_regions} regions")
    if len(set(names)) != len(names):
        raise InputProblem("labels: one name is given to two regions")
    return dataclasses.replace(atlas, labels=names)


def _would_download(name: str) -> bool:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    for atlas in DOWNLOADED:
        full = atlas.replace("_", "")
        word = full.rstrip("0123456789")
        if plain == full or (len(word) > 2 and plain == word):
            return True
        if len(word) > 3 and plain.startswith(word) and "." not in name:
            return True
    return False


def _package_file(name: str) -> Path | None:
    """A data file of nilearn, found without importing nilearn."""
    spec = importlib.util.find_spec("nilearn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "datasets" / "data" / name
        if path.is_file():
            return path
    return None


def _from_coordinates(name: str) -> Atlas:
    files = {
        "power264": "power_2011.csv",
        "dosenbach160": "dosenbach_2010.csv",
        "seitzman300": "seitzman_2018_ROIs_300inVol_MNI_allInfo.txt",
    }
    path = _package_file(files[name])
    if path is None:
        raise InputProblem(
            f"fmri.atlas: nilearn's file {files[name]} for '{name}' is missing; install nilearn "
            ">= 0.13.1, or give a label image"
        )
    lines = path.read_text("utf-8").splitlines()
    mark = " " if name == "seitzman300" else ","
    header, *body = [[cell.strip() for cell in line.split(mark)] for line in lines if line.strip()]
    header = [cell.lower() for cell in header]
    coords = np.array([[float(row[header.index(axis)]) for axis in "xyz"] for row in body])
    if name == "power264":
        labels = [f"power{row[0]}" for row in body]
    elif name == "dosenbach160":
        number, word = header.index("number"), header.index("name")
        labels = [f"{row[word].replace(' ', '_')}_{row[number]}" for row in body]
    else:
        network = header.index("netname")
        labels = [f"{row[network]}_{position}" for position, row in enumerate(body, start=1)]
    return Atlas(name, "coordinates", labels, coords, np.arange(1, len(coords) + 1))


def _from_image(img, name: str, path: str) -> Atlas:
    where = path or "atlas image"
    shape = tuple(img.shape)
    if len(shape) == 4 and shape[3] == 1:
        import nibabel

        img = nibabel.Nifti1Image(np.asarray(img.dataobj)[..., 0], img.affine)
        shape = shape[:3]
    if len(shape) == 3:
        return _labels(img, name, path, where)
    if len(shape) == 4:
        return _maps(img, name, path, where)
    raise InputProblem(f"{where}: {len(shape)}D image, expected labels (3D) or maps (4D)")


def _labels(img, name, path, where) -> Atlas:
    import nibabel

    data = np.nan_to_num(np.asarray(img.dataobj))
    whole = np.rint(data)
    odd = data[(np.abs(whole - data) > 1e-3) | (whole < 0)]
    if odd.size:
        raise InputProblem(
            f"{where}: the value {odd[0]:g} is no label; expected whole numbers >= 0 in a 3D image"
        )
    if not whole.any():
        raise InputProblem(f"{where}: no voxel has a label above 0")
    img = nibabel.Nifti1Image(whole.astype(np.int32), img.affine)
    codes, coords, _ = label_centroids_mm(img)
    names = names_beside(path)
    labels = [names.get(int(code), str(code)) for code in codes]
    if len(set(labels)) != len(labels):
        raise InputProblem(f"{where}: the table beside it gives one name to two labels")
    return Atlas(name, "labels", labels, coords, codes, img, path)


def _maps(img, name, path, where) -> Atlas:
    data = np.abs(np.nan_to_num(np.asarray(img.dataobj, dtype=np.float32)))
    weight = data.reshape(-1, data.shape[3]).astype(np.float64)
    total = weight.sum(axis=0)
    if (total == 0).any():
        empty = int(np.flatnonzero(total == 0)[0])
        raise InputProblem(f"{where}: map {empty + 1} is 0 everywhere")
    grid = np.indices(data.shape[:3]).reshape(3, -1)
    centre = (grid @ weight / total).T
    coords = centre @ img.affine[:3, :3].T + img.affine[:3, 3]
    codes = np.arange(1, data.shape[3] + 1)
    names = names_beside(path)
    labels = [names.get(int(code), str(code)) for code in codes]
    return Atlas(name, "maps", labels, coords, codes, img, path)
