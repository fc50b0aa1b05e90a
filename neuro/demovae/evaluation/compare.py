"""The referee: every way of removing demographics, in the same folds, under the same bottleneck."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.cohort import evaluation_folds
from neuro.demovae.coding.schema import level_names
from neuro.demovae.evaluation import methods as ways
from neuro.demovae.evaluation.compare_figures import Judge, row
from neuro.demovae.evaluation.fold_features import room_for_latents
from neuro.stats.splits import content_ids, families, shared_over_folds

COLUMNS = (
    *("method", "bottleneck", "measure", "target", "readout", "fit_on", "metric"),
    *("value", "chance", "n", "n_parts"),
)
_KEYS = list(COLUMNS[:7])
_HALVES = 2


def compare(
    edges,
    demographics,
    columns,
    *,
    methods=ways.METHODS,
    latent_dim=60,
    folds=5,
    groups=None,
    settings=None,
    random_state=0,
    models=("linear", "rbf"),
    log=lambda line: None,
) -> pd.DataFrame:
    """What every method leaves of demographics, what it keeps, and what it costs.

    Two schemes over people. In `folds`, methods and readouts are fitted on training rows
    (`fit_on` 'train': blind where a method makes these rows uncorrelated by construction). In two
    halves, methods are fitted on one half and readouts are fitted and tested by cross-validation
    inside the other (`fit_on` 'fresh': this counts).

    Parameters
    ----------
    edges : array, shape (n_rows, n_edges)
    demographics : pandas.DataFrame
        One row per row of edges.
    columns : sequence of Column
        'remove' goes; 'protect' is biology that ComBat, CovBat and the protecting closed form
        keep and the others remove with what it shares; every column is read. A column named dx
        is the diagnosis, never told to any method.
    methods : sequence of str
        See :data:`neuro.demovae.evaluation.methods.METHODS`.
    latent_dim : int, default 60
        Size of the bottleneck.
    folds : int, default 5
    groups : array, optional
        Subject of each row.
    settings : dict, optional
        Keys of the section `demovae` for the network.
    random_state : int, default 0
    models : sequence of {'linear', 'rbf'}
        Fresh readouts of the site; everything else is read linearly.
    log : callable

    Returns
    -------
    pandas.DataFrame
        One row per method, bottleneck (0: none) and figure. `measure`: 'left' (a removed column
        read out), 'kept' (a column that is not removed), 'within site' (a number minus the mean
        of its site), 'given biology' (site, with protected or removed biology partialled out of
        the features inside folds), 'scale' (largest over smallest site median of the squared
        norm; 1 is none), 'explained' (share of the held-out raw edges' variance that the features
        predict linearly), 'confound test' (p that predictions of the diagnosis depend on the
        column beyond the diagnosis itself), 'cost' (CPU seconds of fit and transform).

    Raises
    ------
    ValueError
        When a method is unknown, or ComBat is asked for without a column named site.
    """
    columns = ways.check(methods, columns)
    edges = np.asarray(edges, dtype=np.float32)
    who = np.arange(len(edges)) if groups is None else np.asarray(groups)
    strata = _strata(demographics)
    rows: list[dict] = []
    for scheme, count in (("folds", folds), ("halves", _HALVES)):
        fold = evaluation_folds(
            who, strata, count, seeds.stream(random_state, "compared folds", count)
        )
        shared = shared_over_folds(families(who, content_ids(edges)), fold)
        for held_out in np.unique(fold):
            train, test = np.flatnonzero(fold != held_out), np.flatnonzero(fold == held_out)
            tables = demographics.iloc[train], demographics.iloc[test]
            tables = tuple(table.reset_index(drop=True) for table in tables)
            judge = Judge(scheme, *tables, columns, who[train], who[test], models, random_state)
            for name in methods:
                start = time.process_time()
                try:
                    latents = ways.features(
                        name,
                        edges[train],
                        edges[test],
                        *tables,
                        columns,
                        latent_dim,
                        {**(settings or {})},
                        who[train],
                        random_state,
                    )
                except ValueError as error:
                    # covariates that name the site, or too few people: said, not skipped
                    why = str(error).splitlines()[0]
                    log(f"{scheme}, part {held_out}: {name} failed: {why}")
                    key = {"method": name, "bottleneck": -1}
                    rows.append(key | row("failed", why, "count", 1.0, n=len(train)))
                    continue
                spent = time.process_time() - start
                for size, (Z, Z_new) in latents.items():
                    key = {"method": name, "bottleneck": size}
                    rows += [
                        key | entry for entry in judge(Z, Z_new, edges[train], edges[test], size)
                    ]
                if scheme == "folds":
                    key = {"method": name, "bottleneck": -1}
                    rows.append(key | row("cost", "", "cpu_s", spent, n=len(train)))
            log(f"{scheme}, part {held_out}: {len(train)} rows to fit, {len(test)} to test")
        rows.append(
            {"method": "", "bottleneck": -1}
            | row(f"shared people, {scheme}", "", "count", shared, chance=0.0, n=len(edges))
        )
    return _mean(rows)


def _strata(table):
    parts = [level_names(table[name]) for name in ("site", "dx") if name in table]
    return np.array(["|".join(values) for values in zip(*parts)] or [""] * len(table))


def _mean(rows) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    how = {"value": "mean", "chance": "mean", "n": "sum", "n_parts": "sum"}
    table = table.assign(n_parts=1)
    return table.groupby(_KEYS, sort=False, as_index=False).agg(how)[list(COLUMNS)]


def compare_cohort(cohort, settings, seed: int, log=print) -> pd.DataFrame:
    """The comparison of a cohort as the configuration asks for it.

    Methods that need the site are left out where none is removed; the bottleneck is cut to what
    the smaller half can hold. Both are logged.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        Keys of the section `demovae`; `compare` names the methods.
    seed : int
    log : callable

    Returns
    -------
    pandas.DataFrame
        See :func:`compare`.
    """
    removed = [column for column in cohort.columns if column.role == "remove"]
    names = list(settings["compare"])
    if "site" not in [column.name for column in removed]:
        gone = [name for name in names if name in ways.NEEDS_SITE]
        names = [name for name in names if name not in gone]
        log(f"no site to remove: {', '.join(gone)} left out")
    size = cohort_latent_dim(cohort, settings, log)
    return compare(
        cohort.edges,
        cohort.demographics,
        cohort.columns,
        methods=names,
        latent_dim=size,
        folds=settings["folds"],
        groups=cohort.participant_id,
        settings={key: value for key, value in settings.items() if key != "latent_dim"},
        random_state=seed,
        log=log,
    )


def cohort_latent_dim(cohort, settings, log=print) -> int:
    """Size of the bottleneck that half of the people can hold; a cut is logged."""
    n_half = len(np.unique(cohort.participant_id)) // _HALVES
    limit = room_for_latents(n_half, cohort.columns, cohort.demographics, settings)
    size = max(1, min(settings["latent_dim"], limit))
    if size < settings["latent_dim"]:
        log(f"halves of {n_half} people have directions for {size} latents; compared at {size}")
    return size


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One line per method and bottleneck with the figures that count, for a page.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`compare`.

    Returns
    -------
    pandas.DataFrame
        `method`, `bottleneck`, and a column per figure: fresh linear readouts by target, RBF
        site, age within site, site given biology, scale, explained, CPU seconds.
    """
    fresh = table[(table["fit_on"] == "fresh") & table["measure"].isin(("left", "kept"))]
    parts = {
        f"{row.target}{'' if row.readout == 'linear' else ' (rbf)'}": None
        for row in fresh.itertuples()
    }
    rows = []
    real = table[(table["bottleneck"] >= 0) & (table["method"] != "")]
    for (method, size), group in real.groupby(["method", "bottleneck"], sort=False):
        line = {"method": method, "bottleneck": size}
        own = group[(group["fit_on"] == "fresh") & group["measure"].isin(("left", "kept"))]
        for name in parts:
            target, _, kind = name.partition(" (")
            hit = own[(own["target"] == target) & (own["readout"] == (kind[:-1] or "linear"))]
            line[name] = hit["value"].iloc[0] if len(hit) else np.nan
        for label, measure in (
            ("age within site", "within site"),
            ("site given biology", "given biology"),
            ("scale", "scale"),
            ("explained", "explained"),
        ):
            hit = group[group["measure"] == measure]
            line[label] = hit["value"].iloc[0] if len(hit) else np.nan
        cost = table[(table["method"] == method) & (table["measure"] == "cost")]
        line["cpu_s"] = cost["value"].iloc[0] if len(cost) else np.nan
        rows.append(line)
    return pd.DataFrame(rows)
