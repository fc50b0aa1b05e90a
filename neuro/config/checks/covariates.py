"""Entries of `hmmglm.covariates`: what they may hold, whose they are, what is wrong with them."""

from __future__ import annotations

import difflib
from pathlib import Path

CHOICES = {
    "measure": ("value", "held", "speed", "events", "power"),
    "basis": ("linear", "raised_cosine", "bspline", "onehot"),
}
DEFAULTS = {
    "file": None,
    "column": None,
    "measure": "value",
    "basis": "linear",
    "n_basis": 5,
    "lags_s": [0.0],
    "band_hz": None,
    "acts_on": ["emissions"],
    "sets": None,
}
ACTS_ON = ("emissions", "transitions")


def of_set(given: dict, name: str) -> dict:
    """Covariates of a set, without the key `sets`.

    Parameters
    ----------
    given : dict
        `hmmglm.covariates`.
    name : str
        Of the set.

    Returns
    -------
    dict
    """
    return {
        key: {field: value for field, value in entry.items() if field != "sets"}
        for key, entry in given.items()
        if entry.get("sets") is None or name in entry["sets"]
    }


def files_of(given: dict, name: str) -> list[str]:
    """Files that the covariates of a set are in, besides its recordings."""
    files: list[str] = []
    for entry in of_set(given, name).values():
        files += _listed(entry.get("file"))
    return list(dict.fromkeys(files))


def _listed(value) -> list:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def problems(section) -> list[str]:
    """What is wrong with the covariates, one line each.

    Parameters
    ----------
    section : dict
        Resolved section `hmmglm`.

    Returns
    -------
    list of str
    """
    given, lines = section["covariates"], []
    if given and "spikes" not in section["input"]:
        lines.append("hmmglm.covariates: given, but hmmglm.input has no 'spikes'; remove them")
    if given and section["solver"] == "paper":
        lines.append("hmmglm.covariates: solver 'paper' takes none; use another, or remove them")
    for name, entry in given.items():
        key = f"hmmglm.covariates.{name}"
        if not isinstance(entry, dict):
            lines.append(f"{key}: got {entry!r}, expected a mapping with file and column")
            continue
        for field in entry:
            if field not in DEFAULTS:
                near = difflib.get_close_matches(str(field), DEFAULTS, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(DEFAULTS)}"
                lines.append(f"{key}.{field}: unknown key; {hint}")
        lines += _values(key, {**DEFAULTS, **entry}, section["sets"])
    return lines


def _values(key, entry, sets):
    lines = [
        f"{key}.{field}: got {entry[field]!r}, expected one of {', '.join(allowed)}"
        for field, allowed in CHOICES.items()
        if entry[field] not in allowed
    ]
    for field in ("file", "column"):
        if not all(isinstance(text, str) and text for text in _iterable(entry[field])):
            lines.append(f"{key}.{field}: got {entry[field]!r}, expected a text or a list of texts")
        elif field == "file":
            lines += [
                f"{key}.file: no such file: {path}"
                for path in _listed(entry["file"])
                if not Path(path).exists()
            ]
    least = 3 if entry["basis"] == "bspline" else 1
    n_basis = entry["n_basis"]
    if not isinstance(n_basis, int) or isinstance(n_basis, bool) or n_basis < least:
        lines.append(f"{key}.n_basis: got {n_basis!r}, expected a whole number >= {least}")
    lags = entry["lags_s"]
    if not isinstance(lags, list) or not lags or not all(_number(x) and x >= 0 for x in lags):
        lines.append(f"{key}.lags_s: got {lags!r}, expected a list of seconds >= 0 before the bin")
    acts = entry["acts_on"]
    if not isinstance(acts, list) or not acts or not set(acts) <= set(ACTS_ON):
        lines.append(f"{key}.acts_on: got {acts!r}, expected a list from {', '.join(ACTS_ON)}")
    band = entry["band_hz"]
    if entry["measure"] == "power":
        good = isinstance(band, list) and len(band) == 2 and all(map(_number, band))
        if not good or not 0 < band[0] < band[1]:
            lines.append(f"{key}.band_hz: got {band!r}, measure 'power' needs two rising numbers")
    elif band is not None:
        lines.append(f"{key}.band_hz: given, but only measure 'power' filters; remove it")
    if entry["sets"] is not None:
        absent = [name for name in _iterable(entry["sets"]) if name not in sets]
        if absent:
            lines.append(f"{key}.sets: no set '{absent[0]}' under hmmglm.sets")
    return lines


def _iterable(value) -> list:
    if value is None or isinstance(value, str):
        return _listed(value)
    return list(value) if isinstance(value, list) else [value]


def _number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
