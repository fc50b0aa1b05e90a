"""Calcium traces and other continuous recordings."""
