"""Group `demovae.phenotypes`: every column of the participants table before and after removal."""

from __future__ import annotations

import dataclasses

from neuro.config.model import option


@dataclasses.dataclass(frozen=True)
class PhenotypeScan:
    """Every column of the participants table, predicted before and after removal."""

    enabled: bool = option(True, "boolean", "Whether the columns are scanned.")
    permutations: int = option(
        200,
        "integer",
        "Permutations of each column within sites; p cannot be smaller than 1 of as many.",
        low=19,
    )
