"""Atlases, region series, connectomes."""
