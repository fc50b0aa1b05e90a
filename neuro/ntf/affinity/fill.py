"""Writing affinities into the tensor, recording by recording; those of `excess` in blocks of bins.

Of thousands of neurons neither the tensor nor the values of one recording fit into memory: both
are files then, and only a block of bins is in memory at a time.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import PairKernels
from neuro.ntf.affinity.excess import give_back
from neuro.ntf.affinity.identity import spread_pairs
from neuro.ntf.affinity.pairs import affinity, silent_traces
from neuro.ntf.affinity.prepare import labels

TWO_SIGNS = ("split", "signed")
"""Both signs are kept: as two entries of every animal, or as two of every pair."""
SIGNS = {"signed": (1, -1), "split": (1, -1), "positive": (1,), "negative": (-1,), "blind": (0,)}
"""What is kept of a signed value: the part of each sign, or its size (0)."""
BLOCK_BYTES = 64 << 20
"""Size of the blocks of bins that are written at a time."""


def _computed(recording, kind, sign, bins, options):
    """Affinity of one recording; what does not fit it is told with its name."""
    try:
        return _pair_values(recording, kind, sign, bins, options)
    except InputProblem:
        raise
    except ValueError as error:
        advice = "; set affinity.window_s and affinity.lags_s" if kind == "excess" else ""
        raise InputProblem(f"{recording.name}: {error}{advice}") from None


def fill(into, items, members, axis, sign, kind, options, n_names):
    """Write the affinities of every animal and sign.

    Parameters
    ----------
    into : tuple
        `values` (n_bins, n_entries, n_pairs), `mask` (n_entries, n_pairs) and `frames` (n_bins,
        n_entries), written in place.
    items : list of Recording or PairKernels
    members : list of array of int
        Place of each neuron among the names.
    axis : Axis
    sign, kind : str
    options : dict
        Of the affinity; `scratch`: a file beside which `excess` may write what is not final.
    n_names : int

    Returns
    -------
    silent : dict of str to list of str
    observed : ndarray of bool, shape of `values`, or None
        Gaps of single pairs, where there are any.
    """
    values, mask, frames = into
    silent: dict = {}
    observed, w = None, 0
    for recording, member, bins in zip(items, members, axis.bins):
        silent[recording.name] = _silent(recording, kind, options)
        if kind == "excess" and not isinstance(recording, PairKernels):
            n_entries = 2 if sign == "split" else 1
            frames[:, w : w + n_entries] = bins.seen[:, None]
            with _scratch(options, len(bins.seen), len(member)) as given:
                raw = _computed(recording, kind, "raw", bins, given)
                measured = _fill_blocks(into, w, raw, member, sign, n_names)
            if measured is not None:
                observed = np.ones(values.shape, bool) if observed is None else observed
                observed[:, w : w + n_entries] = measured
            w += n_entries
            continue
        for parts in _signed_parts(recording, kind, sign, bins, options):
            spread = [spread_pairs(block, member, n_names) for block in parts]
            values[:, w] = np.concatenate([block for block, _ in spread], axis=1)
            mask[w] = np.concatenate([seen for _, seen in spread])
            if isinstance(recording, PairKernels):
                mask[w] &= ~np.isnan(values[:, w]).any(axis=0)
                values[:, w] = np.nan_to_num(values[:, w])
            frames[:, w] = bins.seen
            values[~bins.seen, w] = 0
            w += 1
    return silent, observed


@contextlib.contextmanager
def _scratch(options, n_bins, n_neurons):
    """Options with a file for the signed values where the tensor itself is a file.

    All bins are needed before the first is final (the spread over lags is a mean over them), and
    of thousands of neurons they do not fit into memory.
    """
    given = {key: value for key, value in options.items() if key != "scratch"}
    if options.get("scratch") is None:
        yield given
        return
    shape = (n_bins, n_neurons * (n_neurons - 1) // 2)
    with tempfile.TemporaryFile(dir=Path(options["scratch"]).parent) as file:
        yield given | {"out": np.memmap(file, np.float32, "w+", shape=shape)}


def _fill_blocks(into, w, raw, member, sign, n_names):
    """Write one recording's signed values, some bins at a time, by `sign`.

    Returns
    -------
    ndarray of bool, shape (n_bins, n_entries, n_pairs), or None
        Where pairs have values; None where the masks of pairs and frames say it all.
    """
    values, mask, frames = into
    entries = slice(w, w + (2 if sign == "split" else 1))
    seen = frames[:, w]
    n_pairs = n_names * (n_names - 1) // 2
    twice = mask.shape[1] // n_pairs if n_pairs else 1
    lacking, there = np.zeros(n_pairs, np.int64), np.zeros(n_pairs, bool)
    for rows, block, pairs in _blocks_of(raw, member, n_names):
        there = pairs
        finite = np.isfinite(block)
        if not (seen[rows].all() and finite.all()):
            lacking += (~finite & seen[rows, None]).sum(axis=0)
            block[~finite | ~seen[rows, None]] = 0
        target = values[rows, entries]
        for view, one in zip(_parts(target, sign, n_pairs), SIGNS[sign]):
            np.abs(block, out=view) if one == 0 else np.maximum(one * block, 0, out=view)
        give_back(values)
    there &= lacking < max(1, seen.sum())
    mask[entries] = np.tile(there, twice)
    if not (there & (lacking > 0)).any():
        return None
    measured = np.zeros((len(raw), entries.stop - w, mask.shape[1]), bool)
    for rows, block, _ in _blocks_of(raw, member, n_names):
        once = np.isfinite(block) & there & seen[rows, None]
        measured[rows] = np.tile(once, twice)[:, None]
    return measured


def _parts(target, sign, n_pairs):
    """Views of the tensor, one for each sign: entries of an animal, or halves of the pairs."""
    if sign == "split":
        return target[:, 0], target[:, 1]
    if sign == "signed":
        return target[:, 0, :n_pairs], target[:, 0, n_pairs:]
    return (target[:, 0],)


def _blocks_of(raw, member, n_names):
    """Bins of a block, their signed values (n_bins, n_pairs), and the pairs that there are."""
    step = max(1, BLOCK_BYTES // (4 * max(1, raw.shape[1])))
    for first in range(0, len(raw), step):
        rows = slice(first, min(first + step, len(raw)))
        block, there = spread_pairs(np.array(raw[rows]), member, n_names)
        give_back(raw)
        yield rows, block, there


def _signed_parts(recording, kind, sign, bins, options):
    """Affinities of one animal: per entry of the animal axis those that share it as pairs."""
    if sign not in TWO_SIGNS:
        return [[_computed(recording, kind, sign, bins, options)]]
    both = [_computed(recording, kind, which, bins, options) for which in ("positive", "negative")]
    return [[values] for values in both] if sign == "split" else [both]


def _pair_values(recording, kind, sign, bins, options):
    if isinstance(recording, PairKernels):
        left, right = np.triu_indices(len(recording.kernels), 1)
        size = np.abs(recording.kernels[:, :, : len(bins.seen)])
        # the stronger of the two directions; NaN only where neither was observed
        return np.fmax(size[left, right], size[right, left]).T
    return affinity(
        recording.traces,
        recording.fs,
        kind,
        sign=sign,
        frame_mask=recording.frame_mask,
        bins=(bins.starts, bins.stops),
        **options,
    )


def _silent(recording, kind, options) -> list[str]:
    if isinstance(recording, PairKernels):
        return []
    given = {key: options[key] for key in ("smooth_s", "snr_min") if key in options}
    gone = silent_traces(
        recording.traces, recording.fs, kind, frame_mask=recording.frame_mask, **given
    )
    return [name for name, flag in zip(labels(recording), gone) if flag]
