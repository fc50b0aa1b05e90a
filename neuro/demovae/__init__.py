"""Connectomes without their demographics, and synthetic ones (Orlichenko et al. 2024).

Arrays: edges `(n_rows, n_edges)` in the order of `numpy.triu_indices(n_regions, 1)`, latents
`(n_rows, n_latents)`; demographics are a table with a row per row of edges.
"""

from neuro.lazy import attach

_HOMES = {
    "DemoVAE": "model",
    "PCALatents": "baselines",
    "ConfoundResidualizer": "baselines",
    "Column": "schema",
    "parse_columns": "schema",
    "correlations": "evaluate",
    "null_bound": "evaluate",
    "group_maps": "evaluate",
    "compare_maps": "evaluate",
    "nearest_distances": "evaluate",
    "privacy_ratio": "evaluate",
    "membership_auc": "evaluate",
    "edge_stats": "evaluate",
    "nearest_correlations": "generate",
    "minimum_eigenvalues": "generate",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
