"""From the settings of the configuration to calls of the method; what the scripts share."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neuro.base import seeds
from neuro.io.problems import InputProblem
from neuro.io.recordings.reader import Recording, read_kernels, read_recording
from neuro.ntf.affinity.alignment import read_events
from neuro.ntf.affinity.excess import BOLD_LAGS_S, LAGS_S
from neuro.ntf.affinity.identity import Identity
from neuro.ntf.affinity.tensor import build_tensor
from neuro.ntf.communities.backends import require
from neuro.ntf.communities.sbm import MAX_NODES
from neuro.ntf.communities.surrogates import BOLD_MOVE_S, MOVE_S
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.stats import splits

BOLD_BIN_TR = 4
CALCIUM_BIN_S = 1.0
WINDOW_S = 20.0
LEAST_WINDOW_S = 10.0
PER_STIMULUS = 3
"""Windows of `excess` in the shortest stimulus (ours): longer ones blur where it ends."""
BOLD_WINDOW_S = 60.0


def load(source, files, settings, runs="first") -> list:
    """Recordings of a set.

    Parameters
    ----------
    source : {"simulated", "recordings", "fmri"}
    files : sequence of path-like
        Recordings, or the region series of the stage `fmri`.
    settings : dict
        The group `recordings` of the configuration.
    runs : {"first", "all"}
        Runs of a subject, for `fmri`.

    Returns
    -------
    list of Recording or PairKernels

    Raises
    ------
    InputProblem
        The problems of all files at once.
    """
    if source == "fmri":
        return from_series(files[0], runs)
    if source == "simulated":
        settings = {"content": "traces", "fs_hz": None, "variable": None, "time_axis": None}
    items: list = []
    problems: list[str] = []
    for path in files:
        try:
            if settings["content"] == "kernels":
                items.append(
                    read_kernels(path, fs=settings["fs_hz"], variable=variable_of(path, settings))
                )
            else:
                items.append(
                    read_recording(
                        path,
                        fs=settings["fs_hz"],
                        variable=variable_of(path, settings),
                        time_axis=settings["time_axis"],
                    )
                )
        except InputProblem as error:
            problems += error.problems
    if problems:
        raise InputProblem(problems)
    return items


def variable_of(path, settings) -> str | None:
    """Name of the array in a file: its own, or the one of all files.

    Parameters
    ----------
    path : path-like
    settings : dict
        Keys `variable` and `variables` of the group `recordings`.

    Returns
    -------
    str or None
    """
    return (settings.get("variables") or {}).get(Path(path).name, settings["variable"])


def from_series(path, runs="first") -> list[Recording]:
    """Region series of the stage `fmri` as recordings; regions without coverage are missing.

    Parameters
    ----------
    path : path-like
        `timeseries.h5`.
    runs : {"first", "all"}

    Returns
    -------
    list of Recording
    """
    from neuro.io.regions.series import read_timeseries_h5

    cohort = read_timeseries_h5(path)
    items, seen = [], set()
    for key, person, values, tr in zip(
        cohort.run_key, cohort.participant_id, cohort.series, cohort.tr
    ):
        if runs == "first" and person in seen:
            continue
        seen.add(person)
        name = f"sub-{person}" if runs == "first" and person else key
        items.append(Recording(name, values, 1.0 / float(tr), list(cohort.region), None, str(path)))
    return items


def families(tensor) -> np.ndarray:
    """Recordings that repeat each other: runs of one person, or the same values twice.

    Parameters
    ----------
    tensor : PairTensor

    Returns
    -------
    ndarray of int, shape (n_animals,)
    """
    if len(tensor.animals) == 1:
        return np.zeros(1, int)
    person = [name.split("_")[0] if name.startswith("sub-") else name for name in tensor.animals]
    return splits.families(person, splits.content_ids(np.moveaxis(tensor.values, 1, 0)))


def tensor_options(source, settings, items, events=None) -> dict:
    """Arguments of :func:`neuro.ntf.affinity.tensor.build_tensor` that the settings mean.

    Parameters
    ----------
    source : str
    settings : dict
        The section `ntf` of the configuration.
    items : list of Recording or PairKernels
    events : pandas.DataFrame, optional
        Stimuli that epochs are cut around.

    Returns
    -------
    dict
    """
    given = settings["affinity"]
    bold = source == "fmri"
    kind, sign = given["kind"], given["sign"]
    if kind == "published":
        kind = "edge_ts" if bold else "differential"
    kind = "excess" if kind == "auto" else kind
    if sign == "auto":
        # without the mean of all regions, which is taken off, many run against each other in BOLD
        sign = "signed" if kind == "excess" and not bold else "positive"
    window_s, bin_s = given["window_s"], given["bin_s"]
    if kind == "excess":
        window_s = window_s or _window_s(bold, events)
        bin_s = bin_s or window_s / 2
    if bin_s is None:
        rate = settings["recordings"]["resample_hz"] or items[0].fs
        bin_s = BOLD_BIN_TR / rate if bold else max(CALCIUM_BIN_S, 1.0 / rate)
    return {
        "kind": kind,
        "sign": sign,
        "bin_s": bin_s,
        "smooth_s": given["smooth_s"],
        "floor": given["floor"],
        "snr_min": given["snr_min"],
        "window_s": window_s,
        "signal": _signal(given["signal"], bold),
        "lags_s": given["lags_s"] or (BOLD_LAGS_S if bold else LAGS_S),
        "common": given["common"],
        # what all regions share is taken off, or every motif of BOLD is nearly of rank one
        "global_mean": bold,
        "scale": given["scale"] if source == "recordings" else "none",
        "resample_hz": settings["recordings"]["resample_hz"],
        "pre_s": settings["epoch"]["pre_s"],
        "post_s": settings["epoch"]["post_s"],
        "order": settings["epoch"]["order"],
        "identity": Identity(
            settings["identity"]["rename"],
            settings["identity"]["merge_lr"],
            settings["identity"]["complete"],
        ),
    }


def _window_s(bold, events):
    """Length of the windows of `excess`: shorter where stimuli are short."""
    if bold:
        return BOLD_WINDOW_S
    if events is None:
        return WINDOW_S
    shortest = float(events["duration_s"].min()) / PER_STIMULUS
    return float(np.clip(shortest, LEAST_WINDOW_S, WINDOW_S))


def _signal(wanted, bold):
    """What is correlated: BOLD is too slow for derivatives."""
    return ("level" if bold else "derivative") if wanted == "auto" else wanted


def make_tensor(source, items, settings, events=None, out=None):
    """The tensor of a set.

    Parameters
    ----------
    source : str
    items : list of Recording or PairKernels
    settings : dict
        The section `ntf` of the configuration.
    events : path-like, optional
    out : path-like, optional
        Where the values are written.

    Returns
    -------
    PairTensor
    """
    table = read_events(events, [recording.name for recording in items]) if events else None
    wanted = "none" if source == "fmri" and table is None else settings["time_alignment"]
    if source == "fmri" and settings["time_alignment"] == "task":
        wanted = "task"
    epochs = table if wanted in ("auto", "stimulus") else None
    options = tensor_options(source, settings, items, epochs)
    tensor = build_tensor(items, table, wanted, out=out, **options)
    if not any(block.any() for block in tensor.values):
        silent = sum(len(names) for names in tensor.silent.values())
        raise InputProblem(
            f"ntf: nothing rises above the noise in any pair ({silent} traces are silent); is "
            "recordings.fs_hz right? ntf.affinity.snr_min: 0 keeps traces that look silent"
        )
    return tensor


def make_model(tensor, rank, settings, seed):
    """An unfitted model for a tensor.

    Parameters
    ----------
    tensor : PairTensor
    rank : int
    settings : dict
        The section `ntf` of the configuration.
    seed : int

    Returns
    -------
    NonNegativeCP or ConcatenatedNMF
        Concatenated where animals share no clock, and for a single animal.

    Raises
    ------
    InputProblem
        When something was not observed and the solver has no mask.
    """
    torch = settings["device"] != "cpu"
    options = {
        "n_starts": settings["n_starts"],
        "max_iter": settings["max_iter"],
        "tol": settings["tol"],
        "backend": "torch" if torch else "numpy",
        "device": settings["device"],
        "n_threads": None,
        "random_state": seed,
    }
    if is_concatenated(tensor):
        return ConcatenatedNMF(rank, **options)
    masks = [mask for mask in (tensor.pair_mask, tensor.frame_mask) if mask is not None]
    if settings["solver"] != "hals" and not all(mask.all() for mask in masks):
        raise InputProblem(
            f"ntf.solver: '{settings['solver']}' needs every pair in every bin, "
            f"{sum(int((~mask).sum()) for mask in masks)} are not observed; use hals"
        )
    return NonNegativeCP(rank, solver=settings["solver"], **options)


def is_concatenated(tensor) -> bool:
    """Whether only motifs can be shared: no common clock, or one animal."""
    return tensor.concatenated or tensor.values.shape[1] == 1


def backends(settings, n_neurons=0) -> tuple[list[str], list[str]]:
    """Community back ends that are there, the first decides, and notices about the others.

    Parameters
    ----------
    settings : dict
        The group `communities` of the configuration.
    n_neurons : int
        Of the motifs: our block model takes 400 at most; beyond, Leiden stands beside Louvain
        where igraph is installed.

    Returns
    -------
    names : list of str
    notices : list of str

    Raises
    ------
    InputProblem
        When the back end is missing or too small and was not chosen by the preset.
    """
    names: list[str] = []
    notices: list[str] = []
    for name in dict.fromkeys([settings["backend"], *settings["beside"]]):
        decides = name == settings["backend"]
        try:
            require(name)
        except ValueError as error:
            if decides and not settings["fallback"]:
                raise InputProblem(f"ntf: {error}") from None
            notices.append(f"{error}; 'sbm' is used instead" if not names else str(error))
            name = "sbm"
        if name == "sbm" and n_neurons > MAX_NODES:
            large = f"sbm takes {MAX_NODES} neurons at most, there are {n_neurons}"
            if decides and not settings["fallback"]:
                raise InputProblem(
                    f"ntf: {large}; set communities.backend to networkx, igraph or graph_tool"
                )
            name = _for_many(names)
            notices.append(f"{large}; {name or 'nothing'} stands in its place")
        names += [name] if name else []
    return list(dict.fromkeys(names)), notices


def _for_many(names):
    """A search for many neurons that is not used yet: Leiden where it is installed, Louvain."""
    for name in ("igraph", "networkx"):
        try:
            require(name)
        except ValueError:
            continue
        if name not in names:
            return name
    return None


def rank_range(settings, tensor) -> list[int]:
    """Ranks of the sweep: from the first to the last of the settings, as far as they fit."""
    low, high = settings["ranks"]
    most = min(tensor.values.shape[0] * tensor.values.shape[1], tensor.values.shape[2])
    ranks = [rank for rank in range(int(low), int(high) + 1) if rank <= most]
    if not ranks:
        raise InputProblem(
            f"ntf.ranks: got {settings['ranks']}, but the tensor holds {most} components at most"
        )
    return ranks


def null_seeds(seed: int, chunk: int, per_chunk: int, n_null: int) -> list[int]:
    """Seeds of one chunk of surrogates; the same whatever the size of the chunks."""
    every = seeds.generator(seed, "surrogates").integers(0, 2**31, n_null)
    return [int(value) for value in every[chunk * per_chunk : (chunk + 1) * per_chunk]]


def null_options(source, settings) -> dict:
    """What surrogates keep, and how far their traces move: BOLD is slower than calcium."""
    return {"null": settings["surrogate"], "move_s": BOLD_MOVE_S if source == "fmri" else MOVE_S}


def set_name(path) -> str:
    """Name of a recording as a folder: letters and digits of its file's stem."""
    stem = Path(path).name.removesuffix(Path(path).suffix)
    return "".join(letter for letter in stem if letter.isalnum())
