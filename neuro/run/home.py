"""Where the workflow lies: at the top of a clone, inside the package of an installed wheel."""

from __future__ import annotations

from pathlib import Path

import neuro
from neuro.io.problems import InputProblem

INSTALLED = "workflow_files"
"""Folder of the package into which a build copies Snakefile, workflow, profiles and settings."""


def home() -> Path:
    """Folder of the Snakefile.

    Raises
    ------
    InputProblem
        When there is none beside or inside the package.
    """
    package = Path(neuro.__file__).parent
    for folder in (package / INSTALLED, package.parent):
        if (folder / "Snakefile").is_file() and (folder / "workflow" / "rules").is_dir():
            return folder
    raise InputProblem(
        f"{package}: no workflow in or beside the package; install the wheel or work in a clone"
    )
