"""Dynamic connectomes by non-negative tensor factorisation (Dyballa 2024).

Arrays are time first: traces `(n_frames, n_neurons)`, tensors `(n_bins, n_animals, n_pairs)`.
Pairs `i < j` stand in the order of `numpy.triu_indices(n_neurons, 1)`.
"""

from neuro.lazy import attach

_HOMES = {
    "build_tensor": "tensor",
    "PairTensor": "tensor",
    "NonNegativeCP": "models",
    "ConcatenatedNMF": "models",
    "select_rank": "rank",
    "null_motifs": "nulls",
    "motif_matrices": "communities",
    "fit_sbm": "sbm",
    "DynamicConnectome": "dynamic",
    "dynamic_connectome": "dynamic",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
