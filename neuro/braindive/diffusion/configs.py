"""Reading the JSON files of a model's folder."""

from __future__ import annotations

import json

from neuro.io.problems import InputProblem


def read_json(path) -> dict:
    """A JSON file, with a one-line error for a broken one."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise InputProblem(f"{path}: not a readable JSON file") from None
