"""What comes back of planted effects: features that lose them, samples that carry them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.cohort import evaluation_folds
from neuro.demovae.evaluation import evaluate
from neuro.demovae.evaluation.fold_features import transformers
from neuro.demovae.evaluation.readouts import _ridge, metric, readouts

COLUMNS = ("group", "name", "features", "planted", "recovered", "error", "unit", "baseline", "n")
REMOVED = {
    "age": "continuous remove",
    "sex": "categorical remove",
    "site": "categorical remove",
}
"""What is planted and should be removed, in the short form of the configuration."""
N_FACTORS = 5
_MAPS = {"age": "age", "age^2": "age2", "sex": "sex"}


def recover(edges, demographics, truth, columns, settings, seed: int):
    """Fit on one half of a planted cohort and compare with what was planted.

    Parameters
    ----------
    edges : array, shape (n_subjects, n_edges)
    demographics : pandas.DataFrame
    truth : dict
        `factors` (n_subjects, n_factors) and `maps` by name, see the generator.
    columns : sequence of Column
        Columns to be removed.
    settings : dict
        Keys of the section `demovae`.
    seed : int

    Returns
    -------
    table : pandas.DataFrame
        `group` ('removed', 'kept', 'maps'), `name`, `features`, `planted`, `recovered`, `error`,
        `unit`, `baseline` (raw connectomes, or a regression on the same people), `n`.
    arrays : dict of str to ndarray
        True maps and those of the synthetic connectomes.
    """
    strata = demographics["site"].astype(str).to_numpy()
    who = demographics["participant_id"].to_numpy()
    half = evaluation_folds(who, strata, 2, seeds.stream(seed, "planted halves"))
    train, test = half == 0, half == 1
    known = demographics[train].reset_index(drop=True)
    new = demographics[test].reset_index(drop=True)
    steps = transformers(columns, settings, [settings["latent_dim"]], seed)
    del steps["residual"]
    features = {"raw": (edges[train], edges[test])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for name, step in steps.items():
            step.fit(edges[train], demographics=known)
            features[name] = step.transform(edges[train]), step.transform(edges[test])
    factors = truth["factors"][train], truth["factors"][test]
    rows = _removed(features, known, new, columns, seed) + _kept(features, *factors)
    model = next(reversed(steps.values())).fitted_
    drawn = known.sample(settings["n_samples"], replace=True, random_state=seed)
    made = model.sample(demographics=drawn.reset_index(drop=True), random_state=seed)
    maps, arrays = _maps(made, drawn, edges[train], known, truth["maps"], columns, list(steps)[-1])
    return pd.DataFrame(rows + maps, columns=list(COLUMNS)), arrays


def _removed(features, known, new, columns, seed) -> list[dict]:
    """Demographics in features of new people; nothing should be left."""
    tables = {
        name: readouts(
            pair[0],
            pair[1],
            known,
            new,
            columns=columns,
            fit_on="fresh",
            models=("linear",),
            random_state=seed,
        ).set_index("target")
        for name, pair in features.items()
    }
    rows = []
    for name, table in tables.items():
        for target, row in table.iterrows():
            rows.append(
                {
                    "group": "removed",
                    "name": target,
                    "features": name,
                    "planted": row["chance"],
                    "recovered": row["heldout"],
                    "error": row["heldout"] - row["chance"],
                    "unit": row["metric"],
                    "baseline": tables["raw"].loc[target, "heldout"],
                    "n": int(row["n"]),
                }
            )
    return rows


def _kept(features, known, new) -> list[dict]:
    """Factors of the subjects themselves; features should keep them."""
    rows, raw = [], None
    for name, (Z, Z_new) in features.items():
        count = min(N_FACTORS, known.shape[1])
        values = [
            metric(new[:, i], _ridge(Z, known[:, i], Z_new)[1], "continuous") for i in range(count)
        ]
        value = float(np.mean(values))
        raw = value if raw is None else raw
        rows.append(
            {
                "group": "kept",
                "name": f"the {count} strongest factors",
                "features": name,
                "planted": 1.0,
                "recovered": value,
                "error": 1.0 - value,
                "unit": "r2",
                "baseline": raw,
                "n": len(new),
            }
        )
    return rows


def _maps(made, drawn, edges, known, true, columns, name):
    """Group maps of synthetic connectomes against the true ones."""
    wanted = {ours: true[theirs] for ours, theirs in _MAPS.items() if theirs in true}
    for level, values in zip(sorted(known["site"].unique()), true["site"]):
        wanted[f"site={level}"] = values
    synthetic = evaluate.group_maps(made, drawn.reset_index(drop=True), columns)
    compared = evaluate.compare_maps(wanted, synthetic).set_index("map")
    real = evaluate.group_maps(edges, known, columns)
    direct = evaluate.compare_maps(wanted, real).set_index("map")
    rows = [
        {
            "group": "maps",
            "name": entry,
            "features": name,
            "planted": 1.0,
            "recovered": row[value],
            "error": abs(1.0 - row[value]),
            "unit": value,
            "baseline": direct.loc[entry, value],
            "n": len(made),
        }
        for value in ("r", "amplitude")
        for entry, row in compared.iterrows()
    ]
    arrays = {f"true_{key}": value for key, value in wanted.items()}
    arrays |= {f"synthetic_{key}": synthetic[key] for key in wanted if key in synthetic}
    return rows, {key: np.asarray(value, np.float32) for key, value in arrays.items()}
