"""The search for types, its stability, and typing of new cells."""
