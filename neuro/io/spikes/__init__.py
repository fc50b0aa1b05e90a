"""Spike trains and counts."""
