"""The evaluation of a cohort on subjects that no fit has seen, as tables."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.cohort import Cohort, evaluation_folds, varies
from neuro.demovae.evaluation import attacks, evaluate
from neuro.demovae.evaluation.baselines import ConfoundResidualizer
from neuro.demovae.evaluation.fold_features import (
    FoldFeatures,
    fit_cohort,
    room_for_latents,
    transformers,
)
from neuro.demovae.evaluation.readouts import COLUMNS, readouts
from neuro.demovae.sampling import makers, spectra
from neuro.demovae.sampling.generate import minimum_eigenvalues
from neuro.demovae.sampling.transfer import transfer
from neuro.io.problems import InputProblem
from neuro.stats.splits import content_ids, families, shared_over_folds

READOUT_COLUMNS = ("scheme", "features", *COLUMNS)
ASSOCIATION_COLUMNS = (
    *("scheme", "features", "column", "max_abs_r_train", "max_abs_r_heldout", "null_bound"),
    *("n_correlations", "n_train", "n_test"),
)
RECONSTRUCTION_COLUMNS = (
    *("scheme", "features", "rmse_train", "rmse_heldout"),
    *("latent_variance_train", "latent_variance_heldout", "n_shared"),
)
_HALVES = 2
_MATRICES = 100
"""Matrices of each kind whose eigenvalues are computed."""
_CORRELATIONS: dict[str, Callable] = {"pearson": np.asarray, "fisher_z": np.tanh}
"""Kinds of connectomes that are correlation matrices, and the way back to correlations."""


def split_strata(cohort: Cohort) -> np.ndarray:
    """Site and diagnosis of each row as one label, as far as they are known."""
    table = cohort.demographics
    parts = [_labels(table[name]) for name in ("site", "dx") if name in table]
    return np.array(["|".join(values) for values in zip(*parts)] or [""] * len(table))


def _labels(values: pd.Series) -> list[str]:
    """Values as text; those that are missing are a label of their own."""
    return ["n/a" if missing else str(value) for value, missing in zip(values, values.isna())]


def judge_features(cohort: Cohort, settings, seed: int, fold_table=None, log=print) -> dict:
    """Readouts, correlations and reconstruction of every kind of features.

    Three schemes: 'folds' (readouts fitted on the training rows, blind by construction), 'halves'
    (a model per half; readouts fitted and tested by cross-validation inside the other half: these
    count) and 'leave_site_out' where there are three sites or more.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        Keys of the section `demovae`.
    seed : int
    fold_table : pandas.DataFrame, optional
        Folds of the diagnosis, used where their number is `settings['folds']`.
    log : callable

    Returns
    -------
    dict of str to pandas.DataFrame
        `readouts`, `associations`, `reconstruction`.
    """
    who, strata = cohort.participant_id, split_strata(cohort)
    schemes = {
        "folds": evaluation_folds(
            who, strata, settings["folds"], seeds.stream(seed, "evaluation folds"), fold_table
        ),
        "halves": evaluation_folds(who, strata, _HALVES, seeds.stream(seed, "halves")),
    }
    if "site" in cohort.demographics and cohort.demographics["site"].nunique() > 2:
        schemes["leave_site_out"] = np.array(_labels(cohort.demographics["site"]))
    removed = [column for column in cohort.columns if column.role == "remove"]
    _check_latents(cohort, schemes, removed, settings)
    tables: dict[str, list] = {"readouts": [], "associations": [], "reconstruction": []}
    for scheme, fold in schemes.items():
        n_shared = shared_over_folds(families(who, content_ids(cohort.edges)), fold)
        for held_out in np.unique(fold):
            train, test = cohort.rows(fold != held_out), cohort.rows(fold == held_out)
            models = transformers(removed, settings, [settings["latent_dim"]], seed, store=False)
            for name, model in {"raw": None, **models}.items():
                judged = _judge_one(train, test, model, removed, scheme, seed)
                for key, table in judged.items():
                    more = {"scheme": scheme, "features": name, "n_shared": n_shared}
                    tables[key].append(table.assign(**more))
            log(
                f"{scheme}, part {held_out}: {len(train.edges)} rows to fit, "
                f"{len(test.edges)} to test"
            )
    return {
        "readouts": _mean(tables["readouts"], READOUT_COLUMNS, 6),
        "associations": _mean(tables["associations"], ASSOCIATION_COLUMNS, 3, extreme=True),
        "reconstruction": _mean(tables["reconstruction"], RECONSTRUCTION_COLUMNS, 2),
    }


def _check_latents(cohort, schemes, removed, settings) -> None:
    """Say at once when the smallest training part cannot hold the latents."""
    sizes = {
        scheme: len(fold) - int(pd.Series(fold).value_counts().max())
        for scheme, fold in schemes.items()
    }
    scheme = min(sizes, key=lambda name: sizes[name])
    limit = room_for_latents(sizes[scheme], removed, cohort.demographics, settings)
    if settings["latent_dim"] > limit:
        raise InputProblem(
            f"demovae.latent_dim: {settings['latent_dim']}, but the smallest training part of the "
            f"evaluation ({scheme}, {sizes[scheme]} runs) has directions for {limit}; use less"
        )


def _check_half(train: Cohort, columns, settings) -> None:
    limit = room_for_latents(len(train.edges), columns, train.demographics, settings)
    if settings["latent_dim"] > limit:
        raise InputProblem(
            f"demovae.latent_dim: {settings['latent_dim']}, but half of the people "
            f"({len(train.edges)} runs) has directions for {limit}; use less, or more people"
        )


def _judge_one(train: Cohort, test: Cohort, model, removed, scheme, seed) -> dict:
    known, new = train.demographics, test.demographics
    read = [column for column in train.columns if varies(new[column.name], column.type)]
    out = {"associations": pd.DataFrame(), "reconstruction": pd.DataFrame()}
    if model is None:
        Z, Z_new = train.edges, test.edges
    else:
        step = FoldFeatures(model, {})
        with warnings.catch_warnings():
            # a held-out site has ages of its own, and small cohorts have rare levels: known here
            warnings.simplefilter("ignore", UserWarning)
            step.fit(train.edges, demographics=known, groups=train.participant_id)
            Z, Z_new = (
                step.transform(train.edges, demographics=known),
                step.transform(test.edges, demographics=new),
            )
            out["associations"] = _associations(Z, Z_new, known, new, removed, step.fitted_)
            out["reconstruction"] = _reconstruction(step.fitted_, train, test, Z, Z_new)
    fit_on = "fresh" if scheme == "halves" else "train"
    out["readouts"] = readouts(
        Z,
        Z_new,
        known,
        new,
        columns=read,
        fit_on=fit_on,
        groups_tr=train.participant_id,
        groups_te=test.participant_id,
        random_state=seed,
    )
    return out


def _associations(Z, Z_new, known, new, removed, model) -> pd.DataFrame:
    if isinstance(model, ConfoundResidualizer):
        return pd.DataFrame()
    inside = evaluate.correlations(Z, known, removed)
    rows = []
    for column in removed:
        if not varies(new[column.name], column.type):
            continue
        outside = evaluate.correlations(Z_new, new, [column])[column.name]
        rows.append(
            {
                "column": column.name,
                "max_abs_r_train": float(np.abs(inside[column.name]).max()),
                "max_abs_r_heldout": float(np.abs(outside).max()),
                "null_bound": evaluate.null_bound(len(Z), len(Z_new), outside.size),
                "n_correlations": outside.size,
                "n_train": len(Z),
                "n_test": len(Z_new),
            }
        )
    return pd.DataFrame(rows)


def _reconstruction(model, train: Cohort, test: Cohort, Z, Z_new) -> pd.DataFrame:
    if not hasattr(model, "score"):
        return pd.DataFrame()
    errors = [
        -model.score(people.edges, demographics=people.demographics) for people in (train, test)
    ]
    # relative to the training rows: principal components have variances of their own
    spread = np.asarray(Z, np.float64).var(axis=0)
    new = ((Z_new - np.mean(Z, axis=0)) ** 2).mean(axis=0) / np.where(spread > 0, spread, np.inf)
    return pd.DataFrame(
        {
            "rmse_train": errors[:1],
            "rmse_heldout": errors[1:],
            "latent_variance_train": [1.0],
            "latent_variance_heldout": [float(new.mean())],
        }
    )


def _mean(tables, columns, n_keys, extreme=False) -> pd.DataFrame:
    """Mean over the parts of a scheme; the order of first appearance is kept."""
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(columns))
    table = pd.concat(tables, ignore_index=True)[list(columns)]
    keys = list(columns[:n_keys])
    how = dict.fromkeys(columns[n_keys:], "mean")
    if "n" in how:
        how["n"] = "sum"
    return table.groupby(keys, sort=False, as_index=False).agg(how)[list(columns)]


def judge_generation(cohort: Cohort, settings, build, seed: int) -> tuple[dict, dict]:
    """Synthetic connectomes of a model fitted on one half, against the people of the other half.

    Both halves take their turn and values are averaged. For the privacy ratio this is essential:
    a few central people are the nearest neighbours of nearly everybody, and in whichever half
    they are, that half looks nearer.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        Keys of the section `demovae`.
    build : callable
        Gets the columns and returns an estimator.
    seed : int

    Returns
    -------
    tables : dict of str to pandas.DataFrame
        `generation` (name, value, reference), `map_comparison` (map, r, amplitude, rmse,
        rms_real, r_halves and amplitude_halves: what one half of the real people reaches on the
        other).
    arrays : dict of str to ndarray
        Of the first half: maps, edge means and standard deviations, smallest eigenvalues. Of both
        halves: distances of samples to the nearest training and the nearest held-out person.

    Raises
    ------
    InputProblem
        When half of the people cannot hold the latents.
    """
    fold = evaluation_folds(
        cohort.participant_id, split_strata(cohort), _HALVES, seeds.stream(seed, "halves")
    )
    values: list[pd.DataFrame] = []
    maps: list[pd.DataFrame] = []
    arrays: list[dict] = []
    for half in range(_HALVES):
        judged = _one_half(
            cohort.rows(fold == half),
            cohort.rows(fold != half),
            settings,
            build,
            seeds.number(seed, "half", half),
        )
        values.append(judged[0])
        maps.append(judged[1])
        arrays.append(judged[2])
    for name in ("nearest_train", "nearest_heldout"):
        arrays[0][name] = np.concatenate([one[name] for one in arrays])
    generation = pd.concat(values).groupby("name", sort=False, as_index=False).mean()
    comparison = pd.concat(maps).groupby("map", sort=False, as_index=False).mean()
    return {"generation": generation, "map_comparison": comparison}, arrays[0]


def _one_half(train: Cohort, test: Cohort, settings, build, seed):
    columns = [
        column for column in train.columns if varies(train.demographics[column.name], column.type)
    ]
    told = [
        column
        for column in columns
        if column.role != "report" and varies(test.demographics[column.name], column.type)
    ]
    _check_half(train, columns, settings)
    n = settings["n_samples"]
    rng = seeds.generator(seed, "sampled people")
    rows = train.demographics.iloc[rng.integers(len(train.edges), size=n)].reset_index(drop=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        # the other half may hold a level, or lack a value, that this half does not
        model = build(columns).set_params(unseen="mean", missing="impute")
        fit_cohort(model, train)
        draw = makers.maker(train, columns, model, {**settings, "missing": "impute"}, seed)
        made = draw(rows, seed)
        known = evaluate.membership_auc(
            model, train.edges, test.edges, train.demographics, test.demographics
        )
    real = evaluate.group_maps(test.edges, test.demographics, told)
    other = evaluate.group_maps(train.edges, train.demographics, told)
    synthetic = evaluate.group_maps(made, rows, told)
    maps = evaluate.compare_maps(real, synthetic, other)
    statistics = evaluate.edge_stats(test.edges, made)
    near = evaluate.nearest_distances(made, train.edges, test.edges, seed)
    values = [(name, value, np.nan) for name, value in statistics.items()]
    values += [
        ("privacy_ratio", float((near[0] < near[1]).mean()), 0.5),
        ("membership_auc", known, 0.5),
    ]
    values += _attacks(draw, len(rows), train, test, model, settings, columns, seed)
    values += _transfer(made, rows, train, test, told, seed)
    arrays = {f"real_{name}": value for name, value in real.items()}
    arrays |= {f"synthetic_{name}": value for name, value in synthetic.items()}
    arrays |= {"nearest_train": near[0], "nearest_heldout": near[1]}
    for name, edges in (("real", test.edges), ("synthetic", made)):
        arrays[f"mean_{name}"] = edges.mean(axis=0)
        arrays[f"sd_{name}"] = edges.std(axis=0)
        if train.kind in _CORRELATIONS:
            some = _CORRELATIONS[train.kind](edges[:_MATRICES])
            arrays[f"eigenvalue_{name}"] = minimum_eigenvalues(some, len(train.region))
    if train.kind in _CORRELATIONS:
        low = {name: float(arrays[f"eigenvalue_{name}"].min()) for name in ("synthetic", "real")}
        values.append(("min_eigenvalue", low["synthetic"], low["real"]))
        some = [_CORRELATIONS[train.kind](rows) for rows in (test.edges, made)]
        apart = spectra.told_apart(some[0], some[1], len(train.region), seed)
        values += [(f"told_apart_{name}", value, 0.5) for name, value in apart.items()]
        few = [spectra.tiny_eigenvalues(rows[:_MATRICES], len(train.region)) for rows in some]
        values.append(("tiny_eigenvalues", few[1], few[0]))
        table = spectra.spectrum_table(some[0][:_MATRICES], some[1][:_MATRICES], len(train.region))
        arrays |= {f"spectrum_{name}": table[name] for name in ("real", "synthetic")}
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    return pd.DataFrame(values, columns=["name", "value", "reference"]), maps, arrays


def _attacks(draw, n_released, train, test, model, settings, columns, seed) -> list[tuple]:
    """The strongest attack on the samples at their number and at ten per latent, and on weights."""
    used = [column for column in columns if column.role != "report"]
    many = train.demographics.sample(
        max(10 * settings["latent_dim"], n_released), replace=True, random_state=seed
    ).reset_index(drop=True)

    def released(n, number):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            drawn = many.iloc[:n].reset_index(drop=True)
            return draw(drawn, number), drawn

    member, other = ((people.edges, people.demographics) for people in (train, test))
    table = attacks.attack_curve(
        released, n_released, settings["latent_dim"], model, member, other, used, seed
    )
    best = attacks.strongest(table).set_index(["attack", "n_released"])
    figures = [
        ("attack_samples", best.loc[("samples", n_released), "auc"], 0.5),
        ("attack_samples_upper", best.loc[("samples", n_released), "upper"], attacks.BOUND),
        ("attack_samples_many", best.loc["samples", "auc"].iloc[-1], 0.5),
    ]
    return [*figures, ("attack_weights", best.loc[("weights", 0), "auc"], 0.5)]


def _transfer(made, rows, train, test, columns, seed) -> list[tuple]:
    """Readouts trained on synthetic people, tested on real ones; reference: trained on real."""
    table = transfer(
        made, rows, train.edges, train.demographics, test.edges, test.demographics, columns, seed
    )
    figures = []
    for row in table.itertuples():
        figures.append((f"readout_{row.target}", row.synthetic, row.real))
        if np.isfinite(row.rmse_mean):
            figures.append((f"rmse_{row.target}", row.rmse_synthetic, row.rmse_real))
    return figures
