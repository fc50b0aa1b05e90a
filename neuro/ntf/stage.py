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
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.traces import by_name
from neuro.stats import splits

BOLD_BIN_TR = 4
CALCIUM_BIN_S = 1.0
WINDOW_S = 20.0
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
                    read_kernels(path, fs=settings["fs_hz"], variable=settings["variable"])
                )
            else:
                items.append(
                    read_recording(
                        path,
                        fs=settings["fs_hz"],
                        variable=settings["variable"],
                        time_axis=settings["time_axis"],
                    )
                )
        except InputProblem as error:
            problems += error.problems
    if problems:
        raise InputProblem(problems)
    return items


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
    person = [name.split("_")[0] if name.startswith("sub-") else name for name in tensor.animals]
    return splits.families(person, splits.content_ids(np.moveaxis(tensor.values, 1, 0)))


def tensor_options(source, settings, items) -> dict:
    """Arguments of :func:`neuro.ntf.affinity.tensor.build_tensor` that the settings mean.

    Parameters
    ----------
    source : str
    settings : dict
        The section `ntf` of the configuration.
    items : list of Recording or PairKernels

    Returns
    -------
    dict
    """
    given = settings["affinity"]
    bold = source == "fmri"
    kind = given["kind"]
    if kind == "auto":
        kind = "edge_ts" if bold else "differential"
    window_s, bin_s = given["window_s"], given["bin_s"]
    if kind == "excess":
        window_s = window_s or (BOLD_WINDOW_S if bold else WINDOW_S)
        bin_s = bin_s or window_s / 2
    if bin_s is None:
        rate = settings["recordings"]["resample_hz"] or items[0].fs
        bin_s = BOLD_BIN_TR / rate if bold else max(CALCIUM_BIN_S, 1.0 / rate)
    return {
        "kind": kind,
        "sign": given["sign"],
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
    table = read_events(events, [item.name for item in items]) if events else None
    wanted = "none" if source == "fmri" and table is None else settings["time_alignment"]
    if source == "fmri" and settings["time_alignment"] == "task":
        wanted = "task"
    options = tensor_options(source, settings, items)
    tensor = build_tensor(items, table, wanted, out=out, **options)
    if not tensor.values.any():
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


def backends(settings) -> tuple[list[str], list[str]]:
    """Community back ends that are there, the first decides, and notices about the others.

    Parameters
    ----------
    settings : dict
        The group `communities` of the configuration.

    Returns
    -------
    names : list of str
    notices : list of str

    Raises
    ------
    InputProblem
        When the back end is missing and was not chosen by the preset.
    """
    names: list[str] = []
    notices: list[str] = []
    for name in dict.fromkeys([settings["backend"], *settings["beside"]]):
        try:
            require(name)
        except ValueError as error:
            if name == settings["backend"] and not settings["fallback"]:
                raise InputProblem(f"ntf: {error}") from None
            notices.append(f"{error}; 'sbm' is used instead" if not names else str(error))
            name = "sbm"
        names.append(name)
    return list(dict.fromkeys(names)), notices


def recurrence_of(source, items, factors, settings, seed):
    """Whether the motifs of a set recur in held-out time, as a table.

    Parameters
    ----------
    source : str
    items : list of Recording or PairKernels
    factors : Factors
    settings : dict
        Keys `n_moves`, `identity`, `recordings`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        As :func:`neuro.ntf.communities.recur.recurrence_table`; without a test where the null
        would be too easy (BOLD), the recordings are too short, or there are no traces.
    """
    from neuro.ntf.communities import recur

    rank, reason = len(factors.lambda_), ""
    rates = {item.fs for item in items} if settings["recordings"]["resample_hz"] is None else {0}
    if not settings["n_moves"]:
        reason = "ntf.n_moves is 0"
    elif source == "fmri":
        reason = "BOLD of any two regions covaries beyond this null"
    elif not all(isinstance(item, Recording) for item in items) or len(rates) > 1:
        reason = "no traces of one rate"
    if reason:
        return recur.recurrence_table(rank, 0, reason)
    resample_hz = settings["recordings"]["resample_hz"]
    traces = by_name(items, factors, Identity(**settings["identity"]), resample_hz)
    try:
        found = recur.recurrence(
            traces,
            resample_hz or items[0].fs,
            np.nan_to_num(factors.pairs_),
            n_null=settings["n_moves"],
            random_state=seed,
        )
    except ValueError as error:
        return recur.recurrence_table(rank, 0, str(error))
    return recur.recurrence_table(found, settings["n_moves"])


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


def set_name(path) -> str:
    """Name of a recording as a folder: letters and digits of its file's stem."""
    stem = Path(path).name.removesuffix(Path(path).suffix)
    return "".join(letter for letter in stem if letter.isalnum())
