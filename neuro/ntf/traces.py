"""Back from components to traces: what the neurons of a community do while it is active."""

from __future__ import annotations

import numpy as np

from neuro.io.recordings.reader import PairKernels
from neuro.ntf.affinity.identity import match_names
from neuro.ntf.affinity.prepare import labels, present, resampled
from neuro.ntf.communities.dynamic import activity

MIN_MEMBERS = 3


def back_projection(items, factors, communities, identity, resample_hz=None):
    """Mean trace of every community on the time axis of the factors.

    Traces are z-scored, and turned over where they run against the first principal component of
    their community, because the affinity does not see the sign.

    Parameters
    ----------
    items : list of Recording or PairKernels
    factors : Factors
    communities : list of Communities
        One per component.
    identity : Identity
    resample_hz : float, optional

    Returns
    -------
    dict of str to ndarray
        `values` (n_series, n_bins), mean over animals, NaN outside of recordings; `component`,
        `community`, `n_neurons` (n_series,); `active` (n_components, n_bins), where the
        component is above its mean.
    """
    rank = len(factors.lambda_)
    # without a shared clock only the animal that carries a component most can be drawn
    lead = factors.animals_.argmax(axis=0)
    shared = factors.model == "tensor"
    cubes = _binned(items, factors, identity, resample_hz)
    values, component, community, size = [], [], [], []
    active = np.zeros((rank, len(factors.time_)), bool)
    for r, motif in enumerate(communities):
        course = factors.time_[:, r] if shared else activity(factors, int(lead[r]))[:, r]
        active[r] = course > course.mean()
        if cubes is None:
            continue
        chosen = range(len(cubes)) if shared else [int(lead[r]) % len(cubes)]
        for label in range(motif.labels.max() + 1):
            members = np.flatnonzero((motif.labels == label) & ~motif.background)
            if len(members) < MIN_MEMBERS:
                continue
            courses = [_aligned(cubes[w][:, members], active[r]) for w in chosen]
            courses = [course for course in courses if course is not None]
            if courses:
                with np.errstate(invalid="ignore"):
                    values.append(_mean(np.array(courses)))
                component.append(r + 1)
                community.append(label)
                size.append(len(members))
    n_bins = len(factors.time_)
    return {
        "values": np.array(values, np.float32).reshape(len(values), n_bins),
        "component": np.array(component, int),
        "community": np.array(community, int),
        "n_neurons": np.array(size, int),
        "active": active,
    }


def by_name(items, factors, identity, resample_hz=None) -> list[np.ndarray]:
    """Traces of each recording, columns in the order of the factors' neurons.

    Parameters
    ----------
    items : list of Recording
    factors : Factors
    identity : Identity
    resample_hz : float, optional

    Returns
    -------
    list of ndarray of float64, shape (n_frames, n_neurons)
        NaN where a neuron is absent or a frame is masked; the mean where two have one name.
    """
    items = [present(recording, factors.kind == "excess") for recording in items]
    if resample_hz is not None:
        items = [resampled(recording, resample_hz) for recording in items]
    names, members = match_names([labels(recording) for recording in items], identity)
    column = {name: index for index, name in enumerate(factors.names)}
    out = []
    for recording, member in zip(items, members):
        x = np.array(recording.traces, np.float64)
        if recording.frame_mask is not None:
            x[~np.asarray(recording.frame_mask, bool)] = np.nan
        columns = np.full((len(x), len(factors.names)), np.nan)
        for index in np.unique(member[member >= 0]):
            columns[:, column[names[index]]] = _mean(x[:, member == index].T)
        out.append(columns)
    return out


def _binned(items, factors, identity, resample_hz):
    """z-scored traces of each recording, averaged over the bins: (n_bins, n_names)."""
    items = [present(one, factors.kind == "excess") for one in items]
    if any(isinstance(one, PairKernels) for one in items):
        return None
    if resample_hz is not None:
        items = [resampled(one, resample_hz) for one in items]
    _, members = match_names([labels(one) for one in items], identity)
    per_item = len(factors.animals) // len(items)
    cubes = []
    for number, (one, member) in enumerate(zip(items, members)):
        x = np.asarray(one.traces, np.float64)
        seen = x if one.frame_mask is None else x[one.frame_mask]
        sd = np.nanstd(seen, axis=0)
        z = (x - np.nanmean(seen, axis=0)) / np.where(sd > 0, sd, 1)
        if one.frame_mask is not None:
            z[~np.asarray(one.frame_mask, bool)] = np.nan
        start = factors.time_map["start_s"][:, number * per_item]
        out = np.full((len(start), len(factors.names)), np.nan)
        named = member >= 0
        for k in np.flatnonzero(np.isfinite(start)):
            first = int(np.ceil(start[k] * one.fs - 1e-9))
            last = max(first + 1, int(np.ceil((start[k] + 1 / factors.fs) * one.fs - 1e-9)))
            out[k, member[named]] = _mean(z[first:last, named])
        cubes.append(out)
    return cubes


def _mean(values):
    """Mean over the first axis without NaN and without warnings."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    total = np.where(seen, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _aligned(block, active):
    """Mean of the columns after turning over those that run against the first component."""
    block = block[:, np.isfinite(block).any(axis=0)]
    if not block.shape[1]:
        return None
    values = np.nan_to_num(block[active])
    if len(values) < 2:
        return None
    _, _, right = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    sign = np.where(right[0] * np.sign(right[0].sum() or 1) < 0, -1.0, 1.0)
    return _mean((block * sign).T)
