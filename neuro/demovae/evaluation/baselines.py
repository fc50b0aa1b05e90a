"""What stands beside the network: compression alone, and linear residualisation."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.base.estimator import Tagged
from neuro.demovae.coding import schema
from neuro.demovae.coding.demographics import DemographicCoder
from neuro.demovae.coding.row_space import row_space
from neuro.demovae.coding.training_rows import edge_rows
from neuro.demovae.training.linear import rank_problem


class PCALatents(Tagged, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Principal components: the same bottleneck without any removal.

    Parameters
    ----------
    latent_dim : int, default 60

    Attributes
    ----------
    space_ : RowSpace
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": ["float32"]}
    __metadata_request__fit: ClassVar = {"demographics": False, "groups": False}
    __metadata_request__score: ClassVar = {"demographics": False}

    def __init__(self, latent_dim=60):
        self.latent_dim = latent_dim

    def fit(self, X, y=None, *, demographics=None, groups=None):
        """Fit on training rows.

        Parameters
        ----------
        X : array, shape (n_rows, n_edges)
        y, demographics, groups : optional
            Never used.

        Raises
        ------
        ValueError
            When values are no finite numbers, or there are more latents than directions.
        """
        X = validate_data(self, X, dtype=np.float32, order="C", ensure_min_samples=2)
        self.space_ = row_space(X, self.latent_dim)[0]
        if self.space_.n_columns < self.latent_dim:
            raise ValueError(rank_problem(self.latent_dim, self.space_.n_columns))
        return self

    @property
    def _n_features_out(self) -> int:
        return self.space_.n_columns

    def _new(self, X) -> np.ndarray:
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=np.float32, order="C")

    def transform(self, X) -> np.ndarray:
        """Component scores.

        Parameters
        ----------
        X : array, shape (n_rows, n_edges)

        Returns
        -------
        ndarray of float32, shape (n_rows, latent_dim)
        """
        # in double precision the order and number of rows cannot change the last digit
        axes = self.space_.axes.astype(np.float64)
        scores = np.asarray(self._new(X), np.float64) @ axes - self.space_.mean @ axes
        return scores.astype(np.float32)

    def score(self, X, y=None, *, demographics=None) -> float:
        """Minus the RMSE per edge of the reconstruction.

        Parameters
        ----------
        X : array, shape (n_rows, n_edges)
        y, demographics : optional
            Never used.

        Returns
        -------
        float
        """
        rows = self._new(X)
        left = self.space_.outside_energy(rows, self.space_.project(rows)).sum()
        return -math.sqrt(left / (len(rows) * self.n_features_in_))


class ConfoundResidualizer(Tagged, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Subtract from every edge what demographics explain linearly on the training rows.

    It needs the demographics of new rows. With many more edges than subjects the coefficients
    are over-fitted, and subtracting them writes the demographics of a new row INTO its edges.

    Parameters
    ----------
    columns : sequence of Column or mapping, optional
        As in :class:`neuro.demovae.model.DemoVAE`; columns with role 'remove' are used.
    basis : {'poly', 'spline', 'linear'}, default 'poly'
    unseen : {'error', 'ignore', 'mean'}, default 'error'
    missing : {'error', 'impute'}, default 'error'
    min_level_count : int, default 5
    """

    _tags: ClassVar = {"transformer_tags.preserves_dtype": ["float32"]}
    __metadata_request__fit: ClassVar = {"demographics": True, "groups": True}
    __metadata_request__transform: ClassVar = {"demographics": True}

    def __init__(
        self, columns=None, basis="poly", unseen="error", missing="error", min_level_count=5
    ):
        self.columns = columns
        self.basis = basis
        self.unseen = unseen
        self.missing = missing
        self.min_level_count = min_level_count

    def fit(self, X, y=None, *, demographics=None, groups=None):
        """Fit on training rows.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        y : array, optional
            Never used; a column to be removed that equals it is refused.
        demographics : pandas.DataFrame
        groups : array, shape (n_rows,), optional
            Subject of each row, for counting levels.

        Raises
        ------
        ValueError
            All problems of the demographics at once, one line each.
        """
        table = schema.match_rows(X, demographics)
        columns = [
            column
            for column in schema.parse_columns(self.columns, table)
            if column.role == "remove"
        ]
        problems = schema.check_demographics(table, columns, missing_rule=self.missing)
        problems += schema.check_target(y, table, columns)
        if problems:
            raise ValueError("\n".join(problems))
        rows = edge_rows(self, X, reset=True)
        self.coder_ = DemographicCoder(
            columns, self.basis, "onehot", self.unseen, self.min_level_count
        ).fit(table, groups)
        D = self.coder_.transform(table).astype(np.float64)
        self.told_mean_ = D.mean(axis=0)
        self.mean_ = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        solve = np.linalg.pinv(D - self.told_mean_, rcond=1e-8).astype(np.float32)
        # the coded columns sum to zero, so the edges need not be centred first
        self.coef_ = solve @ rows
        return self

    def fit_transform(self, X, y=None, *, demographics=None, groups=None) -> np.ndarray:
        """Fit and transform the same rows; arguments as in `fit`."""
        self.fit(X, y, demographics=demographics, groups=groups)
        return self.transform(X, demographics=demographics)

    def transform(self, X, *, demographics=None) -> np.ndarray:
        """Residual edges around the training mean.

        Parameters
        ----------
        X : array or pandas.DataFrame, shape (n_rows, n_edges)
        demographics : pandas.DataFrame
            Of the same rows.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_edges)

        Raises
        ------
        ValueError
            When demographics are missing or do not fit.
        """
        check_is_fitted(self)
        if demographics is None:
            raise ValueError("demographics: missing; linear residuals need those of new rows")
        rows = edge_rows(self, X, reset=False)
        table = schema.match_rows(X, demographics)
        problems = schema.check_demographics(
            table, self.coder_.columns, missing_rule=self.missing, constant=False
        )
        if problems:
            raise ValueError("\n".join(problems))
        told = self.coder_.transform(table) - self.told_mean_.astype(np.float32)
        return rows - told @ self.coef_
