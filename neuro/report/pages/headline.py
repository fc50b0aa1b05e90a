"""Headline figures of the stages, and how far planted truth was recovered."""

from __future__ import annotations

import json
from pathlib import Path

from neuro.io.problems import InputProblem
from neuro.report.pages.methods import TITLES
from neuro.report.site import model


def read(results: Path, stages) -> list[dict]:
    """Headline entries of the stages, each with its stage.

    Parameters
    ----------
    results : pathlib.Path
    stages : sequence of str

    Returns
    -------
    list of dict
        Keys of `results/<stage>/report.json` and `stage`.

    Raises
    ------
    InputProblem
        When a file is broken.
    """
    lines = []
    for stage in stages:
        path = results / stage / "report.json"
        if path.is_file() and path.stat().st_size:
            lines += [{**entry, "stage": stage} for entry in _entries(path)]
    return lines


def planted(entries) -> list:
    """The table of planted truth, what was recovered and with which error; empty without truth.

    Parameters
    ----------
    entries : list of dict
        See :func:`read`; those with the key `planted` are shown.

    Returns
    -------
    list
        Blocks of the report.
    """
    rows = [
        {
            "stage": _stage(entry["stage"]),
            "name": _with_unit(entry),
            "planted": _reference(entry["planted"]),
            "recovered": _reference(entry.get("recovered", entry.get("value"))),
            "error": _reference(entry.get("error")),
            "n": "" if entry.get("n") is None else model.compact(entry["n"]),
        }
        for entry in entries
        if entry.get("planted") is not None
    ]
    if not rows:
        return []
    columns = [
        model.Column("stage", "Stage"),
        model.Column("name", "What"),
        model.Column("planted", "Planted"),
        model.Column("recovered", "Recovered"),
        model.Column("error", "Error"),
        model.Column("n", "n", 0),
    ]
    columns = [c for c in columns if c.key != "n" or _any(rows, "n")]
    caption = (
        "Simulated data: what was planted, what each stage recovered of it, and with which error."
    )
    return [
        model.Heading("Planted truth, and what was recovered"),
        model.Table(caption, columns, rows),
    ]


def found(entries) -> list:
    """Tables of headline figures beside their nulls and baselines, one per stage.

    Parameters
    ----------
    entries : list of dict
        See :func:`read`.

    Returns
    -------
    list
        Blocks of the report.
    """
    rows = [_headline_row(entry) for entry in entries]
    if not rows:
        return []
    words = "Headline figures of each stage."
    if _any(rows, "null") or _any(rows, "baseline"):
        words += (
            " “Null” is what the same analysis gives when the labels mean nothing; “Baseline” is "
            "what is reached without the brain, or before confounds are removed."
        )
    if any(entry.get("interval") == "bootstrap" for entry in entries):
        words += " Intervals with a star come from a bootstrap over participants: too narrow."
    stages = list(dict.fromkeys(entry["stage"] for entry in entries))
    tables = [
        _table(stage, [row for row, entry in zip(rows, entries) if entry["stage"] == stage])
        for stage in stages
    ]
    blocks: list = tables
    if len(tables) > 1:
        blocks = [
            model.Details(f"{TITLES.get(stage, stage)}: {len(table.rows)} figures", [table])
            for stage, table in zip(stages, tables)
        ]
    return [model.Heading("Headline figures"), model.Text(words), *blocks]


def _table(stage: str, rows) -> model.Table:
    columns = [
        model.Column("name", "Figure"),
        model.Column("value", "Value", 0),
        model.Column("ci", "95 % interval", 0),
        model.Column("null", "Null", 0),
        model.Column("p", "p", 0),
        model.Column("baseline", "Baseline"),
        model.Column("n", "n", 0),
    ]
    present = [c for c in columns if c.key in ("name", "value") or _any(rows, c.key)]
    return model.Table(f"{TITLES.get(stage, stage)}.", present, rows)


def _entries(path: Path) -> list[dict]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise InputProblem(f"{path}: no valid JSON ({error.msg}, line {error.lineno})") from None
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise InputProblem(f"{path}: expected a list of entries with 'name' and 'value'")
    return content


def _stage(name: str) -> model.Link:
    return model.Link(name, f"{name}.html")


def _with_unit(entry: dict) -> str:
    name, unit = str(entry.get("name", "n/a")), entry.get("unit") or ""
    numbers = isinstance(entry["planted"], (int, float)) and not isinstance(entry["planted"], bool)
    return f"{name} ({unit})" if numbers and unit and unit not in name else name


def _headline_row(entry: dict) -> dict:
    unit = entry.get("unit") or ""
    value = model.compact(entry.get("value"))
    low, high = entry.get("ci_low"), entry.get("ci_high")
    return {
        "name": entry.get("name", "n/a"),
        "value": f"{value} {unit}".strip(),
        "ci": model.interval(low, high) + (" *" if entry.get("interval") == "bootstrap" else ""),
        "null": _reference(entry.get("null")),
        "p": "" if entry.get("p") is None else model.p_value(entry["p"]),
        "baseline": _reference(entry.get("baseline")),
        "n": "" if entry.get("n") is None else model.compact(entry["n"]),
        "strong": bool(entry.get("primary")),
    }


def _reference(value) -> str:
    """A null, baseline or truth: a number, a text, a list, or a mapping of names to numbers."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "; ".join(f"{name} {model.compact(entry)}" for name, entry in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(model.compact(entry) for entry in value)
    return model.compact(value)


def _any(rows, key) -> bool:
    return any(row.get(key) not in (None, "") for row in rows)
