"""Tables of a fitted model: states, visits, transitions, couplings, rates."""

from __future__ import annotations

import numpy as np
import pandas as pd


def states_table(model, binned) -> pd.DataFrame:
    """State of every bin: `sequence`, `bin`, `time_s`, `state` (Viterbi, from 1), `p_1` ...

    Time is the start of the bin on the recording's own clock. Missing bins keep their row with
    state 0 and missing probabilities.
    """
    paths = model.predict(binned.sequences, binned.masks)
    gammas = model.predict_proba(binned.sequences, binned.masks)
    parts = []
    for number, (path, gamma, mask) in enumerate(zip(paths, gammas, binned.masks)):
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
    for number, part in states.groupby("sequence", sort=True):
        state, time = part["state"].to_numpy(), part["time_s"].to_numpy()
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
    part = states[states["sequence"].isin(chosen) & (states["state"] > 0)].copy()
    shift = np.round(event / binned.bin_s)
    part["lag"] = part["bin"] - shift[part["sequence"].to_numpy()].astype(int)
    names = [name for name in states.columns if name.startswith("p_")]
    mean = part.groupby("lag")[names].mean()
    count = part.groupby("lag").size()
    rows = [
        ("trial start", lag * binned.bin_s, int(name.removeprefix("p_")), value, int(count[lag]))
        for lag, line in mean.iterrows()
        for name, value in line.items()
    ]
    return pd.DataFrame(rows, columns=columns)


def rates_table(model, binned) -> pd.DataFrame:
    """Mean rate of every unit in every state: `state`, `unit`, `rate_hz`, `overall_hz`."""
    gammas = model.predict_proba(binned.sequences, binned.masks)
    weight = np.concatenate([gamma[mask] for gamma, mask in zip(gammas, binned.masks)])
    counts = np.concatenate([item[mask] for item, mask in zip(binned.sequences, binned.masks)])
    share = weight.sum(axis=0)[:, None]
    rates = (weight.T @ counts) / np.maximum(share, 1e-12) / binned.bin_s
    state, unit = (index.ravel() for index in np.indices(rates.shape))
    overall = counts.mean(axis=0) / binned.bin_s
    return pd.DataFrame(
        {
            "state": state + 1,
            "unit": binned.units["unit"].to_numpy()[unit],
            "rate_hz": rates.ravel(),
            "overall_hz": overall[unit],
        }
    )
