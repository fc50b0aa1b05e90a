"""Which recordings make one tensor, and what does not fit together in the section `ntf`."""

from __future__ import annotations

import glob
from pathlib import Path

from neuro.config.ntf import SOURCES
from neuro.config.ntf_affinity import SIGNED


def sets(ntf) -> dict[str, list[str]]:
    """Sets of recordings that make one tensor each.

    Parameters
    ----------
    ntf : dict
        The resolved section.

    Returns
    -------
    dict of str to list of str
        Name of the set to its files; the files of `simulated` and `fmri` are known to the rules.
    """
    found: dict[str, list[str]] = {}
    for source in ntf["sources"]:
        files = recording_files(ntf) if source == "recordings" else []
        if source == "recordings" and not ntf["recordings"]["stack"]:
            for path in files:
                found[_label(path)] = [path]
        else:
            found[source] = files
    return found


def recording_files(ntf) -> list[str]:
    """Files of the user's recordings, patterns opened, sorted."""
    files: set[str] = set()
    for pattern in ntf["recordings"]["files"]:
        files |= set(glob.glob(pattern, recursive=True))
    return sorted(files)


def _label(path) -> str:
    stem = Path(path).name.removesuffix(Path(path).suffix)
    return "".join(letter for letter in stem if letter.isalnum())


def problems(config) -> list[str]:
    """What does not fit together in the section."""
    ntf = config["ntf"]
    if not ntf["enabled"]:
        return []
    lines = []
    if "fmri" in ntf["sources"] and not config["fmri"]["enabled"]:
        lines.append("ntf.sources: 'fmri' needs fmri.enabled: true; remove it or enable fmri")
    if "recordings" in ntf["sources"]:
        lines += _recording_problems(ntf)
    elif ntf["recordings"]["files"]:
        lines.append("ntf.recordings.files: given, but ntf.sources has no 'recordings'")
    low, high = ntf["ranks"]
    if low > high:
        lines.append(f"ntf.ranks: got {ntf['ranks']}, expected first <= last")
    affinity = ntf["affinity"]
    if affinity["sign"] == "split" and affinity["kind"] not in (*SIGNED, "auto"):
        lines.append(
            f"ntf.affinity.sign: 'split' needs a signed kind ({', '.join(SIGNED)}), got "
            f"'{affinity['kind']}'"
        )
    if affinity["sign"] == "split" and affinity["kind"] == "auto" and ntf["sources"] != ["fmri"]:
        lines.append("ntf.affinity.sign: 'split' needs ntf.affinity.kind edge_ts for recordings")
    if ntf["time_alignment"] == "stimulus" and set(ntf["sources"]) & {"fmri"}:
        lines.append(
            "ntf.time_alignment: 'stimulus' has no events for source 'fmri'; use auto, task or none"
        )
    return lines


def _recording_problems(ntf) -> list[str]:
    given = ntf["recordings"]
    if not given["files"]:
        return ["ntf.recordings.files: empty, but ntf.sources has 'recordings'; name the files"]
    lines = [
        f"ntf.recordings.files: no such file: {pattern}"
        for pattern in given["files"]
        if not glob.glob(pattern, recursive=True)
    ]
    for key in ("events", "assemblies"):
        if given[key] and not Path(given[key]).exists():
            lines.append(f"ntf.recordings.{key}: no such file: {given[key]}")
    n_files = len(recording_files(ntf))
    if given["assemblies"] and n_files > 1:
        lines.append(f"ntf.recordings.assemblies: given with {n_files} recordings; expected one")
    if ntf["time_alignment"] == "stimulus" and not given["events"]:
        lines.append("ntf.recordings.events: missing, but ntf.time_alignment is 'stimulus'")
    if not given["stack"]:
        names = [_label(path) for path in recording_files(ntf)]
        taken = sorted({name for name in names if names.count(name) > 1 or name in SOURCES})
        lines += [f"ntf.recordings.files: two sets would be called '{name}'" for name in taken]
    return lines
