"""Read a settings file: what YAML itself would pass over in silence is refused here."""

from __future__ import annotations

from pathlib import Path

from neuro.io.problems import InputProblem

MAX_DEPTH = 30
"""Levels of nesting; the deepest settings have six."""
MAX_VALUES = 100_000
"""Values with every alias written out."""


def read(path) -> dict:
    """What a settings file holds.

    Parameters
    ----------
    path : path-like
        YAML in UTF-8.

    Returns
    -------
    dict
        Section by section; empty for an empty file.

    Raises
    ------
    InputProblem
        When there is no such file, it is a folder, in another encoding, no YAML, nested without
        end, or holds a key twice (YAML would take the last one and drop the others).
    """
    import yaml

    path = Path(path)
    text = _text(path)
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return {}
        problems: list[str] = []
        _count(node, "", 0, {}, problems)
        if problems:
            raise InputProblem([f"{path}: {line}" for line in problems])
        content = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise InputProblem(f"{path}: not YAML: {' '.join(str(error).split())[:100]}") from None
    except RecursionError:
        raise InputProblem(f"{path}: nested without end; expected sections of keys") from None
    except ValueError as error:
        if isinstance(error, InputProblem):
            raise
        raise InputProblem(f"{path}: a value that is none ({str(error)[:60]})") from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(content, dict):
        raise InputProblem(f"{path}: holds a {type(content).__name__}, expected sections of keys")
    return content


def problems(paths) -> list[str]:
    """What :func:`read` finds wrong with each of several files, one line per problem."""
    lines = []
    for path in paths:
        try:
            read(path)
        except InputProblem as problem:
            lines += problem.problems
    return lines


def _text(path: Path) -> str:
    if path.is_dir():
        raise InputProblem(f"{path}: a folder, expected a settings file")
    if not path.exists():
        raise InputProblem(f"{path}: no such file; give the settings with --config FILE")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputProblem(f"{path}: cannot be read ({error.strerror})") from None
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in raw[:4]:
        raise InputProblem(f"{path}: text in UTF-16, or no text; save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputProblem(f"{path}: line {line} is not UTF-8; save the file as UTF-8") from None


def _count(node, where, depth, sizes, problems) -> int:
    """Values below a node; keys that stand twice and endless nesting become problems."""
    import yaml

    if depth > MAX_DEPTH or sizes.get(id(node)) == "open":
        raise RecursionError
    if id(node) in sizes:
        return sizes[id(node)]
    sizes[id(node)] = "open"
    total = 1
    if isinstance(node, yaml.MappingNode):
        lines: dict = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            dotted = f"{where}.{name}" if where else name
            line = key.start_mark.line + 1
            if name in lines and name != "<<":
                problems.append(
                    f"{dotted}: given twice, in lines {lines[name]} and {line}; keep one of them"
                )
            lines[name] = line
            total += _count(value, dotted, depth + 1, sizes, problems)
    elif isinstance(node, yaml.SequenceNode):
        total += sum(_count(value, where, depth + 1, sizes, problems) for value in node.value)
    sizes[id(node)] = total
    if total > MAX_VALUES:
        raise RecursionError
    return total


def read_config(path) -> dict:
    """Read and resolve a settings file.

    Raises
    ------
    InputProblem
        One line per problem of the file.
    """
    from neuro import config

    mapping = read(path)
    wrong = config.resolve(mapping, source=str(path))
    if wrong:
        raise InputProblem(wrong)
    return mapping
