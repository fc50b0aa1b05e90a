"""Voxel and region graph maps, and an honest diagnosis (Dey, Rao, Shah 2012).

Arrays are time first: series `(n_timepoints, n_nodes)`, features `(n_subjects, n_features)`.

What flows where: `graph` turns series into rows of unit norm, correlates them in tiles, thresholds
exactly and packs the graph into bits, on which degrees and cycles are counted; `features` joins the
maps of all runs to one row per subject; `diagnosis` scales, masks regions and classifies inside
nested folds, beside baselines and permuted labels; `targets` predicts other columns there; `group`
tests edges and nodes family-wise; `maps` compares groups, `final` sums up.
"""

from neuro.base.lazy import attach

_HOMES = {
    "VoxelGraph": "graph.voxel_graph",
    "pack": "graph.packed",
    "cycles3": "graph.packed",
    "cycles4": "graph.packed",
    "FeatureTable": "features.table",
    "GraphFeatures": "features.graph_features",
    "RegionMask": "diagnosis.mask",
    "GraphDiagnosis": "diagnosis.model",
    "nested_cv": "diagnosis.evaluate",
    "Guard": "diagnosis.guard",
    "permute_labels": "diagnosis.permutation",
    "permute_within_site": "diagnosis.permutation",
    "score_metrics": "diagnosis.metrics",
    "bootstrap_metrics": "diagnosis.metrics",
    "group_maps": "maps",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
