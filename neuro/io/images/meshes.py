"""Meshes of the cortex: the user's, or those of fsaverage5 that nilearn carries."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.images.grayordinates import HEMISPHERES, structures
from neuro.io.problems import InputProblem

FSAVERAGE5 = 10242
"""Vertices of a hemisphere of fsaverage5."""


def read_mesh(path) -> tuple[np.ndarray, np.ndarray]:
    """Read a surface.

    Parameters
    ----------
    path : path-like
        GIFTI (`.surf.gii`, also `.gz`), or FreeSurfer's geometry (`lh.white`).

    Returns
    -------
    coords : ndarray of float64, shape (n_vertices, 3)
        In mm.
    faces : ndarray of int64, shape (n_faces, 3)

    Raises
    ------
    InputProblem
        When the file is missing or no surface.
    """
    import nibabel

    path = Path(path)
    if not path.is_file():
        raise InputProblem(f"{path}: no such file; expected a surface (.surf.gii)")
    with readable(path, "not a readable surface"):
        if path.name.endswith((".gii", ".gii.gz")):
            coords, faces = nibabel.load(path).agg_data(("pointset", "triangle"))
        else:
            coords, faces = nibabel.freesurfer.read_geometry(path)
    coords, faces = np.asarray(coords, dtype=np.float64), np.asarray(faces, dtype=np.int64)
    sound = coords.ndim == faces.ndim == 2 and coords.shape[1] == faces.shape[1] == 3
    if not sound or not np.isfinite(coords).all() or faces.min() < 0 or faces.max() >= len(coords):
        raise InputProblem(f"{path}: no mesh of triangles (points and faces do not fit)")
    return coords, faces


def bundled(kind: str) -> dict:
    """Meshes of fsaverage5 that nilearn carries, without importing nilearn.

    Parameters
    ----------
    kind : {'midthickness', 'infl', 'sulc'}
        `midthickness` lies half way between white and pial surface.

    Returns
    -------
    dict of str to tuple, or to ndarray for 'sulc'
        By `CORTEX_LEFT`, `CORTEX_RIGHT`; empty where nilearn is not installed.
    """
    spec = importlib.util.find_spec("nilearn")
    places = spec.submodule_search_locations if spec else None
    if not places:
        return {}
    folder = Path(places[0]) / "datasets/data/fsaverage5"
    meshes: dict = {}
    for name, side in HEMISPHERES.items():
        if kind == "sulc":
            import nibabel

            meshes[name] = np.asarray(nibabel.load(folder / f"sulc_{side}.gii.gz").agg_data())
        elif kind == "midthickness":
            (white, faces), (pial, _) = (
                read_mesh(folder / f"{layer}_{side}.gii.gz") for layer in ("white", "pial")
            )
            meshes[name] = (white + pial) / 2, faces
        else:
            meshes[name] = read_mesh(folder / f"{kind}_{side}.gii.gz")
    return meshes


def meshes_for(axis, left=None, right=None, kind="midthickness") -> dict:
    """Meshes for the cortex among grayordinates.

    Parameters
    ----------
    axis : nibabel.cifti2.BrainModelAxis
    left, right : path-like, optional
        The user's surfaces.
    kind : str
        What is taken of fsaverage5 where the user gave nothing and the vertices are its.

    Returns
    -------
    dict of str to (coords, faces)
        Empty where no mesh is known.

    Raises
    ------
    InputProblem
        When a mesh has another number of vertices than the series.
    """
    numbers = {name: int(axis.nvertices[f"CIFTI_STRUCTURE_{name}"]) for name in _cortex(axis)}
    meshes = {}
    for (name, side), path in zip(HEMISPHERES.items(), (left, right)):
        if path and name in numbers:
            meshes[name] = read_mesh(path)
            if len(meshes[name][0]) != numbers[name]:
                raise InputProblem(
                    f"fmri.surfaces.{side}: {path} has {len(meshes[name][0])} vertices, the series "
                    f"have {numbers[name]}; give the surface of their space and density"
                )
    if not meshes and numbers and set(numbers.values()) == {FSAVERAGE5}:
        meshes = {name: mesh for name, mesh in bundled(kind).items() if name in numbers}
    return meshes


def inflated(coords, faces, steps: int = 100) -> np.ndarray:
    """A mesh without its folds, for pictures.

    Every vertex moves half way to the mean of its neighbours, again and again; the result is
    scaled back to the area that the mesh had.

    Parameters
    ----------
    coords : ndarray, shape (n_vertices, 3)
        In mm.
    faces : ndarray of int, shape (n_faces, 3)
    steps : int

    Returns
    -------
    ndarray, shape (n_vertices, 3)
    """
    from scipy import sparse

    n = len(coords)
    rows = faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    columns = faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    links = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    links.data[:] = 1.0
    number = np.asarray(links.sum(axis=1)).ravel()
    mean = sparse.diags_array(1.0 / np.maximum(number, 1)) @ links
    alone = (number == 0)[:, None]
    moved = np.asarray(coords, dtype=np.float64)
    centre = moved.mean(axis=0)
    for _ in range(steps):
        moved = np.where(alone, moved, 0.5 * (moved + mean @ moved))
    scale = (_area(coords, faces) / max(_area(moved, faces), 1e-12)) ** 0.5
    return centre + (moved - moved.mean(axis=0)) * scale


def _area(coords, faces) -> float:
    a, b, c = (coords[faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def drawing_meshes(axis, left=None, right=None) -> dict:
    """Inflated meshes: of fsaverage5 nilearn's, of the user's surfaces those of :func:`inflated`.

    Parameters
    ----------
    axis, left, right
        As for :func:`meshes_for`.

    Returns
    -------
    dict of str to (coords, faces)
        Empty where no mesh is known.
    """
    inflated_meshes = meshes_for(axis, left, right, kind="infl")
    if left or right:
        inflated_meshes = {
            name: (inflated(*mesh), mesh[1]) for name, mesh in inflated_meshes.items()
        }
    return inflated_meshes


def _cortex(axis):
    return [name for name, _, model in structures(axis) if name in HEMISPHERES]


@dataclasses.dataclass(frozen=True)
class GraySpace:
    """Where grayordinates lie; stands in place of the brain mask of volumes.

    Attributes
    ----------
    axis : nibabel.cifti2.BrainModelAxis
    meshes : dict of str to (coords, faces)
        By `CORTEX_LEFT`, `CORTEX_RIGHT`; empty where none is known.
    """

    axis: Any
    meshes: dict
