"""Section `mds`: most discriminative stimuli (not multidimensional scaling)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from neuro.config.model import enabled, group, option, preset

NAMED = ("planted", "voxels")
"""Inputs that the workflow simulates."""
TWINS = ("auto", "conv", "energy", "temporal", "encoder", "checkpoint", "module")
BACKBONES = ("pool2", "pixels", "gabor")


@dataclasses.dataclass(frozen=True)
class Twin:
    """The predictor of the units ("digital twin") on which stimuli are optimised."""

    type: str = option(
        "auto",
        "string",
        "'conv' (images, rates), 'energy' (images, few trials: filters and energies at one place), "
        "'temporal' (one-dimensional stimuli), 'encoder' (frozen image features, linear readout), "
        "'checkpoint' (weights trained elsewhere), 'module' (a model of your own); 'auto' goes by "
        "the data, and between 'conv' and 'energy' by validation trials.",
        choices=TWINS,
    )
    epochs: int = option(40, "integer", "Epochs of 'conv' at most.", low=1)
    path: str | None = option(
        None, "path", "State dict of 'checkpoint'; read without running code.", nullable=True
    )
    module: str | None = option(
        None,
        "string",
        "'file.py:function' that returns a torch module, or a TorchScript file, of 'module'. Its "
        "code is run.",
        nullable=True,
    )
    kwargs: dict = option({}, "mapping", "Arguments of that function.")
    predictions: str | None = option(
        None,
        "path",
        "Images and what the twin of 'checkpoint' or 'module' gave to them (.npz with 'images' and "
        "'predictions', 20 are enough); it is verified by them.",
        nullable=True,
    )
    min_test_corr: float = option(
        0.1,
        "number",
        "Units predicted worse than this correlation with single test trials are left out.",
        low=-1,
        high=1,
    )
    n_lags: int = option(64, "integer", "Window of 'temporal'.", unit="samples", low=1)
    backbone: str = option(
        "pool2",
        "string",
        "Image features of 'encoder': means of 2 x 2 pixels, pixels, or pooled oriented energy.",
        choices=BACKBONES,
    )


@dataclasses.dataclass(frozen=True)
class MadeCells:
    """Cells made from every unit, for recordings that hold means of types only."""

    per_unit: int = option(0, "integer", "Cells per unit; 0 uses the units as they are.", low=0)
    filter_noise: float = option(
        0.1, "number", "Noise of a cell's filter, relative to the filter.", low=0
    )


@dataclasses.dataclass(frozen=True)
class Planted:
    """Planted cells of eight types at scattered positions (input 'planted')."""

    n_per_type: int = option(20, "integer", "Cells per type.", low=3)
    n_types: int = option(8, "integer", "Types.", low=2, high=8)
    n_images: int = option(4000, "integer", "Training images, one trial each.", low=100)
    n_new: int = option(10, "integer", "New cells per type that are typed on the fly.", low=1)
    n_repeats: int = option(9, "integer", "Repeats of the stimuli for the new cells.", low=1)


@dataclasses.dataclass(frozen=True)
class Mds:
    """Functional types of neurons or voxels, and the stimuli that tell them apart."""

    enabled: bool = enabled()
    preset: str = preset()
    input: list = option(
        list(NAMED),
        "strings",
        "'planted' cells, the simulated 'voxels', or paths of stimulus-response data (.npz, .h5, "
        ".nwb, folder); each is a data set of its own. With data of your own the stage is off "
        "unless you give this key.",
    )
    variable: str | None = option(
        None, "string", "Which recording of a file that holds several.", nullable=True
    )
    stimulus_space: str = option(
        "auto",
        "string",
        "'continuous' makes stimuli, 'shown' picks among training stimuli by the twin, 'discrete' "
        "among recorded conditions, without pixels; 'auto' picks for encoders.",
        choices=("auto", "continuous", "shown", "discrete"),
    )
    frame_rate_hz: float | None = option(
        None,
        "number",
        "Samples per second of files that do not say.",
        unit="Hz",
        above=0,
        nullable=True,
    )
    known_types: str | None = option(
        None, "path", "Table unit, known_type to compare the clusters with.", nullable=True
    )
    new_recording: str | None = option(
        None,
        "path",
        "Responses (n_repeats, n_stimuli, n_cells) in a .npz file, typed by the stimuli.",
        nullable=True,
    )
    twin: Twin = group(Twin)
    rotations: int = option(
        1,
        "integer",
        "Angles over the full turn at which a unit sees a made image; its largest response counts, "
        "so that types that differ in orientation alone are one. 1 turns nothing.",
        low=1,
    )
    shift: int = option(
        0,
        "integer",
        "The same for positions, up to so many pixels in each direction; 0 moves nothing.",
        unit="pixels",
        low=0,
    )
    n_clusters_init: int = option(
        5, "integer", "Groups of the first partition.", low=1, source="Burg et al. 2024, code"
    )
    temperature: float = option(
        1.6,
        "number",
        "Temperature of the softmax over clusters.",
        unit="SD of the responses",
        above=0,
        source="Burg et al. 2024, code",
    )
    norm: float | None = option(
        None,
        "number",
        "L2 norm of a stimulus; null is the median of the training stimuli.",
        unit="units of the stimulus",
        above=0,
        nullable=True,
    )
    clip: list | None = option(
        None,
        "numbers",
        "Lowest and highest value of a stimulus, as deviation from the mean; null is the range of "
        "the training stimuli per channel.",
        length=2,
        nullable=True,
    )
    n_restarts: int = option(
        4, "integer", "Restarts; fewer than two give no verdict.", low=1, high=900
    )
    restarts_per_job: int = option(
        4, "integer", "Restarts that climb in one batch, in one job.", low=1
    )
    k_ladder: list = option(
        [], "integers", "Numbers of clusters at which restarts of plain EM are compared.", low=1
    )
    eta: float = option(0.3, "number", "Share of log(K'/K) that a split must gain.", low=0, high=1)
    min_size: int = option(3, "integer", "Smallest cluster that a split may leave.", low=1)
    subsample: float = option(
        0.5, "number", "Share of the units that each restart is fitted on.", above=0, high=1
    )
    held_out_fraction: float = option(
        0.2, "number", "Units kept out of the search, for honest figures.", low=0, high=0.9
    )
    made_cells: MadeCells = group(MadeCells)
    planted: Planted = group(Planted)
    device: str = option("cpu", "string", "Where twin and search run.", choices=("cpu", "cuda"))


PRESETS = {
    "robust": {},
    "paper": {"eta": 0.0, "min_size": 1, "subsample": 1.0, "n_restarts": 1},
}


def needs_runs(section) -> bool:
    """Whether the stage works on the runs of section `data`."""
    return False


def lacks_input(config, origin) -> bool:
    """Whether there is nothing to type: settings for real data that name no input of the stage.

    Parameters
    ----------
    config : dict
        The resolved configuration.
    origin : dict of str to str
        Where each value comes from.

    Returns
    -------
    bool
    """
    return config["data"]["kind"] != "simulated" and origin["mds.input"] != "user"


def label(path) -> str:
    """Name of a path's data set: letters and digits of its file name."""
    name = Path(path).name
    for ending in (".tar.gz", ".npz", ".h5", ".hdf5", ".nwb", ".mat"):
        name = name.removesuffix(ending)
    return "".join(letter for letter in name if letter.isalnum())


