"""From spike times to counts, history and design matrix."""
