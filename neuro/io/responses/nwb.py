"""Stimuli and responses of NWB files: template, trial table, rates."""

from __future__ import annotations

import numpy as np

from neuro.io.formats.nwb import open_nwb
from neuro.io.problems import InputProblem

ID_COLUMNS = ("stimulus_id", "image_id", "stimulus_index", "image_index", "frame", "stimulus")
TIER_COLUMNS = ("tier", "split", "set")
CONDITION_COLUMNS = ("condition", "stimulus_name", "stim_name")
RESPONSE_NAMES = ("responses", "rates", "trial_responses")


def load_nwb(path, variable=None) -> dict:
    """Parts of a data set in an NWB file.

    Stimuli are the images of a stimulus template, one per trial by the column `stimulus_id` (or
    `image_id`, `frame`, ...) of the trial table. Responses are a time series `responses` of
    shape (n_trials, n_units) in a processing module or the acquisition, else the firing rates
    of the units between `start_time` and `stop_time` of each trial.

    Parameters
    ----------
    path : path-like
    variable : str, optional
        Name of the template, where there are several.

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When it is no NWB file or lacks trials, responses or stimuli and conditions.
    """
    with open_nwb(path) as file:
        if file.trials is None:
            raise InputProblem(f"{path}: no trial table; expected trials with stimulus_id")
        trials = file.trials.to_dataframe()
        content = _responses(file, trials, path)
        stimuli = _stimuli(file, trials, path, variable)
        if stimuli is not None:
            content["stimuli"], content["stimulus_id"] = stimuli
    for key, columns in (("tier", TIER_COLUMNS), ("condition", CONDITION_COLUMNS)):
        column = next((name for name in columns if name in trials.columns), None)
        if column is not None:
            content[key] = trials[column].astype(str).to_numpy()
    return content


def _responses(file, trials, path) -> dict:
    containers = [file.acquisition, *(m.data_interfaces for m in file.processing.values())]
    for container in containers:
        for name in RESPONSE_NAMES:
            if name in container:
                content = {"responses": np.asarray(container[name].data[()])}
                if file.units is not None and len(file.units) == content["responses"].shape[1]:
                    content |= _names(file.units)
                return content
    if file.units is None or "spike_times" not in file.units.colnames:
        raise InputProblem(
            f"{path}: no time series 'responses' and no units with spike times; add one of them"
        )
    start = trials["start_time"].to_numpy(float)
    stop = trials["stop_time"].to_numpy(float)
    if not (stop > start).all():
        raise InputProblem(f"{path}: trial {int(np.argmin(stop - start))} has no length")
    rates = np.empty((len(trials), len(file.units)), np.float32)
    for column in range(len(file.units)):
        spikes = np.sort(np.asarray(file.units["spike_times"][column], float))
        counts = np.searchsorted(spikes, stop) - np.searchsorted(spikes, start)
        rates[:, column] = counts / (stop - start)
    return {"responses": rates, **_names(file.units)}


def _names(units) -> dict:
    names = {}
    for key, columns in (
        ("unit", ("unit_name", "name", "label")),
        ("roi", ("area", "location", "roi")),
        ("known_type", ("cell_type", "known_type")),
    ):
        column = next((name for name in columns if name in units.colnames), None)
        if column is not None:
            names[key] = np.array([str(value) for value in units[column][:]])
    if "unit" not in names:
        names["unit"] = np.array([f"u{value}" for value in units.id[:]])
    return names


def _stimuli(file, trials, path, variable):
    templates = {
        name: series
        for name, series in file.stimulus_template.items()
        if variable in (None, name) and hasattr(series, "data") and series.data is not None
    }
    if not templates:
        return None
    if len(templates) > 1:
        raise InputProblem(
            f"{path}: several stimulus templates; set mds.variable to one of "
            f"{', '.join(sorted(templates))}"
        )
    column = next((name for name in ID_COLUMNS if name in trials.columns), None)
    if column is None:
        raise InputProblem(
            f"{path}: the trial table has none of the columns {', '.join(ID_COLUMNS)}"
        )
    images = np.asarray(next(iter(templates.values())).data[()])
    index = trials[column].to_numpy(int)
    if len(index) and (index.min() < 0 or index.max() >= len(images)):
        raise InputProblem(
            f"{path}: column '{column}' names image {index.max()}, but the template has "
            f"{len(images)} (counted from 0)"
        )
    # NWB keeps images as (frames, x, y[, colour]).
    images = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    return images[index], index
