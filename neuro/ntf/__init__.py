"""Dynamic connectomes by non-negative tensor factorisation.

Arrays are time first: traces `(n_frames, n_neurons)`, tensors `(n_bins, n_animals, n_pairs)`.
Pairs `i < j` stand in the order of `numpy.triu_indices(n_neurons, 1)`.
"""
