"""Image encoders with linear voxel readouts, shared by the stages `mds` and `braindive`.

Images are `(n, channels, height, width)` with values in [0, 1]; responses are
`(n, n_voxels)`.
"""

from neuro.base.lazy import attach

_HOMES = {
    "VoxelEncoder": "encoder",
    "CategoryJudge": "tiny",
    "average_repeats": "targets",
    "noise_ceiling": "targets",
    "zscore_within": "targets",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = attach(__name__, _HOMES)
