"""A fingerprint of the source code that a stage can reach.

Snakemake re-runs a job when its rule or script changes, but does not look into an installed
package. Rules therefore carry the digest of their stage as a parameter. It covers what the code
does: comments, docstrings and layout change nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
DATA_SUFFIXES = (".json", ".tsv", ".css", ".html", ".bib")
_FORMAT = 1
"""Of the stored parses; a change of what is stored must change it."""


def forget() -> None:
    """Read everything again next time; a process that changes the source must say so."""
    for function in (_listing, _parses, _source, _file, stage_digest):
        function.cache_clear()


@functools.lru_cache(maxsize=4)
def _listing(package: str) -> frozenset[str]:
    """Every file of the package that can count, relative to it."""
    files = []
    for folder, below, names in os.walk(package):
        below[:] = [name for name in below if name != "__pycache__"]
        start = os.path.relpath(folder, package).replace(os.sep, "/") + "/"
        start = "" if start == "./" else start
        files += [start + name for name in names if name.endswith((".py", *DATA_SUFFIXES))]
    return frozenset(files)


# Parsing all files takes two seconds, reading what was found last time a few milliseconds.


def _store(package: str) -> Path:
    """Where parses are kept; dumps of a syntax tree differ between versions of Python."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path_hash = hashlib.sha256(os.path.abspath(package).encode()).hexdigest()[:12]
    version = f"{_FORMAT}-{sys.version_info.major}.{sys.version_info.minor}"
    return root / "neuro" / f"digest-{version}-{path_hash}.json"


@functools.lru_cache(maxsize=4)
def _parses(package: str) -> dict:
    """Stored parses by name and checksum of a file, and whether there are new ones."""
    try:
        stored = json.loads(_store(package).read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        stored = None
    return {"new": False, "known": stored if isinstance(stored, dict) else {}}


def _keep_parses(package: str) -> None:
    """Store what was parsed; where nothing can be written it is parsed again next time."""
    parses = _parses(package)
    if not parses["new"]:
        return
    parses["new"] = False
    files = _listing(package)
    current = {key: one for key, one in parses["known"].items() if key.split("|")[0] in files}
    try:
        path = _store(package)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(current), "utf-8")
        os.replace(temporary, path)
    except (OSError, RuntimeError):
        return


def _bare(tree: ast.AST) -> ast.AST:
    """The tree without texts that stand alone: docstrings, and those under a constant."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                statement
                for statement in body
                if not (
                    isinstance(statement, ast.Expr)
                    and isinstance(statement.value, ast.Constant)
                    and isinstance(statement.value.value, str)
                )
            ]
    return tree


def parse(text: str, name: str) -> dict:
    """What counts of a source file.

    Parameters
    ----------
    text : str
    name : str
        The file relative to the package.

    Returns
    -------
    dict
        `code`: checksum of the syntax tree without comments and docstrings. `imports`: pairs of
        a dotted name and the name taken from it ('' for the whole module), below neuro only.
        `homes`: public name to module, where the file has a lazy list.
    """
    tree = ast.parse(text)
    imports: set[tuple[str, str]] = set()
    top = PACKAGE.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = [top, *name.split("/")[:-1]]
                base = ".".join([*above[: len(above) - node.level + 1], base]).rstrip(".")
            imports |= {(base, alias.name) for alias in node.names}
    code = hashlib.sha256(ast.dump(_bare(tree), annotate_fields=False).encode()).hexdigest()
    below = sorted(pair for pair in imports if f"{pair[0]}.".startswith(f"{top}."))
    return {"code": code, "imports": below, "homes": _lazy(tree)}


def _lazy(tree) -> dict[str, str]:
    """The lazy list of a package: the dictionary that :func:`neuro.base.lazy.attach` gets."""
    tables = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "attach":
            given = node.args[1]
            table = tables.get(given.id) if isinstance(given, ast.Name) else given
            return {} if table is None else ast.literal_eval(table)
    return {}


@functools.lru_cache(maxsize=4096)
def _source(package: str, name: str) -> dict:
    """:func:`parse` of a file; one that Python cannot read counts as it is."""
    data = Path(package, name).read_bytes()
    checksum = hashlib.sha256(data).hexdigest()
    if not name.endswith(".py"):
        return {"code": checksum, "imports": [], "homes": {}}
    parses, key = _parses(package), f"{name}|{checksum}"
    if key not in parses["known"]:
        try:
            parses["known"][key] = parse(data.decode("utf-8", "replace"), name)
        except (SyntaxError, ValueError):
            return {"code": checksum, "imports": [], "homes": {}}
        parses["new"] = True
    return parses["known"][key]


def _behind(package: str, dotted: str):
    """Files behind a dotted name: the module and the `__init__` of every package above it."""
    files, folder = _listing(package), ""
    for step in dotted.split(".")[1:]:
        if f"{folder}{step}.py" in files:
            yield f"{folder}{step}.py"
            return
        folder = f"{folder}{step}/"
        if f"{folder}__init__.py" in files:
            yield f"{folder}__init__.py"


def _lazily(package: str, base: str, name: str):
    """Files behind names of lazy lists: the one that is taken, or all of a whole package."""
    files = _listing(package)
    for dotted, taken in ((base, name), (f"{base}.{name}".rstrip("."), "")):
        init = "/".join([*dotted.split(".")[1:], "__init__.py"])
        if init in files and (taken or init != "__init__.py"):
            homes = _source(package, init)["homes"]
            for public, home in homes.items():
                if taken in ("", "*", public):
                    yield from _behind(package, f"{dotted}.{home}")


@functools.lru_cache(maxsize=4096)
def _file(package: str, name: str) -> tuple[str, tuple[str, ...]]:
    """Checksum of what counts of a file, and the files that it imports directly."""
    source, modules = _source(package, name), set()
    for base, taken in source["imports"]:
        modules.update(_behind(package, f"{base}.{taken}".rstrip(".")))
        modules.update(_lazily(package, base, taken))
    return source["code"], tuple(modules)


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

    Found by a static walk of the import statements and of the lazy lists of packages; nothing is
    imported. Imports by string are invisible to it, so stages do not use them.

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
        digest.update(f"{path}\0{_file(str(PACKAGE), path)[0]}\n".encode())
    _keep_parses(str(PACKAGE))
    return digest.hexdigest()[:16]
