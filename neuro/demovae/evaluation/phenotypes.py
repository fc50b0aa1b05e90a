"""Every column of the participants table, predicted before and after demographics are removed."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd

from neuro.base import seeds
from neuro.demovae.coding.cohort import MOTION, evaluation_folds
from neuro.demovae.coding.schema import level_names
from neuro.demovae.evaluation import methods as ways
from neuro.demovae.evaluation.compare import cohort_latent_dim
from neuro.demovae.evaluation.read_many import Targets, read_many, score
from neuro.demovae.evaluation.readouts import isometric
from neuro.io.formats.column_kinds import column_kind
from neuro.io.formats.tables import exclusion
from neuro.stats.false_discovery import adjusted_p
from neuro.stats.splits import content_ids, families, shared_over_folds

STEP = "demovae_phenotypes"
COLUMNS = (
    *("features", "bottleneck", "column", "role", "kind", "classes", "metric", "fit", "test"),
    *("value", "null_mean", "null_sd", "p", "q", "n", "shared_people"),
)
_LATER = ("role", "q")
ALL = "all"
"""All runs of a person, averaged."""
FEWEST = 20
"""People with a value, and people with two kinds of runs, below whom nothing is read (ours)."""
_FEWEST_IN_A_HALF = 10
FEWEST_OF_A_CLASS = 10
MOST_CLASSES = 12
_FOLDS, _HALVES = 5, 2


@dataclasses.dataclass(frozen=True)
class Phenotype:
    """A column as a target.

    Attributes
    ----------
    name : str
    kind : {'number', 'classes'}
    values : ndarray, shape (n_people,)
        Numbers, or codes of `classes`; NaN where missing or in a class of few people.
    classes : list of str
    """

    name: str
    kind: str
    values: np.ndarray
    classes: list


def phenotypes(people: pd.DataFrame) -> tuple[list[Phenotype], list[dict]]:
    """Columns that can be predicted; the others are listed.

    Parameters
    ----------
    people : pandas.DataFrame
        One row per person.

    Returns
    -------
    found : list of Phenotype
    exclusions : list of dict
    """
    kept, left_out = [], []
    # the stage's own columns: motion counts once, the length of a run is no phenotype
    own = {"participant_id", "n_kept"} | ({"mean_fd"} if MOTION in people else set())
    for name in [name for name in people if name not in own]:
        numbers = pd.to_numeric(people[name], errors="coerce").to_numpy(float)
        given = people[name].notna().to_numpy()
        if given.sum() < FEWEST:
            why = "fewer people with a value than are needed"
            left_out.append(exclusion(f"column {name}", STEP, why, int(given.sum()), FEWEST))
            continue
        if column_kind(people[name], name) == "number":
            kept.append(Phenotype(name, "number", numbers, []))
            continue
        labels = level_names(people[name]).astype(str)
        names, counts = np.unique(labels[given], return_counts=True)
        classes = names[counts >= FEWEST_OF_A_CLASS].tolist()
        if len(names) < 2:
            left_out.append(exclusion(f"column {name}", STEP, "one value only"))
        elif len(names) > MOST_CLASSES:
            why = "texts of more classes than are read"
            left_out.append(exclusion(f"column {name}", STEP, why, len(names), MOST_CLASSES))
        elif len(classes) < 2:
            why = "fewer than two classes of enough people"
            left_out.append(exclusion(f"column {name}", STEP, why, len(classes), 2))
        else:
            codes = np.full(len(people), np.nan)
            for code, label in enumerate(classes):
                codes[given & (labels == label)] = code
            kept.append(Phenotype(name, "classes", codes, classes))
    return kept, left_out


def feature_sets(settings, removed) -> list[str]:
    """Ways of removal that are scanned: raw, the control, and the configured mode."""
    sites = "site" in removed
    return ["none", "combat_residual" if sites else "residual", settings["mode"]]


def scan(cohort, settings, seed: int, log=print) -> tuple[pd.DataFrame, list[dict]]:
    """Scores of every column from every kind of features, with nulls and false discovery rates.

    Demographics are removed by a fit on one half of the people; columns are read out of the other
    half in five folds (ridge regression; of classes on their indicators), and the halves take
    turns. Values are permuted within sites (those of the site itself over all), and the whole
    reading, penalty included, is done again.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        Keys of the section `demovae`; `phenotypes.permutations` among them.
    seed : int
    log : callable

    Returns
    -------
    table : pandas.DataFrame
        :data:`COLUMNS`: `metric` is 'r2' or 'auc' (mean over classes, each against the rest);
        `fit` and `test` say which runs were learned from and tested on ('all' is the mean of a
        person's runs; where people have runs of several sessions or tasks, one of each); `q` is
        adjusted over the columns of one kind of features.
    exclusions : list of dict
    """
    people = cohort.per_subject()
    columns = ways.check([], cohort.columns)
    roles = {column.name: column.role for column in columns}
    wanted, left_out = phenotypes(people.demographics)
    size = cohort_latent_dim(cohort, settings, log)
    names = feature_sets(settings, [c.name for c in columns if c.role == "remove"])
    shared = (columns, size, settings, seed, log, left_out)
    parts = [_one(people, None, wanted, names, *shared)]
    kinds = run_kinds(cohort)
    if kinds:
        rows = np.concatenate(list(kinds.values()))
        kind = np.repeat(list(kinds), [len(of_kind) for of_kind in kinds.values()])
        parts.append(_one(cohort.rows(rows), kind, wanted, names, *shared, people=people))
    table = pd.concat(parts, ignore_index=True)
    empty = table["value"].isna()
    for name in dict.fromkeys(table.loc[empty, "column"]):
        why = "too few people with a value in a half"
        left_out.append(exclusion(f"column {name}", STEP, why))
    table = table[~empty].reset_index(drop=True)
    table["role"] = table["column"].map(roles).fillna("not named")
    keys = ["features", "bottleneck", "fit", "test"]
    table["q"] = table.groupby(keys)["p"].transform(lambda p: adjusted_p(p.to_numpy()))
    return table[list(COLUMNS)], left_out


def run_kinds(cohort) -> dict[str, np.ndarray]:
    """First run of each person of every session or task, for kinds that enough people have.

    Returns
    -------
    dict of str to ndarray of int
        Rows by kind, in the order of names; empty unless there are two kinds that people share.
    """
    kinds: dict[str, dict[str, int]] = {}
    for row, (key, who) in enumerate(zip(cohort.run_key, cohort.participant_id)):
        words = [word for word in key.split("_") if word.partition("-")[0] in ("ses", "task")]
        kinds.setdefault("_".join(words) or "run", {}).setdefault(who, row)
    many = {name: rows for name, rows in sorted(kinds.items()) if len(rows) >= FEWEST}
    most = sorted(many, key=lambda name: -len(many[name]))[:2]
    if len(most) < 2 or len(set(many[most[0]]) & set(many[most[1]])) < FEWEST:
        return {}
    return {name: np.array(list(many[name].values())) for name in sorted(most)}


def _one(rows, kind, wanted, names, columns, size, settings, seed, log, left_out, people=None):
    """Scores where people have one row each (`kind` None) or rows of several kinds."""
    people = rows if people is None else people
    who = people.participant_id
    person = pd.Index(who).get_indexer(rows.participant_id)
    stream = seeds.stream(seed, "compared folds", _HALVES)
    side = evaluation_folds(who, _strata(people.demographics), _HALVES, stream)
    half = side[person]
    shared = shared_over_folds(families(rows.participant_id, content_ids(rows.edges)), half)
    pairs = [(ALL, ALL)]
    if kind is not None:
        pairs = list(itertools.product(dict.fromkeys(kind.tolist()), repeat=2))
    targets = _targets(wanted, people.demographics, side, settings, seed)
    scores: dict = {}
    for fold in range(_HALVES):
        old, new = np.flatnonzero(half != fold), np.flatnonzero(half == fold)
        for name in names:
            made = _features(name, rows, old, new, columns, size, settings, seed, left_out)
            for bottleneck, Z in made.items():
                for fit, test in pairs:
                    which = [
                        np.ones(len(new), bool) if kind is None else kind[new] == one
                        for one in (fit, test)
                    ]
                    for target in targets:
                        key = name, bottleneck, fit, test, target.name
                        values, n = _read(Z, person[new], which, target, seed)
                        scores.setdefault(key, []).append((target, values, n))
        log(f"half {fold + 1}: {len(new)} rows read")
    lines = [_line(key, halves, shared) for key, halves in scores.items()]
    return pd.DataFrame(lines).reindex(columns=[name for name in COLUMNS if name not in _LATER])


def _strata(table):
    parts = [level_names(table[name]) for name in ("site", "dx") if name in table]
    return np.array(["|".join(values) for values in zip(*parts)] or [""] * len(table))


def _features(name, rows, old, new, columns, size, settings, seed, left_out):
    """Features of the new half by a fit on the other one, by size of the bottleneck."""
    tables = [rows.demographics.iloc[which].reset_index(drop=True) for which in (old, new)]
    try:
        made = ways.features(
            name,
            *(rows.edges[which] for which in (old, new)),
            *tables,
            columns,
            size,
            {**settings, "latent_dim": size},
            rows.participant_id[old],
            seed,
        )
    except ValueError as error:
        why = str(error).splitlines()[0]
        left_out.append(exclusion(f"features {name}", STEP, why, len(old)))
        return {}
    # raw edges stand without a bottleneck too; the others under the same one
    wanted = (0, size) if name == "none" else (size,)
    return {k: isometric(*made[k])[1] for k in wanted if k in made}


def _targets(wanted, demographics, side, settings, seed) -> list[Targets]:
    """Columns with their values permuted within sites, in each half."""
    many = settings["phenotypes"]["permutations"]
    site = np.zeros(len(side), int)
    if "site" in demographics:
        site = np.unique(level_names(demographics["site"]).astype(str), return_inverse=True)[1]
    made = []
    for number, one in enumerate(wanted):
        # values of the site itself are exchanged over all
        cells = side if one.name == "site" else _HALVES * site + side
        rng = seeds.generator(seed, "permuted phenotypes", number)
        made.append(Targets.permuted(one, cells, many, rng))
    return made


def _read(Z, person, which, target, seed):
    """Scores of the true and of permuted values in five folds of the people of one half."""
    known = np.isfinite(target.values[person, 0])
    fit, test = (np.flatnonzero(one & known) for one in which)
    present = np.unique(person[np.union1d(fit, test)])
    if min(len(present), len(fit), len(test)) < _FEWEST_IN_A_HALF:
        return None, 0
    stream = seeds.stream(seed, "fresh folds")
    fold = np.full(target.values.shape[0], -1)
    # not balanced by the values: true and permuted ones are dealt alike
    fold[present] = evaluation_folds(present, np.zeros(len(present)), _FOLDS, stream)
    guess = read_many(Z, person, fit, test, fold, target)
    return score(target, person[test], guess), len(test)


def _line(key, halves, shared) -> dict:
    """Mean of both halves beside the mean of their nulls."""
    name, bottleneck, fit, test, column = key
    target = halves[0][0]
    known = [values for _, values, _ in halves if values is not None]
    line = {
        "features": name,
        "bottleneck": bottleneck,
        "column": column,
        "kind": target.kind,
        "classes": max(len(target.classes), 0),
        "metric": "r2" if target.kind == "number" else "auc",
        "fit": fit,
        "test": test,
        "n": sum(n for _, _, n in halves),
        "shared_people": shared,
    }
    line |= dict.fromkeys(("value", "null_mean", "null_sd", "p"), np.nan)
    if not known:
        return line
    values = np.mean(known, axis=0)
    line["value"], null = float(values[0]), values[1:]
    null = null[np.isfinite(null)]
    if np.isfinite(line["value"]) and len(null) > 1 and np.ptp(null) > 1e-9:
        line["null_mean"], line["null_sd"] = float(null.mean()), float(null.std(ddof=1))
        reached = (null >= line["value"] - 1e-9).sum()
        line["p"] = float((reached + 1) / (len(null) + 1))
    return line
