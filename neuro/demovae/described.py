"""What a fitted model says of itself: its levels and ranges, and how well it does on rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from neuro.demovae.coding import schema
from neuro.demovae.sampling import reexpress

SCORINGS = ("reconstruction", "removal", "both")


class Described:
    """Scores and descriptions of :class:`neuro.demovae.model.DemoVAE`."""

    # set by the estimator and its fit
    _checked: Any
    codec_: Any
    coder_: Any
    columns_: Any
    scoring: Any
    space_: Any

    def score(self, X, y=None, *, demographics=None) -> float:
        """What `scoring` names, larger is better.

        'reconstruction' is minus the RMSE per edge of the reconstruction with the rows' own
        demographics; 'removal' is :meth:`removal_score`, for a search that should see what is
        left; 'both' adds to it minus the RMSE relative to that of the training mean.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        y : array, optional
            Never used.
        demographics : pandas.DataFrame

        Returns
        -------
        float

        Raises
        ------
        ValueError
            When demographics are missing.
        """
        if demographics is None:
            raise ValueError("demographics: missing; score(X, demographics=table) needs them")
        check_is_fitted(self)
        if self.scoring == "removal":
            return self.removal_score(X, demographics=demographics)
        error = reexpress.reconstruction_error(self, X, demographics)
        if self.scoring == "reconstruction":
            return -error
        rows = self._checked(X)
        spread = float(np.sqrt(((rows - self.edge_mean_) ** 2).mean(dtype=np.float64)))
        return self.removal_score(X, demographics=demographics) - error / spread

    def removal_score(self, X, *, demographics, groups=None) -> float:
        """Minus the share of the removed columns that fresh readouts find in rows; 0 at best.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
            Rows that the fit has not seen, some dozens of them: readouts are fitted and tested
            within them.
        demographics : pandas.DataFrame
        groups : array, optional
            Subject of each row.

        Returns
        -------
        float
        """
        from neuro.demovae.evaluation.left_over import removal_score

        columns = [column for column in self.columns_ if column.role == "remove"]
        table = schema.match_rows(X, demographics)
        return removal_score(
            self.codec_.encode(self.space_.project(self._checked(X))), table, columns, groups
        )

    @property
    def edge_mean_(self) -> np.ndarray:
        """Training mean of every edge, shape (n_edges,)."""
        zero = np.zeros((1, self.space_.n_columns), dtype=np.float32)
        return self.space_.back(zero)[0]

    @property
    def levels_(self):
        """Levels of the categorical columns."""
        terms = self.coder_.terms_.items()
        return {name: list(term.levels_) for name, term in terms if hasattr(term, "levels_")}

    @property
    def ranges_(self):
        """Training range of the continuous columns."""
        terms = self.coder_.terms_.items()
        return {name: term.range_ for name, term in terms if hasattr(term, "range_")}
