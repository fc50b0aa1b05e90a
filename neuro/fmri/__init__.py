"""Denoised BOLD, region series, connectomes and quality control.

Arrays are time first: images as series `(n_timepoints, n_voxels)`, regions
`(n_timepoints, n_regions)`, edges `(n_runs, n_edges)` in `numpy.triu_indices(n, 1)` order.

What flows where: `raw` times slices, realigns volumes and makes a mask where the data are raw;
`clean` takes voxel series and confounds, chooses regressors, censors, filters and regresses in one
step; `regions` reads atlases, averages voxels to region series and makes connectomes; `quality`
measures motion and noise of each run, and what motion leaves in the edges of the group; `maps`
makes amplitude, homogeneity and seed maps; `compare` cleans the same runs with several strategies.
"""

from neuro.base.lazy import attach

_HOMES = {
    "RigidRealign": "raw.realign",
    "shift_slices": "raw.slice_timing",
    "Denoiser": "clean.denoiser",
    "denoise_run": "clean.run",
    "MaskedGaussian": "clean.smooth",
    "load_atlas": "regions.atlases",
    "Parcellator": "regions.parcellate",
    "Connectome": "regions.connectome",
    "connectome_graph": "regions.connectome",
    "TangentConnectome": "regions.tangent",
    "framewise_displacement": "quality.measures",
    "dvars": "quality.measures",
    "tsnr": "quality.measures",
    "qc_fc": "quality.qcfc",
    "alff": "maps.amplitude",
    "falff": "maps.amplitude",
    "reho": "maps.reho",
    "grid_neighbours": "maps.reho",
    "seed_maps": "maps.seeds",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
