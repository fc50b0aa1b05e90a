"""Files of the stage: counts, fits, and the settings that the estimator gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neuro.hmmglm.design.bins import Binned
from neuro.hmmglm.design.covariates import COLUMNS as COVARIATE_COLUMNS
from neuro.hmmglm.design.events import BANNER
from neuro.io.formats.tables import read_tsv, write_tsv
from neuro.io.problems import InputProblem

_PASSED = (
    "solver",
    "decay",
    "basis",
    "n_basis",
    "prior_sd",
    "ridge",
    "covariate_ridge",
    "covariate_weights",
    "stop",
    "tau",
    "pi_kappa",
    "start",
    "n_finish",
    "newton",
)


def estimator_settings(settings: dict) -> dict:
    """Arguments of the estimator from the stage's settings, every 'auto' resolved.

    Parameters
    ----------
    settings : dict
        Section `hmmglm` of the configuration.

    Returns
    -------
    dict
        Without `n_states` and `model`.
    """
    source, kind = settings["input"], settings["events"]["kind"]
    series = source == "fmri"
    emission = settings["emission"]
    if emission == "auto":
        emission = "poisson"
        if series:
            emission = "bernoulli" if kind == "counts" else "gaussian"
    link = settings["link"]
    if link == "auto" and (source == "simulated" or (series and emission != "gaussian")):
        link = "sigmoid"
    bias = settings["bias"]
    if bias == "auto" and settings["solver"] != "paper":
        bias = "shared" if source == "simulated" else "per_state"
    diagonal = settings["diagonal"]
    if diagonal == "auto":
        diagonal = "shared" if series and settings["solver"] != "paper" else "free"
    passed = {name: settings[name] for name in _PASSED}
    for name in ("prior_sd", "ridge", "covariate_ridge"):
        passed[name] = "auto" if passed[name] is None else passed[name]
    return {
        **passed,
        "preset": "robust" if settings["solver"] != "paper" else "paper",
        "alpha": tuple(settings["alpha"]),
        "emission": emission,
        "link": link,
        "bias": bias,
        "diagonal": diagonal,
        "n_history": settings["n_history"] or (3 if series else 5),
        "n_starts": settings["n_starts"],
        "max_iter": settings["max_iter"],
        "device": "numpy" if settings["device"] == "cpu" else settings["device"],
    }


def column_settings(binned: Binned) -> dict:
    """Arguments of the estimator that say which columns of the covariates act on what."""
    table = binned.covariate_table
    if table is None:
        return {}
    return {
        f"{kind}_covariates": tuple(int(k) for k in np.flatnonzero(table[name] == 1))
        for kind, name in (("emission", "emissions"), ("transition", "transitions"))
    }


def write_counts(path, binned: Binned, folds) -> Path:
    """Write counts (`.npz`) and, beside them, `sequences.tsv` and `units.tsv`.

    Parameters
    ----------
    path : path-like
        `counts.npz`; arrays `seq_<i>`, `mask_<i>` (bins in which all units were observed), `fold`,
        `bin_s`, `seen_<i>` (per bin and unit) where units differ, and with covariates
        `covariates_<i>` and the table of their columns.
    binned : Binned
    folds : ndarray of int, shape (n_sequences,)

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict = {"bin_s": np.array(binned.bin_s), "fold": np.asarray(folds, dtype=np.int32)}
    for number, (sequence, mask) in enumerate(zip(binned.sequences, binned.masks)):
        whole = sequence.dtype.kind in "iu"
        arrays[f"seq_{number}"] = sequence.astype(np.int32 if whole else np.float32)
        arrays[f"mask_{number}"] = mask
        if binned.observed is not None:
            arrays[f"seen_{number}"] = binned.observed[number]
    if binned.covariates is not None and binned.covariate_table is not None:
        for number, sequence in enumerate(binned.covariates):
            arrays[f"covariates_{number}"] = sequence.astype(np.float32)
        for name in COVARIATE_COLUMNS:
            arrays[f"of_covariates_{name}"] = np.array(binned.covariate_table[name].tolist())
    np.savez(path, **arrays)
    write_tsv(path.with_name("sequences.tsv"), binned.table, float_format="%.17g")
    write_tsv(path.with_name("units.tsv"), binned.units)
    return path


