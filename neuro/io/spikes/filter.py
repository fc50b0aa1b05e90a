"""Conditions on a unit table, read without ever running the user's text as code."""

from __future__ import annotations

import ast
import operator

import numpy as np

_COMPARE = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _tree(condition: str):
    try:
        return ast.parse(condition, mode="eval").body
    except SyntaxError:
        raise ValueError("cannot be read; write e.g. quality == 'good'") from None


def columns_of(condition: str) -> list[str]:
    """Column names that a condition mentions, in order."""
    names = [node.id for node in ast.walk(_tree(condition)) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(names))


def evaluate(condition: str, table) -> np.ndarray:
    """Which rows of a table meet a condition.

    Parameters
    ----------
    condition : str
        Comparisons of a column with a value (`==`, `!=`, `<`, `<=`, `>`, `>=`, `in [...]`),
        joined by `and`, `or`, `not`.
    table : pandas.DataFrame

    Returns
    -------
    ndarray of bool, shape (n_rows,)

    Raises
    ------
    ValueError
        When the condition is of another form, or names a column that is not there.
    """
    return _rows(_tree(condition), table)


def _rows(node, table):
    if isinstance(node, ast.BoolOp):
        parts = [_rows(subset, table) for subset in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return join.reduce(parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_rows(node.operand, table)
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        raise ValueError("only comparisons, and, or, not; write e.g. quality == 'good'")
    if not isinstance(node.left, ast.Name):
        raise ValueError("the left side of a comparison must be a column")
    if node.left.id not in table.columns:
        header = ", ".join(map(str, table.columns))
        raise ValueError(f"no column '{node.left.id}'; found: {header}")
    try:
        value = ast.literal_eval(node.comparators[0])
    except ValueError:
        raise ValueError("the right side of a comparison must be a value") from None
    column = table[node.left.id]
    kind = type(node.ops[0])
    if kind in (ast.In, ast.NotIn):
        inside = column.isin(list(value)).to_numpy()
        return inside if kind is ast.In else ~inside
    if kind not in _COMPARE:
        raise ValueError("this comparison is not known; use ==, !=, <, <=, >, >=, in")
    try:
        return np.asarray(_COMPARE[kind](column, value), dtype=bool)
    except TypeError:
        raise ValueError(f"column '{node.left.id}' does not compare with {value!r}") from None
