"""New connectomes, and connectomes at other demographics."""
