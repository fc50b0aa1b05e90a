"""Choosing the number of states: models x states x starts x contiguous folds."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pandas as pd

from neuro.hmmglm.baselines.poisson import PoissonHMM, homogeneous
from neuro.hmmglm.em.starts import fit_starts
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.io.problems import InputProblem

COLUMNS = (
    "model",
    "k",
    "fold",
    "start",
    "train_ll",
    "test_ll_per_bin",
    "test_bits_per_spike",
    "bic",
    "aic",
    "min_occupancy",
    "iterations",
    "cpu_s",
    "objective",
    "test_bins",
    "test_spikes",
    "status",
    "ridge",
    "prior_sd",
    "covariate_ridge",
)
BASELINES = ("homogeneous", "poisson_hmm")


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Result of a model selection.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per model, number of states, fold and start, see :data:`COLUMNS`.
    curve : pandas.DataFrame
        One row per model and number of states: `score` (mean held-out log-likelihood per bin over
        folds), `se`, `bits_per_spike`, `bic`, `aic`, `n_folds`.
    k : int
        The chosen number of states.
    """

    table: pd.DataFrame
    curve: pd.DataFrame
    k: int


def cell_seed(seed: int, k: int, fold: int) -> list[int]:
    """Seed of all starts of one cell; the models of a cell share their starting values."""
    return [int(seed), int(k), int(fold) + 1]


def fit_fold(
    settings: dict,
    models,
    sequences,
    masks,
    folds,
    fold: int,
    k: int,
    starts,
    *,
    seed: int = 0,
    dt: float = 1.0,
    tag: str = "",
    penalties=None,
    covariates=None,
):
    """Fit all models from several starts on all folds but one, and score them on that one.

    Parameters
    ----------
    settings : dict
        Constructor arguments of the estimator, without `n_states` and `model`.
    models : sequence of str
    sequences, masks : list of ndarray
    folds : ndarray of int, shape (n_sequences,)
    fold : int
        The fold that is held out.
    k : int
        Number of states.
    starts : sequence of int
        Numbers of the starts; each gives the same result alone and among others.
    seed : int
    dt : float
        Bin width (s).
    tag : str
        Put behind the names of the models, e.g. for null data.
    penalties : dict of str to neuro.hmmglm.em.tuning.Penalty, optional
        Chosen inside the training folds by default; null data get those of the data.
    covariates : list of ndarray, shape (T_i, C), optional

    Returns
    -------
    rows : list of dict
        One per model and start, see :data:`COLUMNS`.
    fitted : dict of (str, int) to OneHotHMMGLM
        By model and start.
    """
    (train, test), (train_gaps, test_gaps) = _split(sequences, masks, folds, fold)
    first = OneHotHMMGLM(**settings, n_states=k, model=models[0])
    flat, n_bins, amount = homogeneous(
        train, test, train_gaps, test_gaps, emission=first.emission, n_history=first.n_history
    )
    if not n_bins:
        raise InputProblem(
            f"hmmglm: fold {fold} has no observed bin with {first.n_history} observed ones before "
            "it; use fewer folds or a shorter history"
        )
    drives, test_drives = (None, None)
    if covariates is not None:
        (drives, test_drives), _ = _split(covariates, masks, folds, fold)
    problem = first.problem(train, train_gaps, drives, dt=dt)
    numbers = [[*cell_seed(seed, k, fold), int(start)] for start in starts]
    begin = time.process_time()
    fits = fit_starts(problem, first.recipe(), models, numbers, first.n_threads, penalties)
    spent = (time.process_time() - begin) / (len(models) * len(numbers))
    rows, fitted = [], {}
    for results in fits:
        start, number = starts[results["number"]], numbers[results["number"]]
        for name in models:
            model = OneHotHMMGLM(**settings, n_states=k, model=name).like(first)
            model.adopt(problem, [results[name]], [number])
            total = float(model.log_likelihood(test, test_gaps, test_drives)[0].sum())
            train_ll, state = model.log_likelihood_, model.starts_[0]
            rows.append(
                {
                    "model": name + tag,
                    "k": k,
                    "fold": fold,
                    "start": int(start),
                    "train_ll": train_ll,
                    "test_ll_per_bin": total / n_bins,
                    "test_bits_per_spike": _bits(total - flat, amount),
                    "bic": model.n_parameters_ * np.log(problem.design.n_usable) - 2 * train_ll,
                    "aic": 2 * model.n_parameters_ - 2 * train_ll,
                    "min_occupancy": float(model.occupancy_.min()),
                    "iterations": state["iterations"],
                    "cpu_s": round(spent, 3),
                    "objective": state["objective"],
                    "test_bins": n_bins,
                    "test_spikes": amount,
                    "status": state["status"],
                    "ridge": model.penalty_.ridge,
                    "prior_sd": model.penalty_.prior_sd,
                    "covariate_ridge": model.penalty_.covariate_ridge,
                }
            )
            fitted[name, int(start)] = model
    return rows, fitted


def _split(sequences, masks, folds, fold):
    """Training and test sequences, and their masks."""
    sides = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    return tuple(
        tuple([items[place] for place in side] for side in sides) for items in (sequences, masks)
    )


def _bits(gain, amount):
    return float(gain / (amount * np.log(2))) if amount else np.nan


