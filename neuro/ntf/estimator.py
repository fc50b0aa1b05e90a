"""The part of scikit-learn's estimator contract that needs no scikit-learn."""

from __future__ import annotations

import inspect


class Estimator:
    """Parameters by name, as `sklearn.base.clone` and grid searches expect them.

    Importing scikit-learn takes more than a second, which every job of the workflow would pay.
    """

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict:
        """Values of the constructor's arguments."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Change constructor arguments.

        Raises
        ------
        ValueError
            When a name is not an argument of the constructor.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"{type(self).__name__} has no parameter '{name}'; it has "
                    f"{', '.join(self._names())}"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({given})"

    def _check_fitted(self, attribute: str) -> None:
        if not hasattr(self, attribute):
            raise ValueError(f"{type(self).__name__} is not fitted yet; call fit first")
