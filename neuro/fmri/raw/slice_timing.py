"""Slice timing: bring every slice of a volume to one moment.

A shift in time is a phase in frequency. The series is continued by reflection to a periodic
one, so the shift is a fixed matrix per slice time, applied to all voxels of the slice at once.
"""

from __future__ import annotations

import numpy as np

BLOCK_BYTES = 4 << 20
"""Size of one block of voxels in double precision."""


def reference_time(slice_times, reference=0.5) -> float:
    """The moment within a volume that all slices are brought to, in seconds.

    Parameters
    ----------
    slice_times : sequence of float
        Acquisition times within a volume (s).
    reference : float or "middle"
        Share of the acquisition span, from the first to the last slice (0.5, fMRIPrep), or
        the time at which the spatially middle slice was acquired (Athena).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        When `reference` is neither.
    """
    times = np.asarray(slice_times, dtype=float)
    if reference == "middle":
        return float(times[len(times) // 2])
    if isinstance(reference, str) or not 0 <= reference <= 1:
        raise ValueError(f"reference: got {reference!r}, expected 'middle' or a share 0..1")
    return float(times.min() + reference * (times.max() - times.min()))


def slice_axis(direction) -> tuple[int, bool]:
    """Voxel axis and order of a BIDS `SliceEncodingDirection`.

    Parameters
    ----------
    direction : {"i", "j", "k", "i-", "j-", "k-"} or None
        None is "k", the BIDS default.

    Returns
    -------
    axis : int
    reverse : bool
        Whether the first slice time belongs to the last slice.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    direction = direction or "k"
    name = str(direction).removesuffix("-")
    if name not in ("i", "j", "k"):
        raise ValueError(
            f"SliceEncodingDirection: got '{direction}', expected i, j or k, with '-' to reverse"
        )
    return "ijk".index(name), str(direction).endswith("-")


def shift_matrix(n_timepoints, shift) -> np.ndarray:
    """Matrix that evaluates a series `shift` samples later.

    The least-squares line is taken out, shifted exactly and put back; the rest is continued
    by reflection at both ends (period 2 n - 2) and shifted in frequency.

    Parameters
    ----------
    n_timepoints : int
        At least 2.
    shift : float
        In samples; 0 gives the identity.

    Returns
    -------
    ndarray, shape (n_timepoints, n_timepoints)
    """
    n = n_timepoints
    identity = np.eye(n)
    if shift == 0:
        return identity
    sample = np.arange(n) - (n - 1) / 2
    slope = sample / (sample @ sample)
    rest = identity - 1.0 / n - np.outer(sample, slope)
    extended = np.vstack([rest, rest[-2:0:-1]])
    frequency = np.fft.rfftfreq(len(extended))
    spectrum = np.fft.rfft(extended, axis=0) * np.exp(2j * np.pi * frequency * shift)[:, None]
    moved = np.fft.irfft(spectrum, n=len(extended), axis=0)[:n]
    return moved + 1.0 / n + np.outer(sample + shift, slope)


def shift_slices(data, tr, slice_times, axis=2, reference=0.5, *, reverse=False) -> np.ndarray:
    """Bring all slices of a 4D series to one moment.

    Parameters
    ----------
    data : ndarray, shape (nx, ny, nz, n_volumes)
    tr : float
        Sampling interval (s).
    slice_times : sequence of float, one per slice
        Acquisition time within the volume (s), as BIDS `SliceTiming`. Equal times (several
        slices at once) are fine.
    axis : int or str
        Voxel axis of the slices (2), or a BIDS `SliceEncodingDirection` such as "k-".
    reference : float or "middle"
        See :func:`reference_time`.
    reverse : bool
        The first time belongs to the last slice; a direction with "-" sets it as well.

    Returns
    -------
    ndarray, same shape, float32

    Raises
    ------
    ValueError
        When times and slices differ in number, times lie outside 0..TR (milliseconds are
        recognised), or there are fewer than 3 volumes.

    References
    ----------
    Sladky, Friston, Tröstl, Cunnington, Moser, Windischberger (2011), NeuroImage 58:588-594.
    """
    if isinstance(axis, str):
        axis, backwards = slice_axis(axis)
        reverse = reverse or backwards
    times = check_slice_times(slice_times, tr, data.shape[axis])
    n = data.shape[3]
    if n < 3:
        raise ValueError(f"data: {n} volumes, at least 3 are needed to shift slices in time")
    if reverse:
        times = times[::-1]
    target = reference_time(times, reference)
    out = np.empty(data.shape, dtype=np.float32)
    matrices = {}
    for k, time in enumerate(times):
        shift = round((target - time) / tr, 9)
        if shift not in matrices:
            matrices[shift] = shift_matrix(n, shift).T
        before = np.take(data, k, axis=axis)
        flat = before.reshape(-1, n)
        moved = np.empty(flat.shape, dtype=np.float32)
        width = max(64, BLOCK_BYTES // (8 * n))
        for start in range(0, len(flat), width):
            block = slice(start, start + width)
            moved[block] = flat[block].astype(np.float64) @ matrices[shift]
        index: list = [slice(None)] * 4
        index[axis] = k
        out[tuple(index)] = moved.reshape(before.shape)
    return out


def check_slice_times(slice_times, tr, n_slices) -> np.ndarray:
    """Slice times as an array, or one line that says what is wrong with them.

    Parameters
    ----------
    slice_times : sequence of float
        In seconds.
    tr : float
        Sampling interval (s).
    n_slices : int

    Returns
    -------
    ndarray, shape (n_slices,)

    Raises
    ------
    ValueError
    """
    times = np.asarray(slice_times, dtype=float)
    if times.ndim != 1 or times.size != n_slices:
        raise ValueError(
            f"SliceTiming: {times.size} times for {n_slices} slices; check the slice axis "
            "(SliceEncodingDirection)"
        )
    if not np.isfinite(times).all() or times.min() < 0:
        raise ValueError("SliceTiming: times must be numbers >= 0 in seconds")
    if times.max() > tr * (1 + 1e-6):
        unit = "; they look like milliseconds, BIDS wants seconds" if times.max() > 10 * tr else ""
        raise ValueError(
            f"SliceTiming: latest time {times.max():g} s exceeds the repetition time {tr:g} s{unit}"
        )
    return times
