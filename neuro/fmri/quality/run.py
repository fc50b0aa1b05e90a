"""Numbers and small arrays that describe one cleaned run, for tables and figures."""

from __future__ import annotations

import numpy as np

from neuro.fmri.quality.measures import carpet, in_band_power, sample_voxels, tsnr
from neuro.io.images.meshes import GraySpace

QC_COLUMNS = (
    "run_key",
    "participant_id",
    "site",
    "n_volumes",
    "n_kept",
    "minutes_kept",
    "mean_fd",
    "max_fd",
    "frac_fd_over",
    "mean_std_dvars",
    "median_tsnr",
    "n_constant",
    "min_coverage",
    "dof_left",
    "in_band_power",
    "realign_failed",
)
"""Columns of `group_qc.tsv`, one row per run."""
CARPET_VOXELS = 600


def run_qc(
    *,
    run_key,
    kept,
    tr,
    fd=None,
    std_dvars=None,
    fd_mm=0.5,
    tsnr_map=None,
    after=None,
    band=(0.01, 0.08),
    dof_left=None,
    n_constant=0,
    realign_failed=False,
    participant_id=None,
    site=None,
    min_coverage=None,
) -> dict:
    """One row of `group_qc.tsv`.

    Parameters
    ----------
    run_key : str
    kept : ndarray of bool, shape (n_volumes,)
        Of the whole run, dropped volumes included as False.
    tr : float
        Sampling interval (s).
    fd, std_dvars : ndarray, shape (n_volumes,), optional
        NaN for dropped volumes. The first value of a run counts as a displacement of 0.
    fd_mm : float
        Threshold of `frac_fd_over` (mm).
    tsnr_map : ndarray, shape (n_voxels,), optional
        Of the series before cleaning; zeros are constant voxels.
    after : ndarray, shape (n_kept, n_voxels), optional
        Cleaned series.
    band : tuple of float
        Band (Hz) of `in_band_power`.
    dof_left : float, optional
    n_constant : int
    realign_failed : bool or int
    participant_id, site : str, optional
    min_coverage : float, optional

    Returns
    -------
    dict
        Keys :data:`QC_COLUMNS`; None where a value is not known. `in_band_power` is that of
        the cleaned series, averaged over at most 600 voxels.
    """
    kept = np.asarray(kept, dtype=bool)
    row = dict.fromkeys(QC_COLUMNS)
    row.update(
        run_key=run_key,
        participant_id=participant_id,
        site=site,
        n_volumes=int(kept.size),
        n_kept=int(kept.sum()),
        minutes_kept=float(kept.sum() * tr / 60),
        n_constant=int(n_constant),
        min_coverage=min_coverage,
        dof_left=dof_left,
        realign_failed=int(realign_failed),
    )
    if fd is not None and np.isfinite(fd).any():
        trace = steady_fd(fd)
        row["mean_fd"] = float(trace.mean())
        row["max_fd"] = float(trace.max())
        row["frac_fd_over"] = float((trace > fd_mm).mean())
    if std_dvars is not None and np.isfinite(std_dvars).any():
        row["mean_std_dvars"] = float(np.nanmean(std_dvars))
    if tsnr_map is not None:
        live = tsnr_map[tsnr_map != 0]
        row["median_tsnr"] = float(np.median(live)) if live.size else 0.0
    if after is not None and len(after) > 2:
        sampled = after[:, sample_voxels(after.shape[1], CARPET_VOXELS)]
        row["in_band_power"] = mean_in_band(sampled, tr, band, kept)
    return row


def steady_fd(fd) -> np.ndarray:
    """Displacements of a run from its first volume on, that one counted as 0.

    NaN before the first finite value stands for dropped volumes and for the first volume.
    """
    fd = np.asarray(fd, dtype=float)
    measured = np.flatnonzero(np.isfinite(fd))
    trace = fd[max(measured[0] - 1, 0) :]
    return np.where(np.isfinite(trace), trace, 0.0)


def mean_in_band(series, tr, band, kept=None) -> float | None:
    """Mean over series of the share of power inside the band; None if all are constant."""
    share = in_band_power(series, tr, band[0], band[1], kept)
    share = share[np.isfinite(share)]
    return float(share.mean()) if share.size else None


