"""Classifiers, their folds, nulls and baselines."""
