"""scikit-learn's estimator contract without importing scikit-learn (1.4 CPU s per process)."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any, ClassVar


class Params:
    """Base of estimators that jobs of one run or of one start import.

    What scikit-learn's own base gives is there (parameters, `clone`, pickle, tags, HTML, column
    names), and scikit-learn is imported when one of its tools asks for it.
    Classes of jobs that load it anyway derive from :class:`sklearn.base.BaseEstimator`.
    Constructors store each argument under its own name.
    """

    _tags: ClassVar[dict[str, Any]] = {}
    """What differs from scikit-learn's default tags, such as `{"requires_fit": False}`."""

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep=True) -> dict:
        """Constructor arguments by name; none of them is an estimator."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Set constructor arguments by name.

        Raises
        ------
        ValueError
            When a name is not an argument of the constructor.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"{type(self).__name__}: no parameter '{name}'; "
                    f"expected one of {', '.join(self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value!r}" for key, value in self.get_params().items())
        return f"{type(self).__name__}({inside})"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        from sklearn.utils import estimator_html_repr

        return {"text/plain": repr(self), "text/html": estimator_html_repr(self)}

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator
        from sklearn.utils import TransformerTags

        tags = BaseEstimator.__sklearn_tags__(self)
        if hasattr(self, "transform"):
            tags.transformer_tags = TransformerTags(preserves_dtype=[])
        return _changed(tags, self._tags)

    def _check_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError(f"{type(self).__name__} is not fitted yet; call fit first")


class Tagged:
    """In front of scikit-learn's own classes: tags that differ from theirs, as one table."""

    _tags: ClassVar[dict[str, Any]] = {}

    def __sklearn_tags__(self):
        return _changed(super().__sklearn_tags__(), self._tags)


def _changed(tags, changes):
    for tag, value in changes.items():
        *path, name = tag.split(".")
        setattr(functools.reduce(getattr, path, tags), name, value)
    return tags


class Transformer(Params):
    """An estimator with `transform`, whose result can be a table with named columns.

    A class says its names in `get_feature_names_out`.
    """

    _sklearn_auto_wrap_output_keys: ClassVar[set[str]] = {"transform"}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in {"transform", "fit_transform"} & set(vars(cls)):
            setattr(cls, name, _as_configured(vars(cls)[name]))

    def fit_transform(self, X, y=None, **fit_params):
        """Fit and transform the same rows."""
        return self.fit(X, y, **fit_params).transform(X)

    def set_output(self, *, transform=None):
        """Container of what `transform` gives.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, optional
            None changes nothing.

        Returns
        -------
        self
        """
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self


def _as_configured(method):
    @functools.wraps(method)
    def configured(self, *args, **kwargs):
        output = method(self, *args, **kwargs)
        # without scikit-learn nobody can have asked for tables by a setting of it
        if "_sklearn_output_config" not in vars(self) and "sklearn" not in sys.modules:
            return output
        from sklearn.utils._set_output import _wrap_data_with_container

        return _wrap_data_with_container("transform", output, args[0] if args else None, self)

    return configured
