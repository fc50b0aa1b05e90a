"""Look at every input once before anything runs: one file per kind of input."""
