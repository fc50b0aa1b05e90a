"""
What a region prefers among images
==================================

An encoder predicts voxel responses from images. The images with the largest predicted response of
a region say what it prefers, before anything is generated.
"""

# %%
# Planted scenes of five categories, and five regions of voxels that each prefer one of them.

import matplotlib.pyplot as plt
import numpy as np

from neuro.braindive import Objective
from neuro.encoding import VoxelEncoder
from neuro.simulate import scene_voxels, scene_world

scenes = scene_world(2000, seed=0)
voxels = scene_voxels(scenes, n_per_roi=20, noise=0.5)
train, test = slice(0, 1500), slice(1500, 2000)
encoder = VoxelEncoder("gabor", random_state=0)
encoder.fit(scenes.images[train], voxels.responses[train], unit=voxels.unit, roi=voxels.roi)

# %%
# How well the encoder predicts unseen images, region by region, comes first.

r2 = np.asarray(encoder.r2(scenes.images[test], voxels.responses[test]))
regions = list(dict.fromkeys(voxels.roi))
for region in regions:
    own = r2[np.array(voxels.roi) == region]
    print(f"{region}: median R² on unseen images {np.median(own):.2f}")

# %%
# Five favourites of each region among 500 unseen images.

predicted = encoder.predict(scenes.images[test])
fig, panels = plt.subplots(len(regions), 5, figsize=(6, 6), layout="constrained")
for row, region in zip(panels, regions):
    objective = Objective.from_rois({region: 1.0}, encoder.unit_, encoder.roi_)
    values = np.asarray(objective.value(predicted, encoder.unit_))
    for axes, image in zip(row, scenes.images[test][np.argsort(-values)[:5]]):
        axes.imshow(image.transpose(1, 2, 0))
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(region)

# %%
# **What not to conclude.** The favourites come from the images that were shown: what a region
# prefers among scenes is not what it prefers at all. And they are favourites of the encoder;
# where R² is small they say more about its features than about the region.
