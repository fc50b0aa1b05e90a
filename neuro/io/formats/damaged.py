"""Damaged files: one line for whatever a library raises while it reads them."""

from __future__ import annotations

import contextlib

from neuro.io.formats import contained
from neuro.io.problems import InputProblem

LENGTH = 40
"""Characters of a library's own words that a line repeats."""


@contextlib.contextmanager
def readable(path, what: str):
    """Turn any error of a library that reads a file into one line.

    Libraries raise almost anything on damaged input: errors of compression, of types, of memory,
    of their own. Only calls into them belong into the block.

    Parameters
    ----------
    path : path-like
        For the line.
    what : str
        What the file is not, e.g. `'not a readable MAT file'`.

    Raises
    ------
    InputProblem
        `<path>: <what> (<first words of the error>)`; before the block where the file reaches
        outside of its folder or would inflate without end, see :mod:`neuro.io.formats.contained`.
    """
    contained.check(path)
    try:
        yield
    except InputProblem:
        raise
    except Exception as error:
        raise InputProblem(f"{path}: {what} ({reason(error)})") from None


def reason(error: BaseException) -> str:
    """First words of an error, or its name where it has none."""
    words = " ".join(str(error).split())
    if "pickle" in words:
        return "pickled objects are never loaded"
    return words[:LENGTH] if words else type(error).__name__
