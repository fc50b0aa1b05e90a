"""Region series on surfaces: parcels of a `.dlabel.nii`, an annotation, or GIFTI labels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from neuro.base.beside import is_surface_atlas, other_hemisphere
from neuro.fmri.regions.atlases import Atlas
from neuro.fmri.regions.parcellate import Parcellator
from neuro.io.formats.damaged import readable
from neuro.io.images import grayordinates as gray
from neuro.io.images.meshes import GraySpace
from neuro.io.problems import InputProblem

BACKGROUND = {
    *("???", "unknown", "medial_wall", "medialwall", "corpuscallosum", "none"),
    "background+freesurfer_defined_medial_wall",
}
"""Names, in small letters, of what is no region."""


class SurfaceAtlas:
    """Labels by structure.

    Parameters
    ----------
    path : path-like

    Attributes
    ----------
    path : str
    codes : dict of str to ndarray of int64
        Of surfaces: region of every vertex, position in `labels`, -1 for none.
    voxels : tuple
        Voxel index (n, 3), region (n,) and affine of what lies in the volume.
    labels : list of str

    Raises
    ------
    InputProblem
        When the file, or that of the right hemisphere, is missing or holds no labels.
    """

    def __init__(self, path):
        self.path = os.fspath(path)
        self.labels: list[str] = []
        self.codes: dict[str, np.ndarray] = {}
        self.voxels = np.empty((0, 3), dtype=int), np.empty(0, dtype=int), np.eye(4)
        if self.path.endswith(".dlabel.nii"):
            self._cifti()
        else:
            self._hemispheres()
        if not self.labels:
            raise InputProblem(f"{path}: no region in it (everything is background)")

    def _cifti(self):
        from nibabel.cifti2 import BrainModelAxis, LabelAxis

        image = gray.open_gray(self.path)
        labels, axis = (image.header.get_axis(dimension) for dimension in range(2))
        if not isinstance(labels, LabelAxis) or not isinstance(axis, BrainModelAxis):
            raise InputProblem(f"{self.path}: holds no labels of grayordinates")
        if len(labels) > 1:
            raise InputProblem(f"{self.path}: {len(labels)} maps of labels, expected one")
        values = np.asarray(image.dataobj)[0].astype(np.int64)
        names = {int(code): str(word[0]) for code, word in labels.label[0].items()}
        region = self._regions(values, names)
        index, owner = [], []
        for name, columns, model in gray.structures(axis):
            if model.volume_mask.all():
                index.append(model.voxel)
                owner.append(region[columns])
            else:
                whole = np.full(axis.nvertices[f"CIFTI_STRUCTURE_{name}"], -1)
                whole[model.vertex] = region[columns]
                self.codes[name] = whole
        if index:
            self.voxels = np.concatenate(index), np.concatenate(owner), axis.affine

    def _hemispheres(self):
        right = other_hemisphere(self.path)
        if not right:
            raise InputProblem(
                f"{self.path}: the name does not tell the hemisphere, expected lh or hemi-L in it"
            )
        read = _read_annot if self.path.endswith(".annot") else _read_gii
        for path in (self.path, right):
            if not Path(path).is_file():
                raise InputProblem(f"{path}: no such file; {self.path} needs both hemispheres")
        sides = [read(path) for path in (self.path, right)]
        used = [{names.get(code) for code in np.unique(values)} for values, names in sides]
        for name, side, (values, names) in zip(gray.HEMISPHERES, ("lh", "rh"), sides):
            # one word in both hemispheres is two regions
            words = {c: f"{side}_{w}" if w in used[0] & used[1] else w for c, w in names.items()}
            plain = {code: word.lower() in BACKGROUND for code, word in names.items()}
            words = {code: "" if plain[code] else word for code, word in words.items()}
            self.codes[name] = self._regions(values, words, side)

    def _regions(self, values, names, side="") -> np.ndarray:
        """Positions in `labels` of the values; what is background has none."""
        region = np.full(len(values), -1)
        for code in np.unique(values):
            word = names.get(int(code), "" if code <= 0 else str(code)).strip()
            if code < 0 or not word or word.lower() in BACKGROUND or (code == 0 and not side):
                continue
            region[values == code] = len(self.labels)
            self.labels.append(f"{word}_{code}" if word in self.labels else word)
        return region


def _read_annot(path):
    import nibabel

    with readable(path, "not a readable annotation"):
        values, _, words = nibabel.freesurfer.read_annot(path)
    return np.asarray(values, dtype=np.int64), {
        code: word.decode("utf-8", "replace") for code, word in enumerate(words)
    }


def _read_gii(path):
    image = gray.open_gray(path)
    if not image.darrays:
        raise InputProblem(f"{path}: holds no labels")
    values = np.asarray(image.darrays[0].data).astype(np.int64)
    return values, {
        int(code): str(word) for code, word in image.labeltable.get_labels_as_dict().items()
    }


class SurfaceParcellator(Parcellator):
    """Series of each region of an atlas on the surface (and in subcortical voxels).

    Parameters
    ----------
    atlas : path-like or SurfaceAtlas
        `.dlabel.nii`, or the left one of `lh.x.annot`, `x_hemi-L.label.gii` with its right one.
    mask_img : GraySpace
        The grayordinates of the series.
    min_coverage, radius_mm, labels
        As for :class:`~neuro.fmri.regions.parcellate.Parcellator`; the last two have no meaning.

    Attributes
    ----------
    labels_, coverage_, n_voxels_, kept_
        As for :class:`~neuro.fmri.regions.parcellate.Parcellator`; vertices count as voxels do,
        each alike.
    coords_ : ndarray of float64, shape (n_regions, 3)
        Mean place of the region's grayordinates (mm); NaN where it lies on a surface without mesh.
    """

    def fit(self, X=None, y=None) -> SurfaceParcellator:
        """Find the region of each grayordinate; the data are not looked at.

        Raises
        ------
        InputProblem
            When the atlas has other numbers of vertices than the series, or nothing in common.
        ValueError
            When `min_coverage` is out of range.
        """
        from scipy import sparse

        if not 0 <= self.min_coverage <= 1:
            raise ValueError(f"min_coverage: got {self.min_coverage}, expected 0 to 1")
        source = self.atlas
        if not isinstance(source, SurfaceAtlas):
            if not is_surface_atlas(source):
                raise InputProblem(
                    f"fmri.atlas: '{source}' is in the volume, the series are on surfaces; give "
                    "labels of their space (.dlabel.nii, .annot or .label.gii)"
                )
            source = SurfaceAtlas(source)
        space: GraySpace = self.mask_img
        region = owners(source, space.axis)
        n_regions = len(source.labels)
        total = np.bincount(source.voxels[1][source.voxels[1] >= 0], minlength=n_regions)
        for name, codes in source.codes.items():
            if name in gray.HEMISPHERES:
                total = total + np.bincount(codes[codes >= 0], minlength=n_regions)
        sizes = np.bincount(region[region >= 0], minlength=n_regions)
        if not sizes.any():
            raise InputProblem(f"{source.path}: no region lies on the grayordinates of the series")
        self.coverage_ = self._placed = sizes / np.maximum(total, 1)
        self.n_voxels_ = sizes
        self._masker = None
        self.kept_ = self._enough(self.coverage_)
        grayordinates = np.flatnonzero(region >= 0)
        self._weights = sparse.csr_array(
            (1.0 / sizes[region[grayordinates]], (region[grayordinates], grayordinates)),
            shape=(n_regions, len(region)),
        )
        self._unmix, self.inflation_ = None, np.ones(n_regions)
        self.labels_ = list(source.labels)
        self.coords_ = np.full((n_regions, 3), np.nan)
        held = sizes > 0
        self.coords_[held] = (self._weights @ gray.coordinates_mm(space.axis, space.meshes))[held]
        name = "".join(c for c in Path(source.path).name.split(".nii")[0] if c.isalnum())
        self.atlas_name_, self._codes = name, np.arange(1, n_regions + 1)
        self.resampled_ = False
        self._source = Atlas(
            name, "labels", self.labels_, self.coords_, self._codes, path=source.path
        )
        return self

    def parcels_axis(self):
        """The regions as an axis of CIFTI-2.

        Returns
        -------
        nibabel.cifti2.ParcelsAxis
        """
        from nibabel.cifti2 import ParcelsAxis

        space: GraySpace = self.mask_img
        rows = self._weights.tocsr()
        members = [rows.indices[a:b] for a, b in zip(rows.indptr[:-1], rows.indptr[1:])]
        axis = space.axis
        parts = []
        for name, index in zip(self.labels_, members):
            index = np.sort(index)
            voxels = index[axis.volume_mask[index]]
            vertices = {
                str(word): axis.vertex[index[axis.name[index] == word]]
                for word in np.unique(axis.name[index[axis.surface_mask[index]]])
            }
            parts.append((name, axis.voxel[voxels], vertices))
        voxel = np.empty(len(parts), dtype=object)
        vertex = np.empty(len(parts), dtype=object)
        for number, (_, inside, surface) in enumerate(parts):
            voxel[number], vertex[number] = inside, surface
        return ParcelsAxis(
            [name for name, *_ in parts],
            voxel,
            vertex,
            affine=axis.affine,
            volume_shape=axis.volume_shape,
            nvertices=dict(axis.nvertices),
        )


def owners(atlas: SurfaceAtlas, axis) -> np.ndarray:
    """Region of each grayordinate.

    Parameters
    ----------
    atlas : SurfaceAtlas
    axis : nibabel.cifti2.BrainModelAxis

    Returns
    -------
    ndarray of int64, shape (n_grayordinates,)
        Position in the atlas's `labels`, -1 where no region is.

    Raises
    ------
    InputProblem
        When a surface has another number of vertices, or the voxels lie on another grid.
    """
    region = np.full(len(axis), -1)
    index, owner, affine = atlas.voxels
    code_of = {tuple(voxel): code for voxel, code in zip(index.tolist(), owner.tolist())}
    for name, columns, model in gray.structures(axis):
        if model.volume_mask.all():
            if code_of and not np.allclose(affine, axis.affine, atol=1e-3):
                raise InputProblem(f"{atlas.path}: its voxels lie on another grid than the series")
            region[columns] = [code_of.get(tuple(voxel), -1) for voxel in model.voxel.tolist()]
        elif name in atlas.codes:
            n_vertices = int(axis.nvertices[f"CIFTI_STRUCTURE_{name}"])
            if len(atlas.codes[name]) != n_vertices:
                raise InputProblem(
                    f"{atlas.path}: {len(atlas.codes[name])} vertices in {name}, the series have "
                    f"{n_vertices}; give the atlas of their space and density"
                )
            region[columns] = atlas.codes[name][model.vertex]
    return region


def parcellator(atlas, where, min_coverage=0.5, radius_mm=5.0) -> Parcellator:
    """The parcellation that fits the nodes of a run.

    Parameters
    ----------
    atlas : path-like, str or sequence of path-like
        Of several files (two hemispheres) the first counts, which knows the other.
    where : nibabel image or GraySpace
    min_coverage, radius_mm : float
        See :class:`~neuro.fmri.regions.parcellate.Parcellator`.

    Returns
    -------
    Parcellator
        Not fitted.

    Raises
    ------
    InputProblem
        When labels on a surface are given for an image.
    """
    if not isinstance(atlas, (str, os.PathLike)):
        atlas = atlas[0]
    if isinstance(where, GraySpace):
        return SurfaceParcellator(atlas, where, min_coverage, radius_mm)
    if is_surface_atlas(atlas):
        raise InputProblem(
            f"fmri.atlas: {atlas} holds labels on a surface, the runs are images; give a label "
            "image, or choose the space of a surface with data.space"
        )
    return Parcellator(atlas, where, min_coverage, radius_mm)
