"""Temporal filters as linear operators along time.

Every step of cleaning (interpolation of censored volumes, removal of a trend, filter) is
linear in the series, so each is available as a matrix. A matrix is applied to a block of
voxels with one product, whatever the number of steps behind it.
"""

from __future__ import annotations

import numpy as np

FILTERS = ("butterworth", "fourier", "fft", "none")


def check_band(low, high, tr) -> tuple[float, float]:
    """Band edges in Hz as numbers: a missing edge becomes 0 or the Nyquist frequency.

    Parameters
    ----------
    low, high : float or None
        Edges of the pass band (Hz); None or 0 leaves that side open.
    tr : float
        Sampling interval (s).

    Returns
    -------
    low, high : float

    Raises
    ------
    ValueError
        When `tr` is not a positive number, when the edges are out of order, or when one of
        them is at or above the Nyquist frequency.
    """
    if tr is None or not np.isfinite(tr) or tr <= 0:
        raise ValueError(f"tr: got {tr}, expected the sampling interval in seconds, > 0")
    nyquist = 0.5 / tr
    low = 0.0 if low is None else float(low)
    high = nyquist if not high else float(high)
    if low < 0 or high <= low:
        raise ValueError(f"band: got {low:g}-{high:g} Hz, expected 0 <= low < high")
    if high > nyquist * (1 + 1e-9):
        raise ValueError(
            f"band: {high:g} Hz is above the Nyquist frequency {nyquist:.4g} Hz of TR {tr:g} s; "
            "lower the upper edge or leave it open"
        )
    return low, min(high, nyquist)


def band_fraction(low, high, tr) -> float:
    """Share of the spectrum that the band keeps: min(1, 2 TR (high - low))."""
    return float(min(1.0, 2.0 * tr * (high - low)))


def is_filtering(low, high, tr) -> bool:
    """Whether the band leaves out any part of the spectrum."""
    return low > 0 or high < 0.5 / tr * (1 - 1e-9)


def detrend(x, *, linear=True) -> np.ndarray:
    """Remove the mean and, by default, the least-squares line of every column.

    Parameters
    ----------
    x : ndarray, shape (n_timepoints, ...)
    linear : bool
        False removes the mean only.

    Returns
    -------
    ndarray, float64
    """
    x = np.asarray(x, dtype=np.float64)
    x = x - x.mean(axis=0)
    if linear and len(x) > 1:
        line = np.arange(len(x)) - (len(x) - 1) / 2
        slope = np.tensordot(line, x, axes=(0, 0)) / (line @ line)
        x -= np.multiply.outer(line, slope)
    return x


def filter_columns(x, tr, *, low=None, high=None, kind="butterworth", order=2) -> np.ndarray:
    """Filter every column of `x` with zero phase.

    Parameters
    ----------
    x : ndarray, shape (n_timepoints, ...)
        Detrended series.
    tr : float
        Sampling interval (s).
    low, high : float or None
        Pass band (Hz).
    kind : {"butterworth", "fft", "none"}
        `butterworth` is the filter run forwards and backwards over the series, which is
        continued by reflection at both ends; of the usual continuations this one leaves the
        least out-of-band power at the ends.
        `fft` keeps the Fourier coefficients inside the band and no others.
    order : int
        Order of the Butterworth filter (2, XCP-D).

    Returns
    -------
    ndarray, float64
    """
    x = np.asarray(x, dtype=np.float64)
    low, high = check_band(low, high, tr)
    if kind == "none" or not is_filtering(low, high, tr):
        return x.copy()
    if kind == "fft":
        return _ideal(x, tr, low, high)
    if kind != "butterworth":
        raise ValueError(f"filter: got '{kind}', expected one of {', '.join(FILTERS)}")
    basis = cosine_basis(len(x))
    gain = butterworth_gain(np.arange(len(x)) / (2 * len(x) * tr), tr, low, high, order)
    flat = x.reshape(len(x), -1)
    return (basis @ (gain[:, None] * (basis.T @ flat))).reshape(x.shape)


def cosine_basis(n) -> np.ndarray:
    """Orthonormal cosines (DCT-II): column k has frequency k / (2 n) cycles per sample.

    A series in this basis is a series continued by reflection at both ends, for ever.
    """
    time = np.arange(n)[:, None] + 0.5
    basis = np.sqrt(2.0 / n) * np.cos(np.pi / n * time * np.arange(n))
    basis[:, 0] = np.sqrt(1.0 / n)
    return basis


