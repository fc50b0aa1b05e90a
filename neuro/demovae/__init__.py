"""Connectomes without their demographics, and synthetic ones (Orlichenko et al. 2024).

Arrays: edges `(n_rows, n_edges)` in the order of `numpy.triu_indices(n_regions, 1)`, latents
`(n_rows, n_latents)`; demographics are a table with a row per row of edges.

What flows where: `coding` turns demographics into numbers and edges into the space that training
rows span; `training` fits the network or its closed form and makes the constraints exact;
`sampling` draws new connectomes or re-expresses known ones; `evaluation` reads demographics out of
features of people that no fit has seen, beside the baselines, and hands features to the diagnosis.
"""

from neuro.base.lazy import attach

_HOMES = {
    "DemoVAE": "model",
    "FullRankSampler": "sampling.full_rank",
    "PrivateSampler": "sampling.private",
    "ProtectedLatents": "training.protected",
    "PCALatents": "evaluation.baselines",
    "attack_curve": "evaluation.attacks",
    "compare": "evaluation.compare",
    "partial_confound_test": "evaluation.confound_test",
    "told_apart": "sampling.spectra",
    "ConfoundResidualizer": "evaluation.baselines",
    "Column": "coding.schema",
    "parse_columns": "coding.schema",
    "correlations": "evaluation.evaluate",
    "null_bound": "evaluation.evaluate",
    "group_maps": "evaluation.evaluate",
    "compare_maps": "evaluation.evaluate",
    "nearest_distances": "evaluation.evaluate",
    "privacy_ratio": "evaluation.evaluate",
    "membership_auc": "evaluation.evaluate",
    "edge_stats": "evaluation.evaluate",
    "nearest_correlations": "sampling.generate",
    "minimum_eigenvalues": "sampling.generate",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
