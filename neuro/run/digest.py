"""A fingerprint of the source code that a stage can reach.

Snakemake re-runs a job when its rule or script changes, but does not look into an installed
package. Rules therefore carry the digest of their stage as a parameter.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
DATA_SUFFIXES = (".json", ".tsv", ".css", ".html", ".bib")

# Import statements as text: reading them so takes a tenth of the time of parsing the files.
# What looks like one inside a docstring adds a file at most.
_FROM = re.compile(
    r"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]*(?:\(([^)]*)\)|([^\n]+))", re.MULTILINE
)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+([^\n#;]+)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")


def forget() -> None:
    """Read everything again next time; a process that changes the source must say so."""
    for function in (_listing, _file, stage_digest):
        function.cache_clear()


@functools.lru_cache(maxsize=4)
def _listing(package: str) -> frozenset[str]:
    """Every file of the package that can count, relative to it."""
    found = []
    for folder, below, names in os.walk(package):
        below[:] = [name for name in below if name != "__pycache__"]
        start = os.path.relpath(folder, package).replace(os.sep, "/") + "/"
        start = "" if start == "./" else start
        found += [start + name for name in names if name.endswith((".py", *DATA_SUFFIXES))]
    return frozenset(found)


@functools.lru_cache(maxsize=4096)
def _file(package: str, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Checksum of a file, and the files that it imports directly."""
    data = Path(package, name).read_bytes()
    found: set[str] = set()
    if name.endswith(".py"):
        for dotted in _imports(data.decode("utf-8", "replace"), name):
            found.update(_behind(package, dotted))
    return hashlib.sha256(data).digest(), tuple(found)


def _imports(text: str, name: str) -> set[str]:
    """Dotted names below neuro that a file imports, at any depth of its code."""
    names: set[str] = set()
    top = f"{PACKAGE.name}."
    for base, inside, line in _FROM.findall(text):
        if base[0] == ".":
            level = len(base) - len(base.lstrip("."))
            above = [PACKAGE.name, *name.split("/")[:-1]]
            base = ".".join([*above[: len(above) - level + 1], base[level:]]).rstrip(".")
        if f"{base}.".startswith(top):
            names.add(base)
            for item in _COMMENT.sub("", inside or line).split(","):
                if words := item.split():
                    names.add(f"{base}.{words[0]}")
    for line in _IMPORT.findall(text):
        names |= {item.split()[0] for item in line.split(",") if item.strip().startswith(top)}
    return names


def _behind(package: str, dotted: str):
    """Files behind a dotted name: the module and the `__init__` of every package above it."""
    files, place = _listing(package), ""
    for part in dotted.split(".")[1:]:
        if f"{place}{part}.py" in files:
            yield f"{place}{part}.py"
            return
        place = f"{place}{part}/"
        if f"{place}__init__.py" in files:
            yield f"{place}__init__.py"


def imports(name: str) -> tuple[str, ...]:
    """Files below neuro that one of them imports directly, relative to neuro."""
    return _file(str(PACKAGE), name)[1]


def reachable(*packages: str) -> list[str]:
    """Source files that packages of neuro contain or import, sorted, relative to neuro.

    Parameters
    ----------
    *packages : str
        Folder or module names below `neuro`, e.g. `adhd`.
    """
    package = str(PACKAGE)
    files = _listing(package)
    queue: list[str] = []
    for name in packages:
        inside = [path for path in files if path.startswith(f"{name}/")]
        if not inside and f"{name}.py" not in files:
            raise ValueError(f"stage '{name}': no such folder or module in neuro/")
        queue += inside or [f"{name}.py"]
    seen: set[str] = set()
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue += _file(package, path)[1]
    return sorted(seen)


@functools.lru_cache(maxsize=64)
def stage_digest(*packages: str) -> str:
    """SHA-256 over the source that a stage reaches, cut to 16 hexadecimal digits.

    Found by a static walk of the import statements; nothing is imported. Imports by string
    are invisible to it, so stages do not use them.

    Parameters
    ----------
    *packages : str
        Folder or module names below `neuro`.

    Returns
    -------
    str
    """
    digest = hashlib.sha256()
    for path in reachable(*packages):
        digest.update(path.encode() + b"\0" + _file(str(PACKAGE), path)[0])
    return digest.hexdigest()[:16]
