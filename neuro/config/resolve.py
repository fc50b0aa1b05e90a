"""Fill defaults and presets into a user's settings, and say everything that is wrong."""

from __future__ import annotations

import copy
import difflib
import json
import re
from pathlib import Path

from neuro.config import braindive, demovae, hmmglm_sets, kinds, mds, ntf_sets
from neuro.config.adhd import primary_maps
from neuro.config.checks import maps, paths, planning
from neuro.config.model import Option, walk
from neuro.config.sections import RENAMED, SECTIONS, STAGES, needs_runs, presets, section_class

WIDTH = 160
"""A problem line is never longer than this."""


def resolve(mapping, *, source="config.yaml") -> list[str]:
    """Fill in defaults and presets, in place, and list all problems.

    Parameters
    ----------
    mapping : dict
        What the user's file holds, section by section. Filled up in place.
    source : str
        Name of the file in the problem lines.

    Returns
    -------
    list of str
        One line per problem, sorted by key; empty when all is well. Never raises on
        user input.
    """
    if not isinstance(mapping, dict) or not mapping:
        return [f"{source}: the file is empty; start from config.yaml or configs/"]
    resolved, _, problems = _resolve(mapping)
    mapping.update(resolved)
    return [_clip(f"{source}: {line}") for line in sorted(problems)]


def origins(mapping) -> dict[str, str]:
    """Where each resolved value comes from: 'user', 'preset' or 'default', by dotted key.

    Parameters
    ----------
    mapping : dict
        What the user's file holds; it is not changed.

    Returns
    -------
    dict of str to str
    """
    return _resolve(copy.deepcopy(mapping))[1]


def _resolve(mapping):
    problems, origin, resolved = [], {}, {}
    for name in mapping:
        if name not in SECTIONS:
            problems.append(f"{name}: unknown section{_suggest(name, SECTIONS)}")
    for name in SECTIONS:
        given = mapping.get(name)
        given = _mapping(given)
        if given is None:
            problems.append(f"{name}: got {_short(mapping.get(name))}, expected a mapping of keys")
            given = {}
        resolved[name] = _section(name, given, problems, origin)
    # A density that the user gives beats the threshold of a preset.
    if origin.get("adhd.density") == "user" and origin.get("adhd.threshold") == "preset":
        resolved["adhd"]["threshold"] = None
    if not problems and resolved["data"]["kind"] == "none":
        for name in STAGES:
            if origin[f"{name}.enabled"] == "default" and needs_runs(name, resolved[name]):
                resolved[name]["enabled"] = False
    if not problems and mds.lacks_input(resolved, origin):
        given = any(of == "user" for key, of in origin.items() if key.startswith("mds."))
        if not given:
            resolved["mds"]["enabled"] = False
        elif resolved["mds"]["enabled"]:
            problems.append("mds.input: missing; name stimulus-response data, or planted")
    if not problems:
        problems += _across(resolved)
    return resolved, origin, problems


def _mapping(value):
    """A mapping, also when it arrives from the command line as JSON text; None if it is none."""
    if value is None:
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return None
    return dict(value) if isinstance(value, dict) else None


def _section(name, given, problems, origin):
    options = dict(walk(section_class(name)))
    groups = {key.rpartition(".")[0] for key in options if "." in key}
    flat = _flatten(given, options, groups, name, problems)
    chosen = flat.get("preset", options["preset"].default if "preset" in options else None)
    preset = presets(name).get(chosen, {}) if isinstance(chosen, str) else {}
    result: dict = {}
    for key, entry in options.items():
        if key in flat:
            value, problem = check(entry, flat[key])
            if problem:
                problems.append(f"{name}.{key}: {problem}")
            origin[f"{name}.{key}"] = "user"
        elif key in preset:
            value, origin[f"{name}.{key}"] = copy.deepcopy(preset[key]), "preset"
        else:
            value, origin[f"{name}.{key}"] = copy.deepcopy(entry.default), "default"
        node = result
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = value
    return result


def _flatten(given, options, groups, section, problems, prefix=""):
    flat = {}
    for key, value in given.items():
        dotted = f"{prefix}{key}"
        if dotted in options:
            flat[dotted] = value
        elif dotted in groups:
            inner = _mapping(value)
            if inner is None:
                problems.append(
                    f"{section}.{dotted}: got {_short(value)}, expected a mapping of keys"
                )
            else:
                flat |= _flatten(inner, options, groups, section, problems, f"{dotted}.")
        else:
            problems.append(f"{section}.{dotted}: {_unknown(section, dotted, options)}")
    return flat


