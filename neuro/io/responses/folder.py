"""Stimulus-response data as a tree of numpy files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from neuro.io.problems import InputProblem
from neuro.io.responses.parts import LazyStimuli, mapped

TIER_NAMES = ("tiers.npy", "tier.npy", "meta/trials/tiers.npy")
UNIT_NAMES = ("unit.npy", "units.npy", "meta/neurons/unit_ids.npy")
TRIAL_NAMES = {
    "stimulus_id": ("stimulus_id.npy", "meta/trials/frame_image_id.npy"),
    "condition": ("condition.npy",),
}
COLUMNS = {
    "roi": ("roi.npy", "meta/neurons/area.npy"),
    "session": ("session.npy",),
    "known_type": ("known_type.npy",),
}


def load_folder(path, discrete=False) -> dict:
    """Parts of a data set in a folder.

    Either one file per trial (`images/0.npy`, `responses/0.npy`, ..., also below `data/`), or
    whole arrays `stimuli.npy` and `responses.npy`. `tiers.npy` stands beside them or in
    `meta/trials/`, names of units in `units.npy` or `meta/neurons/unit_ids.npy`.

    Parameters
    ----------
    path : path-like
    discrete : bool
        Whether stimuli are left unread.

    Returns
    -------
    dict

    Raises
    ------
    InputProblem
        When responses are missing, or trials do not agree between the two folders.
    """
    root = Path(path)
    data = root / "data" if (root / "data" / "responses").is_dir() else root
    if (data / "videos").is_dir() and not (data / "images").is_dir():
        raise InputProblem(
            f"{root}: videos with responses per frame (Sensorium 2023) are not read; give pictures "
            "(images/), or one value per unit and clip as .npz with 'stimuli' (n, t, c, h, w)"
        )
    content, names = {}, {}
    if (data / "responses").is_dir():
        content["responses"], content["stimuli"] = _per_trial(data, root, discrete)
        names = {"responses": "responses/", "stimuli": "images/"}
    elif (root / "responses.npy").is_file():
        content["responses"] = mapped(root / "responses.npy")
        names["responses"] = "responses.npy"
        if not discrete and (root / "stimuli.npy").is_file():
            content["stimuli"] = LazyStimuli(root / "stimuli.npy")
            names["stimuli"] = "stimuli.npy"
    else:
        listing = ", ".join(sorted(entry.name for entry in root.iterdir())[:6]) or "nothing"
        raise InputProblem(
            f"{root}: no responses.npy and no folder responses/ of trials; found {listing}"
        )
    for key, candidates in {
        "tier": TIER_NAMES,
        "unit": UNIT_NAMES,
        **TRIAL_NAMES,
        **COLUMNS,
    }.items():
        file = next((root / name for name in candidates if (root / name).is_file()), None)
        if file is not None:
            content[key] = mapped(file)
            names[key] = file.name
    return content | {"names": names}


def _per_trial(data, root, discrete):
    responses = _numbered(data / "responses")
    images = None if discrete else _numbered(data / "images")
    if images is not None and set(images) != set(responses):
        if len(images) != len(responses):
            raise InputProblem(
                f"responses/ has {len(responses):,} trials, images/ {len(images):,}: same first "
                "axis expected"
            )
        odd = sorted(set(images) ^ set(responses))[0]
        raise InputProblem(f"{root}: trial {odd} is in one of images/ and responses/ only")
    stack = []
    for files in (responses, images):
        if files is None:
            stack.append(None)
            continue
        arrays = [mapped(files[key]) for key in sorted(files)]
        shapes = sorted({array.shape for array in arrays})
        if len(shapes) > 1:
            raise InputProblem(
                f"{root}: trials of different shapes: {', '.join(map(str, shapes[:4]))}"
            )
        stack.append(np.stack(arrays))
    first, second = stack
    if second is not None and second.ndim == 3:
        second = second[:, None]
    return first.reshape(len(first), -1), second


def _numbered(folder) -> dict:
    files = {}
    for file in Path(folder).glob("*.npy"):
        number = re.fullmatch(r"0*(\d+)", file.stem)
        if number:
            files[int(number[1])] = file
    if not files:
        raise InputProblem(f"{folder}: no trial files 0.npy, 1.npy, ...")
    return files
