"""From the graphs of all runs to one row of features per subject."""
