"""Everything that is written about a fitted model, and its headline figures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from neuro.hmmglm import tables
from neuro.hmmglm.baselines import compare, sweep
from neuro.hmmglm.design.folds import repeats
from neuro.stats.agreement import ami
from neuro.stats.splits import shared_over_folds


@dataclasses.dataclass(frozen=True)
class Exported:
    """Tables by name, and the headline figures."""

    tables: dict
    headline: list


def everything(
    model, binned, folds, sweep_table, curve, *, name, switch_s=None, truth=None, ladder=None
) -> Exported:
    """All tables and headline figures of one set.

    Parameters
    ----------
    model : OneHotHMMGLM
    binned : neuro.hmmglm.design.bins.Binned
    folds : ndarray of int, shape (n_sequences,)
    sweep_table, curve : pandas.DataFrame
    name : str
        Of the set.
    switch_s : float, optional
        Time of a change (s) on the clock of the recordings.
    truth : dict, optional
        As :func:`neuro.hmmglm.design.files.read_truth` gives it.
    ladder : pandas.DataFrame, optional
        As :func:`neuro.hmmglm.sets.climb_ladder` gives it.

    Returns
    -------
    Exported
    """
    units = binned.units["unit"].tolist()
    states = tables.states_table(model, binned)
    if truth is not None:
        states["planted"] = planted_states(states, truth)
    results = {
        "states": states,
        "dwell": tables.dwell_table(states, binned.bin_s),
        "transitions": tables.transitions_table(model),
        "weights": tables.weights_table(model, units),
        "prior": tables.prior_table(model, units),
        "rates": tables.rates_table(model, binned),
        "covariates": tables.covariates_table(model, binned),
        "aligned": tables.aligned_table(states, binned),
    }
    entries = headline(
        name,
        sweep_table,
        curve,
        model,
        switch=None if switch_s is None else switch_agreement(states, switch_s),
    )
    shared = shared_over_folds(repeats(binned), folds)
    entries.append(
        _entry(f"{name}: stretches shared by training and test", shared, null=0, n=len(folds))
    )
    if ladder is not None:
        entries += rungs(ladder, name)
    if truth is not None:
        entries += recovery(model, binned, truth, sweep_table, name=name)
    return Exported(results, entries)


def rungs(ladder, name: str) -> list:
    """What couplings, states of rates and states of couplings add, for `report.json`.

    Parameters
    ----------
    ladder : pandas.DataFrame
    name : str
        Of the set.

    Returns
    -------
    list of dict
        Gains in bits per spike over the rung below, with intervals and verdicts.
    """
    words = {
        "glm": "couplings add to constant rates",
        "covariates": "covariates add to couplings and history",
        "rate_states": "states of rates add to one state"
        + (" with covariates" if "covariates" in set(ladder["rung"]) else " with a longer history"),
        "driven_states": "inputs that drive transitions add to states of rates",
        "coupling_states": "states of couplings add to states of rates",
        "each_day": "a model of each day adds to one of all days",
        "shared_days": "one graph of all days adds to a model of each day",
    }
    return [
        {
            **_entry(
                f"{name}: {words[row.rung]}",
                row.gain,
                "bits/spike",
                null=0.0,
                n=int(row.n),
                ci=(row.gain_low, row.gain_high),
            ),
            "verdict": row.verdict,
        }
        for row in ladder.itertuples()
        if row.rung in words
    ]


def headline(name: str, table, curve, model, *, switch=None) -> list:
    """The figures of one set for `report.json`.

    Parameters
    ----------
    name : str
        Of the set.
    table, curve : pandas.DataFrame
        Sweep and its summary.
    model : OneHotHMMGLM
        The exported one.
    switch : float, optional
        Agreement (AMI) of states with before and after the switch.

    Returns
    -------
    list of dict
        `name`, `value`, `unit`, `null`, `baseline`, `n`, `ci_low`, `ci_high`.
    """
    k, kind = model.n_states, model.model
    row = curve[(curve["model"] == kind) & (curve["k"] == k)].iloc[0]
    folds = int(row["n_folds"])
    gaussian = model.emission == "gaussian"
    column, unit = ("score", "nats/bin") if gaussian else ("bits_per_spike", "bits/spike")
    error = "se" if gaussian else "bits_se"
    hmm = curve[(curve["model"] == "poisson_hmm") & (curve["k"] == k)]
    glm = curve[(curve["model"] == kind) & (curve["k"] == 1)]
    baseline = {}
    if len(hmm):
        baseline["HMM without couplings"] = float(hmm[column].iloc[0])
    if len(glm) and k > 1:
        baseline["one state"] = float(glm[column].iloc[0])
    null = curve[curve["model"].str.startswith(f"{kind}:null") & (curve["k"] == k)]
    chance = float(null[column].mean()) if len(null) else None
    # few folds: Student's t, and n is what the interval is taken over
    known = np.isfinite(row[error]) and folds > 1
    half = float(stats.t.ppf(0.975, folds - 1) * row[error]) if known else None
    value = float(row[column])
    entries = [_entry(f"{name}: number of states", k, n=folds)]
    if chance is not None:
        entries.append(
            _entry(
                f"{name}: held-out log-likelihood beyond shifted series",
                value - chance,
                unit,
                baseline=0.0,
                n=len(null),
            )
        )
    entries += [
        _entry(
            f"{name}: held-out log-likelihood over constant rates"
            if not gaussian
            else f"{name}: held-out log-likelihood",
            value,
            unit,
            null=chance,
            baseline=baseline or None,
            n=folds,
            ci=None if half is None else (value - half, value + half),
            primary=True,
        ),
        _entry(f"{name}: smallest occupancy", float(model.occupancy_.min()), n=k),
    ]
    agree = sweep.restart_agreement(table, kind)
    agree = agree[agree["k"] == k]
    if len(agree) and int(agree["n"].iloc[0]) > 1:
        entries.append(
            _entry(
                f"{name}: starts within 0.01 % of the best",
                float(agree["share"].mean()),
                n=int(agree["n"].sum()),
            )
        )
    if kind == "onehot":
        entries.append(
            _entry(
                f"{name}: share of possible edges that are present",
                float(np.mean(model.adjacency_ != 0)),
                n=int(model.adjacency_.size),
            )
        )
    if switch is not None:
        entries.append(
            _entry(
                f"{name}: agreement with the switch (AMI)", switch, baseline=0.0, n=model.n_bins_
            )
        )
    return entries


def _entry(name, value, unit="", *, null=None, baseline=None, n=None, ci=None, primary=False):
    low, high = ci or (None, None)
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "null": null,
        "baseline": baseline,
        "n": n,
        "ci_low": low,
        "ci_high": high,
        "primary": primary,
    }


def switch_agreement(states: pd.DataFrame, switch_s: float) -> float:
    """Adjusted mutual information of states with before and after a time on the clock."""
    seen = states[states["state"] > 0]
    after = (seen["time_s"].to_numpy() >= switch_s).astype(int)
    if len(set(after)) < 2:
        return 0.0
    return ami(seen["state"].to_numpy(), after)


def planted_states(states: pd.DataFrame, truth: dict) -> np.ndarray:
    """Planted state of every bin under the number of the fitted state that matches it.

    Planted states without a match are numbered behind the fitted ones; 0 marks missing bins.
    """
    sequence = states["state"].to_numpy()
    planted = np.concatenate(truth["states"])
    seen = sequence > 0
    pairs, _ = compare.match_states(sequence[seen] - 1, planted[seen])
    number = {int(there): int(here) + 1 for here, there in pairs}
    more = max(int(sequence.max()), 1) + 1
    for state in range(int(planted.max()) + 1):
        if state not in number:
            number[state], more = more, more + 1
    lookup = np.array([number[state] for state in range(int(planted.max()) + 1)])
    return np.where(seen, lookup[planted], 0)


def recovery(model, binned, truth: dict, table: pd.DataFrame, *, name: str) -> list:
    """How well planted states and edges were found.

    Parameters
    ----------
    model : OneHotHMMGLM
    binned : neuro.hmmglm.design.bins.Binned
    truth : dict
        As :func:`neuro.hmmglm.design.files.read_truth` gives it.
    table : pandas.DataFrame
        Sweep.
    name : str
        Of the set.

    Returns
    -------
    list of dict
        Entries for `report.json`; besides value, baseline (what guessing gives) and n they have
        `planted`, `recovered` and `error`.
    """
    gammas = model.predict_proba(binned.sequences, binned.entries, binned.covariates)
    decoded = [gamma.argmax(axis=1) for gamma in gammas]
    planted = list(truth["states"])
    pairs, accuracy = compare.match_states(decoded, planted)
    share = np.bincount(np.concatenate(planted)).max() / sum(map(len, planted))
    columns = np.asarray(truth["columns"], dtype=int)
    adjacency = truth["adjacency"][:, columns][:, :, columns][pairs[:, 1]]
    scores = compare.edge_scores(model.adjacency_[pairs[:, 0]], adjacency)
    signed = truth["prior"].argmax(axis=-1)[np.ix_(columns, columns)] - 1
    hit = float(np.mean(model.to_signed() == signed))
    size = len(truth["adjacency"])
    there = f"{np.count_nonzero(adjacency)} edges in {size} states"

    def entry(what, value, low, n, known, got):
        return {
            **_entry(f"{name}: {what}", value, baseline=low, n=n),
            "planted": known,
            "recovered": got,
            "error": 1 - value,
        }

    entries = [
        {
            **_entry(f"{name}: number of states found", model.n_states, n=len(decoded)),
            "planted": size,
            "recovered": model.n_states,
            "error": model.n_states - size,
        },
        entry(
            "bins in the planted state",
            accuracy,
            float(share),
            sum(map(len, planted)),
            f"{size} states",
            f"{100 * accuracy:.1f} % of bins",
        ),
        entry(
            "balanced accuracy of edges",
            scores["balanced"],
            1 / 3,
            int(adjacency.size),
            there,
            f"{np.count_nonzero(model.adjacency_[pairs[:, 0]])} edges",
        ),
        entry(
            "accuracy of edges",
            scores["accuracy"],
            float(np.mean(adjacency == 0)),
            int(adjacency.size),
            there,
            f"{100 * scores['accuracy']:.1f} % right",
        ),
        entry(
            "edges of the shared graph",
            hit,
            float(np.mean(signed == 0)),
            int(signed.size),
            f"{np.count_nonzero(signed)} edges" + _drawn_alike(truth, signed, columns),
            f"{np.count_nonzero(model.to_signed())} edges" + shared_edge_rule(model),
        ),
    ]
    return entries + _likelihood_gap(model, binned, truth, table, name)


def _drawn_alike(truth, signed, columns) -> str:
    """How many edges of the planted shared graph all planted states have."""
    everywhere = (truth["adjacency"][:, columns][:, :, columns] == signed).all(axis=0)
    count = int(np.count_nonzero(everywhere & (signed != 0)))
    return f", {count} of them in all {len(truth['adjacency'])} states"


def shared_edge_rule(model) -> str:
    """In how many states an edge must be to count in the shared graph of one-hot edges.

    The shared probabilities of an edge are its pseudo-counts and what the states say: an edge of
    one sign counts where its own exceed those of no edge.

    Parameters
    ----------
    model : OneHotHMMGLM

    Returns
    -------
    str
        A clause that follows a number of edges; empty for models without such a rule.
    """
    if model.model != "onehot" or model.solver != "cavi":
        return ""
    k, alpha = model.n_states, np.asarray(model.alpha, dtype=float)
    least = [m for m in range(k + 1) if min(alpha[0], alpha[2]) + m > alpha[1] + k - m]
    if not least:
        return f" (at these pseudo-counts even an edge of all {k} states does not count)"
    return (
        f" (one counts if {least[0]} of {k} states have it with one sign; missed in "
        f"{k - least[0] + 1}, it is missed here)"
    )


def _likelihood_gap(model, binned, truth, table, name):
    """Held-out log-likelihood beside that of the planted parameters, where all units are kept."""
    every = len(truth["columns"]) == truth["adjacency"].shape[1]
    if not every or not all(mask.all() for mask in binned.masks):
        return []
    rows = sweep.best_starts(
        table[(table["model"] == model.model) & (table["k"] == model.n_states)]
    )
    reached = float(np.average(rows["test_ll_per_bin"], weights=rows["test_bins"]))
    best = float(np.sum(truth["log_likelihood"]) / sum(map(len, binned.sequences)))
    return [
        {
            **_entry(
                f"{name}: held-out log-likelihood of a bin",
                reached,
                "nats",
                n=int(rows["test_bins"].sum()),
            ),
            "planted": best,
            "recovered": reached,
            "error": best - reached,
        }
    ]
