"""Tables of a fitted model: states, visits, transitions, couplings, rates."""

from __future__ import annotations

import numpy as np
import pandas as pd


def states_table(model, binned) -> pd.DataFrame:
    """State of every bin: `sequence`, `bin`, `time_s`, `state` (Viterbi, from 1), `p_1` ...

    Time is the start of the bin on the recording's own clock. Missing bins keep their row with
    state 0 and missing probabilities.
    """
    paths = model.predict(binned.sequences, binned.entries, binned.covariates)
    gammas = model.predict_proba(binned.sequences, binned.entries, binned.covariates)
    parts = []
    for number, (path, gamma, mask) in enumerate(zip(paths, gammas, binned.recorded)):
        start = float(binned.table["start_s"].iloc[number])
        table = pd.DataFrame(
            {
                "sequence": number,
                "bin": np.arange(len(path)),
                "time_s": start + np.arange(len(path)) * binned.bin_s,
                "state": np.where(mask, path + 1, 0),
            }
        )
        shown = np.where(mask[:, None], gamma, np.nan).astype(np.float32)
        for state in range(gamma.shape[1]):
            table[f"p_{state + 1}"] = shown[:, state]
        parts.append(table)
    return pd.concat(parts, ignore_index=True)


def dwell_table(states: pd.DataFrame, bin_s: float) -> pd.DataFrame:
    """Visits: `sequence`, `state`, `start_s`, `duration_s`, and whether an edge cuts them.

    Parameters
    ----------
    states : pandas.DataFrame
        As :func:`states_table` gives it.
    bin_s : float

    Returns
    -------
    pandas.DataFrame
    """
    rows = []
    for number, group in states.groupby("sequence", sort=True):
        state, time = group["state"].to_numpy(), group["time_s"].to_numpy()
        edges = np.flatnonzero(np.diff(state)) + 1
        first, end = np.r_[0, edges], np.r_[edges, len(state)]
        for a, b in zip(first, end):
            if state[a] == 0:
                continue
            cut = a == 0 or b == len(state) or state[a - 1] == 0 or state[b] == 0
            rows.append((number, state[a], time[a], (b - a) * bin_s, int(cut)))
    return pd.DataFrame(rows, columns=["sequence", "state", "start_s", "duration_s", "cut"])


def transitions_table(model) -> pd.DataFrame:
    """`from`, `to`, `p`; states from 1."""
    k = len(model.transitions_)
    a, b = np.indices((k, k))
    return pd.DataFrame(
        {"from": a.ravel() + 1, "to": b.ravel() + 1, "p": model.transitions_.ravel()}
    )


def weights_table(model, units) -> pd.DataFrame:
    """Couplings: `state`, `target`, `source`, `w`, `q_inh`, `q_none`, `q_exc`, `sign`."""
    k, n, _ = model.weights_.shape
    state, target, source = (index.ravel() for index in np.indices((k, n, n)))
    names = np.asarray(units, dtype=object)
    q = getattr(model, "edge_posterior_", np.full((k, n, n, 3), np.nan)).reshape(-1, 3)
    return pd.DataFrame(
        {
            "state": state + 1,
            "target": names[target],
            "source": names[source],
            "w": model.weights_.ravel().astype(np.float32),
            "q_inh": q[:, 0].astype(np.float32),
            "q_none": q[:, 1].astype(np.float32),
            "q_exc": q[:, 2].astype(np.float32),
            "sign": model.adjacency_.ravel(),
        }
    )


def prior_table(model, units) -> pd.DataFrame:
    """The signed graph that all states share: probabilities (one-hot model) and sign."""
    n = model.weights_.shape[1]
    target, source = (index.ravel() for index in np.indices((n, n)))
    names = np.asarray(units, dtype=object)
    p = getattr(model, "anatomical_prior_", np.full((n, n, 3), np.nan)).reshape(-1, 3)
    return pd.DataFrame(
        {
            "target": names[target],
            "source": names[source],
            "p_inh": p[:, 0].astype(np.float32),
            "p_none": p[:, 1].astype(np.float32),
            "p_exc": p[:, 2].astype(np.float32),
            "sign": model.to_signed().ravel(),
        }
    )


