"""The tensor of pairwise affinities: bins x animals x pairs."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import PairKernels
from neuro.ntf.affinity import alignment as align
from neuro.ntf.affinity.fill import TWO_SIGNS, fill
from neuro.ntf.affinity.identity import Identity, match_names
from neuro.ntf.affinity.pairs import SIGNED
from neuro.ntf.affinity.prepare import (
    check_events,
    check_recordings,
    labels,
    present,
    resampled,
    unobserved,
)

SCALES = ("none", "log1p", "pair_max")


@dataclasses.dataclass(frozen=True)
class PairTensor:
    """Affinities of several animals.

    Attributes
    ----------
    values : ndarray or memmap of float32, shape (n_bins, n_animals, n_pairs)
        Pairs in the order of `numpy.triu_indices(n_neurons, 1)`; 0 where not observed. With `sign`
        `signed` twice as many: first what rises together, then what runs against each other.
    pair_mask : ndarray of bool, shape (n_animals, n_pairs)
        False where either neuron is absent in an animal.
    frame_mask : ndarray of bool, shape (n_bins, n_animals), or None
        False where an animal has no data in a bin.
    names : list of str
    animals : list of str
        With `sign` `split` the names end in ` (+)` and ` (-)`.
    fs : float
        Bins per second.
    time_map : dict of str to ndarray
        `start_s` (n_bins, n_animals): where the bin starts on the animal's own clock;
        `condition` (n_bins,), `epoch` (n_bins,), `offset_s` (n_bins,), `on` (n_bins,); `own`
        (n_bins, n_animals): condition by the animal's own events.
    kind, sign, time_alignment : str
    silent : dict of str to list of str
        Per animal the neurons that were gated or constant.
    notes : list of str
    unobserved : dict of str to dict of str to float
        Per animal the neurons that were left out because of their gaps, with the share of frames
        in which they have a value.
    observed : ndarray of bool, shape (n_bins, n_animals, n_pairs), or None
        False where a pair was not observed in a bin, though it was in others; None where the two
        masks say everything.
    """

    values: np.ndarray
    pair_mask: np.ndarray
    frame_mask: np.ndarray | None
    names: list[str]
    animals: list[str]
    fs: float
    time_map: dict
    kind: str
    sign: str
    time_alignment: str
    silent: dict
    notes: list[str]
    unobserved: dict = dataclasses.field(default_factory=dict)
    observed: np.ndarray | None = None

    @property
    def concatenated(self) -> bool:
        """Whether animals share no clock, so that only motifs can be shared."""
        return self.time_alignment == "none"

    @property
    def signed(self) -> bool:
        """Whether every pair stands twice, with what rises together and what runs against it."""
        return self.sign == "signed"


def build_tensor(
    recordings,
    events=None,
    time_alignment="auto",
    identity=None,
    *,
    kind="differential",
    sign="positive",
    bin_s=1.0,
    pre_s=5.0,
    post_s=None,
    order=(),
    scale="none",
    resample_hz=None,
    out=None,
    **options,
) -> PairTensor:
    """Compute the affinities of all animals and put them on one set of axes.

    Parameters
    ----------
    recordings : list of Recording or PairKernels
        Or `TsdFrame` of pynapple; several need :func:`neuro.io.recording_from_pynapple`, which
        names the animal.
    events : pandas.DataFrame, optional
        Columns `animal`, `onset_s`, `duration_s`, `condition`.
    time_alignment : {"auto", "stimulus", "task", "none"}
        `stimulus` brings epochs into one order of conditions, `task` takes the clock as shared,
        `none` shares nothing and leads to the concatenated model. `auto` (default) is `stimulus`
        where there are events and `none` elsewhere.
    identity : Identity, optional
    kind, sign, bin_s, **options
        As for :func:`neuro.ntf.affinity.pairs.affinity`; `sign="split"` makes two entries of every
        animal, one for each sign. `sign="signed"` makes two of every pair, so that a component
        has one time course and one motif whose edges have signs: an assembly in which some
        neurons run against the others is one component.
    pre_s, post_s, order
        As for :func:`neuro.ntf.affinity.alignment.stimulus_axis`.
    scale : {"none", "log1p", "pair_max"}
        Applied to the affinities at the end: log(1 + a), or division by each pair's largest.
    resample_hz : float, optional
        Common sampling rate in Hz, for recordings that differ.
    out : path-like, optional
        Write the values to this `.npy` file and return them as a memory map.

    Returns
    -------
    PairTensor

    Raises
    ------
    InputProblem
        All problems of the recordings at once.
    """
    identity = identity or Identity()
    if time_alignment not in ("auto", *align.ALIGNMENTS):
        raise ValueError(
            f"time_alignment: got '{time_alignment}', expected auto, {', '.join(align.ALIGNMENTS)}"
        )
    if scale not in SCALES:
        raise ValueError(f"scale: got '{scale}', expected one of {', '.join(SCALES)}")
    if sign in TWO_SIGNS and kind not in SIGNED:
        raise ValueError(f"sign: '{sign}' needs a signed kind ({', '.join(SIGNED)}), got '{kind}'")
    gappy = kind == "excess"
    items = [present(recording, gappy) for recording in recordings]
    check_recordings(items, resample_hz, identity)
    if events is not None:
        check_events(items, events)
    gaps = {recording.name: unobserved(given, gappy) for recording, given in zip(items, recordings)}
    if resample_hz is not None:
        items = [resampled(recording, resample_hz) for recording in items]
    chosen, notes = _alignment(time_alignment, events, len(items))
    names, members = match_names([labels(recording) for recording in items], identity)
    axis = _axis(items, events, chosen, bin_s, pre_s, post_s, order)
    if isinstance(items[0], PairKernels):
        # kernels are read as sizes
        sign = "blind"
    n_pairs = len(names) * (len(names) - 1) // 2 * (2 if sign == "signed" else 1)
    shape = (len(axis), len(items) * (2 if sign == "split" else 1), n_pairs)
    values = _allocate(out, shape)
    mask, frames = np.zeros(shape[1:], bool), np.zeros(shape[:2], bool)
    into = values, mask, frames
    if kind == "excess":
        options = options | {"scratch": out}
    silent, observed = fill(into, items, members, axis, sign, kind, options, len(names))
    if observed is not None:
        observed &= mask & frames[:, :, None]
    _scale(values, scale)
    animals = [
        recording.name + ending
        for recording in items
        for ending in ((" (+)", " (-)") if sign == "split" else ("",))
    ]
    _check_observed(mask, frames, animals)
    if out is not None:
        values.flush()
    rate = items[0].fs if isinstance(items[0], PairKernels) else 1.0 / bin_s
    return PairTensor(
        values=values,
        pair_mask=mask,
        frame_mask=None if frames.all() else frames,
        names=names,
        animals=animals,
        fs=rate,
        time_map=_time_map(axis, shape[1] // len(items)),
        kind="kernel" if isinstance(items[0], PairKernels) else kind,
        sign=sign,
        time_alignment=chosen,
        silent={name: lost for name, lost in silent.items() if lost},
        unobserved={name: lost for name, lost in gaps.items() if lost},
        notes=notes,
        observed=observed,
    )


def _time_map(axis, n_signs):
    """Where each bin lies on the clock of each animal, and what was shown in it."""
    n_animals = len(axis.bins)
    shared = np.array(axis.condition, dtype=str)
    own = np.repeat(shared[:, None], n_animals, axis=1) if axis.own is None else axis.own
    return {
        "start_s": np.repeat(np.array([bins.start_s for bins in axis.bins]), n_signs, 0).T,
        "condition": shared,
        "epoch": axis.epoch,
        "offset_s": axis.offset_s,
        "on": axis.on,
        # labels of a counterbalanced design are each animal's own
        "own": np.repeat(own, n_signs, axis=1),
    }


def _alignment(wanted, events, n_items):
    """What `auto` means here, and what the user should know."""
    notes = []
    if wanted == "auto":
        wanted = "none" if events is None else "stimulus"
    if wanted == "stimulus" and events is None:
        raise InputProblem("events: missing, but time_alignment is 'stimulus'; give a table")
    if wanted == "task" and events is None and n_items > 1:
        notes.append(
            "time_alignment 'task' without events: a shared time axis means nothing for resting "
            "data; use 'none'"
        )
        warnings.warn(notes[-1], stacklevel=3)
    if wanted == "task" and events is not None and not align.shared_events(events):
        notes.append(
            "time_alignment 'task', but events differ between animals: conditions are marked only "
            "where all agree; 'stimulus' aligns them"
        )
    if wanted == "none" and n_items > 1:
        notes.append(
            "no shared clock: the concatenated model shares motifs, and every animal has time "
            "courses of its own"
        )
    if n_items == 1:
        notes.append(
            "one recording: the model is matrix factorisation, animal loadings are trivial"
        )
    return wanted, notes


def _axis(items, events, chosen, bin_s, pre_s, post_s, order):
    if isinstance(items[0], PairKernels):
        n_bins = min(recording.kernels.shape[2] for recording in items)
        whole = align.Bins(
            np.arange(n_bins),
            np.arange(n_bins) + 1,
            np.ones(n_bins, bool),
            np.arange(n_bins) / items[0].fs,
        )
        empty = np.zeros(n_bins, bool)
        return align.Axis(
            [whole] * len(items), [""] * n_bins, np.full(n_bins, -1), whole.start_s, empty
        )
    try:
        if chosen == "stimulus":
            return align.stimulus_axis(
                items, events, bin_s, pre_s=pre_s, post_s=post_s, order=order
            )
        axis = align.clock_axis(items, bin_s)
    except InputProblem:
        raise
    except ValueError as error:
        raise InputProblem(f"ntf: {error}; set affinity.bin_s") from None
    if events is None:
        return axis
    return align.mark_events(axis, events, bin_s, [recording.name for recording in items])


def _allocate(out, shape):
    if out is None:
        return np.zeros(shape, np.float32)
    return np.lib.format.open_memmap(out, mode="w+", dtype=np.float32, shape=shape)


def _scale(values, scale):
    if scale == "log1p":
        for k in range(len(values)):
            values[k] = np.log1p(values[k])
    elif scale == "pair_max":
        top = np.zeros(values.shape[2], np.float32)
        for k in range(len(values)):
            top = np.maximum(top, values[k].max(axis=0))
        for k in range(len(values)):
            values[k] /= np.where(top > 0, top, 1)


def _check_observed(mask, frames, animals):
    problems = [
        f"{name}: no observed pair of neurons; leave the recording out"
        for name, row in zip(animals, mask)
        if not row.any()
    ]
    problems += [
        f"{name}: no bin with valid frames; check its frame mask and events"
        for name, column in zip(animals, frames.T)
        if not column.any()
    ]
    if problems:
        raise InputProblem(problems)
