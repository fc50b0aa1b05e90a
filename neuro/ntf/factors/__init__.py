"""Factorisations, their rank, and what they predict of unseen data."""
