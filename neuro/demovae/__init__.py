"""Stage `demovae`: connectomes without their demographics, and new ones for given demographics."""
