"""Several ways of cleaning the same runs, and what each costs and leaves behind."""
