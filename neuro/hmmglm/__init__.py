"""Switching brain states from spike trains: hidden Markov models with GLM emissions (Li 2024).

Counts are time first: `(n_bins, n_neurons)` of a sequence, or a list of such arrays; states are
numbered from 0 in code and from 1 in tables.
"""

from neuro.lazy import attach

_HOMES = {
    "OneHotHMMGLM": "model",
    "PoissonHMM": "baselines",
    "count_spikes": "bins",
    "select_units": "bins",
    "upward_crossings": "events",
    "forward_backward": "chain",
    "viterbi": "chain",
    "select_states": "sweep",
    "match_states": "compare",
    "write_graphml": "graphml",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
