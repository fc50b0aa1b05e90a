"""Figures of a whole cohort: maps, strategies side by side, ways of removal, tests of edges."""
