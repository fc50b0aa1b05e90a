"""Switching brain states from spike trains: hidden Markov models with GLM emissions (Li 2024).

Counts are time first: `(n_bins, n_neurons)` of a sequence, or a list of such arrays; states are
numbered from 0 in code and from 1 in tables.
"""

from neuro.base.lazy import attach

_HOMES = {
    "OneHotHMMGLM": "model",
    "PoissonHMM": "baselines.poisson",
    "count_spikes": "design.bins",
    "select_units": "design.units",
    "bin_pynapple": "design.bins",
    "upward_crossings": "design.events",
    "forward_backward": "em.chain",
    "viterbi": "em.chain",
    "select_states": "baselines.sweep",
    "match_states": "baselines.compare",
    "coupling_graphs": "edges.graphml",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
