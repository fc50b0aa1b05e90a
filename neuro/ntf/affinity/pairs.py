"""How strongly two traces interact, pair by pair and bin by bin.

The publication names no formula. What is known of it: derivatives of two traces are compared on
intervals in which both keep their sign; opposite signs count as interaction; the value is
bounded, symmetric, not negative, and two silent neurons do not score high. `differential` is a
definition of ours that has these properties.
"""

from __future__ import annotations

import numpy as np

from neuro.ntf.affinity.derivative import SNR_MIN, bridged, scaled_derivatives
from neuro.ntf.affinity.excess import LAGS_S, excess

KINDS = ("excess", "differential", "product", "root", "edge_ts", "sliding_window", "phase")
SIGNED = ("excess", "edge_ts", "sliding_window", "phase")
"""Kinds whose raw value has a sign; `sign` says what becomes of it."""
SIGNS = ("positive", "negative", "blind", "raw")


def affinity(
    traces,
    fs,
    kind="differential",
    *,
    smooth_s=0.75,
    floor=0.1,
    snr_min=SNR_MIN,
    bin_s=1.0,
    window_s=None,
    signal="derivative",
    lags_s=LAGS_S,
    common=True,
    global_mean=False,
    sign="positive",
    frame_mask=None,
    bins=None,
    out=None,
) -> np.ndarray:
    """Affinity of every pair of neurons, averaged over bins.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
    fs : float
        Sampling rate in Hz.
    kind : {"excess", "differential", "product", "root", "edge_ts", "sliding_window", "phase"}
        `excess` (ours): correlation in windows around the bins beyond that at lags, see
        :func:`neuro.ntf.affinity.excess.excess`.
        `differential` (default, ours): derivatives on joint runs, see :func:`differential`.
        `product` and `root`: |d_i||d_j| of the scaled derivatives clipped at 1, and its square
        root. `edge_ts`: z_i z_j of the z-scored traces. `sliding_window`: correlation in a
        tapered window. `phase`: cosine of the difference of the Hilbert phases.
    smooth_s : float
        Gaussian-derivative filter in s (0.75, ours).
    floor : float
        Least scaled derivative of a joint run (0.1, ours).
    snr_min : float
        Gate of silent traces, see :func:`neuro.ntf.affinity.derivative.scaled_derivatives`.
    bin_s : float
        Bin width in s (1.0 for calcium, ours; 4 TR for BOLD). Frames after the last full bin
        are left out.
    window_s : float, optional
        Full length of the window in s: 20 for `excess`, 30 for the tapered one of
        `sliding_window` (ours; 20-60 is usual).
    signal, lags_s, common, global_mean
        Of `excess`.
    sign : {"positive", "negative", "blind", "raw"}
        Part of a signed value that is kept; `blind` keeps its size, `raw` (of `excess` alone) the
        value itself. Only for `excess`, `edge_ts`, `sliding_window` and `phase`; the others have
        no sign.
    frame_mask : array of bool, shape (n_frames,), optional
        False for frames without a valid value. They end runs and do not count in bins.
    bins : tuple of two arrays of int, optional
        First frame and frame after the last of every bin; replaces `bin_s`.
    out : array of float32, shape (n_bins, n_pairs), optional
        Where raw values of `excess` are written, such as a memory map.

    Returns
    -------
    ndarray of float32, shape (n_bins, n_pairs)
        In [0, 1] except for `excess` and `edge_ts`, which have no upper bound. `excess` alone
        takes traces with gaps (NaN), and is NaN where a pair was not observed.

    Raises
    ------
    ValueError
        On an unknown kind or sign, NaN in valid frames (but for `excess`), fewer than two
        neurons, or a recording shorter than one bin.
    """
    traces = np.asarray(traces)
    _check(traces, kind, sign, frame_mask)
    starts, stops = frame_bins(len(traces), fs, bin_s) if bins is None else bins
    starts, stops = np.asarray(starts, np.int64), np.asarray(stops, np.int64)
    valid = np.ones(len(traces), bool) if frame_mask is None else np.asarray(frame_mask, bool)
    if kind == "excess":
        z = excess(
            traces,
            fs,
            signal=signal,
            smooth_s=smooth_s,
            window_s=20.0 if window_s is None else window_s,
            lags_s=lags_s,
            common=common,
            global_mean=global_mean,
            observed=frame_mask,
            centres=(starts + stops) / 2,
            out=out,
        )
        return z if sign == "raw" else _signed(z, sign)
    if kind == "differential":
        d, _, _ = scaled_derivatives(
            traces, fs, smooth_s=smooth_s, snr_min=snr_min, frame_mask=frame_mask
        )
        return differential(d, floor, valid, starts, stops)
    if kind == "sliding_window":
        length = 30.0 if window_s is None else window_s
        return _sliding(bridged(traces, frame_mask), fs, length, valid, starts, stops, sign)
    if kind == "phase":
        return _phase(bridged(traces, frame_mask), valid, starts, stops, sign)
    if kind == "edge_ts" and sign == "negative":
        z, _ = _standardised(bridged(traces, frame_mask), frame_mask)
        rising, falling = np.maximum(z, 0), np.maximum(-z, 0)
        return _mean_products([(rising, falling), (falling, rising)], valid, starts, stops)
    parts, _ = separable_parts(
        traces, fs, kind, smooth_s=smooth_s, snr_min=snr_min, sign=sign, frame_mask=frame_mask
    )
    return _mean_products([(values, values) for values in parts], valid, starts, stops)


