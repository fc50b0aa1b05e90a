"""Restarts and stimuli on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from neuro.io.formats.damaged import readable
from neuro.io.problems import InputProblem
from neuro.mds.clusters.fitted import Run

_HISTORY = ("objective", "n_clusters", "moved")


def _history(phases, values) -> list[dict]:
    return [
        {"phase": str(phase), "objective": float(j), "n_clusters": int(k), "moved": int(moved)}
        for phase, (j, k, moved) in zip(phases, values)
    ]


def write_runs(path, runs) -> Path:
    """Write restarts.

    Parameters
    ----------
    path : path-like
        Ends in `.npz`.
    runs : list of Run

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "seed": np.array([run.seed for run in runs]),
        "objective": np.array([run.objective for run in runs]),
        "n_seen": np.array([run.n_seen for run in runs]),
    }
    for k, run in enumerate(runs):
        arrays[f"stimuli_{k}"], arrays[f"labels_{k}"] = run.stimuli, run.labels
        arrays[f"phase_{k}"] = np.array([entry["phase"] for entry in run.history], dtype="<U8")
        arrays[f"history_{k}"] = np.array(
            [[entry[name] for name in _HISTORY] for entry in run.history], dtype=float
        ).reshape(-1, len(_HISTORY))
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def read_runs(paths) -> list[Run]:
    """Read restarts from several files.

    Raises
    ------
    InputProblem
        When a file is not of this kind.
    """
    runs = []
    for path in paths:
        try:
            with np.load(path, allow_pickle=False) as file:
                for k, seed in enumerate(file["seed"]):
                    runs.append(
                        Run(
                            int(seed),
                            file[f"stimuli_{k}"],
                            file[f"labels_{k}"],
                            float(file["objective"][k]),
                            _history(file[f"phase_{k}"], file[f"history_{k}"]),
                            int(file["n_seen"][k]),
                        )
                    )
        except (OSError, ValueError, KeyError) as error:
            raise InputProblem(f"{path}: not a file of restarts ({str(error)[:60]})") from None
    return runs


def write_stimuli(path, model, shown=None, **facts) -> Path:
    """Write the stimuli of a fitted model: `shown` is what goes on the screen.

    Parameters
    ----------
    path : path-like
    model : MostDiscriminativeStimuli
    shown : array, shape (n, *stim_shape), optional
        Stimuli among which a discrete search picked.
    **facts
        Plain values, such as `fs` or the conditions' names.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    stimuli = np.asarray(model.stimuli_)
    discrete = stimuli.ndim == 1
    arrays = {"stimuli": stimuli, "offset": np.asarray(model.offset_, np.float32)}
    if discrete and shown is not None:
        arrays["shown"] = np.asarray(shown, np.float32)[stimuli]
    if not discrete:
        arrays["shown"] = (stimuli + arrays["offset"]).astype(np.float32)
    profiles = profiles_of(model)
    if profiles is not None:
        arrays |= dict(zip(("profiles", "profile_types"), profiles))
    facts |= {
        "temperature": model.temperature,
        "norm": None if discrete else float(f"{model.norm_:.6g}"),
        "n_clusters": model.n_clusters_,
        "verdict": model.verdict_,
    }
    np.savez(path, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]
    return path


def profiles_of(model):
    """What new cells are compared with, or None where responses have no sense as counts.

    Returns
    -------
    profiles : ndarray of float32, shape (n_fitted, K)
    types : ndarray of int, shape (n_fitted,)
    """
    from neuro.mds.clusters.typing import shares

    used = np.flatnonzero(model.fitted_ & (model.labels_ >= 0))
    responses = np.asarray(model.responses_, float)[:, used]
    if len(responses) < 2 or responses.min(initial=0) < -0.05 * responses.max(initial=0):
        return None
    return shares(responses).astype(np.float32), model.labels_[used]


def read_stimuli(path) -> tuple[dict, dict]:
    """Arrays and facts that :func:`write_stimuli` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files if key != "facts"}
            return arrays, json.loads(str(file["facts"]))
    except (OSError, ValueError, KeyError):
        raise InputProblem(f"{path}: not a file of most discriminative stimuli") from None


def read_new_recording(path, n_stimuli=None):
    """Responses of new cells to the stimuli.

    Parameters
    ----------
    path : path-like
        `.npz` with `responses` (n_repeats, n_stimuli, n_cells) or (n_stimuli, n_cells), and
        optionally `unit` and `known_type` (n_cells,) and `event`, the response to one event (1 for
        counts), which one repeat does not tell.
    n_stimuli : int, optional
        Default: any number.

    Returns
    -------
    dict
        `responses` and, where given, `unit` and `known_type`.

    Raises
    ------
    InputProblem
        All problems at once.
    """
    with (
        readable(path, "not a readable .npz file of plain arrays"),
        np.load(path, allow_pickle=False) as file,
    ):
        content = {key: file[key] for key in file.files}
    if "responses" not in content:
        raise InputProblem(f"{path}: no array 'responses'; found {', '.join(content) or 'nothing'}")
    responses = content["responses"]
    shape, count = responses.shape, "n_stimuli" if n_stimuli is None else n_stimuli
    if len(shape) not in (2, 3) or n_stimuli not in (None, shape[-2]):
        why = "" if n_stimuli is None else f": there are {n_stimuli} stimuli"
        raise InputProblem(
            f"{path}: responses of shape {shape}, expected (n_repeats, {count}, n_cells){why}"
        )
    if responses.dtype.kind not in "fiub":
        raise InputProblem(f"{path}: responses of type {responses.dtype}, expected numbers")
    problems = []
    if np.isinf(responses).any():
        problems.append(f"{path}: responses hold infinity; mark missing repeats with NaN")
    repeats = np.isfinite(responses).reshape(-1, *shape[-2:]).any(axis=0)
    if not repeats.all():
        stimulus, cell = np.argwhere(~repeats)[0]
        problems.append(f"{path}: cell {cell} has no repeat of stimulus {stimulus + 1}; remove it")
    problems += [
        f"{path}: {content[key].size} values of '{key}' for {shape[-1]} cells"
        for key in ("unit", "known_type")
        if key in content and content[key].shape != shape[-1:]
    ]
    event = content.get("event")
    if event is not None and not (event.size == 1 and np.isfinite(event) and event > 0):
        problems.append(f"{path}: event: got {event}, expected one number > 0")
    if problems:
        raise InputProblem(problems)
    return content
