"""A feature step that needs no labels, in front of a classifier."""

from __future__ import annotations

import dataclasses

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import validate_data

from neuro.adhd.diagnosis.baselines import LinearReference, inner_decisions
from neuro.adhd.diagnosis.decision import Decision
from neuro.adhd.diagnosis.guard import call_with_rows
from neuro.adhd.diagnosis.mask import Rows
from neuro.adhd.diagnosis.model_file import read_pipeline, write_model
from neuro.stats.tangent import TangentSpace


class FoldPipeline(Decision):
    """Fit a transformer on the training fold, then a classifier on its features.

    The transformer never sees labels, so it is fitted once per fold and serves every permutation
    of the labels; the result is the same as fitting it again.

    Parameters
    ----------
    transformer : transformer
        `covariates` (or `demographics`), `groups` and `site` are passed to `fit` and `transform`
        where these name them.
    classifier : estimator
        With `decide_many`, e.g. :class:`neuro.adhd.diagnosis.baselines.LinearReference`.
    """

    def __init__(self, transformer, classifier):
        self.transformer = transformer
        self.classifier = classifier

    def fit(self, X, y, groups=None, strata=None, site=None, covariates=None):
        """Fit both on training subjects."""
        validate_data(self, X, y, skip_check_array=True)
        named = {"groups": groups, "site": site, "covariates": covariates}
        self.transformer_ = clone(self.transformer)
        call_with_rows(self.transformer_.fit, X, **named, demographics=covariates)
        self.classifier_ = clone(self.classifier).fit(
            self._transform(self.transformer_, X, **named), y, strata=strata, **named
        )
        self.classes_ = self.classifier_.classes_
        if hasattr(self.classifier_, "pattern_"):
            self.pattern_ = self.classifier_.pattern_
        return self

    def save(self, path):
        """Write both fitted steps as `.npz`; see :func:`neuro.adhd.diagnosis.model_file`."""
        return write_model(self, path)

    @classmethod
    def load(cls, path):
        """Read what :meth:`save` wrote."""
        return read_pipeline(path, cls, TangentSpace, LinearReference)

    @staticmethod
    def _transform(transformer, X, **named):
        features = call_with_rows(
            transformer.transform, X, **named, demographics=named.get("covariates")
        )
        return np.asarray(features)

    def decision_function(self, X, site=None, covariates=None, groups=None):
        """Decision of the classifier on the transformed rows."""
        self._new(X)
        features = self._transform(
            self.transformer_, X, site=site, covariates=covariates, groups=groups
        )
        return self.classifier_.decision_function(features, site=site, covariates=covariates)

    def predict(self, X, site=None, covariates=None, groups=None):
        """Class of each row, from `classes_`."""
        decision = self.decision_function(X, site, covariates, groups)
        return self.classes_[(decision > 0).astype(int)]

    def decide_many(self, train: Rows, labels, test: Rows, inner: bool = False):
        """Decisions for many label vectors, shape (n_test, n_labels)."""
        transformer = clone(self.transformer)
        call_with_rows(
            transformer.fit,
            train.X,
            groups=train.groups,
            demographics=train.covariates,
            **train.context(),
        )
        train_rows, test_rows = (
            dataclasses.replace(
                rows,
                X=self._transform(transformer, rows.X, groups=rows.groups, **rows.context()),
            )
            for rows in (train, test)
        )
        out = self.classifier.decide_many(train_rows, labels, test_rows)
        return (out, inner_decisions(self, train, labels)) if inner else out
