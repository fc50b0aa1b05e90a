"""Atlases that need no download: nilearn's bundled coordinates, or the user's own image."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from neuro.io.formats.tables import read_tsv
from neuro.io.images.header import open_image
from neuro.io.problems import InputProblem
from neuro.io.regions.atlas import label_centroids_mm

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


def load_atlas(atlas) -> Atlas:
    """Load an atlas by name or path.

    Parameters
    ----------
    atlas : str, path-like or nibabel image
        `power264`, `dosenbach160`, `seitzman300`, or a label image (3D, whole numbers, 0 is
        background) or maps (4D, not negative). Names come from a table of the same name with
        the columns `index` and `name` (BIDS `_dseg.tsv`), if there is one.

    Returns
    -------
    Atlas

    Raises
    ------
    InputProblem
        When the name would need a download or is unknown, or the image is no atlas.

    References
    ----------
    Power et al. 2011, Neuron 72:665. Dosenbach et al. 2010, Science 329:1358. Seitzman et al.
    2020, NeuroImage 206:116290.
    """
    if hasattr(atlas, "dataobj"):
        return _from_image(atlas, "atlas", "")
    name = str(atlas)
    if name in BUNDLED:
        return _from_coordinates(name)
    if Path(name).is_file():
        stem = Path(name).name.split(".")[0]
        word = "".join(letter for letter in stem if letter.isalnum()) or "atlas"
        return _from_image(open_image(name), word, name)
    expected = f"expected {', '.join(BUNDLED)} or the path of a label image (3D) or maps (4D)"
    if _would_download(name):
        raise InputProblem(
            f"fmri.atlas: '{name}' would have to be downloaded, which is never done; {expected}"
        )
    near = difflib.get_close_matches(name, BUNDLED, 1, 0.6)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise InputProblem(f"fmri.atlas: '{name}' is no file and no known atlas; {expected}{hint}")


def _would_download(name: str) -> bool:
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    for known in DOWNLOADED:
        full = known.replace("_", "")
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
        labels = [f"{row[network]}_{place}" for place, row in enumerate(body, start=1)]
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
    names = _names(path)
    labels = [names.get(int(code), str(code)) for code in codes]
    if len(set(labels)) != len(labels):
        raise InputProblem(f"{where}: the table beside it gives one name to two labels")
    return Atlas(name, "labels", labels, coords, codes, img, path)


def _maps(img, name, path, where) -> Atlas:
    data = np.nan_to_num(np.asarray(img.dataobj, dtype=np.float32))
    if data.min() < 0:
        raise InputProblem(
            f"{where}: maps hold negative weights (smallest {data.min():g}); a weighted mean "
            "needs weights >= 0, so set them to 0 or use a label image"
        )
    weight = data.reshape(-1, data.shape[3]).astype(np.float64)
    total = weight.sum(axis=0)
    if (total == 0).any():
        empty = int(np.flatnonzero(total == 0)[0])
        raise InputProblem(f"{where}: map {empty + 1} is 0 everywhere")
    grid = np.indices(data.shape[:3]).reshape(3, -1)
    centre = (grid @ weight / total).T
    coords = centre @ img.affine[:3, :3].T + img.affine[:3, 3]
    codes = np.arange(1, data.shape[3] + 1)
    names = _names(path)
    labels = [names.get(int(code), str(code)) for code in codes]
    return Atlas(name, "maps", labels, coords, codes, img, path)


def _names(path: str) -> dict[int, str]:
    """Region names from the table beside an image, or nothing."""
    if not path:
        return {}
    table = Path(path.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    if not table.is_file():
        return {}
    listed = read_tsv(table, dtype=str)
    if not {"index", "name"} <= set(listed.columns):
        raise InputProblem(
            f"{table}: columns {', '.join(listed.columns[:6])}; expected 'index' and 'name'"
        )
    named = listed[listed["index"].notna() & listed["name"].notna()]
    return {
        int(float(code)): str(word).strip().replace("\t", " ")
        for code, word in zip(named["index"], named["name"])
    }
