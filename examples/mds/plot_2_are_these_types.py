"""
Are these types?
================

A search for clusters always returns clusters. Types should have gaps between them, in cells that
took no part in making the groups. Three planted populations: eight types, a continuum of
orientations, and one type whose cells only jitter.
"""

# %%
# 160 cells each.

import matplotlib.pyplot as plt
import numpy as np

from neuro.mds import MostDiscriminativeStimuli
from neuro.simulate import ln8_population, natural_images, one_type, orientation_continuum

populations = {
    "eight types": ln8_population(20, random_state=1),
    "orientations, a continuum": orientation_continuum(160, random_state=1),
    "one type with jitter": one_type(0, 160, random_state=1),
}
images = natural_images(500, rng=np.random.default_rng(0))[:, None].astype("float32")

# %%
# Gaps decide in the default preset; in the preset `paper` the published search decides. Beside
# them stands what a matrix of responses looks like, which is what one would be shown.

fig, panels = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for axes, (name, cells) in zip(panels, populations.items()):
    gaps = MostDiscriminativeStimuli(n_restarts=2, random_state=0).fit(cells, stimuli=images)
    search = MostDiscriminativeStimuli(grouping="objective", n_restarts=2, random_state=0)
    search.fit(cells, stimuli=images)
    found = gaps.n_clusters_
    print(f"{name}: gaps {found} ({gaps.verdict_}), published search {search.n_clusters_}")
    order = np.argsort(search.labels_, kind="stable")
    axes.imshow(search.responses_[:, order], aspect="auto", cmap="viridis")
    axes.set(title=f"{name}\ngaps: {gaps.verdict_}", xlabel="cell, sorted", xticks=[])
panels[0].set_ylabel("stimulus of the published search")

# %%
# **What not to conclude.** `none found by this search` does not say that there are no types: many
# similar ones with noise leave no gaps. `stable types` speaks of these cells under these stimuli;
# what differs only in another place or at another time was not asked. And blocks in the matrix
# say nothing either way.
