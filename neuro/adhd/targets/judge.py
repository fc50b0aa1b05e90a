"""Other targets than the diagnosis, in the folds of the diagnosis, beside nulls and baselines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from neuro.adhd.diagnosis.baselines import (
    PHENOTYPE,
    CovariateBaseline,
    LinearReference,
    MajorityBaseline,
)
from neuro.adhd.diagnosis.evaluate import outer_rows
from neuro.adhd.diagnosis.intervals import null_interval
from neuro.adhd.diagnosis.model import GraphDiagnosis
from neuro.adhd.diagnosis.permutation import permute_labels
from neuro.adhd.diagnosis.pipeline import FoldPipeline
from neuro.adhd.features.table import FeatureTable
from neuro.adhd.targets import learners, metrics
from neuro.io.formats.column_kinds import column_kind
from neuro.io.formats.tables import exclusion
from neuro.io.problems import InputProblem
from neuro.stats.subjects import iterate_folds
from neuro.stats.tangent import TangentSpace

COLUMNS = (
    *("target", "kind", "scheme", "input", "metric", "value", "ci_low", "ci_high"),
    *("null_mean", "null_sd", "p", "n", "primary", "smaller_is_better"),
)
KINDS = ("auto", "number", "classes")
BLIND = ("constant", "site", "phenotype", "phenotype+site", "motion")
"""Inputs that see no brain."""
_SCHEME_KEY = {"pooled": 0, "leave_site_out": 1}


@dataclasses.dataclass(frozen=True)
class Target:
    """One target of the people who have it.

    Attributes
    ----------
    name : str
    kind : {'number', 'classes'}
    rows : ndarray of int
        Rows of the participants table.
    y : ndarray, shape (n_rows,)
        Values, or codes of `classes`.
    classes : list of str
    """

    name: str
    kind: str
    rows: np.ndarray
    y: np.ndarray
    classes: list


def read_target(
    people: pd.DataFrame, name: str, kind: str, n_folds: int, step: str, key: str = "adhd.targets"
):
    """A column of the participants table as a target.

    Parameters
    ----------
    people : pandas.DataFrame
        Diagnosed subjects.
    name : str
    kind : {'auto', 'number', 'classes'}
    n_folds : int
        Classes with fewer people are left out.
    step : str
        Name of the step in the exclusion rows.
    key : str
        Key that messages name.

    Returns
    -------
    target : Target
    exclusions : list of dict

    Raises
    ------
    InputProblem
        When there is no such column, it holds text although a number is asked for, or too little
        is left.
    """
    if name not in people:
        listed = ", ".join(map(str, people.columns[:15]))
        raise InputProblem(f"{key}: no column '{name}' in the participants table; found {listed}")
    values = people[name]
    numbers = pd.to_numeric(values, errors="coerce")
    if kind == "number" and (numbers.isna() & values.notna()).any():
        odd = values[numbers.isna() & values.notna()].iloc[0]
        raise InputProblem(f"{key}: '{name}' holds '{odd}', which is no number; use classes")
    if kind == "auto":
        kind = column_kind(values, name)
    present = values.notna().to_numpy()
    left_out = [
        exclusion(who, step, f"no value of the target '{name}'")
        for who in people["participant_id"][~present]
    ]
    if kind == "number":
        rows = np.flatnonzero(present)
        y = numbers.to_numpy(float)[rows]
        if len(rows) < 2 * n_folds or np.ptp(y) == 0:
            raise InputProblem(f"{key}: '{name}' has {len(rows)} values, too few or all equal")
        return Target(name, kind, rows, y, []), left_out
    text = values.map(lambda value: f"{value:g}" if isinstance(value, float) else str(value))
    counts = text[present].value_counts()
    small = set(counts.index[counts < n_folds])
    for who, label in zip(people["participant_id"][present], text[present]):
        if label in small:
            reason = f"class '{label}' of '{name}' has too few people"
            left_out.append(exclusion(who, step, reason, int(counts[label]), n_folds))
    classes = sorted(set(counts.index) - small)
    if len(classes) < 2:
        raise InputProblem(f"{key}: '{name}' has fewer than 2 classes with {n_folds} people each")
    rows = np.flatnonzero(present & text.isin(classes).to_numpy())
    y = np.searchsorted(classes, text.to_numpy()[rows]).astype(float)
    return Target(name, kind, rows, y, classes), left_out


def inputs(features: FeatureTable, people: pd.DataFrame, target: Target, settings, seed):
    """Learners by name, with the features that each looks at (None: covariates only).

    What is predicted is no covariate of its own prediction: the target, and the diagnosis, are
    taken out of phenotype, `deconfound` and `protect`.

    Parameters
    ----------
    features : FeatureTable
        Rows of the target.
    people : pandas.DataFrame
        Same order.
    target : Target
    settings : dict
        Section `adhd`.
    seed : int

    Returns
    -------
    list of tuple
        (name, learner, X or None, schemes).
    """
    both, pooled = ("pooled", "leave_site_out"), ("pooled",)
    own = {target.name, "dx", "subtype"}
    shared = {key: settings[key] for key in ("harmonise", "transductive")}
    for key in ("deconfound", "protect"):
        shared[key] = tuple(name for name in settings[key] if name not in own)
    number = target.kind == "number"
    phenotype = [
        name
        for name in PHENOTYPE
        if name not in own and name in people and people[name].notna().any()
    ]

    def blind(columns):
        if number:
            return learners.CovariateRidge(tuple(columns))
        return learners.OneVersusRest(CovariateBaseline(tuple(columns)))

    constant = learners.MeanTarget() if number else learners.OneVersusRest(MajorityBaseline())
    variants: list[tuple] = [
        ("constant", constant, None, both),
        ("site", blind(["site"]), None, pooled),
    ]
    if phenotype:
        variants.append(("phenotype", blind(phenotype), None, both))
        variants.append(("phenotype+site", blind([*phenotype, "site"]), None, pooled))
    if "mean_fd" in people and people["mean_fd"].notna().any() and "mean_fd" not in own:
        variants.append(("motion", blind(["mean_fd"]), None, both))
    joint = settings["primary"].removesuffix("+mask")
    for name in dict.fromkeys([*settings["features"], joint]):
        table = features.select(name)
        log1p = table.counts & settings["log1p"]
        space = TangentSpace() if name == "tangent" else None
        if number:
            model = learners.ImagingRidge(log1p, transformer=space, **shared)
        elif name in ("fc", "tangent"):
            model = LinearReference(inner_cv=settings["inner_folds"], random_state=seed, **shared)
            model = learners.OneVersusRest(FoldPipeline(space, model) if space else model)
        else:
            model = GraphDiagnosis(
                log1p=log1p,
                mask_rule="none",
                n_components=settings["pca"],
                shrinkage=None if settings["shrinkage"] == "none" else settings["shrinkage"],
                inner_cv=settings["inner_folds"],
                random_state=seed,
                **shared,
            )
            model = learners.OneVersusRest(model)
        variants.append((name, model, table.X, both))
        if number and name == joint and phenotype:
            beside = learners.ImagingAndCovariatesRidge(model, tuple(phenotype))
            variants.append((f"{name}+phenotype", beside, table.X, both))
    return variants


def judge(features, people, folds, target: Target, settings, seed):
    """Predictions and scores of one target.

    Parameters
    ----------
    features : FeatureTable
    people : pandas.DataFrame
        Diagnosed subjects, same order.
    folds : pandas.DataFrame
        Of the diagnosis.
    target : Target
    settings : dict
        Section `adhd`.
    seed : int

    Returns
    -------
    scores : pandas.DataFrame
        :data:`COLUMNS`.
    predictions : pandas.DataFrame
        participant_id, target, scheme, repeat, fold, site, input, y, predicted.
    """
    people = people.iloc[target.rows].reset_index(drop=True)
    features = features.rows(people["participant_id"])
    who = people["participant_id"].to_numpy().astype(str)
    site = people["site"].to_numpy().astype(str)
    folds = folds[folds["participant_id"].isin(set(who))]
    joint = settings["primary"].removesuffix("+mask")
    scores, predictions = [], []
    for name, model, X, schemes in inputs(features, people, target, settings, seed):
        X = np.zeros((len(who), 1)) if X is None else X
        rows, _ = outer_rows(X, np.zeros(len(who)), who, site, people)
        for scheme, of_scheme in folds.groupby("scheme", sort=False):
            if scheme not in schemes:
                continue
            made = _predict(
                model, rows, target.y, of_scheme, scheme, settings["permutations"], seed
            )
            table = _scores(target, made, site)
            keys = {"target": target.name, "kind": target.kind, "scheme": scheme, "input": name}
            scores.append(table.assign(**keys, n=len(who), primary=name == joint))
            predictions.append(_table(target, made, who, site, of_scheme, keys))
    scores = pd.concat(scores, ignore_index=True)[list(COLUMNS)]
    return scores, pd.concat(predictions, ignore_index=True)


@dataclasses.dataclass(frozen=True)
class _Made:
    real: np.ndarray
    labels: np.ndarray
    null: np.ndarray


def _predict(model, rows, y, folds, scheme, n_permutations, seed) -> _Made:
    """Predictions of every repeat, and of permuted targets in the folds of the first."""
    splits = list(iterate_folds(folds, rows.groups))
    cells = rows.site.astype(object)
    if scheme == "pooled":
        for _, repeat, fold, _, test in splits:
            if repeat == 1:
                cells[test] = cells[test] + "|" + fold
    key = _SCHEME_KEY[scheme]
    turned = [
        permute_labels(y, rows.groups, cells, number, seed, key) for number in range(n_permutations)
    ]
    labels = np.column_stack([y, *turned]) if turned else y[:, None]
    real = np.empty((len(y), int(folds["repeat"].max())))
    null = np.empty(labels.shape)
    for _, repeat, _, train, test in splits:
        some = labels if repeat == 1 else labels[:, :1]
        shared = set(rows.groups[train]) & set(rows.groups[test])
        if shared:
            raise ValueError(f"targets: subject '{min(shared)}' is in training and test")
        # rounded, so that the order of sums on several threads leaves no trace
        out = np.round(model.predict_many(rows.take(train), some[train], rows.take(test)), 6)
        real[test, repeat - 1] = out[:, 0]
        if repeat == 1:
            null[test] = out
    return _Made(real, labels[:, 1:], null[:, 1:])


def _scores(target: Target, made: _Made, site) -> pd.DataFrame:
    """Every metric with interval, null and p."""
    score = metrics.score_numbers if target.kind == "number" else metrics.score_classes
    real = score(target.y, made.real, site)
    null = score(made.labels, made.null, site) if made.null.shape[1] else {}
    lines = []
    for name, values in real.items():
        value = float(np.mean(values))
        turned = np.asarray(null.get(name, np.empty(0)), dtype=float)
        turned = turned[np.isfinite(turned)]
        less = name in metrics.SMALLER
        line = {"metric": name, "value": value, "smaller_is_better": less}
        line |= dict.fromkeys(("ci_low", "ci_high", "null_mean", "null_sd", "p"), np.nan)
        if len(turned) and np.isfinite(value):
            line["null_mean"] = turned.mean()
            line["null_sd"] = 0.0 if len(turned) > 1 else np.nan
            if np.ptp(turned) > 1e-9:
                line["null_sd"] = turned.std(ddof=1)
                reached = turned <= value + 1e-12 if less else turned >= value - 1e-12
                line["p"] = (reached.sum() + 1) / (len(turned) + 1)
            if name in metrics.CALIBRATED:
                least = metrics.sampling_half_width(name, value, target.y, made.real[:, 0], site)
                ends = null_interval(value, turned, name, at_least=least)
                line["ci_low"], line["ci_high"] = ends
        lines.append(line)
    return pd.DataFrame(lines)


def _table(target, made, who, site, folds, keys) -> pd.DataFrame:
    """One row per person and repeat."""
    parts = []
    for repeat, of_repeat in folds.groupby("repeat"):
        where = of_repeat.set_index("participant_id")["fold"].reindex(who)
        values = made.real[:, repeat - 1]
        y = target.y
        if target.kind == "classes":
            y, values = (np.array(target.classes, object)[v.astype(int)] for v in (y, values))
        parts.append(
            pd.DataFrame(
                {
                    "participant_id": who,
                    "target": target.name,
                    "scheme": keys["scheme"],
                    "repeat": int(repeat),
                    "fold": where.to_numpy(),
                    "site": site,
                    "input": keys["input"],
                    "y": y,
                    "predicted": values,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def headline(scores: pd.DataFrame) -> list[dict]:
    """Entries of `report.json`: the primary input of each target and scheme.

    Parameters
    ----------
    scores : pandas.DataFrame
        :data:`COLUMNS`.

    Returns
    -------
    list of dict
    """
    main = {"number": "r_within_site", "classes": "balanced_accuracy"}
    words = {"number": "correlation within sites", "classes": "balanced accuracy"}
    rows = []
    scores = scores[scores["metric"] == scores["kind"].map(main)]
    for (target, scheme), group in scores.groupby(["target", "scheme"], sort=False):
        blind = group[group["input"].isin(BLIND) & group["value"].notna()]
        best = blind.loc[blind["value"].idxmax()] if len(blind) else None
        for _, row in group[group["primary"].astype(bool)].iterrows():
            what = f"{target} from {row['input']}, {scheme.replace('_', ' ')}"
            entry = {"name": f"{words[row['kind']]}, {what}", "unit": "", "n": int(row["n"])}
            entry["baseline"] = None if best is None else {best["input"]: float(best["value"])}
            for key, column in (("value", "value"), ("null", "null_mean")):
                entry[key] = float(row[column]) if np.isfinite(row[column]) else None
            for key in ("ci_low", "ci_high", "p"):
                entry[key] = float(row[key]) if np.isfinite(row[key]) else None
            rows.append(entry)
    return rows


def all_targets(features, people, folds, settings, seed, step="adhd_targets"):
    """Every target of the settings.

    Parameters
    ----------
    features : FeatureTable
    people, folds : pandas.DataFrame
    settings : dict
        Section `adhd`; `targets` maps columns to a kind.
    seed : int
    step : str

    Returns
    -------
    scores, predictions : pandas.DataFrame
    exclusions : list of dict
    """
    scores, predictions, left_out = [], [], []
    for name, kind in settings["targets"].items():
        target, rows = read_target(people, name, kind, settings["outer_folds"], step)
        left_out += rows
        for key in ("deconfound", "protect"):
            if name in settings[key]:
                reason = f"not in adhd.{key} here, because it is what is predicted"
                left_out.append(exclusion(name, step, reason))
        made = judge(features, people, folds, target, settings, seed)
        scores.append(made[0])
        predictions.append(made[1])
    return pd.concat(scores, ignore_index=True), pd.concat(predictions, ignore_index=True), left_out
