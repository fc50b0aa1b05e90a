"""The nodes of a cohort's graphs: voxels of a group mask, or grayordinates that the runs share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from neuro.io.images import grayordinates as gray
from neuro.io.images import nifti
from neuro.io.images.meshes import GraySpace, meshes_for
from neuro.io.images.runs import write_run_map
from neuro.io.problems import InputProblem

MASK = ".dscalar.nii"
"""Ending of a group mask of grayordinates; any other is an image."""


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Nodes in a fixed order.

    Attributes
    ----------
    where : nibabel image or GraySpace
        Group mask, or the grayordinates in it.
    inside : ndarray of bool
        Group mask on the whole grid, or among all grayordinates of a run.
    axis : nibabel.cifti2.BrainModelAxis or None
        All grayordinates of a run.
    """

    where: Any
    inside: np.ndarray
    axis: Any = None

    @property
    def n(self) -> int:
        """Number of nodes."""
        return int(self.inside.sum())

    def coords_mm(self) -> np.ndarray | None:
        """Places of the nodes, shape (n_nodes, 3), in mm; None where one is not known."""
        if self.axis is None:
            return nifti.mask_coords_mm(self.where)
        coords = gray.coordinates_mm(self.where.axis, self.where.meshes)
        return coords if np.isfinite(coords).all() else None

    def series(self, path) -> tuple[np.ndarray, float]:
        """Series of a run, shape (n_volumes, n_nodes), and its sampling interval (s).

        Raises
        ------
        InputProblem
            When the run lies on another grid.
        """
        if self.axis is None:
            bold = nifti.load_bold(path)
            nifti.check_grid(self.where, bold.img, names=("the group mask", str(path)))
            return nifti.masked_series(bold.img, self.where), bold.tr
        image = gray.load_series(path)
        gray.check_same(self.axis, image.axis, names=("the group", str(path)))
        return image.read()[:, self.inside], image.tr

    def map(self, path) -> np.ndarray:
        """Values of a map at the nodes, shape (n_nodes,) or (n_nodes, n_maps), float32.

        The map may be one of all grayordinates of a run, as its mask is.
        """
        if self.axis is None:
            import nibabel

            image = nibabel.load(path)
            return np.asarray(image.dataobj, dtype=np.float32)[self.inside]
        maps, axis = gray.read_scalars(path)
        values = np.column_stack(list(maps.values())).astype(np.float32)
        if len(axis) == len(self.axis):
            gray.check_same(self.axis, axis, names=("the group", str(path)))
            values = values[self.inside]
        else:
            gray.check_same(self.where.axis, axis, names=("the group", str(path)))
        return values[:, 0] if values.shape[1] == 1 else values

    def write(self, path, values) -> Path:
        """Write a map of the nodes, shape (n_nodes,) or (n_nodes, n_maps)."""
        return write_run_map(path, values, self.where)

    def write_mask(self, path) -> Path:
        """Write the group mask itself."""
        if self.axis is None:
            return nifti.write_map(path, np.ones(self.n), self.where)
        return gray.write_scalars(path, {"mask": self.inside}, self.axis)


def of_surfaces(axis, inside, surfaces=()) -> Nodes:
    """Nodes that are the marked ones among grayordinates.

    Parameters
    ----------
    axis : nibabel.cifti2.BrainModelAxis
    inside : ndarray of bool, shape (n_grayordinates,)
    surfaces : sequence of path-like
        Meshes of the left and the right hemisphere.
    """
    inside = np.asarray(inside, dtype=bool)
    vertices = axis[np.flatnonzero(inside)]
    return Nodes(GraySpace(vertices, meshes_for(vertices, *surfaces)), inside, axis)


def load_nodes(path, surfaces=()) -> Nodes:
    """Read a group mask.

    Parameters
    ----------
    path : path-like
    surfaces : sequence of path-like
        Meshes of the left and the right hemisphere, for grayordinates.

    Returns
    -------
    Nodes

    Raises
    ------
    InputProblem
        When it is no mask, or empty.
    """
    if not str(path).endswith(MASK):
        mask = nifti.load_mask(path)
        return Nodes(mask, np.asarray(mask.dataobj) > 0)
    maps, axis = gray.read_scalars(path)
    inside = next(iter(maps.values())) > 0
    if not inside.any():
        raise InputProblem(f"{path}: no grayordinate in it")
    return of_surfaces(axis, inside, surfaces)
