"""Which rules of the workflow read a key, found in the text of the rules."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from neuro.config.sections import SECTIONS

_RULE = re.compile(r"^( *)rule (\w+):\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
_DEFINITION = re.compile(r"^(?:def )?([A-Za-z_]\w*)(?: = |\()((?:.*\n)(?:[ \t)\]}].*\n|\n)*)", re.M)
_ALIAS = re.compile(r'^ +(\w+) = (config(?:\["\w+"\])+)$', re.MULTILINE)
_KEY = re.compile(r'(?<!\w\()config((?:\["\w+"\]){2,}|\["\w+"\](?!\[))')
_CALL = re.compile(r'(?:\bsettings\(\s*"(\w+)",|\b(\w+)_settings\()([^()]*)\)')


def readers(folder, key: str) -> tuple[list[str], list[str]]:
    """Rules that read a key.

    Parameters
    ----------
    folder : path-like
        The rules, `*.smk`.
    key : str
        Dotted key.

    Returns
    -------
    named, whole : list of str
        Rules that name the key or its group, and rules that take the whole section.
    """
    section = key.split(".")[0]
    named, whole = set(), set()
    for rule, keys_read in _table(Path(folder)).items():
        if any(key == name or key.startswith(f"{name}.") for name in keys_read if name != section):
            named.add(rule)
        elif section in keys_read:
            whole.add(rule)
    return sorted(named), sorted(whole)


@cache
def _table(folder) -> dict[str, set[str]]:
    """Rule to the keys and sections that it reads, also by helper functions and constants."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*.smk"))) + "\n"
    bodies = {match[2]: match[3] for match in _RULE.finditer(text) if "script:" in match[3]}
    helpers = dict(_DEFINITION.findall(_RULE.sub("", text)))

    def keys(body, seen):
        keys_read = _direct(body, helpers)
        words = set(re.findall(r"\w+", re.sub(r'"[^"\n]*"', "", body)))
        for name in words & helpers.keys() - seen:
            keys_read |= keys(helpers[name], seen | {name})
        return keys_read | (set(SECTIONS) if "config=config," in body else set())

    return {rule: keys(body, frozenset({"settings"})) for rule, body in bodies.items()}


def _direct(body, helpers) -> set[str]:
    """Keys that a piece of text names itself."""
    for name, source in _ALIAS.findall(body):
        body = re.sub(rf"^ +{name} = .*$", "", body, flags=re.MULTILINE)
        body = re.sub(rf"\b{name}\b", source, body)
    keys_read = {".".join(re.findall(r"\w+", path)) for path in _KEY.findall(body)}
    for stage, other, arguments in _CALL.findall(body):
        arguments += "".join(helpers.get(name, "") for name in re.findall(r"\*(\w+)", arguments))
        keys_read |= {f"{stage or other}.{name}" for name in re.findall(r'"(\w+)"', arguments)}
    return keys_read
