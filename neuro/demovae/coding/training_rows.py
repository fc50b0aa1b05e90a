"""The rows of a fit, checked: everything that is wrong with them is said at once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from neuro.demovae.coding import schema
from neuro.demovae.coding.edges import check_edges


@dataclasses.dataclass(frozen=True)
class TrainingRows:
    """Rows that a fit uses.

    Attributes
    ----------
    X : ndarray of float32, shape (n_rows, n_edges)
    demographics : pandas.DataFrame
    groups : ndarray, shape (n_rows,)
    columns : tuple of Column
        All columns, those that are only reported included.
    """

    X: np.ndarray
    demographics: pd.DataFrame
    groups: np.ndarray
    columns: tuple

    @property
    def used(self) -> list:
        """Columns that the decoder is told."""
        return [column for column in self.columns if column.role != "report"]


def training_rows(X, y, demographics, groups, columns, missing_rule) -> TrainingRows:
    """Check edges, demographics, target and groups of a fit; drop rows with gaps where wanted.

    Raises
    ------
    ValueError
        All problems, one line each.
    """
    if demographics is None:
        raise ValueError("demographics: missing; fit(X, demographics=table) needs them")
    demographics = schema.match_rows(X, demographics)
    columns = schema.parse_columns(columns, demographics)
    X = np.asarray(X)
    problems = check_edges(X)
    problems += schema.check_demographics(
        demographics, columns, missing_rule=missing_rule, constant=True
    )
    problems += schema.check_target(y, demographics, columns)
    if groups is not None and len(groups) != len(X):
        problems.append(f"groups: {len(groups)} values for {len(X)} rows of X")
    if problems:
        raise ValueError("\n".join(problems))
    groups = np.arange(len(X)) if groups is None else np.asarray(groups)
    rows = TrainingRows(X, demographics, groups, columns)
    if missing_rule == "drop":
        known = ~schema.missing_rows(demographics, rows.used)
        X, demographics, groups = X[known], demographics[known], groups[known]
        problems = schema.check_demographics(demographics, rows.used) if len(X) else []
        problems += [f"X: {len(X)} rows left without missing values"] if len(X) < 4 else []
        if problems:
            raise ValueError("\n".join(problems))
    return TrainingRows(np.ascontiguousarray(X, dtype=np.float32), demographics, groups, columns)


def edge_rows(estimator, X, reset: bool) -> np.ndarray:
    """Edges as float32; `fit` notes their names and number, other methods compare them.

    Raises
    ------
    ValueError
        One line when edges are missing or others than those of the fit.
    """
    rows = np.asarray(X)
    problems = check_edges(rows, None if reset else estimator.n_features_in_)
    if problems:
        raise ValueError("\n".join(problems))
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    return np.ascontiguousarray(rows, dtype=np.float32)