def covariates_table(model, binned) -> pd.DataFrame:
    """What covariates do, one row per weight; empty without any.

    `acts_on`, `state`, `unit`, `covariate`, `lag_s`, `column`, `weight`. Weights are per SD of the
    column. On transitions they are log odds of entering the state, and `unit` is missing. Where
    states share weights, `state` is 0.
    """
    keys = ["covariate", "lag_s", "column"]
    columns = ["acts_on", "state", "unit", *keys, "weight"]
    if binned.covariate_table is None:
        return pd.DataFrame(columns=columns)
    names = binned.covariate_table[keys]
    units = binned.units["unit"].to_numpy()
    weights = model.covariate_weights_
    tied = model.layout_.ties_covariates
    weights = weights[:1] if tied else weights
    state, unit, place = (index.ravel() for index in np.indices(weights.shape))
    parts = [
        pd.DataFrame(
            {
                "acts_on": "emissions",
                "state": 0 if tied else state + 1,
                "unit": units[unit],
                **names.iloc[np.array(model.covariate_columns(), int)[place]].to_dict("list"),
                "weight": weights.ravel(),
            }
        )
    ]
    if model.drive_ is not None:
        state, place = (index.ravel() for index in np.indices(model.drive_.shape))
        parts.append(
            pd.DataFrame(
                {
                    "acts_on": "transitions",
                    "state": state + 1,
                    "unit": np.nan,
                    **names.iloc[np.array(model.transition_covariates, int)[place]].to_dict("list"),
                    "weight": model.drive_.ravel(),
                }
            )
        )
    return pd.concat([table for table in parts if len(table)], ignore_index=True)[columns]


def aligned_table(states: pd.DataFrame, binned) -> pd.DataFrame:
    """Mean state probability around the events of the trials.

    Returns
    -------
    pandas.DataFrame
        `event`, `lag_s`, `state`, `p`, `n` (trials); empty where no sequence has an event.
    """
    columns = ["event", "lag_s", "state", "p", "n"]
    event = binned.table["event_s"].to_numpy(float)
    chosen = np.flatnonzero(np.isfinite(event))
    if not chosen.size:
        return pd.DataFrame(columns=columns)
    of_states = states[states["sequence"].isin(chosen) & (states["state"] > 0)].copy()
    shift = np.round(event / binned.bin_s)
    of_states["lag"] = of_states["bin"] - shift[of_states["sequence"].to_numpy()].astype(int)
    names = [name for name in states.columns if name.startswith("p_")]
    mean = of_states.groupby("lag")[names].mean()
    count = of_states.groupby("lag").size()
    rows = [
        ("trial start", lag * binned.bin_s, int(name.removeprefix("p_")), value, int(count[lag]))
        for lag, line in mean.iterrows()
        for name, value in line.items()
    ]
    return pd.DataFrame(rows, columns=columns)


def rates_table(model, binned) -> pd.DataFrame:
    """Mean rate of every unit in every state: `state`, `unit`, `rate_hz`, `overall_hz`."""
    gammas = np.concatenate(
        model.predict_proba(binned.sequences, binned.entries, binned.covariates)
    )
    seen = np.concatenate(binned.seen())
    counts = np.where(seen, np.concatenate(binned.sequences), 0)
    rates = (gammas.T @ counts) / np.maximum(gammas.T @ seen, 1e-12) / binned.bin_s
    state, unit = (index.ravel() for index in np.indices(rates.shape))
    overall = counts.sum(axis=0) / np.maximum(seen.sum(axis=0), 1) / binned.bin_s
    return pd.DataFrame(
        {
            "state": state + 1,
            "unit": binned.units["unit"].to_numpy()[unit],
            "rate_hz": rates.ravel(),
            "overall_hz": overall[unit],
        }
    )
