"""`neuro explain KEY`: what a setting means, what reads it, and whether it acts."""

from __future__ import annotations

import difflib
from pathlib import Path

from neuro.config import origins
from neuro.config.checks import effects
from neuro.config.model import KINDS, walk
from neuro.config.sections import SECTIONS, presets, section_class
from neuro.io.problems import InputProblem

RULES = Path("workflow/rules")
"""Where the rules are, in the checkout."""


def options() -> dict:
    """Every dotted key and its option."""
    return {
        f"{section}.{name}": option
        for section in SECTIONS
        for name, option in walk(section_class(section))
    }


def find(wanted: str) -> str:
    """The dotted key that is meant; its last part will do where only one key ends so.

    Raises
    ------
    InputProblem
        When there is no such key, or several; with the nearest names.
    """
    keys = options()
    if wanted in keys:
        return wanted
    ends = [key for key in keys if key.endswith(f".{wanted}") or key.startswith(f"{wanted}.")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        more = f" and {len(ends) - 8} more" if len(ends) > 8 else ""
        raise InputProblem(f"{wanted}: several keys; say which: {', '.join(ends[:8])}{more}")
    section, _, leaf = wanted.rpartition(".")
    among = [key for key in keys if key.startswith(section)] or list(keys)
    names = {key.rpartition(".")[2] for key in among}
    close = [name for name in names if len(leaf) > 3 and leaf in name]
    close = close or difflib.get_close_matches(leaf, names, 3, 0.6)
    near = sorted((key for key in among if key.rpartition(".")[2] in close), key=len)
    hint = f"did you mean {', '.join(near[:3])}?" if near else "config.yaml lists all keys"
    raise InputProblem(f"{wanted}: unknown key; {hint}")


def text(wanted: str, path="", mapping=None, config=None) -> str:
    """What there is to say about a key.

    Parameters
    ----------
    wanted : str
        Dotted key, or the end of one.
    path : path-like
        Name of the settings under which the key acts or not.
    mapping, config : dict, optional
        The settings as they were written, and resolved; nothing is said of them where absent.

    Returns
    -------
    str

    Raises
    ------
    InputProblem
        For an unknown key.
    """
    key = find(wanted)
    option = options()[key]
    lines = [key, f"  meaning: {option.doc}", f"  allowed: {option.expected()}"]
    if option.choices:
        lines[-1] += f" ({KINDS[option.kind]})"
    lines.append(f"  default: {_shown(option.default)} ({option.source})")
    section, name = key.split(".", 1)
    for preset, values in presets(section).items():
        if name in values:
            lines.append(f"  preset {preset}: {_shown(values[name])}")
    lines.append(f"  read by: {_readers(key)}")
    if config is not None:
        why = effects.idle(key, config)
        source = {"user": "given", "preset": "of the preset", "default": "the default"}
        lines.append(
            f"  in {path}: {_shown(effects.value_of(config, key))} "
            f"({source[origins(mapping)[key]]}); {f'no effect, {why}' if why else 'acts'}"
        )
    return "\n".join(lines)


def _readers(key) -> str:
    import neuro
    from neuro.command.readers import readers

    folders = (RULES, Path(neuro.__file__).parents[1] / RULES)
    folder = next((candidate for candidate in folders if candidate.is_dir()), None)
    if folder is None:
        return "unknown, there is no workflow/rules here"
    named, whole = readers(folder, key)
    return ", ".join(named + [f"{rule} (the whole section)" for rule in whole])


def _shown(value) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    )
