"""Folders with BIDS names: raw data, derivatives of fMRIPrep and XCP-D, and their tables."""
