"""Making recordings fit for a tensor: missing neurons, common rates, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.pynapple import is_pynapple, recording_from_pynapple
from neuro.io.recordings.reader import PairKernels, Recording, recording_problems
from neuro.ntf.affinity.identity import Identity, match_names


def present(item):
    """A recording without the neurons that are missing (NaN) or not identified."""
    if isinstance(item, PairKernels):
        return item
    if is_pynapple(item):
        item = recording_from_pynapple(item)
    keep = ~np.isnan(item.traces).all(axis=0)
    if item.names is not None:
        keep &= np.array([bool(name) for name in item.names])
    if keep.all():
        return item
    names = None if item.names is None else [n for n, k in zip(item.names, keep) if k]
    return dataclasses.replace(item, traces=item.traces[:, keep], names=names)


def check_recordings(items, resample_hz=None, identity=None) -> None:
    """Refuse recordings that make no tensor, all problems at once.

    Parameters
    ----------
    items : list of Recording or PairKernels
    resample_hz : float, optional
    identity : Identity, optional

    Raises
    ------
    InputProblem
    """
    if not items:
        raise InputProblem("ntf: no recording was found; check recordings.files")
    problems = []
    for item in items:
        if isinstance(item, Recording):
            lines = recording_problems(item.traces, item.names, item.frame_mask)
            problems += [f"{item.name}: {line}" for line in lines]
            flat = np.ptp(np.nan_to_num(item.traces), axis=0) == 0
            if flat.all():
                problems.append(f"{item.name}: every trace is constant; check the file")
    names = [item.name for item in items]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{name}: two recordings have this name; names must differ")
    rates = sorted({round(float(item.fs), 6) for item in items})
    if len(rates) > 1 and resample_hz is None:
        listed = ", ".join(str(rate) for rate in rates[:4])
        problems.append(f"sampling rates differ ({listed} Hz); set recordings.resample_hz")
    if len(items) > 1:
        unnamed = sum(item.names is None for item in items)
        if unnamed:
            problems.append(
                f"ntf: {unnamed} recordings without neuron names cannot be stacked; give names or "
                "use one tensor per recording"
            )
        else:
            problems += _no_overlap(items, identity or Identity())
    if problems:
        raise InputProblem(problems)


def _no_overlap(items, identity) -> list[str]:
    names, members = match_names([item.names for item in items], identity)
    if len(names) < 2:
        return ["ntf: fewer than two neurons are left after matching names; check identity"]
    count = np.zeros(len(names), int)
    for member in members:
        count[np.unique(member[member >= 0])] += 1
    if (count < 2).all():
        return [
            f"ntf: {items[0].name} and {len(items) - 1} more recordings have no neuron name in "
            "common; check the spelling or set identity.rename"
        ]
    alone = [
        item.name
        for item, member in zip(items, members)
        if not (count[np.unique(member[member >= 0])] > 1).any()
    ]
    return [
        f"{name}: shares no neuron name with any other recording; leave it out" for name in alone
    ]


def labels(item) -> list[str]:
    """Names of the neurons; numbers where the recording has none."""
    if item.names is not None:
        return list(item.names)
    width = len(str(item.traces.shape[1]))
    return [f"n{number:0{width}d}" for number in range(1, item.traces.shape[1] + 1)]


def resampled(item: Recording, fs: float) -> Recording:
    """A recording at another sampling rate, low-pass filtered before it gets slower.

    Parameters
    ----------
    item : Recording
    fs : float
        New rate in Hz.

    Returns
    -------
    Recording
    """
    if isinstance(item, PairKernels) or abs(item.fs - fs) < 1e-9 * fs:
        return item
    from fractions import Fraction

    from scipy.signal import resample_poly

    from neuro.ntf.affinity.derivative import bridged

    ratio = Fraction(fs / item.fs).limit_denominator(1000)
    traces = bridged(item.traces, item.frame_mask)
    turned = resample_poly(traces, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    mask = item.frame_mask
    if mask is not None:
        nearest = np.minimum((np.arange(len(turned)) / fs * item.fs).round(), len(mask) - 1)
        mask = np.asarray(mask, bool)[nearest.astype(int)]
    return dataclasses.replace(
        item, traces=turned.astype(np.float32), fs=float(fs), frame_mask=mask
    )
