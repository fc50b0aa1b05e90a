"""The one error type for a user's input: a list of one-line problems."""

from __future__ import annotations

from collections.abc import Iterable


class InputProblem(ValueError):
    """What is wrong with the user's files or settings, one line per problem.

    Parameters
    ----------
    problems : str or iterable of str
        Each line names the file or key, what was found, what was expected
        and what to do.

    Attributes
    ----------
    problems : list of str
    """

    def __init__(self, problems: str | Iterable[str]):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self):
        return type(self), (self.problems,)
