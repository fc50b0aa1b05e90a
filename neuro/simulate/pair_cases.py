"""Calcium traces without interaction, or with cliques that fire together: what a test must tell.

Four kinds have no structure: events of independent neurons, red noise, bursts in which the whole
population is active, and bleaching. In `cliques` groups of neurons fire together.
"""

from __future__ import annotations

import numpy as np

EMPTY = ("independent", "red", "burst", "bleach")
KINDS = (*EMPTY, "cliques")
FS = 4.0
DECAY_S = 1.5
NOISE = 0.05
CLIQUE = 8
"""Neurons of a clique."""


def pair_case(kind, n_neurons=20, n_frames=800, *, n_cliques=3, amplitude=0.4, rng=None):
    """Traces of one kind at 4 Hz.

    Parameters
    ----------
    kind : {"independent", "red", "burst", "bleach", "cliques"}
    n_neurons, n_frames : int
    n_cliques : int, default 3
        The first neurons belong to them, eight to each.
    amplitude : float, default 0.4
        Mean size of a common event is twice this; background events have mean 1.
    rng : numpy.random.Generator, optional

    Returns
    -------
    ndarray of float64, shape (n_frames, n_neurons)

    Raises
    ------
    ValueError
        On an unknown kind, or cliques that do not fit.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: got '{kind}', expected one of {', '.join(KINDS)}")
    rng = rng or np.random.default_rng(0)
    shape = n_frames, n_neurons
    if kind == "red":
        return _red(shape, rng) + rng.normal(0, NOISE, shape)
    if kind == "cliques":
        if n_cliques * CLIQUE > n_neurons:
            raise ValueError(f"n_neurons: {n_cliques} cliques need {n_cliques * CLIQUE} neurons")
        events = (rng.random(shape) < 0.02) * rng.gamma(2, 0.5, shape)
        for clique in range(n_cliques):
            members = slice(CLIQUE * clique, CLIQUE * (clique + 1))
            for frame in np.flatnonzero(rng.random(n_frames) < 0.012):
                joins = rng.random(CLIQUE) < 0.9
                events[frame, members] += joins * amplitude * rng.gamma(4, 0.5, CLIQUE)
        return _calcium(events, rng)
    rate = np.tile(rng.uniform(0.02, 0.08, n_neurons), (n_frames, 1))
    if kind == "burst":
        active = np.zeros(n_frames, bool)
        for first in rng.choice(n_frames - 200, 3, replace=False):
            active[first : first + 200] = True
        rate[active] *= 20
    traces = _calcium(rng.poisson(rate) * rng.gamma(2, 1, shape), rng)
    if kind == "bleach":
        time = np.linspace(0, 1, n_frames)[:, None]
        size, speed = rng.uniform(5, 20, n_neurons), rng.uniform(1, 3, n_neurons)
        traces += size * np.exp(-time * speed)
    return traces


def _calcium(events, rng):
    """Exponential decay after every event, and noise."""
    from scipy.signal import lfilter

    decay = np.exp(-1 / (DECAY_S * FS))
    return lfilter([1.0], [1.0, -decay], events, axis=0) + rng.normal(0, NOISE, events.shape)


def _red(shape, rng):
    """AR(1) noise of unit variance, time constants of 1 to 10 s."""
    keep = np.exp(-1 / (rng.uniform(1, 10, shape[1]) * FS))
    out = np.empty(shape)
    out[0] = rng.normal(size=shape[1])
    for frame in range(1, shape[0]):
        out[frame] = keep * out[frame - 1] + np.sqrt(1 - keep**2) * rng.normal(size=shape[1])
    return out
