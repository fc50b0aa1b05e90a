"""One-hot edges: relaxed, spike and slab, as graphs."""
