"""Image encoders with linear voxel readouts, shared by the stages `mds` and `braindive`.

Images are `(n, channels, height, width)` with values in [0, 1]; responses are
`(n, n_voxels)`. Nothing heavy is imported before an encoder is made.
"""

from neuro.encoding.encoder import VoxelEncoder

__all__ = ["VoxelEncoder"]
