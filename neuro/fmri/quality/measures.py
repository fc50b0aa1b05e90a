"""Quality measures of a run: motion, intensity jumps, signal to noise, power in the band."""

from __future__ import annotations

import numpy as np

from neuro.fmri.clean.filters import check_band, detrend, in_band, interpolation_matrix

HEAD_RADIUS_MM = 50.0
"""Radius on which rotations are turned into millimetres (Power et al. 2012)."""
BLOCK = 2048
"""Voxels per block; keeps double-precision copies small."""


def framewise_displacement(motion, radius=HEAD_RADIUS_MM, kind="power") -> np.ndarray:
    """Head displacement from one volume to the next.

    Parameters
    ----------
    motion : ndarray, shape (n_volumes, 6)
        Translations (mm), then rotations (rad).
    radius : float
        Head radius in mm (50 for `power`, Power et al. 2012; FSL uses 80 for `jenkinson`).
    kind : {"power", "jenkinson"}
        `power` is the sum of absolute differences, rotations as arc length. `jenkinson` is
        the root mean square displacement over a sphere centred on the origin.

    Returns
    -------
    ndarray, shape (n_volumes,)
        In mm; the first value is NaN.

    Raises
    ------
    ValueError
        When there are not six columns or `kind` is unknown.

    References
    ----------
    Power, Barnes, Snyder, Schlaggar, Petersen (2012), NeuroImage 59:2142-2154.
    Jenkinson (1999), FMRIB technical report TR99MJ1.
    """
    motion = np.asarray(motion, dtype=float)
    if motion.ndim != 2 or motion.shape[1] != 6:
        raise ValueError(f"motion: shape {motion.shape}, expected (n_volumes, 6)")
    fd = np.full(len(motion), np.nan)
    if kind == "power":
        step = np.abs(np.diff(motion, axis=0))
        fd[1:] = step[:, :3].sum(axis=1) + radius * step[:, 3:].sum(axis=1)
    elif kind == "jenkinson":
        from neuro.fmri.raw.rigid import rigid_matrix

        matrices = [rigid_matrix(row) for row in motion]
        for t in range(1, len(motion)):
            change = matrices[t] @ np.linalg.inv(matrices[t - 1]) - np.eye(4)
            turn, shift = change[:3, :3], change[:3, 3]
            fd[t] = np.sqrt(radius**2 / 5 * np.trace(turn.T @ turn) + shift @ shift)
    else:
        raise ValueError(f"kind: got '{kind}', expected 'power' or 'jenkinson'")
    return fd


def blocks(n, width=BLOCK):
    """Slices that cover `range(n)`."""
    return (slice(start, min(start + width, n)) for start in range(0, n, width))


