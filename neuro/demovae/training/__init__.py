"""Network and closed form: objective, training, constraints."""
