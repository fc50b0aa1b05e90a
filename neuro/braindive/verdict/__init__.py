"""Whether images drive a region, by judges whose own power is known."""
