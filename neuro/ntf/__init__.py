"""Dynamic connectomes by non-negative tensor factorisation (Dyballa 2024).

Arrays are time first: traces `(n_frames, n_neurons)`, tensors `(n_bins, n_animals, n_pairs)`.
Pairs `i < j` stand in the order of `numpy.triu_indices(n_neurons, 1)`.

What flows where: `affinity` makes recordings fit for a tensor (rates, names, one time axis) and
computes how strongly pairs interact; `factors` factorises it, chooses the rank and predicts what
was held out; `communities` finds groups in each motif, beside surrogates and what is known from
elsewhere; `summary` writes the tables.
"""

from neuro.base.lazy import attach

_HOMES = {
    "build_tensor": "affinity.tensor",
    "PairTensor": "affinity.tensor",
    "NonNegativeCP": "factors.models",
    "ConcatenatedNMF": "factors.models",
    "to_cp_tensor": "affinity.interchange",
    "from_cp_tensor": "affinity.interchange",
    "select_rank": "factors.rank",
    "null_motifs": "communities.nulls",
    "motif_matrices": "communities.detect",
    "motif_graph": "communities.detect",
    "fit_sbm": "communities.sbm",
    "DynamicConnectome": "communities.dynamic",
    "dynamic_connectome": "communities.dynamic",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
