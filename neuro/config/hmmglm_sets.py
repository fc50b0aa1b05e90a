"""Which recordings make a set, and what does not fit together in the section `hmmglm`."""

from __future__ import annotations

import re
from pathlib import Path

from neuro.config.checks import covariates


def sets(section, runs) -> dict[str, tuple[str, list[str]]]:
    """Sets that are fitted on their own.

    Parameters
    ----------
    section : dict
        The resolved section.
    runs : dict of str to dict
        Usable runs by key, with `tr`; read where region series are an input. Runs of different
        repetition times do not mix.

    Returns
    -------
    dict of str to (str, list of str)
        Name of the set to its input and its files (for region series: run keys).
    """
    chosen: dict[str, tuple[str, list[str]]] = {}
    for source in section["input"]:
        if source == "spikes":
            chosen |= {name: (source, files(value)) for name, value in section["sets"].items()}
        elif source == "simulated":
            chosen["planted"] = (source, ["results/simulated/spikes.npz"])
        else:
            chosen |= {name: (source, keys) for name, keys in _by_interval(runs).items()}
    return chosen


def _by_interval(runs):
    times = {run["tr"] for run in runs.values()}
    if len(times) < 2 or not all(times):
        return {"bold": sorted(runs)}
    return {
        f"tr{round(1000 * float(tr))}": sorted(key for key in runs if runs[key]["tr"] == tr)
        for tr in sorted(times, key=float)
    }


def files(value) -> list[str]:
    """Files of a set: one path or a list of them."""
    return [value] if isinstance(value, str) else list(value)


def problems(config) -> list[str]:
    """What does not fit together in the section, one line each."""
    section = config["hmmglm"]
    if not section["enabled"]:
        return []
    lines = []
    source = section["input"]
    if "fmri" in source and not config["fmri"]["enabled"] and config["data"]["kind"] != "none":
        lines.append(
            "hmmglm.input: 'fmri' needs fmri.enabled: true; enable fmri, or disable hmmglm"
        )
    if "spikes" in source:
        lines += _set_problems(section["sets"], reserved=len(source) > 1)
    elif section["sets"]:
        lines.append("hmmglm.sets: given, but hmmglm.input has no 'spikes'")
    lines += covariates.problems(section)
    if section["trial_window"] is not None and section["segment_s"] is not None:
        lines.append(
            "hmmglm.trial_window: acts on trials, but hmmglm.segment_s cuts the recording instead; "
            "set segment_s: null"
        )
    if section["time_unit"] == "samples" and section["sampling_hz"] is None:
        lines.append("hmmglm.time_unit: 'samples' needs hmmglm.sampling_hz; set it")
    if section["n_finish"] is not None and section["grid"] == "jobs":
        lines.append(
            "hmmglm.n_finish: compares the starts of one job, but hmmglm.grid is 'jobs'; use "
            "grid: batched, or n_finish: null"
        )
    if section["n_finish"] is not None and section["solver"] == "paper":
        lines.append("hmmglm.n_finish: solver 'paper' finishes every start; use n_finish: null")
    if section["device"] == "cuda" and section["solver"] == "paper":
        lines.append("hmmglm.device: solver 'paper' runs on the CPU only; use device: cpu")
    planted = section["simulated"]["n_sequences"]
    if "simulated" in source and planted < section["folds"]:
        lines.append(
            f"hmmglm.simulated.n_sequences: got {planted}, expected at least hmmglm.folds "
            f"({section['folds']})"
        )
    return lines


def _set_problems(given, reserved):
    if not given:
        return ["hmmglm.sets: empty, but hmmglm.input has 'spikes'; name the recordings"]
    lines = []
    for name, value in given.items():
        key = f"hmmglm.sets.{name}"
        if not re.fullmatch("[a-zA-Z0-9]+", str(name)):
            lines.append(f"{key}: the name of a set has letters and digits only")
        if reserved and re.fullmatch("planted|bold|tr[0-9]+", str(name)):
            lines.append(f"{key}: this name stands for an input of its own; take another")
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            lines.append(f"{key}: expected a path or a list of paths")
            continue
        lines += [f"{key}: no such file: {text}" for text in texts if not Path(text).exists()]
    return lines
