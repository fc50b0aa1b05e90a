"""Denoised BOLD, region series, connectomes and quality control.

Arrays are time first: images as series `(n_timepoints, n_voxels)`, regions
`(n_timepoints, n_regions)`, edges `(n_runs, n_edges)` in `numpy.triu_indices(n, 1)` order.
"""

from neuro.lazy import attach

_HOMES = {
    "RigidRealign": "realign",
    "shift_slices": "slice_timing",
    "Denoiser": "clean",
    "denoise_run": "run",
    "MaskedGaussian": "smooth",
    "load_atlas": "atlases",
    "Parcellator": "parcellate",
    "Connectome": "connectome",
    "TangentConnectome": "tangent",
    "framewise_displacement": "qc",
    "dvars": "qc",
    "tsnr": "qc",
    "qc_fc": "qcfc",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
