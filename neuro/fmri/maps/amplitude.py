"""Amplitude of low-frequency fluctuations, whole (ALFF) and as a share of all (fALFF).

Amplitudes come from a least-squares periodogram of the volumes that were kept: at each Fourier
frequency of the run a sine and a cosine are fitted to them. Without censoring that is the usual
periodogram. With gaps nothing is filled in: a spline through a gap is smooth, so it would add
power at low frequencies where there was no observation.
"""

from __future__ import annotations

import numpy as np

from neuro.fmri.clean.filters import in_band

BLOCK_BYTES = 2 << 20
"""Size of one block of voxels in double precision."""


def alff(series, tr, band=(0.01, 0.08), kept=None) -> np.ndarray:
    """Mean amplitude over the frequencies of a band.

    Parameters
    ----------
    series : ndarray, shape (n_kept, n_voxels)
        Cleaned series of kept volumes.
    tr : float
        Sampling interval (s).
    band : pair of float
        In Hz, edges included (0.01-0.08, XCP-D).
    kept : ndarray of bool, shape (n_volumes,), optional
        Which volumes the rows are; all by default.

    Returns
    -------
    ndarray of float64, shape (n_voxels,)
        In units of the series: root of the power, a sine of amplitude A at one of the frequencies
        has A / sqrt(2) there. NaN for voxels that are constant or not finite.

    Raises
    ------
    ValueError
        When sizes do not agree or no Fourier frequency of the run lies inside the band.

    References
    ----------
    Zang et al. (2007), Brain and Development 29:83-91. Lomb (1976), Astrophysics and Space
    Science 39:447-462.
    """
    return _amplitudes(series, tr, band, kept, everything=False)[0]


def falff(series, tr, band=(0.01, 0.08), kept=None) -> np.ndarray:
    """Share of the band in the sum of the amplitudes of all frequencies above 0.

    Parameters
    ----------
    series : ndarray, shape (n_kept, n_voxels)
        Series that were not filtered in time; those of a filter lie between its edges and have a
        share of nearly 1.
    tr, band, kept
        See :func:`alff`.

    Returns
    -------
    ndarray of float64, shape (n_voxels,)
        Between 0 and 1; NaN for voxels that are constant or not finite.

    Raises
    ------
    ValueError
        As :func:`alff`.

    References
    ----------
    Zou et al. (2008), Journal of Neuroscience Methods 172:137-141.
    """
    mean, total, n_inside = _amplitudes(series, tr, band, kept, everything=True)
    return mean * n_inside / total


def _amplitudes(series, tr, band, kept, everything):
    """Mean amplitude inside the band, sum over all frequencies, and how many lie inside."""
    series = np.asarray(series)
    kept = np.ones(len(series), dtype=bool) if kept is None else np.asarray(kept, dtype=bool)
    if series.ndim != 2 or int(kept.sum()) != len(series):
        raise ValueError(f"series: shape {series.shape} for {int(kept.sum())} kept volumes")
    frequency = np.arange(1, kept.size // 2 + 1) / (kept.size * tr)
    inside = in_band(frequency, *band)
    if not inside.any():
        raise ValueError(
            f"band: no Fourier frequency of {kept.size} volumes at {tr:g} s lies in "
            f"{band[0]:g}-{band[1]:g} Hz"
        )
    used = np.ones_like(inside) if everything else inside
    cosine, sine = sinusoids(np.flatnonzero(kept) * tr, frequency[used])
    mean = np.full(series.shape[1], np.nan)
    total = np.full(series.shape[1], np.nan)
    width = max(64, BLOCK_BYTES // (8 * max(len(series), 1)))
    for start in range(0, series.shape[1], width):
        columns = slice(start, start + width)
        block = np.asarray(series[:, columns], dtype=np.float64)
        live = live_columns(block)
        block = np.where(live, block, 0.0)
        block = block - block.mean(axis=0)
        size = np.sqrt(((cosine @ block) ** 2 + (sine @ block) ** 2) / len(block))
        mean[columns] = np.where(live, size[inside[used]].mean(axis=0), np.nan)
        total[columns] = np.where(live, size.sum(axis=0), np.nan)
    return mean, total, int(inside.sum())


def live_columns(series) -> np.ndarray:
    """Which columns are finite and vary, shape (n_columns,)."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(series).all(axis=0) & (series != series[:1]).any(axis=0)


def sinusoids(times, frequency):
    """Cosines and sines of unit length on given times, orthogonal pair by pair.

    Parameters
    ----------
    times : ndarray, shape (n_times,)
        In s.
    frequency : ndarray, shape (n_frequencies,)
        In Hz, above 0.

    Returns
    -------
    cosine, sine : ndarray, shape (n_frequencies, n_times)
        The phase of each pair makes it orthogonal; a sine that vanishes, as at half the sampling
        rate, is 0.
    """
    omega = 2 * np.pi * np.asarray(frequency)[:, None]
    double = 2 * omega * times
    shift = np.arctan2(np.sin(double).sum(axis=1), np.cos(double).sum(axis=1))[:, None] / 2
    pair = []
    for wave in (np.cos(omega * times - shift), np.sin(omega * times - shift)):
        length = np.linalg.norm(wave, axis=1, keepdims=True)
        alive = length > 1e-6 * np.sqrt(len(times))
        pair.append(np.where(alive, wave / np.where(alive, length, 1.0), 0.0))
    return tuple(pair)
