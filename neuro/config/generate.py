"""Schema, commented config.yaml and option tables, generated from the sections.

`python -m neuro.config` rewrites all of them in the current checkout.
"""

from __future__ import annotations

import json
import textwrap

from neuro.config.model import Option, _show, walk
from neuro.config.sections import SECTIONS, presets, section_class

DEMO: dict[str, dict] = {
    "data": {"kind": "simulated"},
    "simulate": {"scenes.n_train": 3000, "scenes.n_test": 400, "scenes.n_per_roi": 24},
    "fmri": {"atlas": "simulated", "maps": ["alff", "reho"]},
    "adhd": {
        "features": ["degree", "distdegree", "cycle3", "fc"],
        "permutations": 200,
        "repeats": 2,
        "group.enabled": True,
        "group.permutations": 200,
    },
    "demovae": {
        "latent_dim": 4,
        "latent_dims": [4, 8],
        "permutations": 100,
        "hidden": 200,
        "age_basis": "linear",
        "n_samples": 60,
    },
    "ntf": {
        "sources": ["simulated", "fmri"],
        "ranks": [2, 6],
        "n_starts": 4,
        "n_null": 10,
    },
    "hmmglm": {
        "input": ["simulated", "fmri"],
        "model": ["gaussian", "onehot"],
        "n_states": [1, 3, 4],
        "n_starts": 2,
        "events.n_null": 1,
        "simulated.n_sequences": 12,
        "simulated.n_bins": 1000,
        "simulated.n_neurons": 12,
        "simulated.n_states": 3,
    },
    "mds": {
        "planted.n_per_type": 12,
        "planted.n_types": 4,
        "planted.n_images": 1500,
        "twin.epochs": 12,
    },
    "braindive": {
        "enabled": True,
        "objectives": ["face", "table-1"],
        "objective_table": "results/mds/voxels/objectives.tsv",
        "min_voxels": 5,
        "encoder.epochs": 8,
        "independent.epochs": 8,
        "judge.epochs": 6,
        "generator.vae_channels": [8, 16, 32],
        "generator.vae_steps": 450,
        "generator.unet_channels": [32, 64],
        "generator.unet_steps": 280,
        "n_seeds": 16,
        "batch_size": 16,
        "device": "cpu",
    },
    "report": {"title": "neuro demo: a simulated cohort"},
}
"""Where the demo's settings differ from the defaults."""

_TYPES = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "string": "string",
    "path": "string",
    "mapping": "object",
}
_ITEMS = {"labels": "string", "strings": "string", "numbers": "number", "integers": "integer"}


def _entry_schema(entry: Option) -> dict:
    if entry.kind in _ITEMS:
        schema: dict = {"type": _ITEMS[entry.kind]}
        _bounds(entry, schema)
        result: dict = {"type": "array", "items": schema}
        if entry.length is not None:
            result |= {"minItems": entry.length, "maxItems": entry.length}
        if entry.kind == "labels":
            result = {"anyOf": [{"const": "all"}, result]}
    else:
        result = {"type": _TYPES[entry.kind]}
        _bounds(entry, result)
    if entry.nullable:
        result = {"anyOf": [result, {"type": "null"}]}
    unit = f" Unit: {entry.unit}." if entry.unit else ""
    result["description"] = f"{entry.doc}{unit} Source of the default: {entry.source}."
    result["default"] = entry.default
    return result


def _bounds(entry, target):
    if entry.pattern:
        target["anyOf"] = [{"enum": list(entry.choices)}, {"pattern": entry.pattern}]
    elif entry.choices:
        target["enum"] = list(entry.choices)
    if entry.low is not None:
        target["minimum"] = entry.low
    if entry.above is not None:
        target["exclusiveMinimum"] = entry.above
    if entry.high is not None:
        target["maximum"] = entry.high


def schema() -> dict:
    """JSON schema (draft 2020-12) of the configuration.

    Returns
    -------
    dict
    """
    sections = {}
    for name in SECTIONS:
        top: dict = {
            "type": "object",
            "additionalProperties": False,
            "description": (section_class(name).__doc__ or "").strip(),
            "properties": {},
        }
        for key, entry in walk(section_class(name)):
            node = top
            *parents, leaf = key.split(".")
            for parent in parents:
                node = node["properties"].setdefault(
                    parent, {"type": "object", "additionalProperties": False, "properties": {}}
                )
            node["properties"][leaf] = _entry_schema(entry)
        sections[name] = top
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of neuro",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def _yaml(value) -> str:
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").replace("/", "").replace(".", "")
        if plain.isalnum() and not plain[0].isdigit() and value.lower() not in ("no", "yes"):
            return value
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_yaml(entry) for entry in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(entry)}" for key, entry in value.items()) + "}"
    return _show(value)


def _comment(entry: Option, demo, default) -> str:
    parts = [entry.doc]
    if entry.choices or entry.low is not None or entry.above is not None or entry.unit:
        parts.append(f"[{entry.expected()}]")
    if entry.source != "ours":
        parts.append(f"({entry.source})")
    if demo != default:
        parts.append(f"Default outside the demo: {_yaml(default)}.")
    return " ".join(parts)


def _wrap(text, indent):
    return textwrap.wrap(
        text,
        width=96,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_on_hyphens=False,
    )


def example() -> str:
    """The commented config.yaml: every key with the value that the demo uses.

    Returns
    -------
    str
    """
    lines = [
        "# Settings of the demo: simulated data, no download. For your own data write a file with",
        "# only the keys that differ from the defaults and start with --configfile FILE; see",
        "# configs/ for ready ones. This file is generated by: python -m neuro.config",
    ]
    for name in SECTIONS:
        cls = section_class(name)
        lines += ["", f"# {(cls.__doc__ or '').strip()}", f"{name}:"]
        group = ""
        for key, entry in walk(cls):
            parent, _, leaf = key.rpartition(".")
            if parent and parent != group:
                lines.append(f"  {parent}:")
            group = parent
            indent = "    " if parent else "  "
            value = DEMO.get(name, {}).get(key, entry.default)
            lines += _wrap(_comment(entry, value, entry.default), indent)
            lines.append(f"{indent}{leaf}: {_yaml(value)}")
    return "\n".join(lines) + "\n"


def option_table(name) -> str:
    """Markdown table of a section's keys, for the docs.

    Parameters
    ----------
    name : str
        A section.

    Returns
    -------
    str
    """
    paper = presets(name).get("paper", {})
    head = "| key | default | allowed | meaning | source |\n|---|---|---|---|---|\n"
    rows = []
    for key, entry in walk(section_class(name)):
        default = f"`{_yaml(entry.default)}`"
        if key in paper:
            default += f" (paper: `{_yaml(paper[key])}`)"
        cells = (f"`{name}.{key}`", default, entry.expected(), entry.doc, entry.source)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return head + "\n".join(rows) + "\n"


def documents() -> dict[str, str]:
    """Generated files by path relative to the checkout."""
    import yaml

    intro = (
        "# Configuration\n\nEvery key with its default. Generated from `neuro/config/` by "
        "`python -m neuro.config`.\n`neuro explain KEY` says which rules read a key and whether "
        "it acts under your settings.\n"
    )
    tables = "".join(
        f"\n## {name}\n\n{(section_class(name).__doc__ or '').strip()}\n\n{option_table(name)}"
        for name in SECTIONS
    )
    return {
        "config.yaml": example(),
        "workflow/schemas/config.schema.yaml": yaml.safe_dump(schema(), sort_keys=False, width=96),
        "docs/configuration.md": intro + tables,
    }
