"""
States of a network
===================

A hidden chain switches between states; in each state the neurons have other couplings. One fit
finds states and couplings together.
"""

# %%
# Ten planted sequences of 12 neurons that switch between three states.

import matplotlib.pyplot as plt
import numpy as np

from neuro.hmmglm import OneHotHMMGLM, match_states
from neuro.simulate import switching_glm

truth = switching_glm(10, n_bins=1000, n_neurons=12, n_states=3, random_state=1)
model = OneHotHMMGLM(3, link="sigmoid", bias="shared", n_starts=4, random_state=0)
model.fit(list(truth.counts))
path = model.predict(list(truth.counts))
pairs, accuracy = match_states(list(truth.states), path)
print(f"{accuracy:.0%} of the bins are in the planted state")

# %%
# The first sequence: spikes, the planted states and the states that were found.

name = dict(pairs[:, ::-1])
found = np.array([name[state] for state in path[0]])
fig, (top, bottom) = plt.subplots(
    2, 1, figsize=(8, 4), sharex=True, height_ratios=(3, 1), layout="constrained"
)
top.imshow(truth.counts[0].T, aspect="auto", cmap="Greys", vmax=2, interpolation="none")
top.set_ylabel("neuron")
bottom.imshow(np.stack([truth.states[0], found]), aspect="auto", cmap="Set2", interpolation="none")
bottom.set_yticks([0, 1], ["planted", "found"])
bottom.set_xlabel("bin")

# %%
# Couplings in each state, found above planted. Rows are targets, columns sources.

fig, panels = plt.subplots(2, 3, figsize=(8, 5), layout="constrained")
for planted, state in pairs:
    for axes, weights, words in (
        (panels[0, planted], model.weights_[state], "found"),
        (panels[1, planted], truth.weights[planted], "planted"),
    ):
        shown = axes.imshow(weights, cmap="RdBu_r", vmin=-1.5, vmax=1.5)
        axes.set(title=f"state {planted + 1}, {words}", xticks=[], yticks=[])
fig.colorbar(shown, ax=panels, shrink=0.6, label="coupling")

# %%
# **What not to conclude.** Three states come back because three were asked for: the fit never says
# how many there are. That, and whether there are any, is the next example. A coupling is a
# prediction: unseen common input makes edges between neurons that do not touch.
