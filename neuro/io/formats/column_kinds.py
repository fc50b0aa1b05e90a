"""Whether a column of a participants table holds numbers or classes: one rule for all stages."""

from __future__ import annotations

import pandas as pd

MANY = 10
"""A column of numbers with more different values is a number, others are classes (ours)."""
CLASSES = ("site", "site_group", "sex", "dx")
"""Columns that are classes whatever they are written with: sites may be called 1 to 21."""


def column_kind(values, name=None) -> str:
    """Kind of a column, from its values alone.

    Parameters
    ----------
    values : array-like
        Text, numbers, booleans or a mixture; text counts as numbers where all of it can be read as
        such. Missing values say nothing.
    name : str, optional
        Of the column; default that of a `pandas.Series`. :data:`CLASSES` are classes.

    Returns
    -------
    {'number', 'classes'}
        'number' where more than :data:`MANY` different numbers stand there and nothing else.
    """
    values = pd.Series(values)
    name = values.name if name is None else name
    if name in CLASSES or pd.api.types.is_bool_dtype(values):
        return "classes"
    numbers = pd.to_numeric(values, errors="coerce")
    alone = bool((numbers.notna() == values.notna()).all())
    return "number" if alone and numbers.nunique() > MANY else "classes"
