"""Correlation beyond chance: how much two traces agree now, against shifted by some seconds.

The correlation of two slow traces in a short window is large by chance alone, and the more so the
slower they are. Here it is compared with the correlations of the same window of one trace with
later and earlier windows of the other, pair by pair: what is left depends neither on how often a
trace moves nor on how smooth it is.
"""

from __future__ import annotations

import mmap

import numpy as np

SIGNALS = ("derivative", "level")
LEVEL_SD_S = 60.0
"""Slow drift that `level` takes off."""
LAGS_S = (5.0, 10.0, 15.0, 20.0)
"""Lags for calcium, both signs."""
BOLD_LAGS_S = (20.0, 30.0, 40.0, 50.0, 60.0)
KEPT = 16
"""Windows of a result in a file that stay in memory."""
ROWS = 64
"""Neurons that are correlated with all others at a time."""
MIN_SHARE = 0.5
"""Least share of a window in which two neurons must have values."""


def excess(
    traces,
    fs,
    *,
    signal="derivative",
    smooth_s=0.75,
    window_s=20.0,
    lags_s=LAGS_S,
    common=True,
    global_mean=False,
    observed=None,
    centres=None,
    out=None,
) -> np.ndarray:
    """Correlation of every pair in every window, in standard deviations above lagged ones.

    ``z_ij(k) = (r_ij(k, 0) - mean_l r_ij(k, l)) / s_ij``, where r_ij(k, l) is Pearson's
    correlation of one neuron in window k with the other in the window moved by lag l, the mean is
    over both signs of all L lags and either neuron being moved, and s_ij^2 is the variance over
    lags, averaged over the windows of the pair, times 1 + 1/L for the error of the mean (ours).
    With `common`, what all pairs of a window share is taken off: neurons that merely rise together
    because the whole network does are no interaction of two.

    Parameters
    ----------
    traces : array, shape (n_frames, n_neurons)
        NaN where a neuron has no value; that costs its own pairs in these windows only.
    fs : float
        Sampling rate in Hz.
    signal : {"derivative", "level"}
        What is correlated: the slope of the Gaussian-smoothed trace, or the trace without its slow
        drift (Gaussian mean of 60 s), for slow indicators and BOLD.
    smooth_s : float, default 0.75
        Standard deviation of the Gaussian-derivative filter in s.
    window_s : float, default 20
        Length of a window in s; 60 for BOLD.
    lags_s : sequence of float, default (5, 10, 15, 20)
        Lags in s; each is used with both signs where the recording allows.
    common : bool, default True
        Whether the mean over all pairs of a window is subtracted from it.
    global_mean : bool, default False
        Whether the mean over neurons is regressed out first (for BOLD).
    observed : array of bool, shape (n_frames,) or (n_frames, n_neurons), optional
        False where there is no value, besides NaN.
    centres : array of float, shape (n_windows,), optional
        Frames around which windows lie; default every half window.
    out : array of float32, shape (n_windows, n_pairs), optional
        Where the result is written, such as a memory map.

    Returns
    -------
    ndarray of float32, shape (n_windows, n_pairs)
        Pairs in the order of `numpy.triu_indices`. NaN where the two share less than half a
        window; 0 for constant traces.

    Raises
    ------
    ValueError
        On an unknown signal, or a recording shorter than a window and the least lag.
    """
    if signal not in SIGNALS:
        raise ValueError(f"signal: got '{signal}', expected one of {', '.join(SIGNALS)}")
    x, seen = prepared(traces, fs, signal, smooth_s, global_mean, observed)
    n_frames, n_neurons = x.shape
    width = round(window_s * fs)
    lags = sorted({round(lag * fs) for lag in lags_s} - {0})
    if not lags:
        raise ValueError(f"lags_s: got {list(lags_s)}, expected at least one of a frame and more")
    if width < 4 or n_frames < width + lags[0]:
        raise ValueError(
            f"{n_frames / fs:.3g} s at {fs:g} Hz: too short for windows of {window_s:g} s and lags "
            f"of {min(lags_s):g} s and more"
        )
    if centres is None:
        centres = np.arange(width / 2, n_frames - width / 2 + 0.5, max(1, width // 2))
    first = np.clip(np.round(np.asarray(centres, float) - width / 2), 0, n_frames - width)
    n_pairs = n_neurons * (n_neurons - 1) // 2
    out = np.empty((len(first), n_pairs), np.float32) if out is None else out
    variance, counted = np.zeros(n_pairs), np.zeros(n_pairs)
    windows = _Windows(x, seen, width)
    for k, start in enumerate(first.astype(int)):
        out[k], spread = _against_lags(windows, start, lags)
        finite = np.isfinite(spread)
        variance += np.where(finite, spread, 0)
        counted += finite
        if k % KEPT == KEPT - 1:
            give_back(out)
    scale = np.sqrt(variance / np.maximum(counted, 1) * (1 + 0.5 / len(lags)))
    moving = scale > 1e-6
    inverse = np.where(moving, 1 / np.where(moving, scale, 1), 0).astype(np.float32)
    for k in range(len(out)):
        row = out[k] * inverse
        finite = np.isfinite(row) & moving
        if common and finite.any():
            np.subtract(row, row[finite].mean(), out=row, where=moving)
        out[k] = row
        if k % KEPT == KEPT - 1:
            give_back(out)
    return out


def give_back(values):
    """Write the pages of a memory map and give them back: they count as memory of the process."""
    mapped = getattr(values, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        values.flush()
        mapped.madvise(mmap.MADV_DONTNEED)


def prepared(traces, fs, signal, smooth_s, global_mean=False, observed=None):
    """The signals that are correlated, and where each neuron has a value.

    Returns
    -------
    x : ndarray of float64, shape (n_frames, n_neurons)
        0 where not observed.
    seen : ndarray of bool, shape (n_frames, n_neurons)
    """
    from scipy.ndimage import correlate1d, gaussian_filter1d

    from neuro.ntf.affinity.derivative import derivative_kernel

    x = np.array(traces, np.float64)
    seen = np.isfinite(x)
    if observed is not None:
        rows = np.asarray(observed, bool)
        seen &= rows[:, None] if rows.ndim == 1 else rows
    x = filled(x, seen)
    if global_mean:
        x = _without_mean(x, seen)
    if signal == "derivative":
        x = correlate1d(x, derivative_kernel(fs, smooth_s), axis=0, mode="reflect")
    else:
        # the mean of what was observed: gaps must not pull it towards their filling
        weight = gaussian_filter1d(seen.astype(float), LEVEL_SD_S * fs, axis=0, mode="reflect")
        slow = gaussian_filter1d(x * seen, LEVEL_SD_S * fs, axis=0, mode="reflect")
        x = x - slow / np.maximum(weight, 1e-12)
    return np.where(seen, x, 0.0), seen


def filled(x, seen):
    """Traces around their medians, gaps bridged by lines; neurons without a value are 0."""
    frames = np.arange(len(x))
    for column in np.flatnonzero(~seen.all(axis=0)):
        good = seen[:, column]
        x[:, column] = np.interp(frames, frames[good], x[good, column]) if good.any() else 0.0
    # filters must not see rounding of a large constant
    return x - np.median(x, axis=0)


def _without_mean(x, seen):
    """Residuals of each neuron on the mean over the observed ones."""
    mean = (x * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    count = np.maximum(seen.sum(axis=0), 1)
    centred = mean[:, None] - (mean[:, None] * seen).sum(axis=0) / count
    own = x - (x * seen).sum(axis=0) / count
    slope = (own * centred * seen).sum(axis=0) / np.maximum((centred**2 * seen).sum(axis=0), 1e-300)
    return own - slope * centred


class _Windows:
    """Standardised windows of all neurons; those of complete neurons are kept for a while."""

    def __init__(self, x, seen, width):
        self.x, self.seen, self.width = x, seen, width
        level = np.abs(x).max(axis=0)
        self.floor = 1e-9 * np.where(level > 0, level, 1)
        self._kept: dict = {}

    def __len__(self):
        return len(self.x) - self.width + 1

    def at(self, start):
        """z-scored columns over sqrt(width), float32; 0 for constant and incomplete neurons."""
        if start not in self._kept:
            block = self.x[start : start + self.width]
            block = block - block.mean(axis=0)
            size = np.sqrt((block**2).sum(axis=0))
            whole = self.seen[start : start + self.width].all(axis=0)
            usable = whole & (size > self.floor * np.sqrt(self.width))
            scaled = np.where(usable, block / np.where(usable, size, 1), 0).astype(np.float32)
            if len(self._kept) > 64:
                self._kept.pop(next(iter(self._kept)))
            self._kept[start] = scaled, np.flatnonzero(~whole)
        return self._kept[start]

    def correlation(self, one, other, rows):
        """Pearson's r of some neurons in window `one` with every neuron in window `other`."""
        (left, gaps), (right, other_gaps) = self.at(one), self.at(other)
        r = left[:, rows].T @ right
        own = np.isin(rows, gaps)
        if own.any():
            r[own] = self._in_common(one, other, rows[own])
        if len(other_gaps):
            r[:, other_gaps] = self._in_common(other, one, other_gaps)[:, rows].T
        return r

    def _in_common(self, one, other, rows):
        """The same for some neurons of `one`, over the frames that both have."""
        block = slice(one, one + self.width)
        rest = slice(other, other + self.width)
        x, m = self.x[block][:, rows], self.seen[block][:, rows].astype(float)
        y, w = self.x[rest], self.seen[rest].astype(float)
        n = m.T @ w
        safe = np.maximum(n, 1)
        mean_x, mean_y = (x.T @ w) / safe, (m.T @ y) / safe
        covariance = (x.T @ y) / safe - mean_x * mean_y
        var_x = ((x**2).T @ w) / safe - mean_x**2
        var_y = (m.T @ (y**2)) / safe - mean_y**2
        usable = (var_x > self.floor[rows, None] ** 2) & (var_y > self.floor**2)
        r = np.where(usable, covariance / np.sqrt(np.where(usable, var_x * var_y, 1)), 0)
        r[n < MIN_SHARE * self.width] = np.nan
        return np.clip(r, -1, 1)


def _against_lags(windows, start, lags):
    """Correlation now minus the mean over lags, and the variance over lags, pair by pair."""
    others = [
        other for lag in lags for other in (start - lag, start + lag) if 0 <= other < len(windows)
    ]
    now, gaps = windows.at(start)
    rest = [windows.at(other) for other in others]
    n = now.shape[1]
    ends = np.cumsum(np.arange(n - 1, -1, -1))
    difference, spread = np.full((2, n * (n - 1) // 2), np.nan, np.float32)
    if not others:
        return difference, spread
    # correlations are products, so their sum over lags is the product with the sum
    total = np.sum([block for block, _ in rest], axis=0)
    for first in range(0, n, ROWS):
        # pairs below the diagonal are those above it; a few rows at a time stay in the cache
        rows, right = slice(first, first + ROWS), slice(first, n)
        r = now[:, rows].T @ now[:, right]
        sums = now[:, rows].T @ total[:, right] + total[:, rows].T @ now[:, right]
        squares = np.zeros_like(sums)
        for block, _ in rest:
            # either neuron may be the one that is moved
            for one, other in ((now, block), (block, now)):
                moved = one[:, rows].T @ other[:, right]
                moved *= moved
                squares += moved
        r, squares = _moments(r, sums, squares, 2 * len(others))
        for k, (values, variance) in enumerate(zip(r, squares)):
            pairs = slice(ends[first + k] - len(values) + k + 1, ends[first + k])
            difference[pairs], spread[pairs] = values[k + 1 :], variance[k + 1 :]
    gaps = np.unique(np.concatenate([gaps, *(one for _, one in rest)]))
    for neuron, *rows in zip(gaps, *_with_gaps(windows, start, others, gaps)):
        partners = np.flatnonzero(np.arange(n) != neuron)
        low, high = np.minimum(partners, neuron), np.maximum(partners, neuron)
        pairs = ends[low] - n + high
        difference[pairs], spread[pairs] = (row[partners] for row in rows)
    return difference, spread


def _with_gaps(windows, start, others, rows):
    """The same for neurons that lack a value somewhere, with all neurons; one row each."""
    now = windows.correlation(start, start, rows)
    sums, squares, count = np.zeros((3, *now.shape), np.float32)
    for other in others:
        for one, two in ((start, other), (other, start)):
            # the second is the transpose, whose rows are these columns
            r = windows.correlation(one, two, rows)
            finite = np.isfinite(r)
            r[~finite] = 0
            sums += r
            squares += r * r
            count += finite
    return _moments(now, sums, squares, count)


def _moments(now, sums, squares, count):
    """Now minus the mean over lags, and their variance; NaN with fewer than two."""
    usable = (np.asarray(count) >= 2) & np.isfinite(now)
    mean = sums / np.where(usable, count, 1)
    spread = (squares - count * mean**2) / np.where(usable, count - 1, 1)
    return np.where(usable, now - mean, np.nan), np.where(usable, np.maximum(spread, 0), np.nan)