def figure_data(before, after, fd, std_dvars, kept, mask_img, tr, *, drop=0, tsnr_map=None):
    """Arrays from which the report draws the page of one run.

    Parameters
    ----------
    before : ndarray, shape (n_volumes - drop, n_voxels)
        Series before cleaning.
    after : ndarray, shape (n_kept, n_voxels)
        Cleaned series; may hold no volume.
    fd, std_dvars : ndarray, shape (n_volumes,), or None
    kept : ndarray of bool, shape (n_volumes,)
    mask_img : nibabel image, GraySpace or None
        Brain mask of the voxels, or place of grayordinates; None for region tables, which have
        no slices.
    tr : float
        Sampling interval (s).
    drop : int
        Volumes removed at the start.
    tsnr_map : ndarray, shape (n_voxels,), optional
        Computed from `before` where it is not given.

    Returns
    -------
    dict of ndarray
        `carpet_before`, `carpet_after` (<= 600 voxels, n_volumes) float16, z-scored, NaN
        where there is no volume; `fd`, `std_dvars`, `kept` (n_volumes,); `tr`; and for x, y
        and z the slices through the centre of mass of the mask, in RAS+ orientation:
        `mean_<axis>`, `mask_<axis>`, `tsnr_<axis>`; with them `slice_index` (3,) and
        `voxel_mm` (3,).
    """
    kept = np.asarray(kept, dtype=bool)
    n = kept.size
    rows = min(CARPET_VOXELS, before.shape[1])
    full = np.full((rows, n), np.nan, dtype=np.float16)
    data = {"carpet_before": full.copy(), "carpet_after": full}
    data["carpet_before"][:, drop:] = carpet(before, CARPET_VOXELS)
    if len(after):
        data["carpet_after"][:, kept] = carpet(after, CARPET_VOXELS, linear=False)
    unknown = np.full(n, np.nan, dtype=np.float32)
    data["fd"] = unknown if fd is None else np.asarray(fd, dtype=np.float32)
    data["std_dvars"] = unknown if std_dvars is None else np.asarray(std_dvars, dtype=np.float32)
    data["kept"] = kept
    data["tr"] = np.float32(tr)
    if mask_img is not None:
        ratio = tsnr(before) if tsnr_map is None else tsnr_map
        mean = before.mean(axis=0, dtype=np.float64)
        data.update(node_maps(mask_img, mean=mean, tsnr=ratio))
    return data


def node_maps(where, **maps) -> dict:
    """What pictures of maps are drawn from: slices of voxels, or values of grayordinates.

    Parameters
    ----------
    where : nibabel image or GraySpace
    **maps : ndarray, shape (n_nodes,)

    Returns
    -------
    dict of ndarray
        See :func:`orthogonal_slices`; of grayordinates `<name>_gray` (n_nodes,) float32.
    """
    if isinstance(where, GraySpace):
        return {f"{name}_gray": np.asarray(v, dtype=np.float32) for name, v in maps.items()}
    return orthogonal_slices(where, **maps)


def orthogonal_slices(mask_img, **maps) -> dict:
    """Slices of voxel maps through the centre of mass of a mask, RAS+ orientation.

    Parameters
    ----------
    mask_img : nibabel image
    **maps : ndarray, shape (n_voxels,)
        In the voxel order of the mask (C order).

    Returns
    -------
    dict of ndarray
        `<name>_x`, `<name>_y`, `<name>_z` float32 and `mask_x`, ... bool, `slice_index` (3,),
        `voxel_mm` (3,).
    """
    import nibabel as nib
    from nibabel.affines import voxel_sizes

    mask = np.asarray(mask_img.dataobj) > 0
    turn = nib.io_orientation(mask_img.affine)

    def upright(volume):
        return nib.apply_orientation(volume, turn)

    inside = upright(mask)
    size = voxel_sizes(mask_img.affine)
    source = np.argsort(turn[:, 0])
    index = [round(float(np.mean(indices))) for indices in np.nonzero(inside)]
    out = {
        "slice_index": np.asarray(index, dtype=np.int32),
        "voxel_mm": size[source].astype(np.float32),
    }
    volumes = {"mask": inside}
    for name, values in maps.items():
        volume = np.zeros(mask.shape, dtype=np.float32)
        volume[mask] = values
        volumes[name] = upright(volume)
    for name, volume in volumes.items():
        for axis, label in enumerate("xyz"):
            out[f"{name}_{label}"] = np.ascontiguousarray(volume.take(index[axis], axis=axis))
    return out
