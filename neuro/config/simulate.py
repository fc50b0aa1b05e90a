"""Section `simulate`: the planted cohort that stands in for data (`data.kind: simulated`)."""

from __future__ import annotations

import dataclasses

from neuro.config.model import group, option


@dataclasses.dataclass(frozen=True)
class Scenes:
    """A visual world of five categories of small scenes, and voxels that prefer them."""

    n_train: int = option(12000, "integer", "Scenes of the tiers train and validation.", low=10)
    n_test: int = option(2000, "integer", "Scenes of the tier test.", low=2)
    n_repeats: int = option(2, "integer", "Trials per test scene.", low=1)
    n_per_roi: int = option(40, "integer", "Voxels of each of the five regions.", low=2)
    noise: float = option(
        1.0, "number", "SD of a trial's noise; the signal's SD is about 0.5.", low=0
    )


@dataclasses.dataclass(frozen=True)
class Simulate:
    """A cohort with known truth, written as images in MNI space."""

    n_subjects: int = option(32, "integer", "Number of subjects.", low=4)
    n_volumes: int = option(240, "integer", "Volumes per run.", low=40)
    tr: float = option(2.0, "number", "Sampling interval.", unit="s", above=0)
    voxel_mm: int = option(8, "integer", "Edge of a voxel.", unit="mm", low=4, high=12)
    sites: list = option(["alpha", "beta"], "strings", "Names of the simulated sites.")
    effect: float = option(
        0.25,
        "number",
        "Extra shared variance of the cases in the two planted regions.",
        low=0,
        high=0.4,
    )
    motion: float = option(
        1.0, "number", "Factor on all head motion; 0 leaves none.", low=0, high=10
    )
    scenes: Scenes = group(Scenes)
