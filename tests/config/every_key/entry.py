"""One line of the table of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

UNSET = object()


@dataclasses.dataclass(frozen=True)
class Key:
    """How a setting is seen to act.

    Attributes
    ----------
    rule : str
        Rule whose stored case is run; `all` plans the whole workflow.
    value : object
        Another value.
    under : dict
        Dotted settings on top of the case's under which the key acts.
    base : object
        What it is compared with; by default what `under`, the case or the defaults say.
    plan : bool
        Whether planned jobs (rules, files, resources) are compared, and nothing runs.
    refused : str
        What the user is told of `value`, where nothing can run with it here.
    prepare : callable, optional
        Changes the case's folder before both runs.
    target : str
        What is asked for instead of the case's target.
    case : str
        Rule whose stored case holds the input; by default `rule`.
    work : bool
        The key cuts the work and must not change the result: the rule is given it, and writes
        the same.
    elsewhere : str
        Test that sees it act, `file::function`, where every job does the same with it.
    given : bool
        What the rule is given is compared, and nothing runs: rounding would decide.
    then : (str, str)
        Rule that runs after `rule`, and its target: what it writes is compared.
    """

    rule: str
    value: Any
    under: dict = dataclasses.field(default_factory=dict)
    base: Any = UNSET
    plan: bool = False
    refused: str = ""
    prepare: Callable | None = None
    target: str = ""
    case: str = ""
    work: bool = False
    then: tuple = ()
    given: bool = False
    elsewhere: str = ""
