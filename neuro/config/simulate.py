"""Section `simulate`: the planted cohort that stands in for data (`data.kind: simulated`)."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option


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
