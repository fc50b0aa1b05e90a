"""What the Snakefile asks: which inputs, in which layout, what is planned, what the code is."""
