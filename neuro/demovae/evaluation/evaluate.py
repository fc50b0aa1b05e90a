"""Judging features and generated connectomes: correlations, maps, privacy, edge statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.schema import level_names, missing, numbers, parse_columns
from neuro.demovae.evaluation.readouts import readouts

__all__ = [
    "compare_maps",
    "correlations",
    "edge_stats",
    "group_maps",
    "membership_auc",
    "nearest_distances",
    "null_bound",
    "privacy_ratio",
    "readouts",
]


def correlations(Z, demographics, columns=None) -> dict[str, np.ndarray]:
    """Correlation of every latent with every number and every level's indicator.

    Parameters
    ----------
    Z : array, shape (n_rows, n_latents)
    demographics : pandas.DataFrame
    columns : sequence of Column or mapping, optional

    Returns
    -------
    dict of str to ndarray, shape (n_indicators, n_latents)
        By column; a column or latent without spread gives zeros.
    """
    Z = np.asarray(Z, dtype=np.float64)
    out = {}
    for column in parse_columns(columns, demographics):
        known = ~missing(demographics[column.name], column.type)
        values = demographics[column.name][known]
        if column.type == "continuous":
            hot = numbers(values)[:, None]
        else:
            names = level_names(values)
            levels = sorted(set(names))
            hot = np.array([[name == level for level in levels] for name in names], float)
            hot = hot.reshape(len(names), len(levels))[:, 1 if len(levels) == 2 else 0 :]
        out[column.name] = _correlate(hot, Z[known])
    return out


def _correlate(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.outer(np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0))
    return np.divide(a.T @ b, scale, out=np.zeros(scale.shape), where=scale > 1e-12)


def null_bound(n_train: int, n_test: int, n_correlations: int) -> float:
    """Bound that the largest of many held-out correlations stays below in 95 % under the null.

    Latents that are exactly uncorrelated with a column on n_train rows have held-out correlations
    of variance 1/n_train + 1/n_test; Bonferroni over the correlations that are inspected.

    Parameters
    ----------
    n_train, n_test : int
        Rows of the fit, and held-out rows.
    n_correlations : int

    Returns
    -------
    float
        At most 1: with so few rows no held-out correlation says anything.
    """
    from scipy.stats import norm

    bound = norm.ppf(1 - 0.025 / n_correlations) * np.sqrt(1 / n_train + 1 / n_test)
    return float(min(1.0, bound))


def group_maps(X, demographics, columns=None) -> dict[str, np.ndarray]:
    """Differences of edges between groups, each given all other columns (least squares).

    Parameters
    ----------
    X : array, shape (n_rows, n_edges)
    demographics : pandas.DataFrame
    columns : sequence of Column or mapping, optional

    Returns
    -------
    dict of str to ndarray of float32, shape (n_edges,)
        A continuous column per standard deviation (`name`) and per unit of its centred square
        (`name^2`); two levels as last minus first in sorting order (`name`); more levels each
        against the mean of all (`name=level`).
    """
    blocks = [np.ones((len(X), 1))]
    entries: list[tuple[str, int | slice, list[str] | None]] = []
    width = 1
    for column in parse_columns(columns, demographics):
        gone = missing(demographics[column.name], column.type)
        if column.type == "continuous":
            values = numbers(demographics[column.name])
            values = np.where(gone, values[~gone].mean(), values)
            a = (values - values.mean()) / values.std()
            blocks.append(np.column_stack([a, a**2 - 1]))
            entries += [(column.name, width, None), (f"{column.name}^2", width + 1, None)]
            width += 2
            continue
        names = level_names(demographics[column.name])
        levels = sorted(set(names) - {""})
        # deviation coding: coefficients are differences from the unweighted mean of the levels
        hot = np.array([[name == level for level in levels[:-1]] for name in names], float)
        hot = hot.reshape(len(names), len(levels) - 1) - (names == levels[-1])[:, None]
        blocks.append(hot)
        entries.append((column.name, slice(width, width + len(levels) - 1), levels))
        width += len(levels) - 1
    solve = np.linalg.pinv(np.column_stack(blocks))
    weights = solve.astype(np.float32) @ np.asarray(X, dtype=np.float32)
    out = {}
    for name, where, known in entries:
        if known is None:
            out[name] = weights[where]
        elif len(known) == 2:
            out[name] = -2 * weights[where][0]
        else:
            parts = np.vstack([weights[where], -weights[where].sum(axis=0)])
            out |= {f"{name}={level}": map_ for level, map_ in zip(known, parts)}
    return out


def compare_maps(real: dict, synthetic: dict, other: dict | None = None) -> pd.DataFrame:
    """Pattern and size of synthetic group maps against real ones.

    Parameters
    ----------
    real, synthetic : dict of str to ndarray, shape (n_edges,)
        As made by :func:`group_maps`; names that `synthetic` lacks are left out.
    other : dict, optional
        Maps of other real people, the reference of both figures: noise in the judging map makes
        every correlation and every amplitude smaller than that of perfect samples.

    Returns
    -------
    pandas.DataFrame
        `map`, `r` (correlation over edges), `amplitude` (least-squares factor of the synthetic on
        the real map), `rmse` (their difference), `rms_real` (what a zero map would score); with
        `other` also `r_halves` and `amplitude_halves`, the same of those people.
    """
    columns = ["map", "r", "amplitude", "rmse", "rms_real"]
    rows = [
        {"map": name, **_compare(a, synthetic[name])}
        for name, a in real.items()
        if name in synthetic
    ]
    table = pd.DataFrame(rows, columns=columns)
    if other is not None:
        half = compare_maps(real, other).set_index("map")
        table["r_halves"] = table["map"].map(half["r"])
        table["amplitude_halves"] = table["map"].map(half["amplitude"])
    return table


def _compare(a, b) -> dict[str, float]:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    power = float(a @ a)
    return {
        "r": float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else np.nan,
        "amplitude": float(a @ b) / power if power > 0 else np.nan,
        "rmse": float(np.sqrt(((a - b) ** 2).mean())),
        "rms_real": float(np.sqrt(power / len(a))),
    }


def _nearest(A, B, skip_self=False) -> np.ndarray:
    """Squared distance from each row of `A` to its nearest row of `B`."""
    A, B = np.asarray(A, np.float32), np.asarray(B, np.float32)
    middle = B.mean(axis=0)
    A, B = A - middle, B - middle
    square = (B**2).sum(axis=1, dtype=np.float64) - 2.0 * (A @ B.T)
    if skip_self:
        np.fill_diagonal(square, np.inf)
    return square.min(axis=1) + (A**2).sum(axis=1, dtype=np.float64)


def nearest_distances(synthetic, train, held_out, random_state=0):
    """Distance of each synthetic row to its nearest training row and its nearest held-out row.

    Both sets are cut to the same size, because more people are nearer by chance.

    Parameters
    ----------
    synthetic, train, held_out : array, shape (n_rows, n_edges)
    random_state : int
        Of the rows that are kept of the larger set.

    Returns
    -------
    to_train, to_held_out : ndarray, shape (n_synthetic,)
        Root mean square difference per edge.
    """
    rng = seeds.generator(random_state, "nearest people")
    size = min(len(train), len(held_out))
    distances = []
    for rows in (np.asarray(train), np.asarray(held_out)):
        subset = rows if len(rows) == size else rows[np.sort(rng.permutation(len(rows))[:size])]
        square = np.maximum(_nearest(synthetic, subset), 0)
        distances.append(np.sqrt(square / subset.shape[1]))
    return distances[0], distances[1]


def privacy_ratio(synthetic, train, held_out, random_state=0) -> float:
    """Share of synthetic rows that lie nearer to a training row than to any held-out row.

    0.5 says that samples know nothing about the people they were learned from; 1 that they copy
    them.

    Parameters
    ----------
    synthetic, train, held_out, random_state
        See :func:`nearest_distances`.

    Returns
    -------
    float
    """
    to_train, to_held_out = nearest_distances(synthetic, train, held_out, random_state)
    return float((to_train < to_held_out).mean())


def membership_auc(model, train, held_out, demo_train, demo_held_out) -> float:
    """How well the reconstruction error tells training subjects from others (0.5: not at all).

    Whoever holds the weights can compute it, so a high value means that a released model
    identifies participants.

    Parameters
    ----------
    model : DemoVAE
        Fitted on `train`.
    train, held_out : array, shape (n_rows, n_edges)
    demo_train, demo_held_out : pandas.DataFrame
        Demographics of the same rows.

    Returns
    -------
    float
        Area under the ROC curve.
    """
    from sklearn.metrics import roc_auc_score

    errors = [
        -np.array(
            [
                model.score(rows[i : i + 1], demographics=table.iloc[i : i + 1])
                for i in range(len(rows))
            ]
        )
        for rows, table in ((np.asarray(train), demo_train), (np.asarray(held_out), demo_held_out))
    ]
    known = np.r_[np.ones(len(errors[0])), np.zeros(len(errors[1]))]
    return float(roc_auc_score(known, -np.concatenate(errors)))


def edge_stats(real, synthetic) -> dict[str, float]:
    """Means and standard deviations over rows, edge by edge, real against synthetic.

    Parameters
    ----------
    real, synthetic : array, shape (n_rows, n_edges)

    Returns
    -------
    dict
        `mean_r` (correlation of the mean connectomes), `mean_rmse`, `sd_ratio` (median over edges
        of synthetic over real), `sd_real`, `sd_synthetic` (means over edges).
    """
    a, b = np.asarray(real, np.float32), np.asarray(synthetic, np.float32)
    mean_a, mean_b = a.mean(axis=0, dtype=np.float64), b.mean(axis=0, dtype=np.float64)
    sd_a, sd_b = a.std(axis=0, dtype=np.float64), b.std(axis=0, dtype=np.float64)
    safe = sd_a > 0
    return {
        "mean_r": float(np.corrcoef(mean_a, mean_b)[0, 1]),
        "mean_rmse": float(np.sqrt(((mean_a - mean_b) ** 2).mean())),
        "sd_ratio": float(np.median(sd_b[safe] / sd_a[safe])),
        "sd_real": float(sd_a.mean()),
        "sd_synthetic": float(sd_b.mean()),
    }
