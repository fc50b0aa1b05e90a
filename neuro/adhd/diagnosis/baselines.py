"""What an imaging number must be compared with: classifiers that see no image, and a linear one.

All of them follow the contract of :class:`neuro.adhd.diagnosis.model.GraphDiagnosis`: `fit`,
`decision_function` (above 0 means case) and `decide_many` for many label vectors at once.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import clone

from neuro.adhd.diagnosis.covariates import CovariateEncoder
from neuro.adhd.diagnosis.decision import Decision
from neuro.adhd.diagnosis.linear import logistic_weights, svm_dual
from neuro.adhd.diagnosis.mask import Rows, as_rows, inner_folds, scale_pair
from neuro.adhd.diagnosis.model_file import read_model, write_model
from neuro.adhd.diagnosis.scaling import FeatureScaler

PHENOTYPE = ("age", "sex", "iq", "handedness")
"""Columns of the phenotype baseline."""


class MajorityBaseline(Decision):
    """The more frequent class of the training subjects, for everybody."""

    _tags: ClassVar = Decision._tags | {"classifier_tags.poor_score": True}

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Count the classes."""
        _, y, self.classes_ = as_rows(self, X, y, groups, strata, site, covariates)
        self.decision_ = float(np.sign(2 * y.mean() - 1))
        return self

    def decision_function(self, X, site=None, covariates=None):
        """1 or -1 (0 when the classes are equally frequent) for each row."""
        return np.full(len(self._new(X)), self.decision_)

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions for many label vectors, shape (n_test, n_labels)."""
        sign = np.sign(2 * labels.mean(axis=0) - 1)
        out = np.tile(sign, (len(test), 1))
        return (out, np.tile(sign, (len(train), 1))) if inner else out


class CovariateBaseline(Decision):
    """Class-balanced logistic regression on columns of the participants table.

    Parameters
    ----------
    columns : sequence of str, default ('age', 'sex', 'iq', 'handedness')
        Missing numbers become the training median; see
        :class:`neuro.adhd.diagnosis.covariates.CovariateEncoder`.
    C : float, default 1.0
        Inverse penalty (scikit-learn's default).
    """

    def __init__(self, columns=PHENOTYPE, C=1.0):
        self.columns = columns
        self.C = C

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Fit on the covariates of training subjects; `X` is not looked at."""
        _, y, self.classes_ = as_rows(self, X, y, groups, strata, site, covariates)
        self.encoder_ = CovariateEncoder(list(self.columns)).fit(covariates)
        A = self.encoder_.transform(covariates)
        self.coef_ = logistic_weights(A, y[:, None], self.C)[0]
        return self

    def decision_function(self, X, site=None, covariates=None):
        """Log odds of being a case, shape (n_rows,)."""
        self._new(X)
        return self.encoder_.transform(covariates) @ self.coef_[:-1] + self.coef_[-1]

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions for many label vectors, shape (n_test, n_labels)."""
        encoder = CovariateEncoder(list(self.columns)).fit(train.covariates)
        weights = logistic_weights(encoder.transform(train.covariates), labels, self.C).T
        out = encoder.transform(test.covariates) @ weights[:-1] + weights[-1]
        if not inner:
            return out
        return out, inner_decisions(self, train, labels)


class LinearReference(Decision):
    """Class-balanced linear support vector machine on z-scored features, solved exactly.

    The objective is that of scikit-learn's `LinearSVC` (squared hinge, the intercept penalised),
    in the dual, so that the size of the problem is the number of subjects.

    Parameters
    ----------
    C : float, default 1e-4
        Cost (ours; the reference chain for connectome edges).
    coverage, harmonise, transductive, deconfound, protect
        See :class:`neuro.adhd.diagnosis.scaling.FeatureScaler`.
    inner_cv : int, default 5
        Folds of inner decisions, where these are asked for.
    random_state : int, default 0
    """

    def __init__(
        self,
        C=1e-4,
        coverage=0.9,
        harmonise="none",
        transductive=False,
        deconfound=(),
        inner_cv=5,
        random_state=0,
        protect=(),
    ):
        self.C = C
        self.coverage = coverage
        self.harmonise = harmonise
        self.transductive = transductive
        self.deconfound = deconfound
        self.inner_cv = inner_cv
        self.random_state = random_state
        self.protect = protect

    def _scaler(self):
        return FeatureScaler(
            coverage=self.coverage,
            harmonise=self.harmonise,
            transductive=self.transductive,
            deconfound=self.deconfound,
            protect=self.protect,
        ).set_output(transform="default")

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Fit on training subjects."""
        rows, y, self.classes_ = as_rows(self, X, y, groups, strata, site, covariates)
        self.scaler_ = self._scaler()
        Z = self.scaler_.fit_transform(rows.X, **rows.context())
        beta = svm_dual(Z @ Z.T + 1, y[:, None], self.C)[:, 0]
        self.coef_, self.intercept_ = Z.T @ beta, float(beta.sum())
        self.pattern_ = Z.T @ (Z @ self.coef_) / len(Z)
        return self

    def decision_function(self, X, site=None, covariates=None):
        """Signed distance, shape (n_rows,)."""
        X = self._new(X)
        Z = self.scaler_.transform(X, site=site, covariates=covariates)
        return Z @ self.coef_ + self.intercept_

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions for many label vectors, shape (n_test, n_labels)."""
        Z, Z_new = scale_pair(self._scaler(), train, test)
        beta = svm_dual(Z @ Z.T + 1, labels, self.C)
        out = (Z_new @ Z.T + 1) @ beta
        return (out, inner_decisions(self, train, labels)) if inner else out

    def save(self, path):
        """Write the fitted model as `.npz` with its settings as JSON inside; no pickle."""
        return write_model(self, path)

    @classmethod
    def load(cls, path):
        """Read what :meth:`save` wrote."""
        return read_model(path, cls)


class ImagingAndCovariates(Decision):
    """Logistic regression on covariates and the decision of an imaging classifier.

    The imaging decision that the regression learns from is out of fold, from inner
    cross-validation on training subjects; else it would look far better than it is.

    Parameters
    ----------
    imaging : estimator
        With `decide_many(..., inner=True)`.
    columns : sequence of str, default ('age', 'sex', 'iq', 'handedness')
    C : float, default 1.0
    """

    def __init__(self, imaging, columns=PHENOTYPE, C=1.0):
        self.imaging = imaging
        self.columns = columns
        self.C = C

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Fit the imaging classifier and the regression on training subjects."""
        rows, y, self.classes_ = as_rows(self, X, y, groups, strata, site, covariates)
        self.imaging_ = clone(self.imaging)
        self.imaging_.fit(rows.X, y.astype(int), groups, strata, site, covariates)
        inside = getattr(self.imaging_, "inner_decision_", None)
        if inside is None:
            inside = self.imaging.decide_many(rows, y[:, None], rows, inner=True)[1][:, 0]
        self.centre_ = float(inside.mean())
        self.scale_ = float(inside.std()) or 1.0
        self.encoder_ = CovariateEncoder(list(self.columns)).fit(covariates)
        A = self._columns(inside, covariates)
        self.coef_ = logistic_weights(A, y[:, None], self.C)[0]
        return self

    def _columns(self, decision, covariates):
        return np.column_stack(
            [self.encoder_.transform(covariates), (decision - self.centre_) / self.scale_]
        )

    def decision_function(self, X, site=None, covariates=None):
        """Log odds of being a case, shape (n_rows,)."""
        X = self._new(X)
        decision = self.imaging_.decision_function(X, site=site, covariates=covariates)
        return self._columns(decision, covariates) @ self.coef_[:-1] + self.coef_[-1]

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions for many label vectors, shape (n_test, n_labels)."""
        if inner:
            raise ValueError("inner decisions of a combined classifier are not defined")
        outside, inside = self.imaging.decide_many(train, labels, test, inner=True)
        centre, scale = inside.mean(axis=0), inside.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        encoder = CovariateEncoder(list(self.columns)).fit(train.covariates)
        train_code, test_code = (encoder.transform(rows.covariates) for rows in (train, test))
        out = np.empty((len(test), labels.shape[1]))
        # blocks keep the stacked designs small
        for low in range(0, labels.shape[1], 200):
            block = slice(low, low + 200)
            A, B = (
                np.concatenate(
                    [
                        np.broadcast_to(fixed, (values[:, block].shape[1], *fixed.shape)),
                        ((values[:, block] - centre[block]) / scale[block]).T[:, :, None],
                    ],
                    axis=2,
                )
                for fixed, values in ((train_code, inside), (test_code, outside))
            )
            weights = logistic_weights(A, labels[:, block], self.C)
            decision = (B @ weights[:, :-1, None])[..., 0] + weights[:, -1:]
            out[:, block] = decision.T
        return out


def inner_decisions(estimator, train: Rows, labels):
    """Out-of-fold decisions on the training rows themselves."""
    fold = inner_folds(
        train, getattr(estimator, "inner_cv", 5), getattr(estimator, "random_state", 0)
    )
    out = np.empty(labels.shape)
    for inner in range(fold.max() + 1):
        inner_train, inner_test = np.flatnonzero(fold != inner), np.flatnonzero(fold == inner)
        out[inner_test] = estimator.decide_many(
            train.take(inner_train), labels[inner_train], train.take(inner_test)
        )
    return out