def frame_bins(n_frames: int, fs: float, bin_s: float):
    """First frame and frame after the last of consecutive bins of `bin_s` seconds.

    Raises
    ------
    ValueError
        When the recording is shorter than one bin, or a bin shorter than a frame.
    """
    n_bins = int(np.floor(n_frames / (fs * bin_s) + 1e-9))
    if n_bins < 1:
        raise ValueError(
            f"{n_frames} frames at {fs:g} Hz are {n_frames / fs:.3g} s, shorter than one bin of "
            f"{bin_s:g} s"
        )
    if fs * bin_s < 1 - 1e-9:
        raise ValueError(f"bin_s: {bin_s:g} s is shorter than one frame of {1 / fs:g} s")
    edges = np.ceil(np.arange(n_bins + 1) * fs * bin_s - 1e-9).astype(np.int64)
    return edges[:-1], np.minimum(edges[1:], n_frames)


def bin_mask(frame_mask, starts, stops) -> np.ndarray:
    """Which bins keep at least half of their frames."""
    kept = np.concatenate([[0], np.cumsum(np.asarray(frame_mask, bool))])
    starts, stops = np.asarray(starts), np.asarray(stops)
    return 2 * (kept[stops] - kept[starts]) >= np.maximum(stops - starts, 1)


def differential(d, floor, valid, starts, stops) -> np.ndarray:
    """Affinity of derivatives on joint runs.

    A joint run is a longest stretch of valid frames on which both |d| are at least `floor` and
    both signs stay the same. On it the affinity is

    ``sum |d_i||d_j| / sum max(d_i^2, d_j^2) * min(1, max|d_i|, max|d_j|)``

    and 0 elsewhere: it is 1 for equal derivatives that reach their usual peak, smaller where one
    is weaker than the other, and does not care whether one falls while the other rises.

    Parameters
    ----------
    d : array, shape (n_frames, n_neurons)
        From :func:`neuro.ntf.affinity.derivative.scaled_derivatives`.
    floor : float
    valid : array of bool, shape (n_frames,)
    starts, stops : arrays of int, shape (n_bins,)

    Returns
    -------
    ndarray of float32, shape (n_bins, n_pairs)
    """
    from neuro.ntf.kernels import joint_runs

    n = d.shape[1]
    out = np.zeros((len(starts), n * (n - 1) // 2), np.float32)
    joint_runs(np.ascontiguousarray(d.T), float(floor), valid, starts, stops, out)
    return out


def separable_parts(
    traces, fs, kind, *, smooth_s=0.75, snr_min=SNR_MIN, sign="positive", frame_mask=None
):
    """Factors of the affinities that are products: a_ij(t) is the sum of p_i(t) p_j(t).

    Parameters
    ----------
    traces, fs, smooth_s, snr_min, sign, frame_mask
        As for :func:`affinity`.
    kind : {"product", "root", "edge_ts"}

    Returns
    -------
    parts : list of ndarray of float64, shape (n_frames, n_neurons)
        Not negative; the affinity is the sum over the parts.
    silent : ndarray of bool, shape (n_neurons,)

    Raises
    ------
    ValueError
        For kinds that are not separable.
    """
    if kind in ("product", "root"):
        d, silent, _ = scaled_derivatives(
            traces, fs, smooth_s=smooth_s, snr_min=snr_min, frame_mask=frame_mask
        )
        size = np.minimum(np.abs(d), 1.0)
        return [size if kind == "product" else np.sqrt(size)], silent
    if kind != "edge_ts":
        raise ValueError(f"kind '{kind}' is not separable; product, root and edge_ts are")
    z, silent = _standardised(bridged(traces, frame_mask), frame_mask)
    if sign == "blind":
        return [np.abs(z)], silent
    if sign == "negative":
        raise ValueError("the negative part of edge_ts is not separable into products p_i p_j")
    return [np.maximum(z, 0), np.maximum(-z, 0)], silent


def silent_traces(traces, fs, kind, *, smooth_s=0.75, snr_min=SNR_MIN, frame_mask=None):
    """Which traces a kind treats as silent: gated by noise, or constant.

    Returns
    -------
    ndarray of bool, shape (n_neurons,)
    """
    if kind in ("differential", "product", "root"):
        return scaled_derivatives(
            traces, fs, smooth_s=smooth_s, snr_min=snr_min, frame_mask=frame_mask
        )[1]
    if kind == "excess":
        x = np.where(np.isfinite(traces), traces, np.nanmedian(traces, axis=0))
        return _standardised(bridged(x, frame_mask), frame_mask)[1]
    return _standardised(bridged(traces, frame_mask), frame_mask)[1]


def _check(traces, kind, sign, frame_mask):
    if kind not in KINDS:
        raise ValueError(f"kind: got '{kind}', expected one of {', '.join(KINDS)}")
    if sign not in SIGNS:
        raise ValueError(f"sign: got '{sign}', expected one of {', '.join(SIGNS)}")
    if traces.ndim != 2 or traces.shape[1] < 2:
        raise ValueError(
            f"traces: shape {traces.shape}, expected (n_frames, n_neurons) with at least 2 neurons"
        )
    if sign == "raw" and kind != "excess":
        raise ValueError(f"sign: 'raw' needs kind 'excess', got '{kind}'")
    if frame_mask is not None and len(frame_mask) != len(traces):
        raise ValueError(f"frame mask: {len(frame_mask)} values for {len(traces)} frames")
    seen = traces if frame_mask is None else traces[np.asarray(frame_mask, bool)]
    if kind != "excess" and not np.isfinite(seen).all():
        column = int(np.flatnonzero(~np.isfinite(seen).all(axis=0))[0])
        raise ValueError(f"traces: NaN or infinite values in column {column}; give a frame mask")


def _standardised(x, frame_mask):
    """z-scores over valid frames; constant traces become 0."""
    seen = x if frame_mask is None else x[np.asarray(frame_mask, bool)]
    centre, sd = seen.mean(axis=0), seen.std(axis=0)
    silent = sd <= 1e-12 * np.maximum(np.abs(centre), np.abs(seen - centre).max(axis=0))
    return np.where(silent, 0.0, (x - centre) / np.where(silent, 1.0, sd)), silent


def _signed(value, sign):
    if sign == "blind":
        return np.abs(value)
    return np.maximum(value if sign == "positive" else -value, 0)


def _mean_products(parts, valid, starts, stops):
    """Mean over each bin of the sum of products, by one small product per bin and part."""
    n = parts[0][0].shape[1]
    pairs = np.triu_indices(n, 1)
    out = np.zeros((len(starts), len(pairs[0])), np.float32)
    for k, (first, last) in enumerate(zip(starts, stops)):
        rows = np.arange(first, last)[valid[first:last]]
        if len(rows):
            full = sum(left[rows].T @ right[rows] for left, right in parts)
            out[k] = full[pairs] / len(rows)
    return out


def _sliding(x, fs, window_s, valid, starts, stops, sign):
    """Correlation in a Hann window around the centre of each bin."""
    n = x.shape[1]
    pairs = np.triu_indices(n, 1)
    out = np.zeros((len(starts), len(pairs[0])), np.float32)
    x = x - x.mean(axis=0)
    half = max(1, round(window_s * fs / 2))
    level = np.abs(x).max(axis=0)
    for k, (first, last) in enumerate(zip(starts, stops)):
        centre = (first + last - 1) / 2
        rows = np.arange(max(0, int(centre) - half), min(len(x), int(centre) + half + 1))
        rows = rows[valid[rows]]
        if len(rows) < 3 or not valid[first:last].any():
            continue
        weight = 0.5 + 0.5 * np.cos(np.pi * (rows - centre) / (half + 1))
        weight /= weight.sum()
        block = x[rows] - weight @ x[rows]
        covariance = (block * weight[:, None]).T @ block
        sd = np.sqrt(np.diag(covariance))
        moving = sd > 1e-9 * level
        scale = np.where(moving, 1 / np.where(moving, sd, 1), 0)
        correlation = np.clip(covariance * scale[:, None] * scale, -1, 1)
        out[k] = _signed(correlation[pairs], sign)
    return out


def _phase(x, valid, starts, stops, sign):
    """Mean over each bin of the cosine of phase differences."""
    from scipy.signal import hilbert

    n = x.shape[1]
    pairs = np.triu_indices(n, 1)
    out = np.zeros((len(starts), len(pairs[0])), np.float32)
    z, silent = _standardised(x, None)
    phase = np.angle(hilbert(z, axis=0))
    cosine, sine = np.cos(phase), np.sin(phase)
    cosine[:, silent] = sine[:, silent] = 0.0
    for k, (first, last) in enumerate(zip(starts, stops)):
        rows = np.arange(first, last)[valid[first:last]]
        for row in rows:
            agreement = np.outer(cosine[row], cosine[row]) + np.outer(sine[row], sine[row])
            out[k] += _signed(np.clip(agreement[pairs], -1, 1), sign) / len(rows)
    return out
