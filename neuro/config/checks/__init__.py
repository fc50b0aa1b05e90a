"""What a configuration must hold beyond single keys, and which keys act."""
