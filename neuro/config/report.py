"""Section `report`: the HTML report."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option


@dataclasses.dataclass(frozen=True)
class Report:
    """How the report looks."""

    title: str = option("neuro report", "string", "Title of the report.")
    anonymous: bool = option(
        False, "boolean", "Whether participant labels are replaced by numbers."
    )
    max_subject_figures: int = option(
        40, "integer", "Runs that get figures of their own; the report says which.", low=0
    )