def read_counts(path) -> tuple[Binned, np.ndarray]:
    """Read what :func:`write_counts` wrote.

    Returns
    -------
    binned : Binned
    folds : ndarray of int, shape (n_sequences,)

    Raises
    ------
    InputProblem
        When the file is missing or of another kind.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        folds = arrays["fold"]
        sequences = [arrays[f"seq_{number}"] for number in range(len(folds))]
        masks = [arrays[f"mask_{number}"] for number in range(len(folds))]
        bin_s = float(arrays["bin_s"])
        observed = None
        if "seen_0" in arrays:
            observed = [arrays[f"seen_{number}"] for number in range(len(folds))]
        covariates, about = None, None
        if "covariates_0" in arrays:
            covariates = [arrays[f"covariates_{number}"] for number in range(len(folds))]
            about = pd.DataFrame(
                {name: arrays[f"of_covariates_{name}"] for name in COVARIATE_COLUMNS}
            )
    except FileNotFoundError:
        raise InputProblem(f"{path}: no such file") from None
    except (OSError, KeyError, ValueError):
        raise InputProblem(f"{path}: not a counts file of this stage; make it again") from None
    text = {"label": str, "source": str}
    table = read_tsv(path.with_name("sequences.tsv"), dtype=text)
    units = read_tsv(path.with_name("units.tsv"), dtype={"unit": str})
    return Binned(sequences, masks, table, units, bin_s, observed, covariates, about), folds


def write_fits(path, best: dict) -> Path:
    """Write the parameters of the best start of every model and fold.

    Parameters
    ----------
    path : path-like
        `.npz`; arrays `<model>_fold-<f>_<what>`.
    best : dict of (str, int) to OneHotHMMGLM
        By model and fold.

    Returns
    -------
    pathlib.Path
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for (name, fold), model in sorted(best.items()):
        key = f"{name.replace(':', '-')}_fold-{fold}"
        arrays[f"{key}_theta"] = model.theta_
        arrays[f"{key}_transitions"] = model.transitions_
        arrays[f"{key}_adjacency"] = model.adjacency_
        arrays[f"{key}_signed"] = model.to_signed()
        arrays[f"{key}_objective"] = np.array(model.starts_[0]["objective"])
    np.savez(path, **{name: arrays[name] for name in sorted(arrays)})
    return path


def merge_fits(paths, out) -> Path:
    """Join the fits of single starts; of every model and fold the best one stays.

    Parameters
    ----------
    paths : list of path-like
        Files of :func:`write_fits`.
    out : path-like

    Returns
    -------
    pathlib.Path
    """
    chosen: dict[str, tuple[float, dict]] = {}
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name, value in arrays.items():
            if not name.endswith("_objective"):
                continue
            key = name.removesuffix("_objective")
            if key not in chosen or float(value) > chosen[key][0]:
                own = {key_: one for key_, one in arrays.items() if key_.startswith(f"{key}_")}
                chosen[key] = float(value), own
    merged = {name: value for _, own in chosen.values() for name, value in own.items()}
    np.savez(out, **{name: merged[name] for name in sorted(merged)})
    return Path(out)


def read_sweep(paths) -> pd.DataFrame:
    """Rows of several sweep tables behind one another."""
    return pd.concat([read_tsv(path, dtype={"model": str}) for path in paths], ignore_index=True)


def read_truth(path, binned: Binned) -> dict:
    """Planted truth of simulated counts, with the planted neuron of each column.

    Parameters
    ----------
    path : path-like or list of one
    binned : Binned
        The counts that were fitted; units may have been left out.

    Returns
    -------
    dict
        `states`, `adjacency`, `prior`, `log_likelihood` (nats per sequence), `columns`.
    """
    path = path if isinstance(path, (str, Path)) else next(iter(path))
    with np.load(path, allow_pickle=False) as file:
        truth = {name: file[name] for name in ("states", "adjacency", "prior", "log_likelihood")}
        place = {str(name): number for number, name in enumerate(file["unit"])}
    return {**truth, "columns": [place[name] for name in binned.units["unit"]]}


def banner(settings: dict) -> str:
    """The warning that every output of region series carries; empty for spikes."""
    return BANNER if settings["input"] == "fmri" else ""
