"""
One run from image to connectome
================================

A preprocessed image, its mask and its confounds become clean region series and a connectome. The
data are planted: a few people in MNI space at 8 mm, with head motion, breathing and tissue
signals.
"""

# %%
# Write planted data and read one run of it. `load_bold` looks at the header alone; voxels of the
# mask come as rows of time.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from neuro.fmri import Connectome, Parcellator, denoise_run
from neuro.io import load_bold, load_mask, read_confounds
from neuro.simulate import write_cohort

folder = Path(write_cohort(tempfile.mkdtemp(), n_subjects=2, n_volumes=240, motion=1.5))
func = folder / "sub-01" / "func"
bold = load_bold(next(func.glob("*_bold.nii.gz")))
mask = load_mask(next(func.glob("*_mask.nii.gz")))
confounds, meta = read_confounds(next(func.glob("*_timeseries.tsv")))
series = np.asarray(bold.img.dataobj)[mask.get_fdata() > 0].T.astype("float32")

# %%
# Censor, filter and regress in one step, average regions, correlate.

run = denoise_run(series, mask, tr=bold.tr, confounds=confounds, meta=meta)
parcels = Parcellator(folder / "atlas.nii.gz", mask).fit()
regions = parcels.transform(run.denoised)
edges = Connectome().fit_transform([regions])[0]
n_kept, n_volumes = run.kept.sum(), len(run.kept)
print(f"{n_kept} of {n_volumes} volumes kept, {run.qc['dof_left']:.0f} degrees of freedom left")

# %%
# Before and after. Stripes over many voxels are motion; the gaps are volumes that were censored.

clean = np.full_like(series, np.nan)
clean[run.kept] = run.denoised
fig, (top, middle, bottom) = plt.subplots(
    3, 1, figsize=(8, 6), sharex=True, height_ratios=(1, 2, 2), layout="constrained"
)
top.plot(run.traces["framewise_displacement"], color="0.2", lw=1)
top.set_ylabel("FD, mm")
for axes, rows, words in ((middle, series, "as it came"), (bottom, clean, "cleaned")):
    some = rows[:, ::12]
    some = (some - np.nanmean(some, 0)) / (np.nanstd(some, 0) + 1e-9)
    axes.imshow(some.T, aspect="auto", cmap="gray", vmin=-2, vmax=2, interpolation="none")
    axes.set_ylabel(f"voxels, {words}")
bottom.set_xlabel("volume")

# %%
# The connectome, Fisher z of every pair of regions.

n_regions = regions.shape[1]
matrix = np.zeros((n_regions, n_regions))
matrix[np.triu_indices(n_regions, 1)] = edges
fig, axes = plt.subplots(figsize=(5, 4), layout="constrained")
shown = axes.imshow(matrix + matrix.T, cmap="RdBu_r", vmin=-1, vmax=1)
axes.set(xlabel="region", ylabel="region", title="connectome of one run")
fig.colorbar(shown, label="Fisher z")

# %%
# **What not to conclude.** A carpet that looks clean does not show that motion is out of the
# connectome: that needs many people, see the next example. Negative edges here depend on the
# strategy (global signal regression shifts all edges down), so a sign is no inhibition.
