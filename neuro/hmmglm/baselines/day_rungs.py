"""Rungs beside the ladder for recordings that are days of one network.

One model of all days, with the same rates and strengths; a model of each day; a signed graph that
all days share, with rates and strengths of each day (:class:`neuro.hmmglm.days.OneHotDays`). All
have one-hot edges, the history of the settings and no covariates, and are judged on the held-out
bins of the ladder.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.hmmglm.baselines.scores import sequence_scores
from neuro.hmmglm.days import OneHotDays
from neuro.hmmglm.design.files import estimator_settings
from neuro.io.problems import InputProblem

BELOW = {"pooled_days": "rates", "each_day": "pooled_days", "shared_days": "each_day"}
"""Rungs, and the one that each is compared with."""

GRAPH = ["state", "target", "source", "sign", "p_inh", "p_none", "p_exc", "n_days"]
"""Columns of the shared graph."""


class Days:
    """Which sequences and units belong to which day.

    Parameters
    ----------
    source : array, shape (n_sequences,)
        The recording that a sequence was cut from.
    units : list of str
        Of all days.
    seen : list of ndarray of bool, shape (T_i, N)
        Entries that were recorded.
    folds : ndarray of int, shape (n_sequences,)

    Raises
    ------
    InputProblem
        When there is one day only, or a fold holds all that was recorded on a day.
    """

    def __init__(self, source, units, seen, folds):
        source = np.asarray(source)
        self.names = list(dict.fromkeys(source.tolist()))
        if len(self.names) < 2:
            raise InputProblem("hmmglm.days: a set of one recording; name several, one per day")
        self.rows = [np.flatnonzero(source == name) for name in self.names]
        self.at = [np.flatnonzero(_any(seen, rows)) for rows in self.rows]
        self.units = [[str(units[column]) for column in at] for at in self.at]
        for name, rows in zip(self.names, self.rows):
            for fold in np.unique(folds):
                if (folds[rows] == fold).all():
                    raise InputProblem(
                        f"hmmglm.days: fold {fold + 1} holds all of '{name}'; set "
                        "hmmglm.fold_order: interleaved, or a shorter hmmglm.segment_s"
                    )

    def part(self, day, chosen, sequences, masks):
        """Chosen sequences and masks of a day, of the units that it has."""
        rows, at = np.intersect1d(self.rows[day], chosen), self.at[day]
        return rows, [sequences[i][:, at] for i in rows], [_wide(masks[i], at) for i in rows]


def wanted(binned, folds, settings: dict) -> Days | None:
    """Days of a set, where the settings ask for them and it has several recordings.

    Parameters
    ----------
    binned : neuro.hmmglm.design.bins.Binned
    folds : ndarray of int, shape (n_sequences,)
    settings : dict
        Section `hmmglm` of the configuration.

    Returns
    -------
    Days or None

    Raises
    ------
    InputProblem
        See :class:`Days`.
    """
    if not settings.get("days") or len(set(binned.table["source"])) < 2:
        return None
    return Days(binned.table["source"], binned.units["unit"].tolist(), binned.seen(), folds)


def _any(seen, rows):
    """Units that were recorded in some bin of these sequences."""
    return np.any([seen[i].any(axis=0) for i in rows], axis=0)


def _wide(mask, at):
    """Entries of some units from a mask of bins or of entries."""
    mask = np.asarray(mask, bool)
    return np.tile(mask[:, None], len(at)) if mask.ndim == 1 else mask[:, at]


def estimator(base: dict, k: int, seed=None, **more) -> OneHotDays:
    """The unfitted model of all days.

    Parameters
    ----------
    base : dict
        The stage's settings of the estimator.
    k : int
    seed : int, optional
    **more
        Settings that replace those of the stage.
    """
    given = {**base, "solver": "cavi", "preset": "robust", "stop": "converged", **more}
    given |= {"emission_covariates": None, "transition_covariates": ()}
    given |= {"n_states": k, "model": "onehot", "random_state": seed}
    return OneHotDays(**given)


def fit_fold(days: Days, model: OneHotDays, sequences, masks, trained, sides, common, dt) -> dict:
    """Fit all three rungs without a fold and score its sequences.

    Parameters
    ----------
    days : Days
    model : OneHotDays
        Unfitted.
    sequences, masks : list
        Of the whole set.
    trained : list of ndarray of bool
        Masks of the training data.
    sides : (ndarray, ndarray)
        Numbers of the training and of the held-out sequences.
    common : dict of int to ndarray of bool, shape (T_i,)
        Bins of a held-out sequence on which every rung is judged.
    dt : float
        Bin width (s).

    Returns
    -------
    dict of str to dict
        By rung, as :func:`neuro.hmmglm.baselines.ladder.fit_rung` gives it.
    """
    inside, out = sides
    parts = [days.part(day, inside, sequences, trained) for day in range(len(days.names))]
    model.fit([p[1] for p in parts], units=days.units, masks=[p[2] for p in parts], dt=dt)
    place = {int(row): number for number, row in enumerate(out)}
    scores = {rung: np.zeros(len(out)) for rung in BELOW}
    ends: dict[str, list] = {rung: [] for rung in BELOW}
    for day, (_, train, train_masks) in enumerate(parts):
        alone = model.of_a_day().fit(train, mask=train_masks, dt=dt)
        rows, test, test_masks = days.part(day, out, sequences, masks)
        wide = model.widen(test, test_masks, model.places_[day])
        for rung, one, (sequence, seen) in (
            ("pooled_days", model.pooled_, wide),
            ("each_day", alone, (test, test_masks)),
            ("shared_days", model.models_[day], (test, test_masks)),
        ):
            ends[rung].append(one)
            if len(rows):
                values = sequence_scores(one, sequence, seen, [common[int(row)] for row in rows])
                scores[rung][[place[int(row)] for row in rows]] = values
    return {rung: {"scores": scores[rung], **_facts(ends[rung])} for rung in BELOW}


def _facts(models) -> dict:
    """Penalties and convergence of the fits of a rung."""
    return {
        "ridge": float(np.mean([one.penalty_.ridge for one in models])),
        "prior_sd": np.nan,
        "covariate_ridge": np.nan,
        "converged": all(one.starts_[0]["converged"] for one in models),
        "n_history": models[0].n_history,
    }


def graph(binned, folds, settings: dict, k: int, *, seed: int = 0) -> pd.DataFrame:
    """The signed graph that all days share, from all data.

    Parameters
    ----------
    binned, folds, settings
        As for :func:`wanted`.
    k : int
    seed : int

    Returns
    -------
    pandas.DataFrame
        Columns :data:`GRAPH`; `n_days` counts the days on which both units were recorded. No row
        where the recordings are not taken for days.
    """
    days = wanted(binned, folds, settings)
    if days is None:
        return pd.DataFrame(columns=GRAPH)
    seen, every = binned.seen(), np.arange(len(binned.sequences))
    parts = [days.part(day, every, binned.sequences, seen) for day in range(len(days.names))]
    model = estimator(estimator_settings(settings), k, seed)
    model.fit([p[1] for p in parts], units=days.units, masks=[p[2] for p in parts], dt=binned.bin_s)
    n = len(model.names_)
    together = np.zeros((n, n), int)
    for at in model.places_:
        together[np.ix_(at, at)] += 1
    state, target, source = (index.ravel() for index in np.indices(model.adjacency_.shape))
    names, p = np.array(model.names_), model.edge_posterior_.reshape(-1, 3)
    columns = [state + 1, names[target], names[source], model.adjacency_.ravel(), *p.T]
    table = pd.DataFrame(dict(zip(GRAPH, [*columns, together[target, source]])))
    return table[table["n_days"] > 0].reset_index(drop=True)
