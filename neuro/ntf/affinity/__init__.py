"""From traces to the tensor of pairwise affinities."""
