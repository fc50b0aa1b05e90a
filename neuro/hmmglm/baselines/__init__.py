"""What a switching GLM must beat, and how models are compared."""
