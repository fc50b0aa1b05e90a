"""Stimuli and responses."""

from neuro.base.lazy import attach

__getattr__, __dir__ = attach(__name__, {"read_stimulus_response": "reader"})
