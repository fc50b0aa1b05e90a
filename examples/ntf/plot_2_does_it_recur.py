"""
Does a motif recur?
===================

Factors are always found. A motif that means something should come back in time that it was not
fitted on, more than in recordings whose neurons were shifted against each other. One recording
holds planted groups, the other holds neurons that ignore each other.
"""

# %%
# Two recordings of 24 neurons: groups of eight that sometimes fire together, and none.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment

from neuro.io import read_recording
from neuro.ntf import NonNegativeCP, build_tensor
from neuro.simulate import pair_case

FS = 4.0
rng = np.random.default_rng(3)
recordings = {
    "three groups": pair_case("cliques", 24, 2400, n_cliques=3, amplitude=0.6, rng=rng),
    "no groups": pair_case("independent", 24, 2400, rng=rng),
}

# %%
# Motifs of the first half are matched with those of the second; their cosines say how well they
# recur. The null shifts every neuron by a lag of its own, which keeps its rate and its rhythm.


def recurrence(traces, rank=3):
    """Cosine of each motif of one half with its partner in the other, each less its mean."""
    motifs = []
    for half in np.array_split(traces, 2):
        tensor = build_tensor([recording(half)], time_alignment="none", bin_s=2.0)
        model = NonNegativeCP(rank, n_starts=3, random_state=0).fit(tensor)
        own = model.pairs_ - model.pairs_.mean(axis=0)
        motifs.append(own / np.linalg.norm(own, axis=0))
    cosine = motifs[0].T @ motifs[1]
    return cosine[linear_sum_assignment(-cosine)]


def recording(traces):
    """Traces as a laboratory would keep them: a file that states its rate."""
    path = Path(tempfile.mkdtemp()) / "animal.npz"
    np.savez(path, traces=traces, fs=FS)
    return read_recording(path, time_axis=0)


def shifted(traces, rng):
    """Every neuron by a lag of its own, round a circle."""
    lags = rng.integers(len(traces) // 4, 3 * len(traces) // 4, traces.shape[1])
    return np.stack([np.roll(trace, lag) for trace, lag in zip(traces.T, lags)], axis=1)


# %%
# Each motif against the largest cosine of a motif in 19 shifted recordings.

fig, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for place, (name, traces) in enumerate(recordings.items()):
    real = recurrence(traces)
    null = np.array([recurrence(shifted(traces, rng)).max() for _ in range(19)])
    found = (real > null.max()).sum()
    print(f"{name}: motifs {real.round(2)}, largest of 19 nulls {null.max():.2f}, {found} recur")
    axes.plot(np.full(19, place), null, "o", color="0.7", label="" if place else "null, largest")
    axes.plot(np.full(3, place + 0.1), real, "o", color="#d62728", label="" if place else "motif")
axes.set_xticks(range(2), recordings)
axes.set(ylabel="cosine between halves", xlim=(-0.5, 1.5))
axes.legend()

# %%
# **What not to conclude.** "Recurs" does not mean "is a motif of its own": with too many
# components every piece of a group recurs. A motif that does not recur may have been too rare for
# this recording. And this plain test takes a rise that all neurons share for a motif; the
# workflow takes the common rise out first and keeps slow rates (:doc:`/ntf`).
