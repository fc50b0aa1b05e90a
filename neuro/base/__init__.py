"""What everything may use: lazy names, the estimator's base, threads, jobs, provenance."""
