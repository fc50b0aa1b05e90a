"""Learners that predict many target vectors at once from the same training rows.

Each has `predict_many(train, targets, test, inner=False)`: `train` and `test` are
:class:`neuro.adhd.diagnosis.mask.Rows`, `targets` is (n_train, n_vectors), the result
(n_test, n_vectors); with `inner` also out-of-fold predictions of the training rows. Nothing is kept
between calls, and nothing of the test rows is fitted, save where `transductive` says so.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.base import BaseEstimator, clone

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.guard import call_with_rows
from neuro.adhd.diagnosis.mask import Rows, scale_pair
from neuro.adhd.diagnosis.scaling import FeatureScaler, log_counts
from neuro.stats.ridge import RidgePath

PENALTIES = tuple(10.0**k for k in np.arange(-3, 3.5, 0.5))
"""Penalties that are tried, in units of the mean sum of squares of a row (ours)."""


def ridge_predictions(X, targets, X_new):
    """Ridge regression, the penalty of each target chosen by leaving one row out.

    Parameters
    ----------
    X : ndarray, shape (n_rows, n_features)
    targets : ndarray, shape (n_rows, n_targets)
    X_new : ndarray, shape (n_new, n_features)

    Returns
    -------
    new : ndarray, shape (n_new, n_targets)
    left_out : ndarray, shape (n_rows, n_targets)
        Prediction of each row by all others, at the chosen penalty.
    """
    path = RidgePath(X, targets)
    scores, n = path.project(X), len(X)
    unit = path.values.sum() / n
    best = np.full(targets.shape[1], np.inf)
    left_out, chosen = np.empty(targets.shape), np.empty(targets.shape[1])
    for penalty in PENALTIES:
        penalty = penalty * max(unit, 1e-12)
        fitted = path.y_mean + scores @ path.weights(penalty)
        lever = 1 / n + path.leverage(scores, penalty)
        wrong = (targets - fitted) / np.maximum(1 - lever, 1e-9)[:, None]
        error = (wrong**2).mean(axis=0)
        better = error < best
        best[better], chosen[better] = error[better], penalty
        left_out[:, better] = (targets - wrong)[:, better]
    return path.y_mean + path.project(X_new) @ path.weights(chosen), left_out


class MeanTarget(BaseEstimator):
    """The mean of the training rows, for everybody."""

    def predict_many(self, train: Rows, targets, test: Rows, inner: bool = False):
        """See :mod:`neuro.adhd.targets.learners`."""
        mean = targets.mean(axis=0)
        out = np.tile(mean, (len(test), 1))
        others = (targets.sum(axis=0) - targets) / max(len(targets) - 1, 1)
        return (out, others) if inner else out


class CovariateRidge(BaseEstimator):
    """Ridge regression on columns of the participants table, without any image.

    Parameters
    ----------
    columns : sequence of str
    """

    def __init__(self, columns):
        self.columns = columns

    def predict_many(self, train: Rows, targets, test: Rows, inner: bool = False):
        """See :mod:`neuro.adhd.targets.learners`."""
        encoder = CovariateEncoder(list(self.columns)).fit(train.covariates)
        train_code, test_code = (encoder.transform(rows.covariates) for rows in (train, test))
        out, left_out = ridge_predictions(train_code, targets, test_code)
        return (out, left_out) if inner else out


class ImagingRidge(BaseEstimator):
    """Ridge regression on scaled features; :class:`FeatureScaler` is fitted on training rows.

    Parameters
    ----------
    log1p : bool or array of bool, shape (n_features,)
        Which features are counts.
    transformer : transformer, optional
        Fitted on training rows first, without targets: a tangent space.
    coverage, harmonise, transductive, deconfound, protect
        See :class:`neuro.adhd.diagnosis.scaling.FeatureScaler`.
    """

    def __init__(
        self,
        log1p=False,
        transformer=None,
        coverage=0.9,
        harmonise="none",
        transductive=False,
        deconfound=(),
        protect=(),
    ):
        self.log1p = log1p
        self.transformer = transformer
        self.coverage = coverage
        self.harmonise = harmonise
        self.transductive = transductive
        self.deconfound = deconfound
        self.protect = protect

    def predict_many(self, train: Rows, targets, test: Rows, inner: bool = False):
        """See :mod:`neuro.adhd.targets.learners`."""
        train_rows, test_rows = (self._features(rows) for rows in (train, test))
        if self.transformer is not None:
            step = clone(self.transformer)
            call_with_rows(step.fit, train_rows.X, groups=train_rows.groups, **train_rows.context())
            train_rows, test_rows = (
                dataclasses.replace(rows, X=np.asarray(step.transform(rows.X)))
                for rows in (train_rows, test_rows)
            )
        scaler = FeatureScaler(
            coverage=self.coverage,
            harmonise=self.harmonise,
            transductive=self.transductive,
            deconfound=self.deconfound,
            protect=self.protect,
        ).set_output(transform="default")
        Z, Z_new = scale_pair(scaler, train_rows, test_rows)
        out, left_out = ridge_predictions(Z, targets, Z_new)
        return (out, left_out) if inner else out

    def _features(self, rows: Rows) -> Rows:
        return dataclasses.replace(rows, X=log_counts(rows.X, self.log1p))


class ImagingAndCovariatesRidge(BaseEstimator):
    """Covariates and the out-of-fold prediction from images, in one regression.

    Parameters
    ----------
    imaging : estimator
        Another of these learners.
    columns : sequence of str
    """

    def __init__(self, imaging, columns):
        self.imaging = imaging
        self.columns = columns

    def predict_many(self, train: Rows, targets, test: Rows, inner: bool = False):
        """See :mod:`neuro.adhd.targets.learners`."""
        if inner:
            raise ValueError("inner predictions of a combined learner are not defined")
        outside, inside = self.imaging.predict_many(train, targets, test, inner=True)
        encoder = CovariateEncoder(list(self.columns)).fit(train.covariates)
        train_code, test_code = (encoder.transform(rows.covariates) for rows in (train, test))
        out = np.empty((len(test), targets.shape[1]))
        for one in range(targets.shape[1]):
            centre, scale = inside[:, one].mean(), inside[:, one].std() or 1.0
            both = [
                np.column_stack([fixed, (side[:, one] - centre) / scale])
                for fixed, side in ((train_code, inside), (test_code, outside))
            ]
            out[:, [one]] = ridge_predictions(both[0], targets[:, [one]], both[1])[0]
        return out


class OneVersusRest(BaseEstimator):
    """Several classes from a classifier of two: each against the rest, the surest wins.

    Parameters
    ----------
    classifier : estimator
        With `decide_many`, e.g. :class:`neuro.adhd.diagnosis.model.GraphDiagnosis`.
    """

    def __init__(self, classifier):
        self.classifier = classifier

    def predict_many(self, train: Rows, targets, test: Rows, inner: bool = False):
        """Codes of classes; `targets` holds codes too. See :mod:`neuro.adhd.targets.learners`."""
        classes = np.unique(targets)
        labels = (targets[:, :, None] == classes).reshape(len(targets), -1)
        # a class that a training fold lacks is never decided for
        some = labels.any(axis=0) & ~labels.all(axis=0)
        decision = np.full((len(test), labels.shape[1]), -np.inf)
        decision[:, labels.all(axis=0)] = np.inf
        if some.any():
            decision[:, some] = self.classifier.decide_many(train, labels[:, some], test)
        decision = decision.reshape(len(test), targets.shape[1], len(classes))
        return classes[decision.argmax(axis=2)]
