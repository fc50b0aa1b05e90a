"""Maps of single runs: amplitude of slow fluctuations, homogeneity of neighbours, seeds."""
