"""Scaled derivatives of traces, and which traces are silent."""

from __future__ import annotations

import numpy as np

SNR_MIN = 1.5
"""Gate of silent traces (ours, set on planted data; see docs/ntf.md)."""
QUANTILE = 0.99
_NORMAL_QUANTILE = 2.5758293035489004
"""The 99 % quantile of |x| of a standard normal variable."""
_MAD = 1.482602218505602
"""Median absolute deviation to standard deviation, for normal noise."""


def derivative_kernel(fs: float, smooth_s: float) -> np.ndarray:
    """Derivative of a Gaussian, sampled; correlate a trace with it for its slope per frame.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    smooth_s : float
        Standard deviation of the Gaussian in s.

    Returns
    -------
    ndarray of float64, odd length
        A ramp of slope 1 per frame gives 1.
    """
    sd = smooth_s * fs
    radius = max(1, int(np.ceil(4 * sd)))
    frames = np.arange(-radius, radius + 1)
    kernel = frames * np.exp(-0.5 * (frames / sd) ** 2)
    return kernel / (kernel @ frames)


def scaled_derivatives(traces, fs, *, smooth_s=0.75, snr_min=SNR_MIN, frame_mask=None):
    """Smoothed derivatives, each divided by its own 99 % quantile.

    Dividing by its own quantile would lift a trace of mere noise to full amplitude. So it is
    decided first whether a trace is silent: the quantile of its derivative is compared with the
    one that white noise of the trace's own high-frequency level would give. Both change alike
    when the trace is scaled. Traces that were low-pass filtered before have next to no such
    noise and always pass.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
    fs : float
        Sampling rate in Hz.
    smooth_s : float
        Standard deviation of the Gaussian-derivative filter in s (0.75, ours).
    snr_min : float
        Traces with a smaller ratio are silent (default :data:`SNR_MIN`, ours). 0 switches the
        gate off, and only constant traces are silent.
    frame_mask : array of bool, shape (n_frames,), optional
        False for frames without a valid value; they are bridged by a line before the filter.

    Returns
    -------
    d : ndarray of float64, shape (n_frames, n_neurons)
        0 for silent traces.
    silent : ndarray of bool, shape (n_neurons,)
    ratio : ndarray of float64, shape (n_neurons,)
        What `snr_min` is compared with; infinite where there is no high-frequency noise.
    """
    from scipy.ndimage import correlate1d

    x = bridged(traces, frame_mask)
    # a constant must give exactly 0, whatever its size
    x = x - np.median(x, axis=0)
    valid = np.ones(len(x), bool) if frame_mask is None else np.asarray(frame_mask, bool)
    kernel = derivative_kernel(fs, smooth_s)
    # reflection: repeating the last frame would multiply its noise by half the kernel
    d = correlate1d(x, kernel, axis=0, mode="reflect")
    quantile = np.quantile(np.abs(d[valid]), QUANTILE, axis=0)
    extent = np.abs(x).max(axis=0)
    flat = quantile <= 1e-9 * extent
    expected = _NORMAL_QUANTILE * noise_level(x, valid) * np.linalg.norm(kernel)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(expected > 0, quantile / expected, np.inf)
    ratio[flat] = 0.0
    silent = flat | (ratio < snr_min)
    d[:, silent] = 0.0
    d[:, ~silent] /= quantile[~silent]
    return d, silent, ratio


def noise_level(x, valid=None) -> np.ndarray:
    """Standard deviation of the white noise in traces, from their second differences.

    The median absolute deviation ignores the few frames in which a signal bends.

    Parameters
    ----------
    x : array, shape (n_frames, n_neurons)
    valid : array of bool, shape (n_frames,), optional

    Returns
    -------
    ndarray of float64, shape (n_neurons,)
    """
    bend = x[:-2] - 2 * x[1:-1] + x[2:]
    if valid is not None:
        whole = valid[:-2] & valid[1:-1] & valid[2:]
        bend = bend[whole]
    if not len(bend):
        return np.zeros(x.shape[1])
    return _MAD * np.median(np.abs(bend), axis=0) / np.sqrt(6.0)


def bridged(traces, frame_mask=None) -> np.ndarray:
    """Traces in double precision, with masked frames bridged by straight lines.

    Raises
    ------
    ValueError
        When no frame is valid.
    """
    x = np.array(traces, dtype=np.float64)
    if frame_mask is None:
        return x
    valid = np.asarray(frame_mask, bool)
    if not valid.any():
        raise ValueError("frame mask: no frame is valid")
    if not valid.all():
        good, gap = np.flatnonzero(valid), np.flatnonzero(~valid)
        for column in range(x.shape[1]):
            x[gap, column] = np.interp(gap, good, x[good, column])
    return x
