"""
Graph maps of one run
=====================

Voxels are nodes, an edge joins two whose series correlate strongly, and every node counts its
neighbours and the triangles it is part of. All counts are exact.
"""

# %%
# A planted subject on a grid of 3,000 voxels whose regions have signals of their own.

import matplotlib.pyplot as plt

from neuro.adhd import VoxelGraph
from neuro.simulate import planted_cohort

cohort = planted_cohort(n_subjects=4, effect=0.1)
graph = VoxelGraph(density=0.02).fit(cohort.series(0), coords_mm=cohort.coords_mm)
print(
    f"{graph.n_edges_} edges above r = {graph.threshold_:.2f}, {graph.n_triangles_} triangles, "
    f"density {graph.density_:.3f}"
)

# %%
# One slice of three maps. 3-cycles are many where neighbours are neighbours of each other.

z = cohort.coords_mm[:, 2]
layer = z == z[len(z) // 2]
x, y = cohort.coords_mm[layer, 0], cohort.coords_mm[layer, 1]
maps = {
    "degree": graph.degree_,
    "3-cycles": graph.cycles3_,
    "neighbours beyond 40 mm": graph.distance_degree_[:, 2:].sum(axis=1),
}
fig, panels = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
for axes, (name, values) in zip(panels, maps.items()):
    shown = axes.scatter(x, y, c=values[layer], s=70, marker="s", cmap="viridis")
    axes.set(title=name, xticks=[], yticks=[], aspect="equal")
    fig.colorbar(shown, ax=axes, shrink=0.8)

# %%
# **What not to conclude.** A voxel with many neighbours is not thereby a hub of the brain: large
# regions and smoothing make neighbours, too. Maps of people compare only at one density; at one
# fixed correlation, as published, they follow the length of the scan.
