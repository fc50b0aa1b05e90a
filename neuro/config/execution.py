"""Section `execution`: seeds and how the workflow behaves."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option


@dataclasses.dataclass(frozen=True)
class Execution:
    """How the workflow runs; cores and cluster settings belong to the profiles."""

    seed: int = option(0, "integer", "Seed of everything random.", low=0)
    rerun_on_code_change: bool = option(
        True,
        "boolean",
        "Whether an edited source file of a stage runs that stage and what follows again.",
    )
    skip_bad_subjects: bool = option(
        False,
        "boolean",
        "Whether runs that fail the check are listed and left out instead of stopping the start.",
    )
    shared_results: bool = option(
        False,
        "boolean",
        "Whether everybody on the machine may read the results; by default the owner and the "
        "group alone, for tables and pages name people.",
    )
