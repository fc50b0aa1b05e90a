"""Parts that the readers of stimulus-response data share: ranges, labels, groups, `.npz`."""

from __future__ import annotations

import numpy as np

from neuro.io.problems import InputProblem

KEYS = (
    "stimuli",
    "responses",
    "tier",
    "stimulus_id",
    "condition",
    "unit",
    "roi",
    "session",
    "known_type",
    "fs",
)
STIMULUS = ("stimulus", "stimuli", "images")
RESPONSE = ("response", "responses")
RATES = ("firing_rate_10ms", "firing_rate", "rates", "responses")


def unit_range(stimuli):
    """Stimuli as float32; whole numbers of one byte are divided by 255."""
    if not isinstance(stimuli, np.ndarray):
        return stimuli
    if stimuli.dtype == np.uint8:
        return stimuli.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(stimuli, dtype=np.float32)


def plain(dataset) -> np.ndarray:
    """Values of an HDF5 data set; text as str."""
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is not None:
        return np.asarray(dataset.asstr()[()])
    return dataset[()]


def labels(values) -> np.ndarray:
    """A flat array of whole numbers or str."""
    values = np.ravel(np.asarray(values))
    if values.dtype.kind in "iu":
        return values
    if values.dtype.kind in "SO":
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in values])
    return values.astype(str)


def load_npz(path) -> dict:
    """Parts of a `.npz` file.

    Raises
    ------
    InputProblem
        When it cannot be read or has no responses.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {key: file[key] for key in KEYS if key in file.files}
            found = list(file.files)
    except (OSError, ValueError, EOFError, AttributeError):
        raise InputProblem(f"{path}: not a readable .npz file of plain arrays") from None
    if "responses" not in content:
        raise InputProblem(
            f"{path}: no array 'responses'; found {', '.join(found[:8]) or 'nothing'}"
        )
    return content


def load_groups(file, path) -> dict:
    """Groups `train`, `test` (and `validation`) with a stimulus and a response array each.

    The axis of time is shared; responses may stand as (n_units, n_samples). Stimuli with two
    axes are (n_samples, channels); with three (n_samples, h, w), which get one channel.

    Raises
    ------
    InputProblem
        When an array is missing or the lengths differ.
    """
    stimuli, responses, tier = [], [], []
    for name in ("train", "validation", "test"):
        if name not in file:
            continue
        x = _first(file[name], STIMULUS, path, name)
        y = _first(file[name], RESPONSE, path, name)
        if y.ndim != 2 or len(x) not in y.shape:
            raise InputProblem(
                f"{path}: group '{name}': responses {y.shape} and stimuli {x.shape} share no axis "
                "of time"
            )
        y = y if len(y) == len(x) else y.T
        stimuli.append(x[:, None] if x.ndim == 3 else x)
        responses.append(y)
        tier += [name] * len(x)
    if len({item.shape[1] for item in responses}) > 1:
        counts = ", ".join(str(item.shape[1]) for item in responses)
        raise InputProblem(f"{path}: groups hold different numbers of units: {counts}")
    return {
        "stimuli": np.concatenate(stimuli),
        "responses": np.concatenate(responses),
        "tier": np.array(tier),
    }


def _first(group, names, path, where):
    for name in names:
        if name not in group:
            continue
        item = group[name]
        if hasattr(item, "keys"):
            inner = next((key for key in RATES if key in item), None)
            if inner is None:
                raise InputProblem(
                    f"{path}: group '{where}/{name}' has none of {', '.join(RATES)}; found "
                    f"{', '.join(list(item)[:5])}"
                )
            item = item[inner]
        return item[()]
    raise InputProblem(f"{path}: group '{where}' has no '{names[0]}'; found {', '.join(group)}")
