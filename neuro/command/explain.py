"""`neuro explain KEY`: what a setting means, what reads it, and whether it acts."""

from __future__ import annotations

import difflib
from pathlib import Path

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
    known = options()
    if wanted in known:
        return wanted
    ends = [key for key in known if key.endswith(f".{wanted}") or key.startswith(f"{wanted}.")]
    if len(ends) == 1:
        return ends[0]
    if ends:
        more = f" and {len(ends) - 8} more" if len(ends) > 8 else ""
        raise InputProblem(f"{wanted}: several keys; say which: {', '.join(ends[:8])}{more}")
    section, _, leaf = wanted.rpartition(".")
    among = [key for key in known if key.startswith(section)] or list(known)
    names = {key.rpartition(".")[2] for key in among}
    close = [name for name in names if len(leaf) > 3 and leaf in name]
    close = close or difflib.get_close_matches(leaf, names, 3, 0.6)
    near = sorted((key for key in among if key.rpartition(".")[2] in close), key=len)
    hint = f"did you mean {', '.join(near[:3])}?" if near else "config.yaml lists all keys"
    raise InputProblem(f"{wanted}: unknown key; {hint}")


def text(wanted: str, path="config.yaml", *, required=False) -> str:
    """What there is to say about a key.

    Parameters
    ----------
    wanted : str
        Dotted key, or the end of one.
    path : path-like
        Settings under which the key acts or not; left out where there is no such file.
    required : bool
        Whether the file must be there.

    Returns
    -------
    str

    Raises
    ------
    InputProblem
        For an unknown key, or settings that cannot be read.
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
    if required or Path(path).exists():
        lines.append(f"  in {path}: {_here(key, path)}")
    return "\n".join(lines)


def _readers(key) -> str:
    import neuro
    from neuro.config.checks.readers import readers

    folders = (RULES, Path(neuro.__file__).parents[1] / RULES)
    folder = next((item for item in folders if item.is_dir()), None)
    if folder is None:
        return "unknown, there is no workflow/rules here"
    named, whole = readers(folder, key)
    return ", ".join(named + [f"{rule} (the whole section)" for rule in whole])


def _here(key, path) -> str:
    from neuro.config import origins
    from neuro.config.checks import effects
    from neuro.run import settings

    config = settings.read_config(path)
    source = {"user": "given", "preset": "of the preset", "default": "the default"}
    value = _shown(effects.value_of(config, key))
    why = effects.idle(key, config)
    acts = f"no effect, {why}" if why else "acts"
    return f"{value} ({source[origins(settings.read(path))[key]]}); {acts}"


def _shown(value) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    )
