"""Generators, schedulers and guided sampling."""
