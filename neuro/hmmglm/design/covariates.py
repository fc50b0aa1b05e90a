"""From what was recorded beside the spikes to columns of the design: bins, lags, bases."""

from __future__ import annotations

import dataclasses
import itertools
import warnings

import numpy as np
import pandas as pd

from neuro.io.covariates import Series, read_series
from neuro.io.problems import InputProblem

GAP_STEPS = 5
"""A value is interpolated between samples at most so many typical steps, or one bin, apart; bins
inside a longer gap have none."""

UNEVEN = 0.05
"""Share of a step by which the samples of a filtered series may be off."""

COLUMNS = ["column", "covariate", "lag_s", "emissions", "transitions"]
"""Of the table of columns."""

RANGE = (1.0, 99.0)
"""Percentiles between which a basis lies; values beyond count as the ends: tracking jumps."""

MOST_MISSING = 0.5
"""Covariates that lack more of the observed bins than this are refused."""

CLASSES = 30
"""Most classes of a one-hot basis."""


@dataclasses.dataclass(frozen=True)
class Covariate:
    """One entry of `hmmglm.covariates`.

    Attributes
    ----------
    name : str
    file : str, list of str or None
        One for all recordings of a set, or one each; None: the recording itself.
    column : str, list of str or None
        See :func:`neuro.io.covariates.read_series`.
    measure : {'value', 'held', 'speed', 'events', 'power'}
        Mean over the bin, interpolated where samples are rarer than bins; the last value at or
        before the start of the bin; length of the gradient of the columns per second; number of
        samples in the bin; log power in `band_hz`.
    basis : {'linear', 'raised_cosine', 'bspline', 'onehot'}
    n_basis : int
        Columns per value; of a one-hot basis of more numbers than that, intervals.
    lags_s : list of float
        How long before the bin the value is taken (s); each makes columns of its own.
    band_hz : (float, float) or None
    acts_on : list of str
        From 'emissions' and 'transitions'.
    """

    name: str
    file: str | list | None = None
    column: str | list | None = None
    measure: str = "value"
    basis: str = "linear"
    n_basis: int = 5
    lags_s: tuple | list = (0.0,)
    band_hz: tuple | list | None = None
    acts_on: tuple | list = ("emissions",)

    def path(self, number: int, recording):
        """The file for a recording of the set."""
        if self.file is None:
            return recording
        return self.file if isinstance(self.file, str) else self.file[number]


def entries(section: dict) -> list[Covariate]:
    """The covariates of a set from `hmmglm.covariates`, by name: no order of keys changes a fit."""
    return [Covariate(key, **section[key]) for key in sorted(section)]


def binned(covariates, paths, number, recording, starts, lengths, bin_s):
    """Values of the covariates in the bins of one recording.

    Parameters
    ----------
    covariates : list of Covariate
    paths : list of path-like
        Recordings of the set.
    number : int
        Which of them.
    recording : path-like
    starts : sequence of float
        Time of the first bin of every sequence (s).
    lengths : sequence of int
    bin_s : float

    Returns
    -------
    dict of str to list of ndarray, shape (T_i, L, C)
        By covariate: lags, then columns. Numbers or texts.

    Raises
    ------
    InputProblem
        All problems at once, one line each.
    """
    values, problems = {}, []
    for one in covariates:
        try:
            if isinstance(one.file, list) and len(one.file) != len(paths):
                raise InputProblem(
                    f"hmmglm.covariates.{one.name}.file: {len(one.file)} files for "
                    f"{len(paths)} recordings"
                )
            if str(recording).lower().endswith((".npz", ".npy")) and one.file is None:
                values[one.name] = _beside_counts(recording, one, lengths, bin_s)
                continue
            series = read_series(one.path(number, recording), one.column)
            values[one.name] = [
                np.stack(
                    [in_bins(series, one, start - lag, n, bin_s) for lag in one.lags_s], axis=1
                )
                for start, n in zip(starts, lengths)
            ]
            _overlap(series, one, values[one.name], starts, lengths, bin_s)
        except InputProblem as problem:
            problems += problem.problems
    if problems:
        raise InputProblem(problems)
    return values