def butterworth_gain(frequency, tr, low, high, order) -> np.ndarray:
    """Gain of a digital Butterworth filter run forwards and backwards: |H(f)|^2.

    Parameters
    ----------
    frequency : ndarray
        In Hz.
    tr : float
        Sampling interval (s).
    low, high : float
        Pass band (Hz); 0 and the Nyquist frequency leave a side open.
    order : int
        Order of one pass.

    Returns
    -------
    ndarray
        Between 0 and 1.

    References
    ----------
    Oppenheim, Schafer (2010), Discrete-Time Signal Processing, section 7.2 (bilinear map).
    """
    warped = np.tan(np.pi * np.minimum(frequency * tr, 0.5 - 1e-12))
    bottom = np.tan(np.pi * low * tr)
    with np.errstate(divide="ignore", over="ignore"):
        if high >= 0.5 / tr * (1 - 1e-9):
            ratio = bottom / warped
        elif low == 0:
            ratio = warped / np.tan(np.pi * high * tr)
        else:
            top = np.tan(np.pi * high * tr)
            ratio = (warped**2 - bottom * top) / (warped * (top - bottom))
        return 1.0 / (1.0 + ratio ** (2 * order))


def _ideal(x, tr, low, high):
    frequency = np.fft.rfftfreq(len(x), tr)
    spectrum = np.fft.rfft(x, axis=0)
    spectrum[~in_band(frequency, low, high)] = 0
    return np.fft.irfft(spectrum, n=len(x), axis=0)


def in_band(frequency, low, high) -> np.ndarray:
    """Mask of frequencies inside the closed band, with room for rounding."""
    room = 1e-9 * max(high, 1e-6)
    return (frequency >= low - room) & (frequency <= high + room)


def out_of_band_columns(n_timepoints, tr, low, high) -> tuple[np.ndarray, list[str]]:
    """Sines and cosines of all Fourier frequencies outside the band, without frequency 0.

    Parameters
    ----------
    n_timepoints : int
    tr : float
        Sampling interval (s).
    low, high : float
        Pass band (Hz).

    Returns
    -------
    columns : ndarray, shape (n_timepoints, n_columns)
    names : list of str
    """
    frequency = np.fft.rfftfreq(n_timepoints, tr)
    time = np.arange(n_timepoints)
    columns, names = [], []
    for k in np.flatnonzero(~in_band(frequency, low, high)):
        if k == 0:
            continue
        phase = 2 * np.pi * k * time / n_timepoints
        columns.append(np.cos(phase))
        names.append(f"cos_{frequency[k]:.4g}Hz")
        if 2 * k != n_timepoints:
            columns.append(np.sin(phase))
            names.append(f"sin_{frequency[k]:.4g}Hz")
    return (np.stack(columns, axis=1) if columns else np.empty((n_timepoints, 0))), names


def interpolation_matrix(keep) -> np.ndarray:
    """Matrix that fills censored time points from the kept ones.

    Natural cubic spline between kept points; before the first and after the last kept point the
    nearest kept value is repeated.

    Parameters
    ----------
    keep : ndarray of bool, shape (n_timepoints,)

    Returns
    -------
    ndarray, shape (n_timepoints, n_kept)

    Raises
    ------
    ValueError
        When nothing is kept.
    """
    keep = np.asarray(keep, dtype=bool)
    knots = np.flatnonzero(keep)
    if knots.size == 0:
        raise ValueError("keep: no time point is kept, nothing to interpolate from")
    identity = np.eye(knots.size)
    if keep.all():
        return identity
    time = np.clip(np.arange(keep.size), knots[0], knots[-1])
    if knots.size == 1:
        return np.ones((keep.size, 1))
    matrix = _spline(knots, time)
    matrix[knots] = identity
    return matrix


def _spline(knots, time) -> np.ndarray:
    """Matrix from values at the knots to the natural cubic spline through them."""
    step = np.diff(knots).astype(float)
    n = knots.size
    # Second derivatives m at the knots solve a m = b y; they are 0 at both ends.
    a, b = np.eye(n), np.zeros((n, n))
    for i in range(1, n - 1):
        a[i, i - 1 : i + 2] = step[i - 1] / 6, (step[i - 1] + step[i]) / 3, step[i] / 6
        b[i, i - 1 : i + 2] = 1 / step[i - 1], -1 / step[i - 1] - 1 / step[i], 1 / step[i]
    curvature = np.linalg.solve(a, b)
    left = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, n - 2)
    width = step[left]
    up = (time - knots[left]) / width
    down = 1.0 - up
    rows = np.arange(time.size)
    matrix = np.zeros((time.size, n))
    matrix[rows, left] += down
    matrix[rows, left + 1] += up
    matrix += ((down**3 - down) * width**2 / 6)[:, None] * curvature[left]
    matrix += ((up**3 - up) * width**2 / 6)[:, None] * curvature[left + 1]
    return matrix


def filter_matrix(keep, tr, *, low=None, high=None, kind="butterworth", order=2, linear=True):
    """Operator on kept rows: interpolate, detrend, filter, restrict to kept rows.

    Parameters
    ----------
    keep : ndarray of bool, shape (n_timepoints,)
    tr, low, high, kind, order
        See :func:`filter_columns`.
    linear : bool
        Whether the line is removed besides the mean.

    Returns
    -------
    ndarray, shape (n_kept, n_kept)
    """
    filled = detrend(interpolation_matrix(keep), linear=linear)
    return filter_columns(filled, tr, low=low, high=high, kind=kind, order=order)[keep]
