"""Denoised BOLD, region series, connectomes and quality control."""
