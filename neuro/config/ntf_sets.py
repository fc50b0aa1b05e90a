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
    by_name: dict[str, list[str]] = {}
    for source in ntf["sources"]:
        files = recording_files(ntf) if source == "recordings" else []
        if source == "recordings" and not ntf["recordings"]["stack"]:
            for path in files:
                by_name[_label(path)] = [path]
        else:
            by_name[source] = files
    return by_name


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
    bold = ntf["sources"] == ["fmri"]
    signed = (*SIGNED, "auto", "published") if bold else (*SIGNED, "auto")
    if affinity["sign"] in ("split", "signed") and affinity["kind"] not in signed:
        lines.append(
            f"ntf.affinity.sign: '{affinity['sign']}' needs a signed kind ({', '.join(SIGNED)}), "
            f"got '{affinity['kind']}'"
        )
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
    recorded = {Path(path).name for path in recording_files(ntf)}
    lines += [
        f"ntf.recordings.variables: no recording is called '{name}'"
        for name in given["variables"]
        if name not in recorded
    ]
    if given["groups"] and (not given["stack"] or ntf["affinity"]["sign"] == "split"):
        what = (
            "recordings.stack: true" if not given["stack"] else "another affinity.sign than split"
        )
        lines.append(f"ntf.recordings.groups: animals are compared in one tensor; set {what}")
    for key in ("events", "assemblies", "groups"):
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
