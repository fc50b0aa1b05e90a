"""Series on the cortical surface and in subcortical voxels: CIFTI-2, or GIFTI by hemisphere.

A grayordinate is a vertex of a surface or a voxel. All of them stand in one row, in the order of
the file; the axis (nibabel's `BrainModelAxis`) tells what each one is.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from neuro.base import provenance
from neuro.base.beside import other_hemisphere
from neuro.io.formats import sampling
from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem

HEMISPHERES = {"CORTEX_LEFT": "left", "CORTEX_RIGHT": "right"}
_COLUMNS = 4096
"""Grayordinates that are read at once."""


@dataclasses.dataclass(frozen=True)
class GrayBold:
    """A series on grayordinates, opened but not read.

    Attributes
    ----------
    path : str
    axis : nibabel.cifti2.BrainModelAxis
    tr : float
        Sampling interval in s.
    tr_source : str
        What states it, see :func:`neuro.io.formats.sampling.decide`.
    n_volumes : int
    parts : tuple
        Images of nibabel: one of CIFTI, or two of GIFTI.
    """

    path: str
    axis: Any
    tr: float
    tr_source: str
    n_volumes: int
    parts: tuple

    def read(self) -> np.ndarray:
        """All values.

        Returns
        -------
        ndarray of float32, shape (n_volumes, n_grayordinates)
            A grayordinate with a missing or infinite value in any volume is 0 throughout: it
            keeps its place and counts as constant.

        Raises
        ------
        InputProblem
            When the file ends early.
        """
        series = np.empty((self.n_volumes, len(self.axis)), dtype=np.float32)
        with readable(self.path, "the file is cut off or damaged"):
            start = 0
            for structure in self.parts:
                for values in _columns(structure):
                    series[:, start : start + values.shape[1]] = values
                    start += values.shape[1]
        broken = ~np.isfinite(series.sum(axis=0, dtype=np.float64))
        series[:, broken] = 0
        return series


def load_series(path, tr: float | None = None) -> GrayBold:
    """Open a `.dtseries.nii`, or the `.func.gii` of a left hemisphere with its right one.

    Parameters
    ----------
    path : path-like
    tr : float, optional
        Sampling interval in s; what sidecar and header state must agree with it within 1 %.

    Returns
    -------
    GrayBold

    Raises
    ------
    InputProblem
        When a file is missing, empty, damaged or no series of grayordinates, the hemispheres have
        different numbers of volumes, or the interval is unknown or stated twice differently.
    """
    path = Path(path)
    beside = provenance.sidecar_path(path)
    metadata: dict = {}
    problem = None
    if beside.exists():
        metadata, problem = sampling.read_json(beside)
    if path.name.endswith(".gii"):
        parts, axis, n_volumes, stated = _gifti_pair(path)
    else:
        parts, axis, n_volumes, stated = _cifti(path)
    seconds, source, other = sampling.decide(
        path, sidecar=sampling.interval(metadata), header=stated, config=tr
    )
    problems = [line for line in (problem, other) if line]
    if problems:
        raise InputProblem(problems)
    return GrayBold(str(path), axis, seconds, source, n_volumes, parts)


def header_tr(path) -> float | None:
    """Sampling interval in s that the header of a series states; None where it states none.

    Whether the file can be read is told where it is opened for good.
    """
    with contextlib.suppress(InputProblem):
        path = Path(path)
        return _gifti_tr(open_gray(path)) if path.suffix == ".gii" else _cifti(path)[3]
    return None


def header_volumes(path) -> int:
    """Number of volumes of a series."""
    path = Path(path)
    return len(open_gray(path).darrays) if path.suffix == ".gii" else _cifti(path)[2]


def open_gray(path):
    """Open a CIFTI-2 or GIFTI file with nibabel.

    Raises
    ------
    InputProblem
        When it is missing, empty, damaged or something else.
    """
    import nibabel

    path = Path(path)
    if not path.exists():
        raise InputProblem(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise InputProblem(f"{path}: the file is empty (0 bytes)")
    what = "GIFTI" if path.name.endswith((".gii", ".gii.gz")) else "CIFTI"
    with readable(path, f"not a readable {what} file"):
        # a mapped file would count twice while its values are copied out
        image = nibabel.load(path, **({} if what == "GIFTI" else {"mmap": False}))
    wanted = nibabel.GiftiImage if what == "GIFTI" else nibabel.Cifti2Image
    if not isinstance(image, wanted):
        raise InputProblem(f"{path}: {type(image).__name__}, expected {what}")
    return image


def _cifti(path):
    from nibabel.cifti2 import BrainModelAxis, SeriesAxis

    image = open_gray(path)
    axes = [image.header.get_axis(dimension) for dimension in range(image.ndim)]
    kinds = [type(axis).__name__.removesuffix("Axis").lower() for axis in axes]
    if kinds != ["series", "brainmodel"]:
        raise InputProblem(
            f"{path}: holds {' by '.join(kinds)}, expected series by grayordinates (.dtseries.nii)"
        )
    series, models = axes
    assert isinstance(series, SeriesAxis) and isinstance(models, BrainModelAxis)
    timed = str(series.unit).upper() == "SECOND" and series.step > 0
    return (image,), models, len(series), float(series.step) if timed else None


def _gifti_pair(path):
    from nibabel.cifti2 import BrainModelAxis

    right = other_hemisphere(path)
    if not right:
        raise InputProblem(f"{path}: the name does not tell the hemisphere, expected hemi-L in it")
    parts = (open_gray(path), open_gray(right))
    sizes = [[array.data.shape[0] for array in image.darrays] for image in parts]
    for name, n_vertices in zip((path, right), sizes):
        if not n_vertices or len(set(n_vertices)) > 1:
            raise InputProblem(
                f"{name}: no series of one surface (arrays of {set(n_vertices) or 0})"
            )
    counts = [_gifti_series(image).shape[0] for image in parts]
    if counts[0] != counts[1]:
        raise InputProblem(f"{path}: {counts[0]} volumes, {Path(right).name} has {counts[1]}")
    axes = [
        BrainModelAxis.from_surface(np.arange(n_vertices[0]), n_vertices[0], name=name)
        for name, n_vertices in zip(HEMISPHERES, sizes)
    ]
    return parts, axes[0] + axes[1], counts[0], _gifti_tr(parts[0])


def _gifti_series(image) -> np.ndarray:
    """Values (n_volumes, n_vertices), from one array per volume or one of all."""
    if len(image.darrays) == 1 and image.darrays[0].data.ndim == 2:
        return image.darrays[0].data.T
    return np.stack([array.data for array in image.darrays])


def _gifti_tr(image) -> float | None:
    """Interval in s; `TimeStep` is in milliseconds."""
    for holder in (image, *image.darrays[:1]):
        step = dict(holder.meta).get("TimeStep")
        if step:
            return float(step) / 1000 or None
    return None


def _columns(image):
    """Values of an image in blocks of grayordinates, each (n_volumes, some)."""
    if hasattr(image, "darrays"):
        yield _gifti_series(image)
        return
    n = image.shape[1]
    for start in range(0, n, _COLUMNS):
        # one series after the other on the disk
        yield np.asarray(image.dataobj[:, start : start + _COLUMNS], dtype=np.float32)


def write_series(path, series, axis, tr: float) -> Path:
    """Write series of grayordinates (`.dtseries.nii`) or of parcels (`.ptseries.nii`).

    Parameters
    ----------
    path : path-like
    series : ndarray, shape (n_volumes, n_grayordinates or n_parcels)
    axis : nibabel.cifti2.BrainModelAxis or ParcelsAxis
    tr : float
        Sampling interval in s.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When the sizes do not match or `tr` is no positive number.
    """
    from nibabel.cifti2 import SeriesAxis

    if not (np.isfinite(tr) and tr > 0):
        raise ValueError(f"tr: got {tr}, expected seconds > 0")
    return _write(path, series, SeriesAxis(0, float(tr), len(series)), axis)


def write_scalars(path, maps, axis) -> Path:
    """Write maps as `.dscalar.nii` (grayordinates) or `.pscalar.nii` (parcels).

    Parameters
    ----------
    path : path-like
    maps : mapping of str to ndarray, shape (n_grayordinates or n_parcels,)
    axis : nibabel.cifti2.BrainModelAxis or ParcelsAxis

    Returns
    -------
    pathlib.Path
    """
    from nibabel.cifti2 import ScalarAxis

    return _write(path, np.stack(list(maps.values())), ScalarAxis(list(maps)), axis)


def read_scalars(path) -> tuple[dict[str, np.ndarray], Any]:
    """Maps of a `.dscalar.nii` or `.pscalar.nii` by name, and their axis.

    Raises
    ------
    InputProblem
        When the file is no such file.
    """
    from nibabel.cifti2 import ScalarAxis

    image = open_gray(path)
    names = image.header.get_axis(0)
    if not isinstance(names, ScalarAxis):
        raise InputProblem(f"{path}: holds no maps, expected .dscalar.nii or .pscalar.nii")
    values = np.asarray(image.dataobj, dtype=np.float64)
    return dict(zip(map(str, names.name), values)), image.header.get_axis(1)


def _write(path, values, first, second) -> Path:
    import nibabel

    values = np.asarray(values, dtype=np.float32)
    if values.shape != (len(first), len(second)):
        raise ValueError(f"values: shape {values.shape}, expected {(len(first), len(second))}")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Cifti2Image(values, (first, second))
    image.update_headers()
    image.nifti_header.set_data_dtype(np.float32)
    nibabel.save(image, path)
    return path


def check_same(axis, other, names=("first", "second")) -> None:
    """Refuse grayordinates that are not the same ones in the same order.

    Raises
    ------
    InputProblem
        With both numbers, or the first structure that differs.
    """
    if len(axis) != len(other):
        raise InputProblem(
            f"{names[1]}: {len(other)} grayordinates, {names[0]} has {len(axis)}; "
            "use one space for all"
        )
    if axis == other:
        return
    of = [{name: model for name, _, model in models.iter_structures()} for models in (axis, other)]
    word = next((n for n in of[0] if n not in of[1] or of[0][n] != of[1][n]), "the order")
    raise InputProblem(
        f"{names[1]}: other grayordinates than {names[0]} in {_word(word)}; use one space for all"
    )


def _word(structure) -> str:
    return str(structure).removeprefix("CIFTI_STRUCTURE_")


def structures(axis):
    """Name, place in the row, and axis of each structure of grayordinates.

    Yields
    ------
    name : str
        E.g. `CORTEX_LEFT`.
    columns : slice
    model : nibabel.cifti2.BrainModelAxis
    """
    for name, columns, model in axis.iter_structures():
        columns = slice(columns.start or 0, len(axis) if columns.stop is None else columns.stop)
        yield _word(name), columns, model


def coordinates_mm(axis, meshes=None) -> np.ndarray:
    """Places of grayordinates.

    Parameters
    ----------
    axis : nibabel.cifti2.BrainModelAxis
    meshes : mapping of str to tuple, optional
        Coordinates (mm) and faces by `CORTEX_LEFT`, `CORTEX_RIGHT`.

    Returns
    -------
    ndarray of float64, shape (n_grayordinates, 3)
        In mm, RAS+; NaN for vertices without a mesh.
    """
    coords = np.full((len(axis), 3), np.nan)
    for name, columns, model in structures(axis):
        if model.volume_mask.all():
            coords[columns] = model.voxel @ axis.affine[:3, :3].T + axis.affine[:3, 3]
        elif meshes and name in meshes:
            coords[columns] = np.asarray(meshes[name][0], dtype=np.float64)[model.vertex]
    return coords
