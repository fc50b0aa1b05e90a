"""One run, whatever its nodes are: voxels inside a mask, or grayordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.base import provenance
from neuro.base.beside import is_series
from neuro.io.images import grayordinates as gray
from neuro.io.images import nifti
from neuro.io.images.masks import save_mask
from neuro.io.images.meshes import GraySpace, meshes_for
from neuro.io.images.volumes import space_code


def load_run(bold, mask=None, *, tr=None, voxel_size=None, surfaces=()):
    """Open a run.

    Parameters
    ----------
    bold : path-like
        4D image, `.dtseries.nii`, or the left `.func.gii`.
    mask : path-like, optional
        Brain mask of an image.
    tr : float, optional
        Sampling interval (s).
    voxel_size : sequence of float, optional
        In mm, for images whose header has none.
    surfaces : sequence of path-like
        Meshes of the left and the right hemisphere, for series on surfaces.

    Returns
    -------
    image : neuro.io.images.nifti.Bold or neuro.io.images.grayordinates.GrayBold
    where : nibabel image or GraySpace
        The mask, or the place of the grayordinates.

    Raises
    ------
    InputProblem
        When a file cannot be read or files do not fit together.
    """
    if is_series(bold):
        series = gray.load_series(bold, tr=tr)
        return series, GraySpace(series.axis, meshes_for(series.axis, *surfaces))
    image = nifti.load_bold(bold, tr=tr, voxel_size=voxel_size)
    return image, nifti.load_mask(mask, like=image.img)


def run_series(image, where) -> np.ndarray:
    """Values of a run that was opened, see :func:`load_run`.

    Returns
    -------
    ndarray of float32, shape (n_volumes, n_nodes)
    """
    if isinstance(where, GraySpace):
        return image.read()
    return nifti.masked_series(image.img, where)


def write_run_series(path, series, where, tr: float) -> Path:
    """Write series of nodes as a 4D image or `.dtseries.nii`."""
    if isinstance(where, GraySpace):
        return gray.write_series(path, series, where.axis, tr)
    return nifti.write_series(path, series, where, tr)


def write_run_map(path, values, where) -> Path:
    """Write one value per node as an image or `.dscalar.nii`.

    Parameters
    ----------
    path : path-like
    values : ndarray, shape (n_nodes,) or (n_nodes, n_maps)
    where : nibabel image or GraySpace
    """
    values = np.asarray(values)
    if isinstance(where, GraySpace):
        columns = values.reshape(len(values), -1).T
        names = [f"map {number + 1}" for number in range(len(columns))]
        return gray.write_scalars(path, dict(zip(names, columns)), where.axis)
    if values.ndim == 1:
        return nifti.write_map(path, values, where)
    return nifti.write_series(path, values.T, where, 1.0)


def write_run_mask(path, live, where, *, reference, **sidecar) -> Path:
    """Write which nodes a run has: the brain mask, or grayordinates with signal.

    Parameters
    ----------
    path : path-like
    live : ndarray of bool, shape (n_nodes,)
        Nodes with signal; a mask of voxels is written as it was given.
    where : nibabel image or GraySpace
    reference : path-like
        The run.
    **sidecar
        Passed to :func:`neuro.base.provenance.sidecar`.
    """
    if not isinstance(where, GraySpace):
        inside = np.asarray(where.dataobj) > 0
        grid = where.affine, space_code(where)
        return save_mask(path, inside, *grid, reference=reference, **sidecar)
    gray.write_scalars(path, {"brain": np.asarray(live, dtype=np.float32)}, where.axis)
    fields = {
        "Type": "Brain",
        "Description": "1 where the run has signal, 0 elsewhere (the medial wall)",
        "SpatialReference": provenance.bids_uri(reference, path),
    }
    provenance.sidecar(path, **{**fields, **sidecar})
    return Path(path)