def sets(section) -> dict[str, str]:
    """Data sets by name, with the file or folder that holds each.

    Parameters
    ----------
    section : dict
        The resolved section.

    Returns
    -------
    dict of str to str
    """
    simulated = {
        "planted": "results/simulated/mds/planted.h5",
        "voxels": "results/simulated/scenes.h5",
    }
    return {
        (path if path in NAMED else label(path)): simulated.get(path, path)
        for path in section["input"]
    }


def problems(config) -> list[str]:
    """What does not fit together in the section, one line each."""
    own = config["mds"]
    if not own["enabled"]:
        return []
    lines = []
    paths = [path for path in own["input"] if path not in NAMED]
    lines += [f"mds.input: no such file or folder: {path}" for path in paths if not _there(path)]
    names = [label(path) for path in paths]
    for name in sorted({n for n in names if names.count(n) > 1 or n in NAMED or not n}):
        lines.append(f"mds.input: two data sets would be called '{name}'; rename a file")
    for key in ("known_types", "new_recording"):
        if own[key] and not _there(own[key]):
            lines.append(f"mds.{key}: no such file: {own[key]}")
        if own[key] and len(paths) != 1:
            lines.append(f"mds.{key}: given, but mds.input has {len(paths)} paths; expected one")
    twin = own["twin"]
    if twin["type"] == "checkpoint" and not twin["path"]:
        lines.append("mds.twin.path: missing, but mds.twin.type is 'checkpoint'")
    if twin["path"] and twin["type"] != "checkpoint":
        lines.append("mds.twin.path: given, but mds.twin.type is not 'checkpoint'")
    for key in ("path", "predictions"):
        if twin[key] and not _there(twin[key]):
            lines.append(f"mds.twin.{key}: no such file: {twin[key]}")
    if twin["type"] == "module":
        lines += [
            f"mds.twin.{key}: missing, but mds.twin.type is 'module'"
            for key in ("module", "predictions")
            if not twin[key]
        ]
    for key in ("module", "kwargs"):
        if twin[key] and twin["type"] != "module":
            lines.append(f"mds.twin.{key}: given, but mds.twin.type is not 'module'")
    if twin["predictions"] and twin["type"] not in ("checkpoint", "module"):
        lines.append(
            "mds.twin.predictions: given, but mds.twin.type is not 'checkpoint' or 'module'"
        )
    if own["clip"] and own["clip"][0] >= own["clip"][1]:
        lines.append(f"mds.clip: got {own['clip']}, expected low < high")
    if own["k_ladder"] and own["n_restarts"] < 2:
        lines.append("mds.n_restarts: 1, but mds.k_ladder compares restarts; set n_restarts: 4")
    return lines


