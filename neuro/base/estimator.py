"""The part of scikit-learn's estimator contract that does not need scikit-learn."""

from __future__ import annotations

import inspect


class Params:
    """`get_params`, `set_params` and a readable repr from the constructor's signature.

    Constructors store each argument under its own name, so :func:`sklearn.base.clone` and
    pickle work.
    """

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep=True) -> dict:
        """Constructor arguments by name."""
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

    def _check_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise ValueError(f"{type(self).__name__} is not fitted yet; call fit first")
