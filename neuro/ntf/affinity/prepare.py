"""Making recordings fit for a tensor: missing neurons, common rates, and what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.pynapple import is_pynapple, recording_from_pynapple
from neuro.io.recordings.reader import PairKernels, Recording, recording_problems
from neuro.ntf.affinity.identity import Identity, match_names
from neuro.stats.observed import common_block


def present(content, gaps=False):
    """A recording without the neurons that are missing (NaN) or not identified.

    Most affinities of a bin need every neuron of the recording, so frames count in which all kept
    ones have a value; a neuron that misses many frames is left out instead of costing them.

    Parameters
    ----------
    content : Recording, PairKernels or pynapple.TsdFrame
    gaps : bool, default False
        Whether neurons may have gaps, as the kind `excess` allows: only those without any value
        are left out.

    Returns
    -------
    Recording or PairKernels
        With one mask of frames, and the numbers of the neurons that are left.
    """
    if isinstance(content, PairKernels):
        return content
    if is_pynapple(content):
        content = recording_from_pynapple(content)
    keep = ~np.isnan(content.traces).all(axis=0)
    if content.names is not None:
        keep &= np.array([bool(name) for name in content.names])
    missing = np.isnan(content.traces[:, keep]).any() and not gaps
    if missing:
        keep[keep] = common_block(_observed_rows(content)[:, keep])
    if keep.all() and not missing:
        return content
    frames = content.frame_mask
    if missing:
        frames = content.observed[:, keep].all(axis=1)
    names = None if content.names is None else [n for n, k in zip(content.names, keep) if k]
    numbers = np.arange(1, len(keep) + 1) if content.numbers is None else content.numbers
    return dataclasses.replace(
        content,
        traces=content.traces[:, keep],
        names=names,
        frame_mask=frames,
        numbers=numbers[keep],
    )


def _observed_rows(recording):
    """Where neurons have values, without the frames that are masked for all of them."""
    if recording.frame_mask is None:
        return recording.observed
    return recording.observed[np.asarray(recording.frame_mask, bool)]


def unobserved(content, gaps=False) -> dict[str, float]:
    """Neurons that :func:`present` leaves out of a recording because of their gaps.

    Parameters
    ----------
    content : Recording, PairKernels or pynapple.TsdFrame
    gaps : bool, default False
        As for :func:`present`.

    Returns
    -------
    dict of str to float
        Share of the frames in which each has a value. Neurons without a name are not listed.
    """
    if isinstance(content, PairKernels):
        return {}
    if is_pynapple(content):
        content = recording_from_pynapple(content)
    kept, share = set(labels(present(content, gaps))), _observed_rows(content).mean(axis=0)
    return {
        name: float(lost) for name, lost in zip(labels(content), share) if name and name not in kept
    }


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
    for recording in items:
        if isinstance(recording, Recording):
            lines = recording_problems(recording.traces, recording.names, recording.frame_mask)
            problems += [f"{recording.name}: {line}" for line in lines]
            flat = np.ptp(np.nan_to_num(recording.traces), axis=0) == 0
            if flat.all():
                problems.append(f"{recording.name}: every trace is constant; check the file")
    names = [recording.name for recording in items]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{name}: two recordings have this name; names must differ")
    rates = sorted({round(float(recording.fs), 6) for recording in items})
    if len(rates) > 1 and resample_hz is None:
        listed = ", ".join(str(rate) for rate in rates[:4])
        problems.append(f"sampling rates differ ({listed} Hz); set recordings.resample_hz")
    if len(items) > 1:
        unnamed = sum(recording.names is None for recording in items)
        if unnamed:
            problems.append(
                f"ntf: {unnamed} recordings without neuron names cannot be stacked; give names or "
                "use one tensor per recording"
            )
        else:
            problems += _mere_numbers(items) or _no_overlap(items, identity or Identity())
    if problems:
        raise InputProblem(problems)


def check_events(items, events) -> None:
    """Refuse events that do not fit the recordings they belong to.

    Parameters
    ----------
    items : list of Recording or PairKernels
    events : pandas.DataFrame
        Columns `animal`, `onset_s`, `duration_s`, `condition`.

    Raises
    ------
    InputProblem
        Onsets before the first frame or after the last, negative durations; one line per animal.
    """
    problems = []
    for recording in items:
        if isinstance(recording, PairKernels):
            continue
        own, end = events[events["animal"] == recording.name], len(recording.traces) / recording.fs
        onset, duration = own["onset_s"].to_numpy(float), own["duration_s"].to_numpy(float)
        for wrong, what, value in (
            (onset < 0, "begin before the first frame", onset),
            (onset >= end, f"begin after the end of the recording ({end:g} s)", onset),
            (duration < 0, "have a negative duration", duration),
        ):
            if wrong.any():
                problems.append(
                    f"events: {int(wrong.sum())} of {len(own)} events of {recording.name} {what}, "
                    f"first {value[wrong][0]:g} s; are these seconds from its first frame?"
                )
    if problems:
        raise InputProblem(problems)


def _mere_numbers(items) -> list[str]:
    """Names that only count the columns identify no neuron in another animal."""
    counting = [recording for recording in items if all(name.isdigit() for name in recording.names)]
    # regions of one cohort come from one file: there a number is a label of the atlas
    if len({recording.path or recording.name for recording in counting}) < 2:
        return []
    return [
        f"{counting[0].name} and {len(counting) - 1} more recordings: names are mere numbers "
        f"({', '.join(counting[0].names[:3])}), which do not identify neurons across animals; "
        "give names, or set recordings.stack: false"
    ]


def _nearly_same(names) -> list[str]:
    """Names that differ only in capitals or blanks; one of the spellings is a slip."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault("".join(name.lower().split()), name)
        if other != name:
            return [
                f"ntf: neurons '{other}' and '{name}' differ only in spelling; set "
                f"identity.rename: {{{name}: {other}}}"
            ]
    return []


