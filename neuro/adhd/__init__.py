"""Voxel and region graph maps, and an honest diagnosis (Dey, Rao, Shah 2012).

Arrays are time first: series `(n_timepoints, n_nodes)`, features `(n_subjects, n_features)`.
"""

from neuro.lazy import attach

_HOMES = {
    "VoxelGraph": "graph",
    "pack": "packed",
    "cycles3": "packed",
    "cycles4": "packed",
    "FeatureTable": "feature_table",
    "GraphFeatures": "features",
    "RegionMask": "mask",
    "GraphDiagnosis": "model",
    "make_folds": "splits",
    "nested_cv": "evaluate",
    "Guard": "guard",
    "permute_labels": "permutation",
    "permute_within_site": "permutation",
    "score_metrics": "metrics",
    "bootstrap_metrics": "metrics",
    "group_maps": "maps",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
