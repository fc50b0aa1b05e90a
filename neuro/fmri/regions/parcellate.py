"""Region series from voxel series: means over atlas and mask voxels, or weights of maps."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Transformer
from neuro.fmri.regions import maskers
from neuro.fmri.regions.atlases import Atlas, load_atlas
from neuro.io.images.nifti import check_grid, masked_series

_ROWS = 64
COLLINEAR = 10.0
"""Variance inflation above which a map is named: others nearly make it up (a usual rule)."""


class Parcellator(Transformer):
    """Series of each region of an atlas.

    Parameters
    ----------
    atlas : str, path-like, nibabel image, mapping, array or nilearn masker
        `power264`, `dosenbach160` or `seitzman300` (centres bundled with nilearn), a label
        image (3D) or maps (4D), what nilearn's fetchers return, or centres (mm) of shape
        (n_regions, 3). Nothing is ever downloaded. A fitted or unfitted NiftiLabelsMasker,
        NiftiMapsMasker or NiftiSpheresMasker gives the values itself, with its own mask and
        cleaning; `mask_img` then serves to place series and to count coverage.
    mask_img : nibabel image
        3D, above 0 is inside. An atlas on another grid is resampled to this one (labels to the
        nearest voxel, maps linearly), never the data to the atlas.
    min_coverage : float
        Regions with a smaller covered share become columns of NaN (default 0.5); they keep
        their place.
    radius_mm : float
        Of the spheres around coordinates (default 5). A voxel in reach of several centres
        belongs to the nearest, so spheres never overlap.
    labels : pandas.DataFrame or sequence of str, optional
        Region names, see :func:`neuro.fmri.load_atlas`.

    Attributes
    ----------
    labels_ : list of str
    coords_ : ndarray of float64, shape (n_regions, 3)
        Centres in mm, RAS+.
    coverage_ : ndarray of float64, shape (n_regions,)
        Covered voxels / atlas voxels; weights instead of voxels for maps. Atlas voxels outside
        of the field of view count as not covered, and after :meth:`transform` those without
        signal in that run: not finite throughout, or constant.
    n_voxels_ : ndarray of int64, shape (n_regions,)
        Covered voxels.
    kept_ : ndarray of bool, shape (n_regions,)
    inflation_ : ndarray of float64, shape (n_regions,)
        How many times the variance of a map's fitted values is that of the map alone, inside the
        mask: 1 without overlap.
    atlas_name_ : str
    resampled_ : bool

    Notes
    -----
    The values of maps are the least-squares weights of all maps at once, volume by volume, inside
    the mask, as NiftiMapsMasker has them. Voxels without signal in a run (a mask may reach beyond
    the field of view) are left out of its means and fits.

    References
    ----------
    Power et al. 2011, Neuron 72:665. Dosenbach et al. 2010, Science 329:1358. Seitzman et al.
    2020, NeuroImage 206:116290.
    """

    # the data are not looked at, so a parcellation can be used without `fit`
    _tags: ClassVar = {"requires_fit": False, "input_tags.allow_nan": True}

    def __init__(
        self, atlas, mask_img, min_coverage: float = 0.5, radius_mm: float = 5.0, labels=None
    ):
        self.atlas = atlas
        self.mask_img = mask_img
        self.min_coverage = min_coverage
        self.radius_mm = radius_mm
        self.labels = labels

    def fit(self, X=None, y=None) -> Parcellator:
        """Place the atlas on the mask's grid; the data are not looked at.

        Parameters
        ----------
        X, y
            Ignored.

        Returns
        -------
        Parcellator

        Raises
        ------
        InputProblem
            When the atlas is unknown, would need a download, or is no atlas.
        ValueError
            When `min_coverage` or `radius_mm` is out of range.
        """
        from scipy import sparse

        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"min_coverage: got {self.min_coverage}, expected 0 to 1")
        if not self.radius_mm > 0:
            raise ValueError(f"radius_mm: got {self.radius_mm}, expected mm > 0")
        masker = self._masker = maskers.fitted(self.atlas)
        atlas = load_atlas(*maskers.parts(self.atlas if masker is None else masker, self.labels))
        radius_mm = maskers.radius_mm(masker, self.mask_img) or self.radius_mm
        inside = np.asarray(self.mask_img.dataobj) > 0
        column = np.full(inside.shape, -1, dtype=np.int64)
        column[inside] = np.arange(np.count_nonzero(inside))
        if atlas.kind == "coordinates":
            region, voxel, outside = _spheres(atlas, self.mask_img, radius_mm)
            weight, self.resampled_ = np.ones(len(region)), False
        elif atlas.kind == "labels":
            region, voxel, outside, self.resampled_ = _label_voxels(atlas, self.mask_img)
            weight = np.ones(len(region))
        else:
            region, voxel, weight, outside, self.resampled_ = _map_voxels(atlas, self.mask_img)
        n_regions = len(atlas.labels)
        mask_index = column[tuple(voxel.T)]
        covered = mask_index >= 0
        size = np.abs(weight)
        on_grid = np.bincount(region, weights=size, minlength=n_regions)
        sizes = np.bincount(region[covered], weights=size[covered], minlength=n_regions)
        share = np.divide(sizes, on_grid, out=np.zeros(n_regions), where=on_grid > 0)
        self.coverage_ = self._placed = share * (1.0 - outside)
        self.n_voxels_ = np.bincount(region[covered], minlength=n_regions)
        self.kept_ = self._enough(self.coverage_)
        scale = np.ones(n_regions)
        if atlas.kind != "maps":
            scale = np.divide(1.0, sizes, out=np.zeros(n_regions), where=sizes > 0)
        self._weights = sparse.csr_array(
            (weight[covered] * scale[region[covered]], (region[covered], mask_index[covered])),
            shape=(n_regions, np.count_nonzero(inside)),
        )
        self._unmix, self.inflation_ = None, np.ones(n_regions)
        if atlas.kind == "maps":
            self._unmix = _pseudo_inverse(self._weights)
            alone = self._weights.multiply(self._weights).sum(axis=1)
            self.inflation_ = np.maximum(1.0, np.diag(self._unmix) * np.asarray(alone).ravel())
        self.labels_, self.coords_ = list(atlas.labels), atlas.coords_mm
        self.atlas_name_, self._codes = atlas.name, atlas.codes
        self._source = atlas
        return self

    def _enough(self, coverage) -> np.ndarray:
        # Rounding must not turn a half into less than a half; a masker gives what it has.
        return (coverage > 0) & (
            (coverage >= self.min_coverage - 1e-9) | (self._masker is not None)
        )

    def transform(self, X) -> np.ndarray:
        """Region series.

        Parameters
        ----------
        X : array, shape (n_timepoints, n_voxels), or nibabel image
            Voxels in C order of the mask, or a 4D image on the mask's grid.

        Returns
        -------
        ndarray of float32, shape (n_timepoints, n_regions)
            NaN columns for regions with too little coverage.

        Raises
        ------
        InputProblem
            When the image is on another grid.
        ValueError
            When the number of voxels is not that of the mask.
        """
        if not hasattr(self, "_weights"):
            self.fit()
        is_image = hasattr(X, "dataobj") or hasattr(X, "img")
        if is_image:
            check_grid(self.mask_img, getattr(X, "img", X), names=("mask", "the image"))
        elif np.ndim(X) != 2 or np.shape(X)[1] != self._weights.shape[1]:
            raise ValueError(
                f"series: shape {np.shape(X)}, expected (n_timepoints, {self._weights.shape[1]})"
            )
        if self._masker is not None:
            series = maskers.series(self._masker, X, self.mask_img, self._codes)
            self.kept_ = np.isfinite(series).any(axis=0)
            return series
        if is_image:
            X = masked_series(X, self.mask_img)
        weights, unmix = self._weights, self._unmix
        use = np.isfinite(X).all(axis=0)
        if len(X) > 1:
            use &= (X[0] != X).any(axis=0)
        left = np.ones(len(self.labels_))
        if not use.all():
            # What lacks voxels in this run is averaged or fitted without them.
            weights = weights * use
            whole = abs(self._weights)
            # what is lost rather than what is left, so that nothing lost is exactly 1
            left = 1.0 - (whole @ ~use) / whole.sum(axis=1).clip(1e-30)
            left = left.clip(0.0) * (abs(weights).sum(axis=1) > 0)
            if unmix is None:
                weights = weights * np.where(left > 0, 1.0 / left.clip(1e-30), 0.0)[:, None]
            else:
                unmix = _pseudo_inverse(weights)
        self.coverage_ = self._placed * left
        self.n_voxels_ = np.asarray((weights != 0).sum(axis=1)).ravel()
        self.kept_ = kept = self._enough(self.coverage_)
        series = np.empty((len(X), len(self.labels_)), dtype=np.float32)
        # float64 sums, a few volumes at a time
        for start in range(0, len(X), _ROWS):
            block = np.asarray(X[start : start + _ROWS], dtype=np.float64)
            block = weights @ np.where(use, block, 0.0).T
            series[start : start + _ROWS] = (block if unmix is None else unmix @ block).T
        series[:, ~kept] = np.nan
        return series

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Labels of the regions."""
        return np.asarray(self.labels_, dtype=object)

    def coverage_table(self):
        """Coverage of each region.

        Returns
        -------
        pandas.DataFrame
            Columns index, label, x, y, z (mm), n_voxels, coverage, kept.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "index": self._codes,
                "label": self.labels_,
                **{axis: self.coords_[:, dimension] for dimension, axis in enumerate("xyz")},
                "n_voxels": self.n_voxels_,
                "coverage": self.coverage_,
                "kept": self.kept_.astype(int),
            }
        )

    def describe(self) -> dict:
        """What the sidecar says: atlas, resampling, settings, missing regions.

        Returns
        -------
        dict
        """
        source = self._source
        description = {
            "Atlas": self.atlas_name_,
            "AtlasKind": source.kind,
            "AtlasFile": Path(source.path).name if source.path else "n/a",
            "NumberOfRegions": len(self.labels_),
            "MinimumCoverage": self.min_coverage,
            "MissingRegions": [name for name, kept in zip(self.labels_, self.kept_) if not kept],
            "AtlasResampled": self.resampled_,
        }
        if self._masker is not None:
            description["Masker"] = type(self._masker).__name__
        elif source.kind == "coordinates":
            description["SphereRadius"] = self.radius_mm
        if self._unmix is not None:
            description["CollinearRegions"] = [
                name for name, times in zip(self.labels_, self.inflation_) if times > COLLINEAR
            ]
        if self.resampled_:
            description["AtlasShape"] = list(source.img.shape[:3])
            description["ImageShape"] = list(self.mask_img.shape[:3])
            description["Interpolation"] = "nearest" if source.kind == "labels" else "linear"
        return description


def _pseudo_inverse(weights) -> np.ndarray:
    """What turns sums over weighted voxels into least-squares weights of the maps."""
    return np.linalg.pinv((weights @ weights.T).toarray(), rcond=1e-12, hermitian=True)


def _spheres(atlas: Atlas, mask_img, radius_mm: float):
    """Region and voxel of every grid voxel in a sphere, and the share outside of the grid."""
    affine = mask_img.affine
    shape = np.array(mask_img.shape[:3])
    inverse = np.linalg.inv(affine[:3, :3])
    centres = (atlas.coords_mm - affine[:3, 3]) @ inverse.T
    # half widths of the box of voxels that a sphere can reach, for any orientation of the axes
    reach = np.ceil(radius_mm * np.linalg.norm(inverse, axis=1) + 0.5).astype(int)
    offsets = np.stack(
        np.meshgrid(*(np.arange(-half, half + 1) for half in reach), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    regions, voxels, distances = [], [], []
    for number, centre in enumerate(centres):
        near = np.rint(centre).astype(int) + offsets
        away = np.linalg.norm((near - centre) @ affine[:3, :3].T, axis=1)
        reached = away <= radius_mm + 1e-6
        regions.append(np.full(np.count_nonzero(reached), number))
        voxels.append(near[reached])
        distances.append(away[reached])
    region, voxel = np.concatenate(regions), np.concatenate(voxels)
    # rounded, so that equal distances stay equal and the first region of the atlas wins
    distance = np.round(np.concatenate(distances), 6)
    order = np.lexsort((region, distance, voxel[:, 2], voxel[:, 1], voxel[:, 0]))
    region, voxel = region[order], voxel[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (voxel[1:] != voxel[:-1]).any(axis=1)
    region, voxel = region[first], voxel[first]
    on_grid = ((voxel >= 0) & (voxel < shape)).all(axis=1)
    return region[on_grid], voxel[on_grid], _outside(region, ~on_grid, len(centres))


def _outside(region, off, n_regions, weight=None) -> np.ndarray:
    """Share of each region's voxels (or weight) that lies outside of the grid."""
    if weight is None:
        weight = np.ones(len(region))
    total = np.bincount(region, weights=weight, minlength=n_regions)
    lost = np.bincount(region[off], weights=weight[off], minlength=n_regions)
    return np.divide(lost, total, out=np.zeros(n_regions), where=total > 0)


