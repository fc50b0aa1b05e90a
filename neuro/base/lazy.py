"""Public names of a package that are imported on first use, so that importing it stays light."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable


def attach(package: str, homes: dict[str, str]) -> tuple[Callable, Callable]:
    """Module-level `__getattr__` and `__dir__` of a package.

    The homes lie in the package itself, so that a stage's digest, which covers its folder, sees
    them without following imports by name.

    Parameters
    ----------
    package : str
        Name of the package, such as `neuro.adhd`.
    homes : dict
        Public name to the module of the package that defines it.

    Returns
    -------
    getter, lister : callable
        For `__getattr__, __dir__ = attach(__name__, {...})`.

    Raises
    ------
    AttributeError
        By `getter`, for a name that the package does not have.
    """

    def getter(name: str):
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    def lister() -> list[str]:
        return sorted({*homes, *vars(sys.modules[package])})

    return getter, lister
