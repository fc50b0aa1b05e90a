"""Three public stimulus-response archives, unpacked or as `.tar.gz`.

Bipolar-cell chirps (24 mouse types, flicker stimuli), IT rasters (macaque, 7 objects x 3
positions), digits with fMRI (handwritten 6 and 9).
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np

from neuro.io.formats import contained
from neuro.io.problems import InputProblem

IT_WINDOW = (600, 1000)
"""ms of the raster in which spikes are counted; the stimulus comes at 501 ms."""
_SIGNS = (
    ("types_green_center.npy", "bipolar"),
    ("digit69_28x28.mat", "digits"),
    ("raster_data.mat", "rasters"),
)


def recognise(path):
    """The reader of an archive, or None where the path is none of the three.

    Parameters
    ----------
    path : path-like
        Archive, its folder, or (for the digits) the file itself.

    Returns
    -------
    callable or None
    """
    path = Path(path)
    if path.is_file() and not path.name.endswith((".tar.gz", ".mat")):
        return None
    try:
        names = _names(path)
    except (OSError, tarfile.TarError, EOFError) as error:
        reason = str(error)[:60] or type(error).__name__
        raise InputProblem(f"{path}: cut off or damaged archive ({reason})") from None
    for ending, kind in _SIGNS:
        if any(name.endswith(ending) for name in names):
            return {"bipolar": load_bipolar, "digits": load_digits, "rasters": load_rasters}[kind]
    if path.is_file():
        raise InputProblem(
            f"{path}: none of the known archives; unpack it, or write .npz, .h5 or .nwb"
        )
    return None


def _names(path) -> list[str]:
    if path.name.endswith(".mat"):
        return [path.name]
    if path.is_file():
        with tarfile.open(path, "r:gz") as file:
            return [member.name for member in file if member.isfile()]
    # two levels suffice for the archives and spare large trees of trials
    return [
        entry.relative_to(path).as_posix()
        for pattern in ("*", "*/*.npy", "data-raw/raster/*/*.mat", "*/*.mat")
        for entry in path.glob(pattern)
        if not entry.parent.name.isdigit()
    ]


def _files(path, ending) -> dict[str, bytes]:
    """Content of the files whose name has an ending, by name, sorted."""
    path, files_of = Path(path), {}
    if path.is_file() and path.name.endswith(ending):
        return {path.name: path.read_bytes()}
    if path.is_file():
        with tarfile.open(path, "r:gz") as file:
            for member in file:
                if member.isfile() and member.name.endswith(ending):
                    contained.refuse_large(path, member.name, member.size)
                    content = file.extractfile(member)
                    if content is not None:
                        files_of[member.name.rpartition("/")[2]] = content.read()
    else:
        for entry in path.rglob(f"*{ending}"):
            files_of[entry.name] = entry.read_bytes()
    return dict(sorted(files_of.items()))


def load_bipolar(path, variable=None) -> dict:
    """Flicker responses of 24 bipolar-cell types.

    Parameters
    ----------
    path : path-like
    variable : {"green", "uv"}, optional
        Which flicker; default green.

    Returns
    -------
    dict
        Stimuli (11468, 2) are centre and surround in {0, 1} at 64 Hz.

    Raises
    ------
    InputProblem
        When a file is missing.
    """
    light = variable or "green"
    if light not in ("green", "uv"):
        raise InputProblem(f"mds.variable: got '{light}', expected green or uv for {path}")
    files = {name: np.load(io.BytesIO(data)) for name, data in _files(path, ".npy").items()}
    needed = [
        f"{light}_flicker_64Hz.npy",
        f"{light}_avrg_resp_64Hz_norm.npy",
        f"types_{light}_center.npy",
        "bc_cluster_locations.npy",
    ]
    absent = [name for name in needed if name not in files]
    if absent:
        raise InputProblem(f"{path}: no file {absent[0]}")
    stimuli, responses, centre, places = (files[name] for name in needed)
    return {
        "stimuli": stimuli.astype(np.float32),
        "responses": responses.T,
        "unit": [f"{light}{k:02d}" for k in range(1, len(centre) + 1)],
        "roi": places,
        "known_type": np.where(centre > 0, "ON", "OFF"),
        "fs": 64.0,
        "notes": [
            "The units are means of cell types, without trial noise; cells made from them are "
            "simulated and easier to type than recorded ones."
        ],
    }


def load_digits(path, variable=None) -> dict:
    """Voxel responses to handwritten digits; the images are stored transposed.

    Returns
    -------
    dict
        Stimuli (100, 1, 28, 28) uint8, 90 for training; the condition is the digit.
    """
    from scipy.io import loadmat

    content = next(iter(_files(path, "digit69_28x28.mat").values()))
    data = loadmat(io.BytesIO(content))
    images = np.concatenate([data["stimTrn"], data["stimTest"]])
    labels = np.concatenate([data["labelTrn"], data["labelTest"]]).ravel()
    return {
        "stimuli": images.reshape(-1, 1, 28, 28).transpose(0, 1, 3, 2).astype(np.uint8),
        "responses": np.concatenate([data["fmriTrn"], data["fmriTest"]]),
        "tier": np.array(["train"] * len(data["stimTrn"]) + ["test"] * len(data["stimTest"])),
        "condition": np.where(labels == 1, "6", "9"),
        "notes": [
            "Voxels of one subject, one trial per image: clusters are spatial clusters, since "
            "retinotopy dominates what a voxel prefers."
        ],
    }


def load_rasters(path, variable=None) -> dict:
    """Spike counts of neurons that were recorded one by one, aligned by condition and repeat.

    Returns
    -------
    dict
        Responses (n_conditions * n_repeats, n_neurons) in spikes/s; NaN where a neuron has
        fewer repeats. No stimuli: the set is discrete.

    Raises
    ------
    InputProblem
        When a file lacks its labels.
    """
    from scipy.io import loadmat

    neurons: dict[str, tuple] = {}
    seen: set[str] = set()
    for name, content in _files(path, "raster_data.mat").items():
        data = loadmat(io.BytesIO(content), squeeze_me=True, struct_as_record=False)
        try:
            labels = data["raster_labels"].combined_ID_position.astype(str)
            raster = data["raster_data"]
        except (KeyError, AttributeError):
            raise InputProblem(f"{name}: no raster_data with combined_ID_position") from None
        start, stop = IT_WINDOW
        rate = raster[:, start:stop].sum(axis=1) / ((stop - start) / 1000)
        neurons[name.removesuffix("_raster_data.mat")] = (labels, rate)
        seen |= set(labels.tolist())
    conditions = sorted(seen)
    most = max(
        int((labels == condition).sum())
        for labels, _ in neurons.values()
        for condition in conditions
    )
    responses = np.full((len(conditions), most, len(neurons)), np.nan, np.float32)
    for column, (labels, rate) in enumerate(neurons.values()):
        for row, condition in enumerate(conditions):
            values = rate[labels == condition]
            responses[row, : len(values), column] = values
    return {
        "responses": responses.reshape(-1, len(neurons)),
        "condition": np.repeat(conditions, most),
        "unit": np.array(list(neurons)),
        "notes": [
            "Neurons were recorded one by one: trials of different neurons were not "
            "simultaneous, there are no noise correlations and no predictor of images."
        ],
    }
