"""4D images: checked headers, masked series in blocks, maps and series back to files."""

from __future__ import annotations

import dataclasses
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from neuro.base import provenance
from neuro.io.formats import sampling
from neuro.io.images.header import has_no_voxel_size, interval_of_header, open_image
from neuro.io.images.volumes import space_code, write_stream
from neuro.io.problems import InputProblem

_BLOCK_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True)
class Bold:
    """A 4D image whose header has been checked; no voxel has been read.

    Attributes
    ----------
    img : nibabel.Nifti1Image
        With the voxel size that was given, if the header had none.
    tr : float
        Sampling interval in s.
    tr_source : str
        `sidecar`, `header` or `config`.
    path : str
    """

    img: Any
    tr: float
    tr_source: str
    path: str = ""

    @property
    def n_volumes(self) -> int:
        return int(self.img.shape[3])

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Voxel edges in mm."""
        x, y, z = np.linalg.norm(self.img.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)


def load_bold(path, tr: float | None = None, voxel_size=None, sidecar=None) -> Bold:
    """Open a 4D image and check its header; no voxel is read.

    Parameters
    ----------
    path : path-like
        NIfTI, compressed or not.
    tr : float, optional
        Sampling interval in s; the sidecar's and the header's must agree with it within 1 %.
    voxel_size : sequence of 3 float, optional
        In mm, for images whose header holds none.
    sidecar : path-like, optional
        JSON with `RepetitionTime`; the file of the same name by default.

    Returns
    -------
    Bold

    Raises
    ------
    InputProblem
        All problems at once: missing, empty, cut off or no NIfTI; not 4D; no voxel size; no
        sampling interval, or two that differ.
    """
    import nibabel

    img = open_image(path)
    problems = []
    if len(img.shape) != 4:
        problems.append(
            f"{path}: {len(img.shape)}D image of shape {img.shape}, expected 4D (x, y, z, time)"
        )
    header = img.header
    stated = interval_of_header(
        header["pixdim"][4] if len(img.shape) == 4 else 0, int(header["xyzt_units"]) & 0x38
    )
    bare = has_no_voxel_size(img)
    if bare and voxel_size is None:
        problems.append(
            f"{path}: the header holds no voxel size (all 1, no affine); set data.voxel_size "
            "(mm) and data.tr (s)"
        )
    if voxel_size is not None:
        sizes = [float(size) for size in voxel_size]
        if len(sizes) != 3 or not all(math.isfinite(size) and size > 0 for size in sizes):
            problems.append(f"data.voxel_size: got {voxel_size}, expected three numbers > 0 in mm")
        elif bare:
            img = nibabel.Nifti1Image(img.dataobj, _centred(sizes, img.shape[:3]))
        elif not np.allclose(sizes, np.linalg.norm(img.affine[:3, :3], axis=0), rtol=0.01):
            own = " x ".join(f"{size:g}" for size in np.linalg.norm(img.affine[:3, :3], axis=0))
            problems.append(
                f"{path}: voxel size is {own} mm in the header but "
                f"{' x '.join(f'{size:g}' for size in sizes)} mm in data.voxel_size; "
                "remove the setting"
            )
    metadata: dict = {}
    beside = Path(sidecar) if sidecar else provenance.sidecar_path(path)
    if sidecar or beside.exists():
        metadata, problem = sampling.read_json(beside)
        problems += [problem] if problem else []
    seconds, source, problem = sampling.decide(
        path, sidecar=sampling.interval(metadata), header=stated, config=tr
    )
    if problem and not (bare and voxel_size is None and source == "missing"):
        problems.append(problem)
    if problems:
        raise InputProblem(problems)
    return Bold(img=img, tr=seconds, tr_source=source, path=str(path))


def _centred(sizes, shape) -> np.ndarray:
    """RAS+ affine with the origin in the centre of the image."""
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -np.array(sizes) * (np.array(shape) - 1) / 2
    return affine


def load_mask(path, like=None):
    """Read a brain mask.

    Parameters
    ----------
    path : path-like
    like : nibabel image, optional
        An image whose grid the mask must have.

    Returns
    -------
    nibabel.Nifti1Image
        uint8, 1 inside; every value above 0 counts as inside.

    Raises
    ------
    InputProblem
        When it is not 3D, empty inside, or on another grid.
    """
    import nibabel

    img = open_image(path)
    data = np.asarray(img.dataobj)
    if data.ndim == 4 and data.shape[3] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise InputProblem(f"{path}: {data.ndim}D image of shape {data.shape}, expected a 3D mask")
    inside = np.nan_to_num(data) > 0
    if not inside.any():
        raise InputProblem(f"{path}: no voxel of the mask is above 0")
    mask = nibabel.Nifti1Image(inside.astype(np.uint8), img.affine)
    if like is not None:
        check_grid(mask, like, names=(str(path), "the image"))
    return mask


def check_grid(a, b, names=("first image", "second image"), tolerance: float = 1e-3):
    """Make sure that two images share their voxel grid.

    Parameters
    ----------
    a, b : nibabel images
        The first three axes count.
    names : tuple of str
        For the message.
    tolerance : float
        Largest difference between corner voxels in mm (default 0.001, ours).

    Raises
    ------
    InputProblem
        One line with both shapes, or with the distance between the grids in mm.
    """
    left, right = tuple(a.shape[:3]), tuple(b.shape[:3])
    if left != right:
        raise InputProblem(
            f"{names[0]}: grid {_by(left)} differs from {_by(right)} of {names[1]}; "
            "resample one of them"
        )
    corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    corners[:, :3] *= np.array(left) - 1
    distance = np.abs(corners @ (a.affine - b.affine).T).max()
    if not distance <= tolerance:
        raise InputProblem(
            f"{names[0]}: same grid {_by(left)} as {names[1]}, but the affines place a corner "
            f"{distance:.3g} mm apart; resample one of them"
        )


def _by(shape) -> str:
    return "x".join(str(size) for size in shape)


def mask_index(mask_img) -> np.ndarray:
    """Indices of the mask voxels in C order, shape (n_voxels, 3)."""
    return np.argwhere(np.asarray(mask_img.dataobj) > 0)


def mask_coords_mm(mask_img) -> np.ndarray:
    """Centres of the mask voxels in mm, RAS+, shape (n_voxels, 3), in the order of the series."""
    return mask_index(mask_img) @ mask_img.affine[:3, :3].T + mask_img.affine[:3, 3]


def masked_series(img, mask) -> np.ndarray:
    """Series of the voxels inside a mask, read in blocks of volumes.

    Parameters
    ----------
    img : nibabel image or Bold
        4D.
    mask : nibabel image
        3D on the same grid; above 0 is inside.

    Returns
    -------
    ndarray of float32, shape (n_timepoints, n_voxels)
        Voxels in C order of the mask (`data[mask]`). A voxel with a missing or infinite value
        in any volume is 0 throughout: it keeps its place and counts as constant.

    Raises
    ------
    InputProblem
        When the grids differ or the file ends early.
    """
    img = getattr(img, "img", img)
    check_grid(mask, img, names=("mask", "the image"))
    inside = np.asarray(mask.dataobj) > 0
    flat = np.ravel_multi_index(np.nonzero(inside), inside.shape, order="F")
    n_volumes = int(img.shape[3])
    series = np.empty((n_volumes, len(flat)), dtype=np.float32)
    row = 0
    for block in _volumes(img):
        for volume in block:
            series[row] = volume[flat]
            row += 1
    slope, inter = _scaling(img)
    if slope != 1:
        series *= np.float32(slope)
    if inter != 0:
        series += np.float32(inter)
    broken = ~np.isfinite(series.sum(axis=0, dtype=np.float64))
    if broken.any():
        series[:, broken] = 0
    return series


def _scaling(img) -> tuple[float, float]:
    data = img.dataobj
    if not hasattr(data, "slope"):
        return 1.0, 0.0
    return float(data.slope), float(data.inter)


def _volumes(img):
    """Blocks of raw volumes, each (n, n_voxels_of_the_grid) in Fortran order of the grid."""
    data = img.dataobj
    size = int(np.prod(img.shape[:3], dtype=np.int64))
    n_volumes = int(img.shape[3])
    if not hasattr(data, "slope"):
        for start in range(n_volumes):
            yield np.asarray(data[..., start]).reshape(1, size, order="F")
        return
    from nibabel.openers import ImageOpener

    # one pass through the file; slicing the proxy would decode a .gz from its start every time
    step = max(1, _BLOCK_BYTES // (size * data.dtype.itemsize))
    with ImageOpener(data.file_like) as stream:
        stream.seek(data.offset)
        for start in range(0, n_volumes, step):
            count = min(step, n_volumes - start)
            try:
                raw = stream.read(count * size * data.dtype.itemsize)
                if start + count == n_volumes:
                    # gzip compares its checksum only when the end is reached
                    while stream.read(1 << 20):
                        continue
            except (OSError, EOFError, zlib.error):
                raw = b""
            if len(raw) != count * size * data.dtype.itemsize:
                raise InputProblem(
                    f"{data.file_like}: the file is cut off or damaged after volume {start} of "
                    f"{n_volumes}; copy it again"
                )
            yield np.frombuffer(raw, dtype=data.dtype).reshape(count, size)


def write_map(path, values, mask_img) -> Path:
    """Write one value per mask voxel as a 3D float32 image, 0 outside.

    Parameters
    ----------
    path : path-like
        `.nii.gz` or `.nii`.
    values : array, shape (n_voxels,)
        In C order of the mask.
    mask_img : nibabel image

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When the number of values is not that of the mask's voxels.
    """
    values = np.asarray(values, dtype=np.float32)
    if values.ndim != 1:
        raise ValueError(f"values: shape {values.shape}, expected (n_voxels,)")
    return _write(path, values[None], mask_img, None)


def write_series(path, series, mask_img, tr: float) -> Path:
    """Write masked series as a 4D float32 image, volume by volume, 0 outside.

    Parameters
    ----------
    path : path-like
        `.nii.gz` or `.nii`. The bytes depend on the content only.
    series : array, shape (n_timepoints, n_voxels)
    mask_img : nibabel image
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
    if np.ndim(series) != 2:
        raise ValueError(f"series: shape {np.shape(series)}, expected (n_timepoints, n_voxels)")
    if not (np.isfinite(tr) and tr > 0):
        raise ValueError(f"tr: got {tr}, expected seconds > 0")
    return _write(path, series, mask_img, float(tr))


def _write(path, rows, mask_img, tr) -> Path:
    inside = np.asarray(mask_img.dataobj) > 0
    flat = np.ravel_multi_index(np.nonzero(inside), inside.shape, order="F")
    if np.shape(rows)[1] != len(flat):
        raise ValueError(f"values: {np.shape(rows)[1]} voxels, the mask has {len(flat)}")
    shape = inside.shape if tr is None else (*inside.shape, len(rows))
    return write_stream(
        path,
        _filled(rows, flat, inside.size),
        shape,
        mask_img.affine,
        tr=tr,
        code=space_code(mask_img),
    )


def _filled(rows, flat, size):
    """Whole volumes from masked rows; one buffer serves all."""
    volume = np.zeros(size, dtype="<f4")
    for row in rows:
        volume[flat] = row
        yield volume
