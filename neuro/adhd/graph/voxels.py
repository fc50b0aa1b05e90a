"""The voxels of the group: which are in the mask, and which region each belongs to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.io.images import grayordinates, nifti, nodes
from neuro.io.problems import InputProblem

OUTSIDE = "outside the atlas"
"""Region of grayordinates that no parcel holds, where places are not known."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How many runs cover each voxel.

    Attributes
    ----------
    inside : ndarray of bool, shape (x, y, z)
        The group mask.
    share : ndarray of float, shape (n_voxels,)
        Share of the runs that cover a voxel of the mask, in C order.
    """

    inside: np.ndarray
    share: np.ndarray


def join_masks(paths, scope: str = "train"):
    """Group mask of many runs; no diagnosis is looked at.

    Parameters
    ----------
    paths : sequence of path-like
        Brain masks on one grid.
    scope : {'train', 'all'}
        'train': voxels that any run covers, so that each fold can choose; 'all': voxels that
        every run covers.

    Returns
    -------
    mask_img : nibabel.Nifti1Image
    coverage : Coverage

    Raises
    ------
    InputProblem
        When there is no mask, grids differ, or no voxel is left.
    """
    import nibabel

    paths = list(paths)
    if not paths:
        raise InputProblem(
            "adhd: every run was excluded; see *_desc-exclusions.tsv beside each run"
        )
    first = nifti.load_mask(paths[0])
    count = np.zeros(first.shape[:3], dtype=np.int32)
    problems = []
    for path in paths:
        try:
            count += np.asarray(nifti.load_mask(path, like=first).dataobj) > 0
        except InputProblem as problem:
            problems += problem.problems
    if problems:
        raise InputProblem(problems)
    inside = count >= (len(paths) if scope == "all" else 1)
    if not inside.any():
        raise InputProblem(
            f"adhd.mask.scope: 'all', but no voxel is covered by all {len(paths)} runs; use 'train'"
        )
    image = nibabel.Nifti1Image(inside.astype(np.uint8), first.affine)
    return image, Coverage(inside, count[inside] / len(paths))


def join_nodes(paths, scope: str = "train", surfaces=()):
    """Nodes of a group of runs, and the share of the runs that cover each; see :func:`join_masks`.

    Parameters
    ----------
    paths : sequence of path-like
        Brain masks: images on one grid, or `.dscalar.nii` of the same grayordinates.
    scope : {'train', 'all'}
    surfaces : sequence of path-like
        Meshes of both hemispheres, for grayordinates.

    Returns
    -------
    nodes : neuro.io.images.nodes.Nodes
    share : ndarray of float, shape (n_nodes,)

    Raises
    ------
    InputProblem
        As :func:`join_masks` does.
    """
    paths = list(paths)
    if not paths or not str(paths[0]).endswith(nodes.MASK):
        image, coverage = join_masks(paths, scope)
        return nodes.Nodes(image, coverage.inside), coverage.share
    _, axis = grayordinates.read_scalars(paths[0])
    count = np.zeros(len(axis), dtype=np.int32)
    for path in paths:
        maps, own = grayordinates.read_scalars(path)
        grayordinates.check_same(axis, own, names=(str(paths[0]), str(path)))
        count += next(iter(maps.values())) > 0
    inside = count >= (len(paths) if scope == "all" else 1)
    if not inside.any():
        raise InputProblem(
            f"adhd.mask.scope: 'all', but no grayordinate is covered by all {len(paths)} runs; "
            "use 'train'"
        )
    return nodes.of_surfaces(axis, inside, surfaces), count[inside] / len(paths)


def surface_regions(labels, region):
    """Regions of grayordinates by their atlas alone; those outside of it are one of their own.

    Parameters
    ----------
    labels : sequence of str
    region : ndarray of int, shape (n_nodes,)
        Place in `labels`, -1 outside of the atlas.

    Returns
    -------
    table, codes
        As :func:`nearest_regions` gives them, places unknown.
    """
    names = [labels[number] if number >= 0 else OUTSIDE for number in region]
    return _table(np.full((len(names), 3), np.nan), names)


def nearest_regions(coords_mm, labels, centres_mm, region):
    """Give every voxel a region: its own, or that of the nearest voxel that has one.

    Parameters
    ----------
    coords_mm : ndarray, shape (n_voxels, 3)
    labels : sequence of str
        Names of the regions.
    centres_mm : ndarray, shape (n_regions, 3)
        Used where the atlas covers no voxel at all.
    region : ndarray of int, shape (n_voxels,)
        Place in `labels`, -1 for voxels outside the atlas.

    Returns
    -------
    table : pandas.DataFrame
        index (value in the label image), region, x, y, z (mm), n_voxels; regions without a
        voxel are left out.
    codes : ndarray of int, shape (n_voxels,)
    """
    from scipy.spatial import cKDTree

    region = np.asarray(region)
    assigned = region >= 0
    if assigned.any():
        nearest = cKDTree(coords_mm[assigned]).query(coords_mm)[1]
        region = region[assigned][nearest]
    else:
        region = cKDTree(centres_mm).query(coords_mm)[1]
    return _table(coords_mm, [labels[number] for number in region])


def kmeans_regions(coords_mm, n_regions: int = 100):
    """Compact parcels of the voxels, for data without an atlas; see :func:`nearest_regions`."""
    return _table(coords_mm, parcels(coords_mm, min(n_regions, len(coords_mm))))


def _table(coords_mm, names):
    present, codes, count = np.unique(
        np.asarray(names, dtype=str), return_inverse=True, return_counts=True
    )
    centre = np.column_stack(
        [np.bincount(codes, weights=coords_mm[:, axis]) / count for axis in range(3)]
    )
    table = pd.DataFrame({"index": np.arange(1, len(present) + 1), "region": present})
    for axis, name in enumerate("xyz"):
        table[name] = centre[:, axis].round(3)
    return table.assign(n_voxels=count), codes + 1


def parcels(coords_mm, n_regions: int = 100, random_state: int = 0) -> np.ndarray:
    """K-means parcels of voxel coordinates: regions where there is no atlas.

    Parameters
    ----------
    coords_mm : array, shape (n_voxels, 3)
    n_regions : int, default 100
    random_state : int, default 0

    Returns
    -------
    ndarray of str, shape (n_voxels,)
        'parcel-001' and so on.
    """
    from sklearn.cluster import KMeans

    coords_mm = np.asarray(coords_mm, dtype=float)
    if not 1 <= n_regions <= len(coords_mm):
        raise ValueError(f"n_regions: got {n_regions} for {len(coords_mm)} voxels")
    labels = KMeans(n_regions, n_init=1, random_state=random_state).fit(coords_mm).labels_
    return np.array([f"parcel-{label + 1:03d}" for label in labels])