def dvars(series, scale=True) -> tuple[np.ndarray, np.ndarray]:
    """DVARS and standardised DVARS.

    DVARS is the root mean square over voxels of the difference to the previous volume, in
    units of a run whose median is 1000. Standardised DVARS divides it by the value expected
    from noise: sd sqrt(2 (1 - rho)) averaged over voxels, with the robust sd (IQR / 1.349)
    and the lag-1 autocorrelation of each voxel. It averages 1 where nothing happens.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        Constant or non-finite voxels are left out.
    scale : bool
        Scale the run to a median of 1000 (default); False for series without a baseline.

    Returns
    -------
    dvars, std_dvars : ndarray, shape (n_volumes,)
        The first value is NaN.

    References
    ----------
    Power et al. (2012), NeuroImage 59:2142-2154; Nichols (2013), Notes on DVARS.
    """
    n = len(series)
    total, expected, count = np.zeros(max(n - 1, 0)), 0.0, 0
    for block in blocks(series.shape[1]):
        # Voxels as rows: every statistic below then runs along contiguous memory.
        x = np.ascontiguousarray(series[:, block].T, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            spread = x.max(axis=1) - x.min(axis=1)
            x = x[np.isfinite(spread) & (spread > 0)]
        if not len(x) or n < 3:
            continue
        total += (np.diff(x, axis=1) ** 2).sum(axis=0)
        sd = _interquartile_range(x) / 1.349
        x -= x.mean(axis=1, keepdims=True)
        rho = np.einsum("vt,vt->v", x[:, 1:], x[:, :-1]) / np.einsum("vt,vt->v", x, x)
        expected += (sd * np.sqrt(2 * (1 - rho))).sum()
        count += len(x)
    raw, standard = np.full(n, np.nan), np.full(n, np.nan)
    if count == 0:
        return raw, standard
    raw[1:] = np.sqrt(total / count)
    if expected > 0:
        standard[1:] = raw[1:] / (expected / count)
    if scale:
        middle = run_median(series)
        raw = raw * (1000.0 / middle) if middle > 0 else raw
    return raw, standard


def _interquartile_range(x):
    """Difference of the quartiles along the last axis, interpolated linearly."""
    n = x.shape[1]
    places = np.array([0.25, 0.75]) * (n - 1)
    lower = np.floor(places).astype(int)
    upper = np.minimum(lower + 1, n - 1)
    ordered = np.partition(x, np.unique(np.concatenate([lower, upper])), axis=1)
    quartile = ordered[:, lower] + (places - lower) * (ordered[:, upper] - ordered[:, lower])
    return quartile[:, 1] - quartile[:, 0]


def run_median(series, n_volumes=20) -> float:
    """Median over voxels and (evenly spaced) volumes of a run."""
    rows = np.unique(np.linspace(0, len(series) - 1, min(n_volumes, len(series))).astype(int))
    values = np.asarray(series[rows])
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else 0.0


def tsnr(series) -> np.ndarray:
    """Temporal signal-to-noise ratio: mean over time divided by standard deviation.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        Before cleaning; a cleaned series has no mean left.

    Returns
    -------
    ndarray, shape (n_voxels,)
        0 for constant or non-finite voxels.
    """
    out = np.zeros(series.shape[1], dtype=np.float32)
    for block in blocks(series.shape[1]):
        x = np.asarray(series[:, block], dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = x.mean(axis=0) / x.std(axis=0)
            flat = ~np.isfinite(ratio) | (x.max(axis=0) == x.min(axis=0))
        out[block] = np.where(flat, 0.0, ratio)
    return out


def in_band_power(series, tr, low, high, kept=None) -> np.ndarray:
    """Share of the power, frequency 0 aside, that lies inside the band.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_series) or (n_kept, n_series)
    tr : float
        Sampling interval (s).
    low, high : float or None
        Band (Hz), edges included.
    kept : ndarray of bool, shape (n_volumes,), optional
        The volumes that `series` holds, when some are censored; gaps are interpolated as
        cleaning does it.

    Returns
    -------
    ndarray, shape (n_series,)
        NaN for constant series.
    """
    x = np.asarray(series, dtype=np.float64)
    if kept is not None and not np.all(kept):
        kept = np.asarray(kept, dtype=bool)
        if len(x) == kept.size:
            x = x[kept]
        first, last = np.flatnonzero(kept)[[0, -1]]
        x = interpolation_matrix(kept[first : last + 1]) @ x
    low, high = check_band(low, high, tr)
    x = x - x.mean(axis=0)
    size = np.abs(np.asarray(series)).max(axis=0, initial=0)
    spectrum = np.abs(np.fft.rfft(x, axis=0)) ** 2
    if len(x) % 2 == 0:
        spectrum[-1] *= 0.5  # the other frequencies stand for two coefficients, this one for one
    spectrum[0] = 0
    power = spectrum.sum(axis=0)
    inside = spectrum[in_band(np.fft.rfftfreq(len(x), tr), low, high)].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = inside / power
    return np.where(power > (1e-9 * size) ** 2 * len(x), share, np.nan)


def sample_voxels(n_voxels, limit) -> np.ndarray:
    """At most `limit` voxels, evenly spread over the voxel order."""
    if n_voxels <= limit:
        return np.arange(n_voxels)
    return np.unique(np.linspace(0, n_voxels - 1, limit).round().astype(int))


def carpet(series, n_voxels=600, linear=True) -> np.ndarray:
    """A carpet plot's array: some voxels, each z-scored over time.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    n_voxels : int
        Rows at most (600).
    linear : bool
        Remove a line before scaling.

    Returns
    -------
    ndarray, shape (<= n_voxels, n_volumes), float16
        Constant voxels are 0.
    """
    chosen = sample_voxels(series.shape[1], n_voxels)
    x = np.asarray(series[:, chosen], dtype=np.float64)
    x = detrend(np.where(np.isfinite(x), x, 0.0), linear=linear)
    sd = x.std(axis=0)
    live = sd > 1e-9 * (1e-30 + np.abs(series[:, chosen]).max(axis=0, initial=0))
    z = np.divide(x, sd, out=np.zeros_like(x), where=live)
    return np.clip(z, -10, 10).T.astype(np.float16)
