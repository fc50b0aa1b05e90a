"""Drawings of result tables."""
