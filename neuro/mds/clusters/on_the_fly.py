"""Typing of newly recorded cells from their responses to the stimuli; no twin needed."""

from __future__ import annotations

import numpy as np


def mean_responses(responses) -> tuple[np.ndarray, np.ndarray]:
    """Average over repeats.

    Parameters
    ----------
    responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)
        NaN marks a missing repeat.

    Returns
    -------
    means : ndarray, shape (K, n_cells)
    n_repeats : ndarray of int, shape (n_cells,)
        Fewest repeats over the stimuli.

    Raises
    ------
    ValueError
        For other shapes, or a cell without any repeat of a stimulus.
    """
    responses = np.asarray(responses, dtype=np.float64)
    if responses.ndim == 2:
        responses = responses[None]
    if responses.ndim != 3:
        raise ValueError(
            f"responses: shape {responses.shape}, expected (n_repeats, n_stimuli, n_cells)"
        )
    if np.isinf(responses).any():
        raise ValueError("responses: a value is infinite; mark missing repeats with NaN")
    count = np.isfinite(responses).sum(axis=0)
    if not count.all():
        stimulus, cell = np.argwhere(count == 0)[0]
        raise ValueError(f"responses: cell {cell} has no repeat of stimulus {stimulus + 1}")
    return np.nansum(responses, axis=0) / count, count.min(axis=0)


def margins(means) -> np.ndarray:
    """Best minus second-best response of every cell, (n_cells,); NaN for one stimulus."""
    if len(means) < 2:
        return np.full(means.shape[1], np.nan)
    ordered = np.sort(means, axis=0)
    return ordered[-1] - ordered[-2]


def assign_typed(responses, profiles, types, temperature, units=None, event=None):
    """Type cells by a posterior with the outcome "untyped", beside the stimulus they answer most.

    Parameters
    ----------
    responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)
    profiles, types : array
        See :class:`neuro.mds.clusters.typing.Typing`; None types by the largest response alone.
    temperature : float
    units : sequence of str, optional
    event : float, optional
        Response to one event; without it one repeat types by the largest response alone.

    Returns
    -------
    table : pandas.DataFrame
        As :func:`assign`, where `probability` is the posterior, with `best` (most probable type),
        `cluster` 0 for untyped cells, `p_any`, `p_flat`, `enough` and `why`.
    kappa : float
        NaN without a posterior.
    """
    from neuro.mds.clusters.typing import Typing, counts

    responses = np.asarray(responses, np.float64)
    table = assign(responses.shape[-2], responses, temperature, units)
    several = responses.ndim == 3 and (np.isfinite(responses).sum(axis=0) > 1).any()
    if profiles is None or not (several or event is not None):
        means = mean_responses(responses)[0]
        table["best"] = table["cluster"]
        even = np.ptp(means, axis=0) == 0
        # A softmax of responses in unknown units is no probability.
        table["probability"] = np.nan
        table["why"] = np.where(even, "equal answers", "")
        table.loc[even, "cluster"] = 0
        return table, float("nan")
    event = None if event is None else float(np.squeeze(event))
    model = Typing(np.asarray(profiles, float), np.asarray(types))
    model = model.calibrated(counts(responses, event)[0])
    typed = model.table(responses, units, event)
    for name in ("cluster", "best", "probability", "p_any", "p_flat", "enough", "why"):
        table[name] = typed[name].to_numpy()
    return table, model.kappa


def assign(mds_stimuli, responses, temperature=1.6, units=None):
    """Type cells by the stimulus they respond to most.

    A positive gain per cell changes nothing. Never subtract or divide per stimulus beforehand:
    that changes which one is the largest.

    Parameters
    ----------
    mds_stimuli : int or sequence of length K
        The stimuli that were shown, or their number; only the number is used.
    responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)
        NaN marks a missing repeat.
    temperature : float, default 1.6
        Of the softmax probability, in response units.
    units : sequence of str, optional
        Names of the cells.

    Returns
    -------
    pandas.DataFrame
        unit, cluster (1 to K), margin (best minus second-best mean response), probability,
        n_repeats, tie (whether several stimuli are best; the lowest number is given).

    Raises
    ------
    ValueError
        When the number of stimuli differs, or a cell lacks a stimulus.
    """
    import pandas as pd
    from scipy.special import softmax

    n = mds_stimuli if isinstance(mds_stimuli, (int, np.integer)) else len(mds_stimuli)
    means, n_repeats = mean_responses(responses)
    if len(means) != n:
        raise ValueError(
            f"responses: {len(means)} stimuli, but there are {n} most discriminative stimuli"
        )
    n_cells = means.shape[1]
    units = [f"c{k}" for k in range(1, n_cells + 1)] if units is None else list(units)
    if len(units) != n_cells:
        raise ValueError(f"units: {len(units)} names for {n_cells} cells")
    labels = means.argmax(axis=0)
    return pd.DataFrame(
        {
            "unit": units,
            "cluster": labels + 1,
            "margin": margins(means),
            "probability": softmax(means / temperature, axis=0)[labels, np.arange(n_cells)],
            "n_repeats": n_repeats,
            "tie": (means == means.max(axis=0)).sum(axis=0) > 1,
        }
    )
