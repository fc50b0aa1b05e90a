"""The section `data` against the disk, and characters in paths that the workflow cannot carry."""

from __future__ import annotations

from pathlib import Path

from neuro.config.model import walk

BRACES = "{}"
"""Snakemake reads what stands between them as a wildcard."""
PATTERNS = ("fmri.normalise.affine",)
"""Options whose braces stand for labels."""
TR_RANGE = (0.02, 60.0)
"""Seconds between two volumes that may be meant (ours): 2000 are ms, 0.002 thousands of s."""
COLUMNS = ("participant_id", "site", "age", "sex", "dx", "iq", "mean_fd", "handedness")


def of_sections(config, sections) -> list[str]:
    """Paths anywhere in the settings that hold a brace or a control character.

    Parameters
    ----------
    config : dict
        Resolved settings.
    sections : dict
        Name of a section to its class.

    Returns
    -------
    list of str
    """
    lines = []
    for name, section in sections.items():
        for key, option in walk(section):
            if f"{name}.{key}" in PATTERNS:
                continue
            value = config[name]
            for step in key.split("."):
                value = value[step]
            if key == "input" or option.kind == "path":
                lines += _odd(f"{name}.{key}", value)
    return lines


def _odd(key, value) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [line for entry in value for line in _odd(key, entry)]
    if not isinstance(value, str):
        return []
    bad = [letter for letter in value if letter in BRACES or not letter.isprintable()]
    if not bad:
        return []
    return [f"{key}: the path holds the character {bad[0]!r}; rename that folder or file"]


def of_data(data) -> list[str]:
    """Paths of the section `data` that do not exist, and mappings that cannot be meant."""
    if not data["root"]:
        return ["data.root: missing; give the folder of the input, or data.kind: simulated"]
    problems = []
    if not Path(data["root"]).exists():
        problems.append(f"data.root: no such folder: {data['root']}")
    people = data["participants"]
    if people and not Path(people).exists():
        problems.append(f"data.participants: no such file: {people}")
    elif people and Path(people).is_dir():
        problems.append(f"data.participants: {people} is a folder, expected a table")
    low, high = TR_RANGE
    for site, tr in data["site_tr"].items():
        if not isinstance(tr, (int, float)) or isinstance(tr, bool) or not low <= tr <= high:
            problems.append(
                f"data.site_tr.{site}: got {tr!r}, expected a number >= {low:g} and <= {high:g} "
                "in s"
            )
    return problems + _columns(data["columns"])


def _columns(columns) -> list[str]:
    problems = []
    for name, value in columns.items():
        key = f"data.columns.{name}"
        if name in ("cases", "controls"):
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(code, str) for code in values):
                problems.append(f"{key}: expected a list of quoted values of the diagnosis")
        elif name not in COLUMNS:
            problems.append(f"{key}: unknown; expected {', '.join(COLUMNS)}, cases or controls")
        elif not isinstance(value, str):
            problems.append(f"{key}: got {value!r}, expected the name of a column")
    return problems
