"""What is left of demographics, what is kept, and the baselines."""
