"""Stimulus-response data in the common HDF5 layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.io.responses.parts import TRIAL_KEYS, UNIT_KEYS


def write_stimulus_response(path, stimuli, responses, tier=None, **optional) -> Path:
    """Write a data set in the common HDF5 layout.

    Parameters
    ----------
    path : path-like
        Ends in `.h5`.
    stimuli : array or None
        float in [0, 1], stored as float32, or uint8.
    responses : array, shape (n_trials, n_units)
    tier : sequence of str, optional
    **optional
        `stimulus_id`, `condition`, `unit`, `roi`, `session`, `known_type`, `fs`, `notes`.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        For an unknown part.
    """
    import h5py

    from neuro.io.regions.series import write_strings

    allowed = {*TRIAL_KEYS, *UNIT_KEYS, "fs", "notes"}
    if set(optional) - allowed:
        raise ValueError(f"unknown part '{sorted(set(optional) - allowed)[0]}' of the layout")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        if stimuli is not None:
            stimuli = np.asarray(stimuli)
            file["stimuli"] = stimuli if stimuli.dtype == np.uint8 else stimuli.astype(np.float32)
        file["responses"] = np.asarray(responses, np.float32)
        for key, values in {"tier": tier, **optional}.items():
            if values is None:
                continue
            if key in ("fs", "notes"):
                file.attrs[key] = values
            elif np.asarray(values).dtype.kind in "iu":
                file[key] = np.asarray(values, np.int64)
            else:
                write_strings(file, key, values)
    return path
