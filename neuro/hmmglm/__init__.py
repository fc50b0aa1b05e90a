"""Switching brain states from spike trains: hidden Markov models with GLM emissions (Li 2024).

Counts are time first: `(n_bins, n_neurons)` of a sequence, or a list of such arrays; states are
numbered from 0 in code and from 1 in tables.

What flows where: `design` bins spikes, chooses units and builds history and covariates; `em` runs
the hidden chain, the emissions and their fit from many starts; `edges` holds the one-hot priors and
their solvers; `baselines` has what a model must beat and how models and numbers of states are
compared; `export` writes states, couplings and graphs.
"""

from neuro.base.lazy import attach

_HOMES = {
    "OneHotHMMGLM": "model",
    "OneHotDays": "days",
    "compare_days": "days",
    "match_units": "days",
    "PoissonHMM": "baselines.poisson",
    "count_spikes": "design.bins",
    "select_units": "design.units",
    "bin_pynapple": "design.bins",
    "upward_crossings": "design.events",
    "forward_backward": "em.chain",
    "viterbi": "em.chain",
    "select_states": "baselines.selection",
    "match_states": "baselines.compare",
    "coupling_graphs": "edges.graphml",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
