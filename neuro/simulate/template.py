"""A coarse MNI brain with tissue fractions and parcels, from nilearn's bundled template."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem

_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_N_NETWORKS = 5


@dataclass(frozen=True)
class Template:
    """Brain mask and tissue fractions on a coarse grid in MNI space.

    Attributes
    ----------
    mask : ndarray of bool, shape (x, y, z)
    gm, wm, csf : ndarray of float32, shape (x, y, z)
        Volume fractions; they add up to 1 inside the mask.
    affine : ndarray of float, shape (4, 4)
        Voxel index to mm, RAS+.
    """

    mask: np.ndarray
    gm: np.ndarray
    wm: np.ndarray
    csf: np.ndarray
    affine: np.ndarray

    @property
    def coords_mm(self) -> np.ndarray:
        """Centres of the mask voxels in mm, shape (n_voxels, 3), C order of the mask."""
        index = np.argwhere(self.mask)
        return index @ self.affine[:3, :3].T + self.affine[:3, 3]


def _volume(tissue: str):
    import nibabel

    spec = importlib.util.find_spec("nilearn")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder) / "datasets" / "data" / _FILE.format(tissue)
        if path.exists():
            image = nibabel.load(path)
            return np.asarray(image.dataobj), image.affine
    raise InputProblem(
        f"nilearn: no bundled template file {_FILE.format(tissue)}; expected nilearn >= 0.13.1, "
        "install it again"
    )


def _blocks(volume: np.ndarray, start: np.ndarray, count: np.ndarray, size: int) -> np.ndarray:
    stop = start + count * size
    cut = volume[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    split = cut.reshape(count[0], size, count[1], size, count[2], size)
    return split.mean(axis=(1, 3, 5), dtype=np.float32)


def load_template(voxel_mm: int = 8) -> Template:
    """Average the 1 mm MNI152 2009a template over cubes of `voxel_mm` and crop it to the brain.

    Parameters
    ----------
    voxel_mm : int, default 8
        Edge of a voxel in whole mm, 4 to 12 (ours); 8 mm gives about 3,700 brain voxels.

    Returns
    -------
    Template

    Raises
    ------
    ValueError
        When `voxel_mm` is no whole number from 4 to 12.
    InputProblem
        When the installed nilearn does not bundle the template.

    References
    ----------
    Fonov et al. 2011, NeuroImage 54, 313-327 (the template).
    """
    if int(voxel_mm) != voxel_mm or not 4 <= voxel_mm <= 12:
        raise ValueError(f"voxel_mm: got {voxel_mm}, expected a whole number of mm from 4 to 12")
    size = int(voxel_mm)
    t1, affine = _volume("t1")
    gm, _ = _volume("gm")
    wm, _ = _volume("wm")
    brain = t1 > 0
    box = [np.flatnonzero(brain.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    low = np.array([axis[0] for axis in box])
    high = np.array([axis[-1] + 1 for axis in box])
    count = -(-(high - low) // size) + 1
    # Centre the grid on the brain, so that left and right are cut alike.
    start = (low + high - count * size) // 2
    count = np.minimum(count, (np.array(brain.shape) - np.maximum(start, 0)) // size)
    start = np.maximum(start, 0)

    mask = _blocks(brain, start, count, size) >= 0.5
    grey = _blocks(gm, start, count, size) / 255
    white = _blocks(wm, start, count, size) / 255
    total = np.maximum(grey + white, 1)
    grey, white = grey / total * mask, white / total * mask
    coarse = np.diag([size, size, size, 1.0])
    coarse[:3, 3] = affine[:3, 3] + start + (size - 1) / 2
    return Template(mask, grey, white, (1 - grey - white) * mask, coarse)


def _kmeans(points: np.ndarray, n_clusters: int, n_iterations: int = 30) -> np.ndarray:
    """Lloyd's algorithm from a farthest-first start: no random numbers, no dependencies."""
    centre = points.mean(axis=0)
    chosen = [int(np.argmax(((points - centre) ** 2).sum(axis=1)))]
    nearest = np.full(len(points), np.inf)
    while len(chosen) < n_clusters:
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(np.argmax(nearest)))
    centres = points[chosen]
    for _ in range(n_iterations):
        distance = ((points[:, None, :] - centres[None]) ** 2).sum(axis=2)
        label = distance.argmin(axis=1)
        moved = np.array(
            [
                points[label == k].mean(axis=0) if (label == k).any() else centres[k]
                for k in range(n_clusters)
            ]
        )
        if np.array_equal(moved, centres):
            break
        centres = moved
    return label


def parcels(template: Template, n_parcels: int = 30) -> tuple[np.ndarray, list[dict]]:
    """Cut the grey matter into compact parcels, mirrored between the hemispheres.

    Parameters
    ----------
    template : Template
    n_parcels : int, default 30
        Even number of parcels, half of them per hemisphere.

    Returns
    -------
    labels : ndarray of int16, shape (x, y, z)
        0 outside grey matter, else 1 ... `n_parcels`.
    table : list of dict
        One row per parcel: `index`, `name`, `hemisphere`, `network` (planted network, 1-5),
        `x`, `y`, `z` (centre, mm) and `n_voxels`.

    Raises
    ------
    ValueError
        When `n_parcels` is odd, below 10, or leaves a parcel without a voxel.
    """
    if n_parcels % 2 or n_parcels < 10:
        raise ValueError(f"n_parcels: got {n_parcels}, expected an even number >= 10")
    coords = template.coords_mm
    grey = template.gm[template.mask] >= 0.3
    folded = coords[grey] * 1.0
    # Reflect about the middle plane of the grid, which need not be x = 0 exactly.
    middle = (coords[:, 0].min() + coords[:, 0].max()) / 2
    folded[:, 0] = np.abs(folded[:, 0] - middle)
    pair = _kmeans(folded, n_parcels // 2)
    order = np.argsort([-folded[pair == k, 1].mean() for k in range(n_parcels // 2)])
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    left = coords[grey, 0] < middle
    value = 2 * rank[pair] + np.where(left, 1, 2)
    inside = np.zeros(len(coords), np.int16)
    inside[grey] = value
    labels = np.zeros(template.mask.shape, np.int16)
    labels[template.mask] = inside
    table = []
    for index in range(1, n_parcels + 1):
        members = coords[inside == index]
        if not len(members):
            raise ValueError(f"n_parcels: {n_parcels} is too many for this grid; lower it")
        side = "L" if index % 2 else "R"
        number = (index + 1) // 2
        x, y, z = members.mean(axis=0).round(1).tolist()
        table.append(
            {
                "index": index,
                "name": f"{side}{number:02d}",
                "hemisphere": side,
                "network": (number - 1) % _N_NETWORKS + 1,
                "x": x,
                "y": y,
                "z": z,
                "n_voxels": len(members),
            }
        )
    return labels, table
