"""The part of the classifier that needs no labels: log, impute, harmonise, deconfound, z-score."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.base.estimator import Tagged
from neuro.stats.combat import ComBat

UNSEEN = (
    "harmonise: site '{}' was not in training; set transductive to use its unlabelled subjects, "
    "or harmonise 'none'"
)
HARMONISE = ("none", "location_scale", "combat")


class FeatureScaler(Tagged, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """log1p, impute, harmonise, deconfound and z-score, all fitted on training subjects.

    Parameters
    ----------
    log1p : bool or array of bool, shape (n_features,), default False
        Which features are counts and are replaced by log(1 + count) (ours: counts are heavy
        tailed).
    coverage : float, default 0.9
        A feature known in a smaller share of the training subjects is set to 0 for everybody;
        in the others a missing value becomes the training mean after the logarithm (ours).
    harmonise : {'none', 'location_scale', 'combat'}, default 'none'
        'location_scale' removes mean and scale of each site, feature by feature; 'combat' shrinks
        both over features and leaves in what the columns of `protect` explain, see
        :mod:`neuro.stats.combat`.
    transductive : bool, default False
        Whether a site that was not in training may be harmonised by its own unlabelled subjects.
    deconfound : sequence of str, default ()
        Columns of `covariates` that are regressed out.
    protect : sequence of str, default ()
        Columns of `covariates` whose effects 'combat' keeps; never the diagnosis.

    Attributes
    ----------
    used_ : ndarray of bool, shape (n_features,)
        Features with enough coverage.
    fill_ : ndarray, shape (n_features,)
        What a missing value becomes, after the logarithm.
    mean_, scale_ : ndarray, shape (n_features,)
    site_ : dict
        Site -> (mean, scale) with 'location_scale'.
    combat_ : ComBat
    slope_ : ndarray, shape (n_columns, n_features)
        Of the deconfounding regression.
    """

    _tags: ClassVar = {"input_tags.allow_nan": True}

    def __init__(
        self,
        log1p=False,
        coverage=0.9,
        harmonise="none",
        transductive=False,
        deconfound=(),
        protect=(),
    ):
        self.log1p = log1p
        self.coverage = coverage
        self.harmonise = harmonise
        self.transductive = transductive
        self.deconfound = deconfound
        self.protect = protect

    def fit(self, X, y=None, *, site=None, covariates=None):
        """Learn everything from training subjects and keep the scaled features.

        Parameters
        ----------
        X : array, shape (n_subjects, n_features)
        y : ignored
        site : array of str, shape (n_subjects,), optional
            Needed where sites are harmonised.
        covariates : pandas.DataFrame, optional
            Needed by `deconfound` and `protect`; one row per subject.

        Raises
        ------
        ValueError
            When a count is negative, an option is unknown, or sites or covariates are missing.
        """
        self.fit_transform(X, y, site=site, covariates=covariates)
        return self

    def fit_transform(self, X, y=None, *, site=None, covariates=None):
        """Fit and return the scaled training features, float64."""
        self._check(site, covariates)
        X = log_counts(validate_data(self, X, ensure_all_finite="allow-nan"), self.log1p)
        finite = np.isfinite(X)
        count = finite.sum(axis=0)
        self.used_ = count >= max(self.coverage * len(X), 1)
        if count.min(initial=len(X)) < len(X):
            X[~finite] = 0.0
            self.fill_ = X.sum(axis=0) / np.maximum(count, 1)
            X += ~finite * self.fill_
        else:
            self.fill_ = X.mean(axis=0)
        if self.harmonise == "location_scale":
            site = np.asarray(site).astype(str)
            self.site_ = {name: _location_scale(X[site == name]) for name in np.unique(site)}
            X = self._harmonise(X, site)
        if self.harmonise == "combat":
            self.protected_, kept = None, None
            if len(self.protect):
                self.protected_ = CovariateEncoder(list(self.protect)).fit(covariates)
                kept = self.protected_.transform(covariates)
                self.apart_ = _apart(site, kept)
                kept = kept[:, self.apart_]
            self.combat_ = ComBat(unseen="estimate" if self.transductive else "error")
            X = self._combat(self.combat_.fit_transform, X, site, kept)
        if len(self.deconfound):
            self.encoder_ = CovariateEncoder(list(self.deconfound)).fit(covariates)
            design = self.encoder_.transform(covariates)
            self.centre_ = design.mean(axis=0)
            design = design - self.centre_
            self.slope_ = np.linalg.pinv(design) @ (X - X.mean(axis=0))
            X = X - design @ self.slope_
        self.mean_ = X.mean(axis=0)
        X -= self.mean_
        scale = np.sqrt((X**2).mean(axis=0))
        # a constant column has only rounding noise left, which must not be blown up
        floor = 1e-9 * np.maximum(np.abs(self.mean_), 1e-3)
        self.scale_ = np.where(self.used_ & (scale > floor), scale, np.inf)
        X /= self.scale_
        return X

    def transform(self, X, *, site=None, covariates=None):
        """Scaled features of new subjects, float64.

        Raises
        ------
        ValueError
            When a site was not in training and `transductive` is off.
        """
        check_is_fitted(self)
        self._check(site, covariates)
        X = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        X = log_counts(X, self.log1p)
        missing = ~np.isfinite(X)
        if missing.any():
            X[missing] = np.broadcast_to(self.fill_, X.shape)[missing]
        if self.harmonise == "location_scale":
            X = self._harmonise(X, np.asarray(site).astype(str))
        if self.harmonise == "combat":
            kept = None
            if len(self.protect):
                kept = self.protected_.transform(covariates)[:, self.apart_]
            new = sorted(set(np.asarray(site).astype(str)) - set(self.combat_.sites_))
            if new and not self.transductive:
                raise ValueError(UNSEEN.format(new[0]))
            X = self._combat(self.combat_.transform, X, site, kept)
        if len(self.deconfound):
            X = X - (self.encoder_.transform(covariates) - self.centre_) @ self.slope_
        X -= self.mean_
        X /= self.scale_
        return X

    def _check(self, site, covariates):
        if self.harmonise not in HARMONISE:
            raise ValueError(
                f"harmonise: got '{self.harmonise}', expected one of {', '.join(HARMONISE)}"
            )
        if len(self.protect) and self.harmonise == "combat" and covariates is None:
            raise ValueError(
                f"protect: a table with {', '.join(self.protect)} is needed; pass covariates="
            )
        if self.harmonise != "none" and site is None:
            raise ValueError("harmonise: the site of each subject is needed; pass site=")
        if len(self.deconfound) and covariates is None:
            raise ValueError(
                f"deconfound: a table with {', '.join(self.deconfound)} is needed; pass covariates="
            )

    @staticmethod
    def _combat(step, X, site, kept):
        """ComBat; that the scale of a site with one row stays is known here."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="site: one row")
            return step(X, site=site, covariates=kept)

    def _harmonise(self, X, site):
        for name in np.unique(site):
            rows = site == name
            if name in self.site_:
                mean, scale = self.site_[name]
            elif self.transductive:
                mean, scale = _location_scale(X[rows])
            else:
                raise ValueError(UNSEEN.format(name))
            X[rows] = (X[rows] - mean) / scale
        return X