def _unknown(section, key, options):
    if f"{section}.{key}" in RENAMED:
        return f"was renamed; use '{RENAMED[f'{section}.{key}']}'"
    hint = _suggest(key, options)
    if not hint:
        for other in SECTIONS:
            if other != section and key in dict(walk(section_class(other))):
                return f"unknown key; it belongs under '{other}'"
        leaf = {name.rpartition(".")[2]: name for name in options if "." in name}
        near = difflib.get_close_matches(key, leaf, 1, 0.6)
        hint = f"; did you mean '{leaf[near[0]]}'?" if near else f"; see the keys of '{section}'"
        hint += "" if near else " in config.yaml"
    return f"unknown key{hint}"


def _suggest(name, names):
    near = difflib.get_close_matches(str(name), list(names), 1, 0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def check(entry: Option, value):
    """Check one value against its option.

    Returns
    -------
    value : object
        The value, numbers converted from text where they parse.
    problem : str or None
    """
    wrong = f"got {_short(value)}, expected {entry.expected()} (default {_short(entry.default)})"
    if value is None:
        return (None, None) if entry.nullable else (entry.default, wrong)
    kind = entry.kind
    if kind == "boolean":
        if isinstance(value, str) and value.lower() in ("true", "false"):
            value = value.lower() == "true"
        return (value, None) if isinstance(value, bool) else (entry.default, wrong)
    if kind in ("number", "integer"):
        value = _number(value, kind)
        return (value, None) if _within(entry, value) else (entry.default, wrong)
    if kind in ("string", "path"):
        if isinstance(value, bool) or not isinstance(value, str):
            return entry.default, wrong + ("; quote it" if _scalar(value) else "")
        other = entry.pattern and re.fullmatch(entry.pattern, value)
        if entry.choices and value not in entry.choices and not other:
            hint = _suggest(value, entry.choices)
            if hint and len(wrong) + len(hint) > WIDTH - 50:
                # The line will be cut: the fix comes before the list.
                return entry.default, f"got {_short(value)}{hint} {entry.expected()}"
            return entry.default, wrong + hint
        return value, None
    if kind == "mapping":
        value = _mapping(value)
        return (value, None) if value is not None else (entry.default, wrong)
    return _list(entry, value, wrong)


def _list(entry, value, wrong):
    kind = entry.kind
    if kind == "labels" and value == "all":
        # A list of what to leave out has no 'all': it would be everything.
        return (value, None) if entry.default == "all" else (entry.default, wrong)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = [value] if kind in ("labels", "strings") else None
    if not isinstance(value, (list, tuple)):
        if kind == "labels" and _scalar(value):
            return entry.default, f"got {_article(value)} {value}; {_quote(value)}"
        return entry.default, wrong
    value = list(value)
    if entry.length is not None and len(value) != entry.length:
        return entry.default, wrong
    for position, element in enumerate(value):
        if kind in ("numbers", "integers"):
            value[position] = _number(element, kind[:-1])
            if not _within(entry, value[position]):
                return entry.default, wrong
        elif not isinstance(element, str):
            return (
                entry.default,
                f"item {position}: got {_article(element)} {_short(element)}; {_quote(element)}",
            )
        elif entry.choices and element not in entry.choices and not _matches(entry, element):
            hint = _suggest(element, entry.choices) or "; expected"
            return entry.default, f"item {position}: got {_short(element)}{hint} {entry.expected()}"
    return value, None


def _matches(entry, text):
    return entry.pattern and re.fullmatch(entry.pattern, text)


def _number(value, kind):
    """A number of the right kind, or None; text that parses is accepted (YAML reads 1e-3 so)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        return None
    if kind == "integer":
        return int(value) if value == int(value) else None
    return value


def _within(entry, value):
    return value is not None and not (
        (entry.low is not None and value < entry.low)
        or (entry.high is not None and value > entry.high)
        or (entry.above is not None and value <= entry.above)
        or (entry.choices and value not in entry.choices)
    )


def _scalar(value):
    return isinstance(value, (bool, int, float))


def _article(value):
    name = {bool: "boolean", int: "integer", float: "number"}.get(type(value), "value")
    return name


def _quote(value):
    if isinstance(value, bool):
        return "quote labels: 'yes'" if value else "quote labels: 'no'"
    if isinstance(value, int) and value > 99:
        # what was written is lost: YAML may have read it as octal
        return "quote all labels (unquoted, 0010 is read as 8)"
    return f"quote labels: '{value:02d}'" if isinstance(value, int) else f"quote labels: '{value}'"


def _short(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."


def _clip(line):
    return line if len(line) <= WIDTH else line[: WIDTH - 3] + "..."


_IMAGE = re.compile(r"\.(nii(\.gz)?|annot|gii)$")


def _across(config):
    """Problems that concern several keys."""
    problems = paths.of_sections(config, {name: section_class(name) for name in SECTIONS})
    data, fmri, adhd = config["data"], config["fmri"], config["adhd"]
    if data["kind"] == "none":
        problems += _without_runs(config)
    elif data["kind"] != "simulated":
        problems += paths.of_data(data)
        if fmri["atlas"] == "simulated":
            problems.append("fmri.atlas: 'simulated' exists only with data.kind: simulated")
    elif data["root"]:
        problems.append("data.root: given, but data.kind is 'simulated'; remove one of them")
    if not fmri["enabled"]:
        problems += [
            f"fmri.enabled: false, but {name} needs its results; disable {name} as well"
            for name in ("adhd", "demovae")
            if config[name]["enabled"]
        ]
    problems += planning.problems(config) + maps.problems(config)
    problems += demovae.problems(config)
    if fmri["band"][0] >= fmri["band"][1]:
        problems.append(f"fmri.band: got {fmri['band']}, expected low < high in Hz")
    if fmri["strategy"] == "custom" and not fmri["confound_columns"]:
        problems.append("fmri.confound_columns: empty, but fmri.strategy is 'custom'")
    if "scrub" in fmri["strategy"].split("+") and not fmri["scrub"]:
        problems.append("fmri.scrub: false, but fmri.strategy names scrub; choose one of them")
    problems += kinds.problems(data["kind"], config)
    problems += ntf_sets.problems(config)
    if fmri["filter"] == "fft" and fmri["strategy"] != "athena":
        problems.append("fmri.filter: 'fft' belongs to strategy 'athena'; use 'butterworth'")
    for key, value in (("fmri.atlas", fmri["atlas"]), ("adhd.mask.regions", _regions(adhd))):
        if _IMAGE.search(value or "") and not Path(value).exists():
            problems.append(f"{key}: no such file: {value}")
        elif key == "fmri.atlas" and value not in BUNDLED_ATLASES and not _IMAGE.search(value):
            problems.append(
                f"fmri.atlas: got '{value}', expected {', '.join(BUNDLED_ATLASES)} or a .nii.gz "
                f"file{_suggest(value, BUNDLED_ATLASES)}"
            )
    problems += hmmglm_sets.problems(config)
    problems += mds.problems(config)
    problems += braindive.problems(config)
    if adhd["distance_bins"] != sorted(set(adhd["distance_bins"])):
        problems.append("adhd.distance_bins: expected increasing numbers in mm")
    if adhd["threshold"] is not None and adhd["density"] is not None:
        problems.append("adhd.density: given together with adhd.threshold; choose one of them")
    unseen = adhd["harmonise"] != "none" and "leave_site_out" in adhd["schemes"]
    if unseen and not adhd["transductive"]:
        problems.append(
            "adhd.harmonise: an unseen site cannot be harmonised; set adhd.transductive: true "
            "or drop leave_site_out from adhd.schemes"
        )
    features = primary_maps(adhd)
    if adhd["primary"].endswith("+mask") and adhd["mask"]["rule"] == "none":
        problems.append(
            f"adhd.primary: got '{adhd['primary']}', but adhd.mask.rule is 'none'; declare "
            f"'{'+'.join(features)}'"
        )
    for name, kind in adhd["targets"].items():
        if kind not in ("auto", "number", "classes"):
            problems.append(
                f"adhd.targets.{name}: got '{kind}', expected one of auto, number, classes"
            )
        if name in ("dx", "participant_id", "site"):
            problems.append(f"adhd.targets: '{name}' is no further target; remove it")
    edges = [name for name in features if name in ("fc", "tangent")]
    if edges and adhd["primary"].endswith("+mask"):
        problems.append(
            f"adhd.primary: got '{adhd['primary']}', but a mask chooses regions and '{edges[0]}' "
            f"are edges; declare '{'+'.join(features)}'"
        )
    if edges and len(features) > 1:
        problems.append(
            f"adhd.primary: got '{adhd['primary']}', but '{edges[0]}' has a classifier of its own; "
            f"declare '{edges[0]}' or graph maps"
        )
    for name in features:
        if name not in adhd["features"]:
            problems.append(
                f"adhd.primary: got '{adhd['primary']}', but adhd.features has no '{name}'"
            )
    return problems


def _without_runs(config):
    """Settings that need images or region tables where there are none."""
    lines = [
        f"{name}.enabled: true, but data.kind is 'none'; disable {name} or name the input in data"
        for name in STAGES
        if config[name]["enabled"] and needs_runs(name, config[name])
    ]
    if config["data"]["root"]:
        lines.append("data.root: given, but data.kind is 'none'; remove one of them")
    return lines


BUNDLED_ATLASES = ("power264", "dosenbach160", "seitzman300", "simulated")


def _regions(adhd):
    return adhd["mask"]["regions"]