def _there(path) -> bool:
    return Path(path).exists()


def describe(config):
    """Sentences for the methods section with citation keys; see `sections.methods`."""
    own = config["mds"]
    if own["preset"] == "paper":
        split = "Clusters were split as long as the objective rose"
    else:
        split = (
            f"A cluster was split where the objective gained at least {own['eta']:g} of log(K'/K)"
        )
    sentences, keys = [], ["burg2024", "hubert1985", "pytorch"]
    if own["preset"] != "paper":
        sentences.append(
            "Types were groups of units with gaps between them: groups made on half of the units "
            "and stimuli were joined unless the other half, projected between two groups, was "
            "told not to have a single peak (dip test [@hartigan1985], level 0.05); partitions of "
            "20 halves with a mean adjusted Rand index below 0.6 were read as none found by this "
            "search. One step of the objective below gave every type its stimulus."
        )
        keys.append("hartigan1985")
    beside = "" if own["preset"] == "paper" else "Beside this, functional"
    sentences += [
        f"{beside or 'Functional'} types were sought with most discriminative stimuli "
        "[@burg2024]: every cluster "
        "has a stimulus that drives its own units and no other cluster's (softmax over the "
        f"clusters' mean responses, temperature {own['temperature']:g} SD), and every unit joins "
        "the cluster whose stimulus it responds to most.",
        f"{split}; {own['n_restarts']} restarts from random partitions of "
        f"{own['n_clusters_init']} groups, each on {100 * own['subsample']:g} % of the units, "
        "were compared by the adjusted Rand index [@hubert1985]; a mean below 0.8 was read as no "
        "stable types.",
    ]
    if own["rotations"] > 1 or own["shift"]:
        sentences.append(
            f"A unit's response to an image was its largest over {own['rotations']} rotations and "
            f"positions up to {own['shift']} pixels apart."
        )
    if own["stimulus_space"] == "discrete":
        sentences.append("Stimuli were picked among the recorded conditions.")
    else:
        least = f"{own['twin']['min_test_corr']:g}"
        sentences.append(
            "Responses came from a predictor of the units; those whose held-out correlation was "
            f"below {least} were left out."
        )
    return sentences, keys
