"""Calcium traces and other continuous recordings."""

from neuro.base.lazy import attach

__getattr__, __dir__ = attach(__name__, {"read_recording": "reader"})
