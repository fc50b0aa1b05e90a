"""Connectomes and demographics as numbers."""
