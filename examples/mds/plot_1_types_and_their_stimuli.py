"""
Types of cells and their stimuli
================================

Cells are grouped by what they respond to, and every group gets one stimulus that drives it and no
other. A few repeats of these stimuli type new cells without any model.
"""

# %%
# Eight planted types of 20 cells; the population answers like a trained twin would.

import matplotlib.pyplot as plt
import numpy as np

from neuro.mds import MostDiscriminativeStimuli, assign
from neuro.simulate import ln8_population, natural_images, present
from neuro.stats import adjusted_rand

cells = ln8_population(20, random_state=0)
images = natural_images(500, rng=np.random.default_rng(0))[:, None].astype("float32")
mds = MostDiscriminativeStimuli(n_restarts=2, random_state=0)
mds.fit(cells, stimuli=images)
agreement = adjusted_rand(mds.labels_, cells.types)
print(f"{mds.n_clusters_} groups, {mds.verdict_}, adjusted Rand index with planted {agreement:.2f}")

# %%
# The stimuli.

fig, panels = plt.subplots(1, mds.n_clusters_, figsize=(10, 1.7), layout="constrained")
for number, (axes, stimulus) in enumerate(zip(panels, mds.stimuli_), 1):
    axes.imshow(stimulus.squeeze(), cmap="gray")
    axes.set(title=str(number), xticks=[], yticks=[])

# %%
# What every cell answers to every stimulus, cells sorted by group; and new cells, nine repeats.

new = present(cells, mds.stimuli_, n_new=10, n_repeats=9)
typed = assign(mds.n_clusters_, new["responses"])
right = adjusted_rand(typed["cluster"].to_numpy(), np.asarray(new["known_type"]))
print(f"new cells: adjusted Rand index with their types {right:.2f}")
fig, axes = plt.subplots(figsize=(8, 3), layout="constrained")
order = np.argsort(mds.labels_, kind="stable")
shown = axes.imshow(mds.responses_[:, order], aspect="auto", cmap="viridis")
axes.set(xlabel="cell, sorted by group", ylabel="stimulus")
fig.colorbar(shown, label="response, scaled")

# %%
# **What not to conclude.** The clean blocks are no evidence for types: the stimuli were made to
# give them, and they do so for a continuum as well. Read the verdict; the next example shows why.