def _beside_counts(path, one, lengths, bin_s):
    """Columns of a file of counts: arrays with one value per bin, `x`, or `x_0`, `x_1`, ..."""
    from neuro.io.formats.damaged import readable

    columns = [one.column] if isinstance(one.column, str) else list(one.column or [one.name])
    with readable(path, "not a plain .npz of numbers"), np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    parts = []
    for column in columns:
        numbered = [f"{column}_{k}" for k in range(len(lengths)) if f"{column}_{k}" in arrays]
        names = [column] if column in arrays else numbered
        if not names:
            raise InputProblem(f"{path}: no array '{column}'; found: {', '.join(arrays)}")
        parts.append([np.asarray(arrays[name]) for name in names])
    whole = np.concatenate([_lagged(np.column_stack(block), one, bin_s) for block in zip(*parts)])
    if len(whole) != sum(lengths):
        raise InputProblem(
            f"{path}: array '{columns[0]}' has {len(whole)} values for {sum(lengths)} bins"
        )
    return np.split(whole, np.cumsum(lengths)[:-1])


def _lagged(values, one, bin_s):
    """Values of earlier bins of the same sequence, missing at its start."""
    values = values.astype(float) if values.dtype.kind in "fiub" else values
    empty = np.nan if values.dtype.kind == "f" else ""
    shifted = []
    for lag in one.lags_s:
        steps = round(lag / bin_s)
        earlier = np.full(values.shape, empty, values.dtype)
        earlier[steps:] = values[: len(values) - steps]
        shifted.append(earlier)
    return np.stack(shifted, axis=1)


def in_bins(series: Series, one: Covariate, start: float, n_bins: int, bin_s: float) -> np.ndarray:
    """A series in bins `[start + k bin_s, start + (k + 1) bin_s)`, shape (n_bins, C)."""
    time, values = series.time, series.values
    edges = start + np.arange(n_bins + 1) * bin_s
    if one.measure == "events":
        counted = np.diff(np.searchsorted(time, edges - 1e-9 * np.maximum(np.abs(edges), 1)))
        return counted[:, None].astype(float)
    if one.measure == "held" or values.dtype.kind == "U":
        latest = np.searchsorted(time, edges[:-1] + 1e-9, side="right") - 1
        kept = values[np.maximum(latest, 0)].copy()
        kept[latest < 0] = np.nan if kept.dtype.kind == "f" else ""
        return kept
    numbers = np.asarray(values, float)
    if one.measure == "power":
        return np.log(np.maximum(_means(time, _power(series, one), edges), 1e-12))
    if one.measure == "speed":
        wide = start + np.arange(-1, n_bins + 2) * bin_s
        # the mean time goes with the mean place: samples do not fall evenly into bins
        around = _means(time, np.column_stack([numbers, time]), wide)
        steps = around[2:] - around[:-2]
        steps = steps[:, :-1] / steps[:, -1:]
        return np.sqrt((steps**2).sum(axis=1))[:, None]
    return _means(time, numbers, edges)


