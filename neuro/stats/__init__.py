"""Statistics that several stages share: folds, permutation, covariance, site effects."""

from neuro.base.lazy import attach

_HOMES = {
    "Design": "permuted.design",
    "PermutedModel": "permuted.model",
    "ComBat": "combat",
    "CovBat": "combat",
    "TangentSpace": "tangent",
    "adjusted_p": "false_discovery",
    "common_block": "observed",
    "adjusted_rand": "agreement",
    "ami": "agreement",
    "fisher_z": "fisher",
    "ledoit_wolf": "shrinkage",
    "make_folds": "subjects",
    "select_subjects": "subjects",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
