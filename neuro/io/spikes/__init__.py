"""Spike trains and counts."""

from neuro.base.lazy import attach

__getattr__, __dir__ = attach(__name__, {"read_spikes": "reader"})
