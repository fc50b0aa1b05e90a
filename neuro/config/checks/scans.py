"""Idle keys of the tests over a whole cohort: rows of the table in :mod:`.effects`."""

from __future__ import annotations

from neuro.config.checks.conditions import off

_GROUP = ("target", "kind", "covariates", "permutations", "component_p")
_TFCE = ("tfce_extent", "tfce_height", "tfce_step")
GROUP = (
    " ".join(f"adhd.group.{name}" for name in (*_GROUP, *_TFCE)),
    off("adhd.group.enabled"),
    "edges and nodes are not tested",
)
PHENOTYPES = (
    "demovae.phenotypes.permutations",
    off("demovae.phenotypes.enabled"),
    "the columns are not scanned",
)
