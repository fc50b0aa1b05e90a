"""A wrapper that refuses to judge a subject it was fitted on, and keeps a record for tests."""

from __future__ import annotations

import inspect

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from neuro.adhd.diagnosis.mask import Rows


class Guard(BaseEstimator):
    """Wrap a classifier so that every fit notes its subjects and every decision checks them.

    Parameters
    ----------
    estimator : estimator
    record : list, optional
        Receives ('fit' or 'test', set of subject ids); clones write into the same list.

    Attributes
    ----------
    estimator_ : estimator
        Fitted.
    seen_ : set of str
        Subjects of the fit.
    """

    def __init__(self, estimator, record=None):
        self.estimator = estimator
        self.record = record

    def __sklearn_clone__(self):
        return Guard(clone(self.estimator), self.record)

    def _note(self, what, groups) -> set:
        subjects = set(np.asarray(groups).astype(str).tolist())
        if self.record is not None:
            self.record.append((what, subjects))
        return subjects

    def _check(self, groups):
        both = sorted(self._note("test", groups) & self.seen_)
        if both:
            raise ValueError(
                f"guard: subject '{both[0]}' is in the training and the test fold "
                f"({len(both)} in all); split by subject"
            )

    def fit(self, X, y, groups=None, **rows):
        """Fit the wrapped classifier; `groups` (subject of each row) is needed.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
        y : array of two classes, shape (n_rows,)
        groups : array of str, shape (n_rows,)
            Subject of each row.
        **rows
            Other arguments with one value per row; those that the classifier names are passed on.

        Raises
        ------
        ValueError
            When `groups` is not given.
        """
        if groups is None:
            raise ValueError("guard: groups (the subject of each row) is needed")
        self.seen_ = self._note("fit", groups)
        self.estimator_ = clone(self.estimator)
        call_with_rows(self.estimator_.fit, X, y, groups=groups, **rows)
        return self

    def decision_function(self, X, groups, **rows):
        """Decision of the wrapped classifier, above 0 for cases.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
        groups : array of str, shape (n_rows,)
        **rows
            As in :meth:`fit`.

        Returns
        -------
        ndarray, shape (n_rows,)

        Raises
        ------
        ValueError
            When a subject was in the fit.
        """
        check_is_fitted(self)
        self._check(groups)
        return decision(self.estimator_, X, **rows)

    def decide_many(self, train: Rows, labels, test: Rows):
        """Decisions for many label vectors, shape (n_test, n_labels).

        Parameters
        ----------
        train, test : Rows
        labels : ndarray of bool, shape (n_train, n_labels)

        Returns
        -------
        ndarray, shape (n_test, n_labels)
        """
        self.seen_ = self._note("fit", train.groups)
        self._check(test.groups)
        return self.estimator.decide_many(train, labels, test)


def guard(estimator) -> Guard:
    """Wrap an estimator; `record` of the result lists who was fitted and who was judged.

    Parameters
    ----------
    estimator : classifier

    Returns
    -------
    Guard
        The same object, if it is one already.
    """
    return estimator if isinstance(estimator, Guard) else Guard(estimator, record=[])


def call_with_rows(method, *args, **rows):
    """Call with those row-wise arguments that the method names in its signature."""
    names = inspect.signature(method).parameters
    return method(*args, **{name: value for name, value in rows.items() if name in names})


def decision(estimator, X, **rows) -> np.ndarray:
    """Decision of any scikit-learn classifier, above 0 for cases, shape (n_rows,)."""
    if hasattr(estimator, "decision_function"):
        return np.asarray(call_with_rows(estimator.decision_function, X, **rows), dtype=float)
    if hasattr(estimator, "predict_proba"):
        return np.asarray(call_with_rows(estimator.predict_proba, X, **rows))[:, 1] - 0.5
    return np.asarray(call_with_rows(estimator.predict, X, **rows), dtype=float) - 0.5