def same_grid(a, b) -> bool:
    """Whether two images share shape and affine (to 0.001 mm at the corners)."""
    return tuple(a.shape[:3]) == tuple(b.shape[:3]) and np.allclose(
        a.affine, b.affine, rtol=0, atol=1e-3 / max(a.shape[:3])
    )


def _to_atlas(atlas_img, mask_img) -> np.ndarray:
    """Atlas voxel coordinates of every voxel of the mask's grid, shape (3, x, y, z)."""
    turn = np.linalg.inv(atlas_img.affine) @ mask_img.affine
    grid = np.indices(mask_img.shape[:3], dtype=np.float64)
    return np.tensordot(turn[:3, :3], grid, 1) + turn[:3, 3, None, None, None]


def _beyond(index, atlas_img, mask_img) -> np.ndarray:
    """Which atlas voxels have their centre outside of the mask's grid."""
    turn = np.linalg.inv(mask_img.affine) @ atlas_img.affine
    position = index @ turn[:3, :3].T + turn[:3, 3]
    return ((position < -0.5) | (position >= np.array(mask_img.shape[:3]) - 0.5)).any(axis=1)


def _label_voxels(atlas: Atlas, mask_img):
    data = np.asarray(atlas.img.dataobj)
    index = np.argwhere(data > 0)
    owner = np.searchsorted(atlas.codes, data[tuple(index.T)])
    if same_grid(atlas.img, mask_img):
        return owner, index, np.zeros(len(atlas.codes)), False
    outside = _outside(owner, _beyond(index, atlas.img, mask_img), len(atlas.codes))
    # halves go up, so that the result does not depend on even and odd indices
    near = np.floor(_to_atlas(atlas.img, mask_img) + 0.5).astype(np.int64)
    limits = np.array(data.shape)[:, None, None, None]
    valid = ((near >= 0) & (near < limits)).all(axis=0)
    resampled = np.zeros(mask_img.shape[:3], dtype=data.dtype)
    resampled[valid] = data[tuple(near[:, valid])]
    index = np.argwhere(resampled > 0)
    owner = np.searchsorted(atlas.codes, resampled[tuple(index.T)])
    return owner, index, outside, True


def _map_voxels(atlas: Atlas, mask_img):
    from scipy import ndimage

    n_regions = len(atlas.labels)
    moved = not same_grid(atlas.img, mask_img)
    coordinates = _to_atlas(atlas.img, mask_img) if moved else None
    region, voxel, weight = [], [], []
    outside = np.zeros(n_regions)
    for number in range(n_regions):
        values = np.nan_to_num(np.asarray(atlas.img.dataobj[..., number], dtype=np.float64))
        if moved:
            index = np.argwhere(values)
            own = values[tuple(index.T)]
            off = _beyond(index, atlas.img, mask_img)
            outside[number] = np.abs(own[off]).sum() / np.abs(own).sum()
            values = ndimage.map_coordinates(
                values, coordinates, order=1, mode="constant", cval=0.0
            )
        index = np.argwhere(values)
        region.append(np.full(len(index), number))
        voxel.append(index)
        weight.append(values[tuple(index.T)])
    return (
        np.concatenate(region),
        np.concatenate(voxel),
        np.concatenate(weight),
        outside,
        moved,
    )
