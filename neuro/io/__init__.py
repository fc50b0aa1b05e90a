"""Readers and writers; every reader validates and reports problems as one line each."""

from neuro.io.problems import InputProblem

__all__ = ["InputProblem"]
