"""Where restarts stand, on disk, so that a killed run goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from neuro.mds.clusters.search import State


def write(path, states, key, to_array) -> Path:
    """Write the states of all restarts; the file is whole at any time.

    Parameters
    ----------
    path : path-like
        Ends in `.npz`.
    states : dict of int to State
        By seed.
    key : str
        What the run depends on; a file with another key is not used.
    to_array : callable
        From stimuli to an array of full precision.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays, facts = {}, {"key": key, "states": {}}
    for seed, state in states.items():
        arrays[f"labels_{seed}"] = state.labels
        if state.stimuli is not None:
            arrays[f"stimuli_{seed}"] = to_array(state.stimuli)
        facts["states"][str(seed)] = {
            name: getattr(state, name) for name in ("objective", "phase", "step", "draws")
        } | {"history": state.history}
    partial = path.with_name(f"{path.stem}.partial.npz")
    np.savez(partial, facts=np.array(json.dumps(facts)), **arrays)
    os.replace(partial, path)
    return path


def read(path, key, to_tensor) -> dict:
    """States of restarts by seed; empty where there is no file of this run.

    Parameters
    ----------
    path : path-like
    key : str
    to_tensor : callable
        From an array to stimuli.

    Returns
    -------
    dict of int to State
    """
    path = Path(path)
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if facts["key"] != key:
                return {}
            content = {}
            for seed, fact in facts["states"].items():
                stimuli = f"stimuli_{seed}"
                content[int(seed)] = State(
                    file[f"labels_{seed}"],
                    to_tensor(file[stimuli]) if stimuli in file.files else None,
                    **fact,
                )
            return content
    except (OSError, ValueError, KeyError, EOFError):
        return {}
