"""Images: NIfTI headers, volumes, voxel series, graph maps."""
