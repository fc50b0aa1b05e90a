"""Planted data with known truth for every stage."""
