"""Numbers from a participants table, fitted on training subjects only."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from neuro.base.estimator import Tagged


class CovariateEncoder(Tagged, TransformerMixin, BaseEstimator):
    """Turn columns of a participants table into standardised numbers.

    Numbers: a missing value becomes the training median, then the column is z-scored. Text: one
    indicator column per training level, centred; a missing or unseen level becomes 0, which is
    the training average. A column without any training value is left out.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns; those that the table lacks are an error at `fit`.
    categorical : sequence of str, default ('site', 'sex')
        Columns that are labels even when they look like numbers; a column that holds text is
        a label in any case.

    Attributes
    ----------
    encoding_ : list of tuple
        (column, levels, centre, scale) for each column in use.
    n_columns_ : int
        Width of the result.
    """

    _tags: ClassVar = {
        "input_tags.allow_nan": True,
        "input_tags.string": True,
        "input_tags.categorical": True,
    }

    def __init__(self, columns, categorical=("site", "sex")):
        self.columns = columns
        self.categorical = categorical

    def fit(self, X, y=None):
        """Learn medians, levels and scales from a table of training subjects.

        Raises
        ------
        ValueError
            When a column is missing from the table.
        """
        missing = [name for name in self.columns if name not in X.columns]
        if missing:
            raise ValueError(
                f"covariates: no column '{missing[0]}' in the participants table; "
                f"found {', '.join(map(str, X.columns[:12]))}"
            )
        self.encoding_ = []
        for name in self.columns:
            values = X[name]
            present = values.notna().to_numpy()
            if not present.any():
                continue
            if name in self.categorical or not _is_number(values):
                text = values.astype(str).to_numpy(dtype=object)
                levels = sorted(set(text[present]))
                hot = np.array([[value == level for level in levels] for value in text], float)
                self.encoding_.append((name, levels, hot[present].mean(axis=0), None))
            else:
                numbers = values.to_numpy(dtype=float)
                centre = float(np.median(numbers[present]))
                filled = np.where(present, numbers, centre)
                scale = float(filled.std()) or 1.0
                self.encoding_.append((name, None, (centre, float(filled.mean())), scale))
        self.n_columns_ = len(self.get_feature_names_out())
        return self

    def get_feature_names_out(self, input_features=None) -> np.ndarray:
        """Names of the numbers: the column, with its level where it is a label."""
        names = [
            f"{name}_{level}" if levels else name
            for name, levels, _, _ in self.encoding_
            for level in levels or [None]
        ]
        return np.array(names, dtype=object)

    def transform(self, X):
        """Numbers of the same columns, float64, shape (n_rows, n_columns_)."""
        check_is_fitted(self)
        blocks = [np.empty((len(X), 0))]
        for name, levels, centre, scale in self.encoding_:
            present = X[name].notna().to_numpy()
            if levels is None:
                median, mean = centre
                numbers = X[name].to_numpy(dtype=float)
                blocks.append(((np.where(present, numbers, median) - mean) / scale)[:, None])
                continue
            text = X[name].astype(str).to_numpy(dtype=object)
            hot = np.array([[value == level for level in levels] for value in text], float)
            hot = hot.reshape(len(X), len(levels))
            seen = present & (hot.sum(axis=1) > 0)
            blocks.append(np.where(seen[:, None], hot - centre, 0.0))
        return np.hstack(blocks)


def _is_number(values) -> bool:
    return values.dtype.kind in "fiub"
