"""What all classifiers of the diagnosis share: two classes, features that may be missing."""

from __future__ import annotations

from typing import ClassVar

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neuro.base.estimator import Tagged


class Decision(Tagged, ClassifierMixin, BaseEstimator):
    """Classes by the sign of `decision_function`: above 0 is the second of `classes_`."""

    _tags: ClassVar = {"classifier_tags.multi_class": False, "input_tags.allow_nan": True}

    def _new(self, X):
        """Rows to be judged: the columns of the fit, in its order."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, ensure_all_finite="allow-nan")

    def predict(self, X, site=None, covariates=None):
        """Class of each row.

        Parameters
        ----------
        X : array, shape (n_rows, n_features)
        site, covariates
            As in `decision_function`.

        Returns
        -------
        ndarray, shape (n_rows,)
            From `classes_`.
        """
        decision = self.decision_function(X, site=site, covariates=covariates)
        return self.classes_[(decision > 0).astype(int)]