def baseline_rows(sequences, masks, folds, fold, k, *, emission, n_history, n_starts, seed=0):
    """Rows of the models without couplings: constant rates, and a Poisson HMM of the same size.

    The Poisson HMM has Bernoulli rates for events and is left out for a Gaussian emission. With one
    state it is the constant rate.

    Returns
    -------
    list of dict
    """
    (train, test), (train_gaps, test_gaps) = _split(sequences, masks, folds, fold)
    flat, n_bins, amount = homogeneous(
        train, test, train_gaps, test_gaps, emission=emission, n_history=n_history
    )
    shared = {"k": k, "fold": fold, "start": 0, "test_bins": n_bins, "test_spikes": amount}
    rows = []
    if k == 1:
        rows.append(
            {
                "model": "homogeneous",
                **shared,
                "test_ll_per_bin": flat / n_bins,
                "test_bits_per_spike": 0.0,
            }
        )
    if emission == "gaussian":
        return rows
    begin = time.process_time()
    number = int(np.random.SeedSequence(cell_seed(seed, k, fold)).generate_state(1)[0])
    hmm = PoissonHMM(k, n_starts=n_starts, random_state=number, emission=emission)
    hmm.fit(train, mask=train_gaps, n_history=n_history)
    total, _ = hmm.log_likelihood(test, test_gaps, n_history)
    rows.append(
        {
            "model": "poisson_hmm",
            **shared,
            "train_ll": hmm.log_likelihood_,
            "test_ll_per_bin": total / n_bins,
            "test_bits_per_spike": _bits(total - flat, amount),
            "iterations": len(hmm.history_),
            "cpu_s": round(time.process_time() - begin, 3),
            "objective": hmm.log_likelihood_,
        }
    )
    return rows


def as_table(rows) -> pd.DataFrame:
    """Rows as a table with all columns in order."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def best_starts(table: pd.DataFrame) -> pd.DataFrame:
    """The start with the highest training objective of every model, size and fold."""
    ranked = table[table["objective"].notna()]
    best = ranked.groupby(["model", "k", "fold"], sort=False)["objective"].idxmax()
    return pd.concat([table.loc[best], table[table["objective"].isna()]]).sort_index()


def curve_of(table: pd.DataFrame, model: str | None = None) -> pd.DataFrame:
    """Mean and standard error over folds of the best starts, per model and number of states.

    Parameters
    ----------
    table : pandas.DataFrame
    model : str, optional
        For this model `loss` and `loss_se` are added: what the number of states loses against the
        best one, and the standard error of that over folds.

    Returns
    -------
    pandas.DataFrame
    """
    curve = _means(table)
    curve["loss"] = curve["loss_se"] = np.nan
    if model is not None:
        wide = _wide(table, model)
        best = wide.mean().idxmax()
        for k in wide.columns:
            row = (curve["model"] == model) & (curve["k"] == k)
            curve.loc[row, ["loss", "loss_se"]] = paired_loss(wide, best, k)
    return curve


def _wide(table, model):
    """Held-out score of the best start, folds by number of states."""
    rows = best_starts(table[table["model"] == model])
    return rows.pivot(index="fold", columns="k", values="test_ll_per_bin").sort_index(axis=1)


def _means(table):
    best = best_starts(table)
    rows = []
    for (model, k), group in best.groupby(["model", "k"], sort=False):
        score = group["test_ll_per_bin"].to_numpy(float)
        spikes = group["test_spikes"].to_numpy(float)
        bits = group["test_bits_per_spike"].to_numpy(float)
        n = len(score)
        rows.append(
            {
                "model": model,
                "k": int(k),
                "score": score.mean(),
                "se": score.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan,
                "bits_per_spike": np.average(bits, weights=spikes) if spikes.sum() else np.nan,
                "bits_se": bits.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan,
                "bic": group["bic"].mean(),
                "aic": group["aic"].mean(),
                "n_folds": n,
            }
        )
    return pd.DataFrame(rows)


def choose_k(table: pd.DataFrame, model: str, rule: str = "one_se") -> int:
    """The smallest number of states that is not worse than the best by one standard error.

    The standard error is that of the differences to the best, fold by fold: folds differ in
    difficulty, and that says nothing about the number of states.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns :data:`COLUMNS`.
    model : str
        The model that decides.
    rule : {'one_se', 'best'}
        'best' takes the highest mean score.

    Returns
    -------
    int
    """
    wide = _wide(table, model)
    best = wide.mean().idxmax()
    if rule == "best":
        return int(best)
    for k in wide.columns:
        loss, error = paired_loss(wide, best, k)
        if loss <= error:
            return int(k)
    return int(best)


def paired_loss(wide: pd.DataFrame, best, k) -> tuple[float, float]:
    """Mean loss against the best number of states over folds, and its standard error."""
    loss = (wide[best] - wide[k]).to_numpy(float)
    error = loss.std(ddof=1) / np.sqrt(len(loss)) if len(loss) > 1 else 0.0
    return float(loss.mean()), float(error)


def restart_agreement(table: pd.DataFrame, model: str, tolerance: float = 1e-4) -> pd.DataFrame:
    """Share of starts whose training objective is within 0.01 % of the best, per size and fold."""
    rows = []
    chosen = table[(table["model"] == model) & table["objective"].notna()]
    for (k, fold), cell in chosen.groupby(["k", "fold"]):
        values = cell["objective"].to_numpy(float)
        near = values >= values.max() - tolerance * abs(values.max())
        rows.append({"k": int(k), "fold": int(fold), "n": len(values), "share": near.mean()})
    return pd.DataFrame(rows, columns=["k", "fold", "n", "share"])
