"""A fingerprint of the source code that a stage can reach.

Snakemake re-runs a job when its rule or script changes, but does not look into an installed
package. Rules therefore carry the digest of their stage as a parameter.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from pathlib import Path

PACKAGE = Path(__file__).parent
DATA_SUFFIXES = (".json", ".tsv", ".css", ".html", ".bib")


# Import statements as text; parsing only these keeps the walk of all stages in milliseconds.
# What looks like one inside a docstring adds a file at most.
_STATEMENT = re.compile(
    rb"^[ \t]*((?:from[ \t]+[.\w]+[ \t]+import[ \t]*(?:\([^)]*\)|[^\n(#]+))|import[ \t]+[^\n#]+)",
    re.MULTILINE,
)


def _imports(path: Path) -> list[str]:
    """Dotted names of neuro modules that a file imports, at any depth of its code."""
    stat = path.stat()
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _parsed(path: Path, mtime: int, size: int) -> list[str]:
    # stages share most of what they import: each version of a file is parsed once
    names: list[str] = []
    for match in _STATEMENT.finditer(path.read_bytes()):
        try:
            node = ast.parse(match[1].strip()).body[0]
        except SyntaxError:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.parent.relative_to(PACKAGE.parent).parts
                package = package[: len(package) - node.level + 1]
                base = ".".join((*package, base)).strip(".")
            names.append(base)
            names += [f"{base}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == PACKAGE.name]


def _files(dotted: str):
    """Files behind a dotted name: the module and the `__init__` of every package above it."""
    parts = dotted.split(".")[1:]
    place = PACKAGE
    for number, part in enumerate(parts):
        if (place / f"{part}.py").is_file():
            yield place / f"{part}.py"
            return
        place = place / part
        if not place.is_dir():
            return
        if (place / "__init__.py").is_file() and number < len(parts):
            yield place / "__init__.py"


def reachable(*packages: str) -> list[Path]:
    """Source files that packages of neuro contain or import, sorted.

    Parameters
    ----------
    *packages : str
        Folder or module names below `neuro`, e.g. `adhd`.
    """
    queue: list[Path] = []
    data: set[Path] = set()
    for name in packages:
        folder = PACKAGE / name
        if folder.is_dir():
            queue += folder.rglob("*.py")
            data |= {item for item in folder.rglob("*") if item.suffix in DATA_SUFFIXES}
        elif (PACKAGE / f"{name}.py").is_file():
            queue.append(PACKAGE / f"{name}.py")
        else:
            raise ValueError(f"stage '{name}': no such folder or module in neuro/")
    seen: set[Path] = set()
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        for dotted in _imports(path):
            queue += [item for item in _files(dotted) if item not in seen]
    return sorted(seen | data)


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
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
