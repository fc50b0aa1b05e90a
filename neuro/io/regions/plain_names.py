"""Whose table it is, where file names follow no standard."""

from __future__ import annotations

import re

LONG = 4
"""Digits of an id that is also found with zeros before it."""


def owner(stem: str, known: list[str]) -> str | None:
    """The first label that stands alone in a name; long numbers also with zeros before them.

    Ids lose their zeros in tables of numbers: 50003 is 0050003 in the names.

    Parameters
    ----------
    stem : str
        File name without its suffix.
    known : list of str
        Labels, the longest first.

    Returns
    -------
    str or None
    """
    within = [label for label in known if label in stem]
    numbers = [label for label in within if label.isdigit() and len(label) >= LONG]
    for zeros, labels in (("", within), ("0+", numbers)):
        for label in labels:
            alone = rf"(?<![A-Za-z0-9]){zeros}{re.escape(label)}(?![A-Za-z0-9])"
            if re.search(alone, stem):
                return label
    return None
