"""The ladder: what each ingredient of a switching GLM adds to the prediction of unseen spikes.

Constant rates; one state with couplings; a longer history; covariates; states that differ in rates
alone; transitions that inputs drive; states that differ in couplings. Every rung is fitted to
convergence with penalties that are chosen inside the training folds, and is scored on the same
held-out bins as the rung below.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.hmmglm.baselines import day_rungs
from neuro.hmmglm.baselines.poisson import PoissonHMM, emission_log_b, joined, mean_rates
from neuro.hmmglm.baselines.scores import sequence_scores
from neuro.hmmglm.em import tuning
from neuro.hmmglm.em.chain import smooth
from neuro.hmmglm.em.starts import first_parameters
from neuro.hmmglm.model import OneHotHMMGLM

LONG_S, N_BASIS = 2.0, 2
"""Length of the long history (s) and its raised cosines."""

RATE_SD = 0.01
"""States with couplings this close to each other differ in rates alone."""

N_STARTS = 3
"""Starts of a rung with states, of which the best after three iterations is finished."""

TOL, MAX_ITER = 3e-5, 60
"""End of a fit; what only compares need not end at the last digit."""

BRIEF = ("n_starts", "n_finish", "tol", "max_iter")
"""Settings of every rung that only compares."""

N_BOOT = 2000
RUNGS = (
    *("rates", "glm", "history", "covariates", "rate_states"),
    *("driven_states", "coupling_states", "onehot_states", "hmm"),
)
"""Names of the rungs; the last stands beside the ladder, against constant rates."""

BELOW = {
    "glm": "rates",
    "history": "glm",
    "covariates": "history",
    "rate_states": "covariates",
    "driven_states": "rate_states",
    "coupling_states": "rate_states",
    "onehot_states": "rate_states",
    "hmm": "rates",
    **day_rungs.BELOW,
}
"""The rung that each one is compared with; where there are no covariates, the one below them."""

COLUMNS = [
    *("rung", "k", "n_history", "bits_per_spike", "low", "high"),
    *("below", "gain", "gain_low", "gain_high", "verdict"),
    *("ridge", "prior_sd", "covariate_ridge", "converged", "n"),
]
WORTH = 0.01
"""Bits per spike; an interval of a gain below this on both sides says that there is none."""


def settings_of(rung: str, base: dict, k: int, bin_s: float, long: bool = True) -> dict:
    """Arguments of the estimator of one rung.

    Parameters
    ----------
    rung : str
        From :data:`RUNGS`.
    base : dict
        The stage's settings of the estimator.
    k : int
        States of the rungs that have them.
    bin_s : float
        Bin width (s).
    long : bool
        Whether rungs above the first have the longer history.

    Returns
    -------
    dict
    """
    chosen = {**base, "n_states": 1, "model": "plain", "ridge": "auto", "prior_sd": "auto"}
    chosen |= {"solver": "cavi", "preset": "robust", "stop": "converged", "n_finish": 1}
    chosen |= {"tol": TOL, "max_iter": min(base["max_iter"], MAX_ITER)}
    chosen["n_starts"] = min(base["n_starts"], N_STARTS)
    # states of rates do not differ in what covariates do
    chosen |= {"covariate_ridge": "auto", "covariate_weights": "shared"}
    if rung in ("glm", "history"):
        chosen["emission_covariates"] = None
    if rung != "driven_states":
        chosen["transition_covariates"] = ()
    if rung != "glm" and long:
        n_history = max(round(LONG_S / bin_s), base["n_history"])
        n_basis = min(N_BASIS, n_history)
        chosen |= {"basis": "raised_cosine", "n_history": n_history, "n_basis": n_basis}
    if rung.endswith("states"):
        chosen |= {"n_states": k, "model": "gaussian", "bias": "per_state"}
    if rung in ("rate_states", "driven_states"):
        chosen["prior_sd"] = RATE_SD
    if rung == "onehot_states":
        chosen["model"] = "onehot"
    return chosen


class Training:
    """Training data of a fold; rungs with the same history and covariates share one design.

    Parameters
    ----------
    sequences, masks, covariates : list
        Of the training side; `covariates` may be None.
    bin_s : float
        Bin width (s).
    """

    def __init__(self, sequences, masks, covariates, bin_s):
        self.sequences, self.masks, self.covariates = sequences, masks, covariates
        self.bin_s = bin_s
        self._designs: dict = {}

    def problem(self, model, with_covariates: bool):
        """What a model fits, see :meth:`neuro.hmmglm.model.OneHotHMMGLM.problem`."""
        given = self.covariates if with_covariates else None
        kind = (model.basis, model.n_history, model.n_basis, with_covariates)
        key = (*kind, model.emission_covariates, model.transition_covariates)
        problem = model.problem(
            self.sequences, self.masks, given, self.bin_s, design=self._designs.get(key)
        )
        self._designs[key] = problem.design
        return problem


def longer_helps(base, training: Training, *, seed) -> bool:
    """Whether a one-state model with the longer history predicts inner held-out segments better."""
    best = []
    longest = settings_of("history", base, 2, training.bin_s)["n_history"]
    for rung in ("glm", "history"):
        model = OneHotHMMGLM(**settings_of(rung, base, 2, training.bin_s), random_state=seed)
        # the same held-out bins for both
        problem = dataclasses.replace(training.problem(model, False), n_history=longest)
        start = first_parameters(problem, model.recipe(), np.random.default_rng(seed))
        scores = tuning.one_state_scores(problem, start)
        if scores is None:
            return False
        best.append(scores.max())
    return bool(best[1] > best[0])


def common_bins(sequences, masks, n_history: int) -> list:
    """Bins that every rung can be judged on: observed, with as long a past as the longest needs."""
    _, usable, starts, _ = joined(sequences, masks, n_history)
    return np.split(usable, starts[1:-1])


def fit_rung(rung, base, k, training: Training, held, *, seed, long=True) -> dict:
    """Fit one rung on the training side and score every held-out sequence.

    Parameters
    ----------
    rung : str
    base : dict
    k : int
    training : Training
    held : tuple
        Held-out sequences, masks, common bins and covariates (or None).
    seed : int
    long : bool
        Whether rungs above the first have the longer history.

    Returns
    -------
    dict
        `scores` (n_sequences,), and `ridge`, `prior_sd`, `covariate_ridge`, `converged`,
        `n_history` of the fit.
    """
    test, test_masks, common, test_covariates = held
    if rung in ("rates", "hmm"):
        return _without_couplings(rung, base, k, training, held, seed)
    given = settings_of(rung, base, k, training.bin_s, long)
    beside = rung not in ("glm", "history") and training.covariates is not None
    model = OneHotHMMGLM(**given, random_state=seed)
    model.fit_problem(training.problem(model, beside))
    scores = sequence_scores(model, test, test_masks, common, test_covariates if beside else None)
    best = max(model.starts_, key=lambda start: start["objective"])
    return {
        "scores": scores,
        "ridge": model.penalty_.ridge,
        "prior_sd": model.penalty_.prior_sd,
        "covariate_ridge": model.penalty_.covariate_ridge if beside else np.nan,
        "converged": best["converged"],
        "n_history": given["n_history"],
    }


def _without_couplings(rung, base, k, training, held, seed):
    """Constant rates, or a Poisson HMM."""
    train, train_masks, (test, test_masks, common, _) = training.sequences, training.masks, held
    emission, n_history = base["emission"], base["n_history"]
    counts, _, starts, seen = joined(test, test_masks)
    here = np.concatenate(common)
    if rung == "rates":
        train_counts, usable, _, train_seen = joined(train, train_masks, n_history)
        rates = mean_rates(train_counts, usable, train_seen)
        log_b, transitions = emission_log_b(counts, rates, emission, seen=seen), np.ones((1, 1))
        steps: dict = {"converged": True}
    else:
        hmm = PoissonHMM(k, random_state=seed, emission=emission)
        hmm.fit(train, mask=train_masks, n_history=n_history)
        log_b, transitions = (
            emission_log_b(counts, hmm.rates_, emission, seen=seen),
            hmm.transitions_,
        )
        steps = {"converged": len(hmm.history_) < hmm.max_iter}
    log_b = np.where(here[:, None], log_b, 0.0)
    scores = smooth(log_b, starts, transitions)[2]
    blank = dict.fromkeys(("ridge", "prior_sd", "covariate_ridge"), np.nan)
    return {"scores": scores, **blank, "n_history": 0, **steps}


def interval(values, spikes, rng, n_boot: int = N_BOOT) -> tuple[float, float, float]:
    """Bits per spike of blocks, and the 95 % interval of a bootstrap over blocks.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Nats of each held-out sequence.
    spikes : ndarray, shape (n,)
    rng : numpy.random.Generator
    n_boot : int

    Returns
    -------
    estimate, low, high : float
    """
    values, spikes = np.asarray(values, float), np.asarray(spikes, float)
    draws = rng.integers(len(values), size=(n_boot, len(values)))
    total = spikes[draws].sum(axis=1)
    means = values[draws].sum(axis=1)[total > 0] / (total[total > 0] * np.log(2))
    low, high = np.percentile(means, [2.5, 97.5]) if len(values) > 1 else (np.nan, np.nan)
    return float(values.sum() / (spikes.sum() * np.log(2))), float(low), float(high)


def verdict(low: float, high: float) -> str:
    """`supported`, `not supported` (nothing worth a hundredth of a bit) or `cannot tell`."""
    if low > 0:
        return "supported"
    return "not supported" if high < WORTH else "cannot tell"


def ladder(
    sequences, masks, folds, base, k: int, *, bin_s, seed=0, covariates=None, guard=None, days=None
) -> pd.DataFrame:
    """All rungs on the same folds.

    Parameters
    ----------
    sequences : list of ndarray, shape (T_i, N)
        Counts.
    masks : list of ndarray of bool, shape (T_i,) or (T_i, N)
    folds : ndarray of int, shape (n_sequences,)
    base : dict
        Settings of the estimator without `n_states` and `model`.
    k : int
        States of the rungs that have them, at least 2.
    bin_s : float
        Bin width (s).
    seed : int
    covariates : list of ndarray, shape (T_i, C), optional
    guard : callable, optional
        Gets a fold and a number of bins and gives the masks of the training data.
    days : neuro.hmmglm.baselines.day_rungs.Days, optional
        Adds the rungs of several days of one network.

    Returns
    -------
    pandas.DataFrame
        One row per rung: held-out bits per spike over constant rates, gain over the rung below,
        both with 95 % intervals of a bootstrap over held-out sequences, and a verdict.
    """
    longest = settings_of("history", base, k, bin_s)["n_history"]
    alone = rungs_of(base, covariates)
    rungs = [*alone, *(day_rungs.BELOW if days is not None else ())]
    scores = {rung: np.zeros(len(sequences)) for rung in rungs}
    facts: dict[str, list] = {rung: [] for rung in rungs}
    spikes = np.zeros(len(sequences))
    for fold in range(int(folds.max()) + 1):
        inside, out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        trained = masks if guard is None else guard(fold, longest)
        test, test_masks = [sequences[i] for i in out], [masks[i] for i in out]
        common = common_bins(test, test_masks, longest)
        sides = [None if covariates is None else [covariates[i] for i in k] for k in (inside, out)]
        if sides[1] is not None:
            columns = _columns(base, "emission", sides[1])
            common = [
                here & np.isfinite(values[:, columns]).all(axis=1)
                for here, values in zip(common, sides[1])
            ]
        training = Training(
            [sequences[i] for i in inside], [trained[i] for i in inside], sides[0], bin_s
        )
        held = test, test_masks, common, sides[1]
        counts, _, starts, seen = joined(test, test_masks)
        amount = (counts * seen).sum(axis=1) * np.concatenate(common)
        spikes[out] = np.add.reduceat(amount, starts[:-1])
        long = longer_helps(base, training, seed=seed)
        fits = {r: fit_rung(r, base, k, training, held, seed=seed, long=long) for r in alone}
        if days is not None:
            brief = {name: settings_of("glm", base, k, bin_s)[name] for name in BRIEF}
            joint = day_rungs.estimator(base, k, seed, **brief)
            here = dict(zip(out.tolist(), common))
            given = sequences, masks, trained, (inside, out), here, bin_s
            fits |= day_rungs.fit_fold(days, joint, *given)
        for rung, fitted in fits.items():
            scores[rung][out] = fitted.pop("scores")
            facts[rung].append(fitted)
    return _table(rungs, scores, spikes, facts, k, seed)


def rungs_of(base: dict, covariates) -> list[str]:
    """Rungs that these settings and covariates have."""
    absent = set()
    if covariates is None or not _columns(base, "emission", covariates):
        absent.add("covariates")
    if covariates is None or not _columns(base, "transition", covariates):
        absent.add("driven_states")
    return [rung for rung in RUNGS if rung not in absent]


def _columns(base, kind, covariates) -> list[int]:
    """Columns of the covariates that act on rates, or on transitions."""
    named = base.get(f"{kind}_covariates", None if kind == "emission" else ())
    return list(range(covariates[0].shape[1])) if named is None else list(named)


def _table(rungs, scores, spikes, facts, k, seed) -> pd.DataFrame:
    rows = []
    for rung in rungs:
        below = BELOW.get(rung, "")
        while below and below not in rungs:
            below = BELOW[below]
        switching = rung.endswith("states") or rung == "hmm" or rung in day_rungs.BELOW
        row = {"rung": rung, "k": k if switching else 1}
        row["n_history"] = max(fact["n_history"] for fact in facts[rung])
        for name, reference in (("", "rates"), ("gain", below)):
            # the same draws of blocks for every rung: differences are paired
            rng = seeds.generator(seed, "bootstrap of segments")
            if name and not reference:
                continue
            value, low, high = interval(scores[rung] - scores[reference], spikes, rng)
            keys = ("gain", "gain_low", "gain_high") if name else ("bits_per_spike", "low", "high")
            row |= dict(zip(keys, (value, low, high)))
        if below:
            row |= {"below": below, "verdict": verdict(row["gain_low"], row["gain_high"])}
        own = facts[rung]
        row["ridge"] = float(np.mean([fact["ridge"] for fact in own]))
        row["covariate_ridge"] = float(np.mean([fact["covariate_ridge"] for fact in own]))
        sds = [np.nan if fact["prior_sd"] is None else fact["prior_sd"] for fact in own]
        row["prior_sd"] = float(np.mean(sds))
        row["converged"] = int(all(fact["converged"] for fact in own))
        row["n"] = len(spikes)
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)