def _means(time, values, edges) -> np.ndarray:
    """Mean of the samples in each bin; where there is none, interpolated over short gaps."""
    first, end = np.searchsorted(time, edges[:-1]), np.searchsorted(time, edges[1:])
    finite = np.isfinite(values)
    sums = np.concatenate(
        [np.zeros((1, values.shape[1])), np.cumsum(np.where(finite, values, 0), 0)]
    )
    counts = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(finite, 0)])
    n = counts[end] - counts[first]
    out = np.where(n > 0, (sums[end] - sums[first]) / np.maximum(n, 1), np.nan)
    centre = (edges[:-1] + edges[1:]) / 2
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    longest = max(GAP_STEPS * step, edges[1] - edges[0])
    for column in range(values.shape[1]):
        empty = np.flatnonzero(np.isnan(out[:, column]))
        there = finite[:, column]
        if not empty.size or not there.any():
            continue
        own, own_values = time[there], values[there, column]
        right = np.searchsorted(own, centre[empty])
        inside = (right > 0) & (right < len(own))
        near = inside & (own[np.minimum(right, len(own) - 1)] - own[right - 1] <= longest)
        out[empty[near], column] = np.interp(centre[empty[near]], own, own_values)
    return out


def _power(series, one) -> np.ndarray:
    """Squared samples after a band-pass filter (Butterworth of order 3, run in both directions)."""
    from scipy import signal

    steps = np.diff(series.time)
    step = float(np.median(steps))
    if np.abs(steps - step).max(initial=0) > UNEVEN * step:
        raise InputProblem(
            f"{series.path}: samples of '{series.names[0]}' are not evenly spaced; power needs that"
        )
    low, high = one.band_hz or (0.0, 0.0)
    if not 0 < low < high < 0.5 / step:
        raise InputProblem(
            f"hmmglm.covariates.{one.name}.band_hz: {low:g} to {high:g} Hz, expected rising and "
            f"below half the sampling rate ({0.5 / step:g} Hz)"
        )
    if not np.isfinite(series.values).all():
        raise InputProblem(f"{series.path}: '{series.names[0]}' has NaN; power needs all samples")
    sections = signal.butter(3, (low, high), "bandpass", fs=1 / step, output="sos")
    return signal.sosfiltfilt(sections, series.values, axis=0) ** 2


def missing(values) -> np.ndarray:
    """Bins without a value in any lag or column, shape (T,)."""
    empty = np.isnan(values) if values.dtype.kind == "f" else values == ""
    return empty.reshape(len(values), -1).any(axis=1)


def _overlap(series, one, parts, starts, lengths, bin_s):
    """Refuse a series that says nothing about the recording."""
    low, high = min(starts), max(a + n * bin_s for a, n in zip(starts, lengths))
    ends = f"{series.time[0]:g} to {series.time[-1]:g} s"
    if series.time[-1] < low or series.time[0] > high:
        raise InputProblem(
            f"{series.path}: times of covariate '{one.name}' ({ends}) do not overlap with the "
            f"recording ({low:g} to {high:g} s); are both in s on one clock?"
        )
    share = np.concatenate([missing(values) for values in parts]).mean()
    if share > MOST_MISSING:
        raise InputProblem(
            f"{series.path}: covariate '{one.name}' has no value in {100 * share:.0f} % of the "
            f"bins (its times: {ends}); such bins leave the fit, at most "
            f"{100 * MOST_MISSING:.0f} % may"
        )


def gaps(values, one: Covariate, bin_s: float) -> str:
    """One line about bins without a value; empty where there are none."""
    empty = [missing(sequence) for sequence in values]
    total = int(sum(mask.sum() for mask in empty))
    if not total:
        return ""
    longest = 0
    for mask in empty:
        edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(int)))
        longest = max(longest, int((edges[1::2] - edges[::2]).max(initial=0)))
    share = total / sum(map(len, empty))
    return (
        f"covariate '{one.name}' has no value in {100 * share:.1f} % of the bins (longest stretch "
        f"{longest * bin_s:g} s); they leave the fit"
    )


