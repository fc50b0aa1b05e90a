"""
Does the judge agree?
=====================

Guidance makes images that please the encoder that steered. An encoder of another kind, fitted on
other images, took no part: what does it say? Two sets of images stand before it: natural
favourites of the guide, and images from a generator that was trained for some seconds, which is
far too little.
"""

# %%
# Guide and judge see different halves of the images.

import matplotlib.pyplot as plt
import numpy as np

from neuro.braindive import BrainGuidedSampler, Objective, TinyLDM, TinyRecipe, judge_images
from neuro.encoding import VoxelEncoder
from neuro.simulate import scene_voxels, scene_world

scenes = scene_world(3000, seed=0)
voxels = scene_voxels(scenes, n_per_roi=20, noise=0.5)
images = scenes.images.reshape(-1, 3, 16, 2, 16, 2).mean((3, 5))  # 16 pixels: fast
about = {"unit": voxels.unit, "roi": voxels.roi}
first, second, unseen = slice(0, 1300), slice(1300, 2600), slice(2600, 3000)
guide = VoxelEncoder("gabor", random_state=0)
guide.fit(images[first], voxels.responses[first], **about)
judge = VoxelEncoder("tiny_cnn", random_state=0)
judge.fit(images[second], voxels.responses[second], labels=scenes.category[second], **about)
objective = Objective.from_rois({"face": 1.0}, guide.unit_, guide.roi_)

# %%
# Natural favourites: the 24 of 400 unseen images that the guide likes best, against 24 others.

values = np.asarray(objective.value(guide.predict(images[unseen]), guide.unit_))
order = np.argsort(-values)
favourites, others = images[unseen][order[:24]], images[unseen][np.sort(order[24:])[:24]]

# %%
# Guided images, each with its unguided twin from the same noise.

recipe = TinyRecipe(vae_channels=(8, 16, 32), unet_channels=(32, 64), vae_steps=150, unet_steps=150)
generator = TinyLDM.train(images[first], seed=0, recipe=recipe)
batch = BrainGuidedSampler(generator, guide, objective, steps=20).sample(range(24))

# %%
# Gains in SD of the predicted response: what the guide claims, and what the judge confirms, with
# a 95 % interval.

sets = {"natural favourites": (favourites, others), "guided": (batch.images, batch.unguided)}
fig, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for place, (name, (chosen, twins)) in enumerate(sets.items()):
    table, summary = judge_images(chosen, twins, guide, judge, objective)
    gain, low, high = summary["gain_B"], summary["ci_low"], summary["ci_high"]
    words = "flagged" if summary["adversarial"] else "not flagged"
    judged = f"judge {gain:.2f} ({low:.2f} to {high:.2f})"
    print(f"{name}: guide {summary['gain_A']:.2f}, {judged}: {words}")
    axes.barh(place - 0.18, summary["gain_A"], 0.3, color="0.7", label="" if place else "guide")
    axes.barh(place + 0.18, gain, 0.3, color="#4c78a8", label="" if place else "judge")
    axes.errorbar(gain, place + 0.18, xerr=[[gain - low], [high - gain]], color="k")
axes.set_yticks(range(2), sets)
axes.set(xlabel="gain, SD")
axes.axvline(0, color="0.3", lw=1)
axes.legend()

# %%
# Favourites, twins and guided images.

fig, panels = plt.subplots(3, 8, figsize=(9, 3.6), layout="constrained")
rows = {"favourites": favourites, "unguided": batch.unguided, "guided": batch.images}
for row, (name, shown) in zip(panels, rows.items()):
    for axes, image in zip(row, shown):
        axes.imshow(image.transpose(1, 2, 0).clip(0, 1))
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)

# %%
# **What not to conclude.** A large gain of the guide says nothing: it likes its own gradient. A
# judge who does not agree refutes these images, not the method: with a generator that was trained
# for longer regions do gain (:doc:`/braindive`). And one judge is one opinion; the stage asks a
# panel in its own units.
