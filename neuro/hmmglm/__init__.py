"""Switching brain states from spike trains: hidden Markov models with GLM emissions."""
