"""Voxel and region graph maps, and an honest diagnosis (Dey, Rao, Shah 2012)."""
