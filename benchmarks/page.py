"""What all result files share: a head that says when, where and with what, and tables."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path


def heading(title: str, command: str, packages=(), note: str = "") -> list[str]:
    """Title and circumstances of a measurement as lines of Markdown.

    Parameters
    ----------
    title : str
    command, packages, note
        See :func:`circumstances`.

    Returns
    -------
    list of str
        With an empty line at the end.
    """
    return [f"# {title}", "", *circumstances(command, packages, note), ""]


def version(name: str) -> str:
    """Name and version of an installed package; a peer may be absent."""
    try:
        return f"{name} {metadata.version(name).split('+')[0]}"
    except metadata.PackageNotFoundError:
        return f"{name} not installed"


def circumstances(command: str, packages=(), note: str = "") -> list[str]:
    """Date, command, processor, load and versions as lines of Markdown.

    Parameters
    ----------
    command : str
    packages : sequence of str
        Packages whose versions matter; an entry with a space is taken as it is.
    note : str
        Further circumstances, after the versions.

    Returns
    -------
    list of str
    """
    versions = [name if " " in name else version(name) for name in packages]
    where = f"{processor()}, {os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}"
    what = ", ".join([f"Python {platform.python_version()}", *versions])
    lines = [
        f"{datetime.now(UTC).date()}, `{command}`",
        f"{where}; {what}",
        *([note] if note else []),
    ]
    return [f"{line}  " for line in lines[:-1]] + lines[-1:]


def table(head, rows) -> list[str]:
    """Lines of a Markdown table.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequences
        Cells, one per column.

    Returns
    -------
    list of str
        With an empty line at the end.
    """
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return [*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows), ""]


def processor() -> str:
    """Name of the processor."""
    for key, value in _info():
        if key == "model name":
            return value
    return platform.processor() or platform.machine()


def features(wanted) -> list[str]:
    """Those of the wanted vector features that the processor has."""
    for key, value in _info():
        if key == "flags":
            return [flag for flag in wanted if flag in value.split()]
    return []


def _info():
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        key, _, value = line.partition(":")
        yield key.strip(), value.strip()
