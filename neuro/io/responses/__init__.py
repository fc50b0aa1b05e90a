"""Stimuli and responses."""
