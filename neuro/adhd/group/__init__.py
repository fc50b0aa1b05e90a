"""Group inference: which edges and nodes go with a column of the participants table."""
