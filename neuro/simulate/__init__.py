"""Planted data with known truth for every stage."""

from neuro.base.lazy import attach

_HOMES = {
    "planted_cohort": "cohort",
    "planted_connectomes": "connectomes",
    "planted_tensor": "motifs",
    "planted_motifs": "motifs",
    "planted_epochs": "motifs",
    "pair_case": "pair_cases",
    "switching_glm": "switching",
    "truth_log_likelihood": "switching",
    "ln8_population": "ln8",
    "orientation_continuum": "ln8",
    "one_type": "ln8",
    "natural_images": "ln8",
    "present": "ln8",
    "scene_world": "scenes",
    "scene_voxels": "scenes",
    "write_cohort": "mni",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
