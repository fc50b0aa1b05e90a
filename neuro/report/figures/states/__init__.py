"""Figures of the stage `hmmglm` about what acts on rates and states from outside."""