def _no_overlap(items, identity) -> list[str]:
    names, members = match_names([one.names for one in items], identity)
    if slips := _nearly_same(names):
        return slips
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
        one.name
        for one, member in zip(items, members)
        if not (count[np.unique(member[member >= 0])] > 1).any()
    ]
    return [
        f"{name}: shares no neuron name with any other recording; leave it out" for name in alone
    ]


def labels(recorded) -> list[str]:
    """Names of the neurons; their numbers in the file where the recording has none."""
    if recorded.names is not None:
        return list(recorded.names)
    numbers = (
        range(1, recorded.traces.shape[1] + 1) if recorded.numbers is None else recorded.numbers
    )
    width = len(str(max(numbers, default=0)))
    return [f"n{number:0{width}d}" for number in numbers]


def resampled(recorded: Recording, fs: float) -> Recording:
    """A recording at another sampling rate, low-pass filtered before it gets slower.

    Parameters
    ----------
    recorded : Recording
    fs : float
        New rate in Hz.

    Returns
    -------
    Recording
    """
    if isinstance(recorded, PairKernels) or abs(recorded.fs - fs) < 1e-9 * fs:
        return recorded
    from fractions import Fraction

    from scipy.signal import resample_poly

    from neuro.ntf.affinity.derivative import bridged

    ratio = Fraction(fs / recorded.fs).limit_denominator(1000)
    finite = np.isfinite(recorded.traces)
    if recorded.frame_mask is not None:
        finite &= np.asarray(recorded.frame_mask, bool)[:, None]
    whole = finite.all(axis=1)
    if (finite == whole[:, None]).all():
        traces = bridged(recorded.traces, None if whole.all() else whole)
    else:
        traces = np.column_stack(
            [bridged(one[:, None], seen)[:, 0] for one, seen in zip(recorded.traces.T, finite.T)]
        )
    turned = resample_poly(traces, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    mask = recorded.frame_mask
    nearest = np.minimum((np.arange(len(turned)) / fs * recorded.fs).round(), len(finite) - 1)
    turned[~np.isfinite(recorded.traces)[nearest.astype(int)]] = np.nan
    if mask is not None:
        mask = np.asarray(mask, bool)[nearest.astype(int)]
    return dataclasses.replace(
        recorded, traces=turned.astype(np.float32), fs=float(fs), frame_mask=mask
    )
