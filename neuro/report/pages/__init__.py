"""One page per stage, and what they share."""
