"""What a recogniser found at a path, and how several of them become one settings file."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections import Counter
from pathlib import Path

from neuro.io.problems import InputProblem

OWN_INPUT = ("fmri", "adhd", "mds", "braindive")
"""Stages that are written about where BOLD is found, or that are off until their input is named."""


@dataclasses.dataclass
class Found:
    """What lies at a path.

    Attributes
    ----------
    path : pathlib.Path
    about : list of str
        Comment lines for the head of the file, see :func:`wrap`.
    sections : dict of str to list of str
        Name of a section to its lines, indented by two blanks; comments are open questions.
    """

    path: Path
    about: list[str]
    sections: dict[str, list[str]]


def compose(findings: list[Found]) -> str:
    """One settings file of what was found at one or several paths.

    Raises
    ------
    InputProblem
        When two paths give the same section.
    """
    from neuro.config import SECTIONS, STAGES

    owner: dict = {}
    for finding in findings:
        for name, lines in finding.sections.items():
            if name in owner and not (_says(lines) and _says(owner[name].sections[name])):
                # what is only offered in comments gives way
                owner[name] = finding if _says(lines) else owner[name]
                continue
            if name in owner:
                raise InputProblem(
                    f"{owner[name].path} and {finding.path}: both are input of '{name}'; settings "
                    "hold one, so run neuro init for each with its own -o"
                )
            owner[name] = finding
    lines = ["# Written by: neuro init. Only what differs from the defaults is set here; all keys:"]
    lines += ["# docs/configuration.md"]
    for finding in findings:
        lines += ["#", *finding.about]
    if "data" not in owner:
        lines += ["data:", "  kind: none"]
    for name in SECTIONS:
        if name in owner:
            lines += section(name, owner[name].sections[name])
    further = [name for name in STAGES if name not in OWN_INPUT and name not in owner]
    if further and "data" in owner:
        lines += wrap("Further stages; without their line they run with their defaults.")
        lines += [f"{name}: {{enabled: false}}" for name in further]
    return "\n".join(lines) + "\n"


def section(name, lines) -> list[str]:
    """A section; one that holds comments only becomes a comment as a whole."""
    if _says(lines):
        return [f"{name}:", *lines]
    return [f"# {name}:", *(f"# {line.replace('# ', '', 1)}" for line in lines)] if lines else []


def _says(lines) -> bool:
    """Whether a section holds more than comments."""
    return any(not line.lstrip().startswith("#") for line in lines)


def wrap(text) -> list[str]:
    """Comment lines of a text."""
    return textwrap.wrap(
        text, 96, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def comment(text, indent=0) -> str:
    return f"{' ' * indent}# {text}"


def few(labels, limit=8) -> str:
    """The first labels, and dots where there are more."""
    labels = [str(label) for label in labels]
    return " ".join(labels[:limit]) + (" ..." if len(labels) > limit else "")


def counts(tally: Counter) -> str:
    """`name (count), ...` in the order of the names."""
    return ", ".join(f"{name} ({count})" for name, count in sorted(tally.items()))


def quoted(text) -> str:
    """A text as YAML takes it for a text."""
    return json.dumps(str(text), ensure_ascii=False)
