"""Sections, pages and HTML."""
