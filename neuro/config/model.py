"""How an option is described: default, kind, unit, allowed values, source and meaning."""

from __future__ import annotations

import dataclasses
from typing import Any

KINDS = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "string": "text",
    "path": "a path",
    "labels": "'all' or a list of quoted labels",
    "strings": "a list of texts",
    "numbers": "a list of numbers",
    "integers": "a list of whole numbers",
    "mapping": "a mapping of name to value",
}


@dataclasses.dataclass(frozen=True)
class Option:
    """One key of the configuration.

    Parameters
    ----------
    default : object
    kind : str
        One of :data:`KINDS`.
    doc : str
        One sentence.
    unit : str
        Empty for pure numbers and names.
    choices : tuple
        Allowed values; empty means any value of the kind.
    pattern : str
        Regular expression of texts that are allowed beside `choices`.
    low, high : float or None
        Inclusive bounds; `above` is an exclusive lower bound.
    length : int or None
        Number of items a list must have.
    nullable : bool
        Whether null is a value.
    source : str
        Where the default comes from: a paper's section, a program, or "ours".
    """

    default: Any
    kind: str
    doc: str
    unit: str = ""
    choices: tuple = ()
    low: float | None = None
    above: float | None = None
    high: float | None = None
    length: int | None = None
    nullable: bool = False
    source: str = "ours"
    pattern: str = ""

    def expected(self) -> str:
        """What a valid value looks like, in words."""
        if self.choices:
            text = "one of " + ", ".join(_show(choice) for choice in self.choices)
            if self.kind in ("strings", "labels"):
                text = "a list from " + ", ".join(_show(choice) for choice in self.choices)
            if self.pattern:
                text += " or a text as described"
        elif self.kind == "labels" and self.default != "all":
            text = "a list of quoted labels"
        else:
            text = KINDS[self.kind]
        bounds = []
        if self.above is not None:
            bounds.append(f"> {self.above:g}")
        if self.low is not None:
            bounds.append(f">= {self.low:g}")
        if self.high is not None:
            bounds.append(f"<= {self.high:g}")
        if bounds:
            text += " " + " and ".join(bounds)
        if self.length is not None:
            text += f" with {self.length} items"
        if self.unit:
            text += f" in {self.unit}"
        if self.nullable:
            text += " or null"
        return text


def _show(value) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    return "null" if value is None else str(value)


def option(default, kind, doc, **details):
    """A dataclass field that carries its :class:`Option`."""
    entry = Option(default, kind, doc, **details)
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=lambda: default, metadata={"option": entry})
    return dataclasses.field(default=default, metadata={"option": entry})


def group(section):
    """A dataclass field that holds a nested group of options."""
    return dataclasses.field(default_factory=section, metadata={"group": section})


def walk(section, prefix=""):
    """Yield `(dotted key, Option)` for every option of a section, in order."""
    for field in dataclasses.fields(section):
        if "group" in field.metadata:
            yield from walk(field.metadata["group"], f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, field.metadata["option"]


def enabled():
    """The switch that every stage has."""
    return option(True, "boolean", "Whether the stage runs.")


def preset():
    """The set of defaults that a stage starts from."""
    return option(
        "robust",
        "string",
        "A set of defaults: 'robust' is what we would use, 'paper' follows the publication; "
        "keys that are given win.",
        choices=("robust", "paper"),
    )