def _apart(site, kept) -> np.ndarray:
    """Protected columns that sites and the columns before them do not determine."""
    names, code = np.unique(np.asarray(site).astype(str), return_inverse=True)
    design = (code[:, None] == np.arange(len(names))).astype(np.float64)
    chosen = np.zeros(kept.shape[1], bool)
    for column, values in enumerate(kept.T):
        rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        if np.linalg.norm(rest) > 1e-8 * np.linalg.norm(values):
            chosen[column] = True
            design = np.column_stack([design, values])
    return chosen


def log_counts(X, counts) -> np.ndarray:
    """A float64 copy with log(1 + count) in the columns that are counts; nothing is estimated.

    Parameters
    ----------
    X : array, shape (n_rows, n_features)
    counts : bool or array of bool, shape (n_features,)

    Raises
    ------
    ValueError
        When a count is negative.
    """
    X = np.array(X, dtype=np.float64)
    counts = np.broadcast_to(np.asarray(counts, dtype=bool), X.shape[1:])
    if counts.all() and len(counts):
        counts = slice(None)
    elif not counts.any():
        return X
    low = np.nanmin(X[:, counts], initial=0.0)
    if low < 0:
        column = int(np.flatnonzero((X[:, counts] < 0).any(axis=0))[0])
        column = int(np.arange(X.shape[1])[counts][column])
        raise ValueError(
            f"features: column {column} is a count but holds {low:g}; log1p is for counts"
        )
    X[:, counts] = np.log1p(X[:, counts])
    return X


def _location_scale(X):
    """Mean and standard deviation of each column; 1 where there is no spread."""
    scale = X.std(axis=0)
    return X.mean(axis=0), np.where(scale > 1e-12, scale, 1.0)
