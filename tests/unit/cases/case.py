"""What one stored case of a rule consists of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from common import DOUBLE


@dataclasses.dataclass(frozen=True)
class Case:
    """One rule's case.

    Attributes
    ----------
    config : dict
        Settings of the run.
    inputs, outputs : tuple of str
        Patterns of files below the working directory.
    targets : tuple of str
        What Snakemake is asked for.
    run_target : str
        Target of the run from which the case is cut.
    present : tuple of str
        Large files that must be written, but are not stored and compared.
    prepare : callable, optional
        Makes what the stage reads, so that only its own rules run when the case is made.
    noise : float
        How far another processor may be from the stored values, see :data:`common.SINGLE`.
    borrowed : tuple of str
        Rules whose stored outputs stand in for their stage when the case is made.
    """

    config: dict
    inputs: tuple
    outputs: tuple
    targets: tuple
    run_target: str = "all"
    present: tuple = ()
    prepare: Callable | None = None
    noise: float = DOUBLE
    borrowed: tuple = ()
