"""Connectomes without their demographics, and new ones for given demographics (Orlichenko 2024).

Arrays are subjects first: edges `(n_subjects, n_edges)` in `numpy.triu_indices(n, 1)` order;
demographics are a table with one row per subject.
"""

from neuro.lazy import attach

_HOMES = {
    "DemoVAE": "model",
    "PCALatents": "baselines",
    "ConfoundResidualizer": "baselines",
    "DemographicCoder": "coding",
    "FoldFeatures": "fold_features",
    "parse_columns": "schema",
    "nearest_correlations": "generate",
    "nearest_distances": "evaluate",
    "membership_auc": "evaluate",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
