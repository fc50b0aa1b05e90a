"""From motifs to communities, with nulls and known groups."""