def expand(covariates, values: dict) -> tuple[list, pd.DataFrame]:
    """Columns of the design from values in bins.

    Parameters
    ----------
    covariates : list of Covariate
    values : dict of str to list of ndarray, shape (T_i, L, C)
        Of all sequences of a set.

    Returns
    -------
    columns : list of ndarray, shape (T_i, D)
        NaN where there is no value. Ranges and classes are those of all bins of the set: they
        know nothing of spikes.
    table : pandas.DataFrame
        `column`, `covariate`, `lag_s`, `emissions`, `transitions` of each.
    """
    parts, rows = [], []
    for one in covariates:
        whole = np.concatenate(values[one.name])
        for lag, lag_s in enumerate(one.lags_s):
            for column in range(whole.shape[2]):
                made, names = basis_columns(whole[:, lag, column], one, whole[:, :, column])
                parts.append(made)
                suffix = f"[{column}]" if whole.shape[2] > 1 else ""
                after = f" {lag_s:g} s before" if lag_s else ""
                rows += [
                    (
                        f"{one.name}{suffix}{text}{after}",
                        one.name,
                        lag_s,
                        int("emissions" in one.acts_on),
                        int("transitions" in one.acts_on),
                    )
                    for text in names
                ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    lengths = [len(sequence) for sequence in next(iter(values.values()))]
    return np.split(np.concatenate(parts, axis=1), np.cumsum(lengths)[:-1]), table


def basis_columns(x, one: Covariate, every) -> tuple[np.ndarray, list[str]]:
    """One value as columns of a basis.

    Parameters
    ----------
    x : ndarray, shape (T,)
    one : Covariate
    every : ndarray
        Values that the range or the classes are taken from.

    Returns
    -------
    columns : ndarray, shape (T, B)
        NaN where `x` is.
    names : list of str
        What tells the columns apart.
    """
    key = f"hmmglm.covariates.{one.name}"
    if x.dtype.kind == "U" and one.basis != "onehot":
        raise InputProblem(f"{key}: its values are texts; use basis: onehot")
    if one.basis == "onehot":
        return _classes(x, one, every)
    known = np.isfinite(x)
    if one.basis == "linear":
        return x[:, None].astype(float), [""]
    low, high = np.nanpercentile(every, RANGE)
    if not high > low:
        raise InputProblem(f"{key}: has one value ({low:g}) only; a basis needs a range")
    out = np.full((len(x), one.n_basis), np.nan)
    if one.basis == "bspline":
        from sklearn.preprocessing import SplineTransformer

        degree = min(3, one.n_basis)
        knots = np.linspace(low, high, one.n_basis + 2 - degree)
        splines = SplineTransformer(degree=degree, knots=knots[:, None], include_bias=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            splines.fit(knots[:, None])
        out[known] = splines.transform(np.clip(x[known], low, high)[:, None])
    else:
        centre = np.linspace(low, high, one.n_basis)
        width = (high - low) / max(one.n_basis - 1, 1)
        phase = (np.clip(x[known, None], low, high) - centre) * np.pi / (2 * width)
        out[known] = np.cos(np.clip(phase, -np.pi / 2, np.pi / 2)) ** 2
    return out, [f" {one.basis} {k + 1}" for k in range(one.n_basis)]


def _classes(x, one, every):
    """One column per class, or per interval where there are more numbers than `n_basis`."""
    text = x.dtype.kind == "U"
    known = x != "" if text else np.isfinite(x)
    there = every[every != ""] if text else every[np.isfinite(every)]
    classes = np.unique(there)
    if not text and len(classes) > max(one.n_basis, 2):
        edges = np.linspace(classes[0], classes[-1], one.n_basis + 1)
        code = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, one.n_basis - 1)
        names = [f" {a:g} to {b:g}" for a, b in itertools.pairwise(edges)]
    else:
        if len(classes) > CLASSES:
            raise InputProblem(
                f"hmmglm.covariates.{one.name}: {len(classes)} classes, at most {CLASSES} make "
                "columns"
            )
        code = np.clip(np.searchsorted(classes, x), 0, len(classes) - 1)
        names = [f" {value}" if text else f" {value:g}" for value in classes]
    columns = np.full((len(x), len(names)), np.nan)
    columns[known] = np.eye(len(names))[code[known]]
    return columns, names
