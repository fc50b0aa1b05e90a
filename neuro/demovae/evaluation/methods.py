"""Ways of removing demographics from connectomes, each with and without a bottleneck."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd

from neuro.demovae.coding.cohort import MOTION, varies
from neuro.demovae.coding.schema import level_names, missing, numbers, parse_columns
from neuro.demovae.evaluation.baselines import ConfoundResidualizer, PCALatents
from neuro.demovae.evaluation.fold_features import estimator
from neuro.demovae.training.linear import removed_part, span
from neuro.demovae.training.protected import ProtectedLatents
from neuro.stats.combat import ComBat, CovBat

METHODS = (
    *("none", "residual", "combat", "combat_residual", "covbat", "covbat_residual"),
    *("protected", "linear", "network"),
)
"""none: edges as they are. residual: linear residuals on all removed columns. combat, covbat:
site removed, biology protected. *_residual: the other removed columns subtracted after that.
protected: the closed form that keeps biology. linear, network: latents, or edges without them."""
NEEDS_SITE = ("combat", "combat_residual", "covbat", "covbat_residual", "protected")


def check(methods, columns):
    """Columns of a comparison; the diagnosis is read and never told.

    Raises
    ------
    ValueError
        When a method is unknown, no column is removed, or a method lacks the site.
    """
    columns = parse_columns(columns)
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(f"compare: unknown method '{unknown[0]}'; known: {', '.join(METHODS)}")
    columns = tuple(
        dataclasses.replace(column, role="report") if column.name == "dx" else column
        for column in columns
    )
    removed = [column.name for column in columns if column.role == "remove"]
    if not removed:
        raise ValueError("compare: no column has the role remove")
    lacking = [name for name in methods if name in NEEDS_SITE]
    if lacking and "site" not in removed:
        raise ValueError(f"compare: {', '.join(lacking)} need a column 'site' with role remove")
    return columns


def features(
    name, train, test, known, new, columns, latent_dim, settings, groups, seed
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Features of training and of new rows by one method.

    Parameters
    ----------
    name : str
        One of :data:`METHODS`.
    train, test : array, shape (n_rows, n_edges)
    known, new : pandas.DataFrame
        Demographics of both.
    columns : sequence of Column
    latent_dim : int
        The same for every method.
    settings : dict
        Keys of the section `demovae` for the network.
    groups : array
        Subject of each training row.
    seed : int

    Returns
    -------
    dict of int to (ndarray, ndarray)
        By size of the bottleneck; 0 has none.
    """
    columns = [column for column in columns if varies(known[column.name], column.type)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if name in ("linear", "network"):
            return _latents(
                name, train, test, known, new, columns, latent_dim, settings, groups, seed
            )
        if name == "protected":
            return {latent_dim: _protected(train, test, known, new, columns, latent_dim)}
        edges = _edges(name, train, test, known, new, columns, groups)
        small = PCALatents(latent_dim).fit(edges[0])
        return {0: edges, latent_dim: (small.transform(edges[0]), small.transform(edges[1]))}


def _edges(name, train, test, known, new, columns, groups):
    removed = [column for column in columns if column.role == "remove"]
    if name == "none":
        return train, test
    if name != "residual":
        kept = [
            column
            for column in columns
            if column.role in ("remove", "protect")
            and column.name not in ("site", "mean_fd", MOTION)
        ]
        kind = ComBat if name.startswith("combat") else CovBat
        tables = filled(known, kept), filled(new, kept, known)
        step = kind(unseen="estimate").fit(train, site=_site(known), covariates=tables[0])
        train = step.transform(train, site=_site(known), covariates=tables[0])
        test = step.transform(test, site=_site(new), covariates=tables[1])
        removed = [column for column in removed if column.name != "site"]
        if not name.endswith("residual") or not removed:
            return train, test
    step = ConfoundResidualizer(removed, unseen="mean", missing="impute")
    step.fit(train, demographics=known, groups=groups)
    return step.transform(train, demographics=known), step.transform(test, demographics=new)


def _site(table) -> np.ndarray:
    names = level_names(table["site"]).astype(str)
    return np.where(names == "", "(no site)", names)


def filled(table, columns, like=None) -> pd.DataFrame:
    """Numbers with gaps at the mean, levels with gaps or new ones at the most frequent level.

    Parameters
    ----------
    table : pandas.DataFrame
    columns : sequence of Column
    like : pandas.DataFrame, optional
        Rows that means and levels are taken from; default the table itself.

    Returns
    -------
    pandas.DataFrame
        Numbers as they are, levels as text.
    """
    like = table if like is None else like
    settings_of = {}
    for column in columns:
        if column.type == "continuous":
            values, base = numbers(table[column.name]), numbers(like[column.name])
            settings_of[column.name] = np.where(np.isfinite(values), values, np.nanmean(base))
            continue
        names = level_names(table[column.name]).astype(str)
        base = level_names(like[column.name])[~missing(like[column.name], "categorical")]
        levels, count = np.unique(base.astype(str), return_counts=True)
        settings_of[column.name] = np.where(np.isin(names, levels), names, levels[count.argmax()])
    return pd.DataFrame(settings_of, index=table.index)


def _protected(train, test, known, new, columns, latent_dim):
    told = [column for column in columns if column.role in ("remove", "protect")]
    motion = [column for column in told if column.name in (MOTION, "mean_fd")]
    biology = [column for column in told if column.name != "site" and column not in motion]
    tables = [
        filled(table, [*biology, *motion], known).assign(site=_site(table))
        for table in (known, new)
    ]
    model = ProtectedLatents(
        latent_dim, protect=biology, nuisance=[column.name for column in motion]
    ).fit(train, demographics=tables[0])
    absent = ~np.isin(tables[1]["site"], list(model.sites_))
    if absent.any():
        # a new site gives its own scans, without its people's biology
        scans = tables[1][absent].drop(columns=[column.name for column in biology])
        model.adapt(test[absent], demographics=scans)
    return tuple(
        model.transform(rows, demographics=table) for rows, table in zip((train, test), tables)
    )


def _latents(mode, train, test, known, new, columns, latent_dim, settings, groups, seed):
    told = [column for column in columns if column.role != "report"]
    shared = {"unseen": "mean", "missing": "impute", "latent_dim": latent_dim, "mode": mode}
    model = estimator({**settings, **shared}, told, seed)
    model.fit(train, demographics=known, groups=groups)
    latents = {latent_dim: (model.transform(train), model.transform(test))}
    if mode == "network":
        own = (train, known), (test, new)
        latents[0] = tuple(model.reconstruct(rows, table, add_back=True) for rows, table in own)
        return latents
    # without the bottleneck: edges without the directions that covary with what is removed
    P = model.space_.project(train).astype(np.float64)
    D = model.coder_.transform(known).astype(np.float64)
    D = removed_part(D - D.mean(axis=0), model.coder_.removal_)
    basis = model.space_.axes @ span((P - P.mean(axis=0)).T @ D).astype(np.float32)
    latents[0] = tuple(
        rows - ((rows - model.space_.mean) @ basis) @ basis.T for rows in (train, test)
    )
    return latents
