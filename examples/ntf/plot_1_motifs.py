"""
Motifs of interaction
=====================

How strongly every pair of neurons interacts, in every time bin and every animal, is a tensor. It
is split into motifs, each with a time course and a loading per animal.
"""

# %%
# Six animals see three stimuli; each stimulus calls up its own communities of neurons.

import matplotlib.pyplot as plt
import numpy as np

from neuro.ntf import NonNegativeCP, build_tensor, motif_matrices
from neuro.simulate import planted_epochs

planted = planted_epochs(n_animals=6, n_neurons=30, n_conditions=3, random_state=1)
tensor = build_tensor(planted.recordings, planted.events)
model = NonNegativeCP(3, n_starts=5, random_state=0).fit(tensor)
print(f"relative error {model.errors_.min():.2f}, starts agree at {model.similarity_.min():.2f}")

# %%
# Time courses follow the stimuli, though no fit was told when they were.

fig, axes = plt.subplots(figsize=(8, 3), layout="constrained")
seconds = np.arange(len(model.time_)) / tensor.fs
for number, course in enumerate(model.time_.T, 1):
    axes.plot(seconds, course, label=f"motif {number}")
condition = np.asarray(tensor.time_map["condition"])
for at in np.flatnonzero(condition[1:] != condition[:-1]) + 1:
    axes.axvline(seconds[at], color="0.6", lw=1)
axes.set(xlabel="s on the common axis (lines: the stimulus changes)", ylabel="activity")
axes.legend()

# %%
# The motifs, neurons sorted by the community that the stimulus of their peak calls up.

fig, panels = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
motifs = motif_matrices(model.pairs_)
for number, (axes, motif) in enumerate(zip(panels, motifs)):
    peak = condition[model.time_[:, number].argmax()]
    order = np.argsort(planted.communities[planted.conditions.index(peak)], kind="stable")
    axes.imshow(motif[np.ix_(order, order)], cmap="magma")
    axes.set(title=f"motif {number + 1}: {peak}", xticks=[], yticks=[])

# %%
# **What not to conclude.** A split into three is always found, also where nothing interacts.
# Whether a motif is more than a fit to noise is the question of the next example.
