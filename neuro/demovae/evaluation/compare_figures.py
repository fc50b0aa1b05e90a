"""Figures of one set of features of one fold: left, kept, leaned on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from neuro.demovae.coding.cohort import MOTION, varies
from neuro.demovae.coding.schema import level_names, missing, numbers
from neuro.demovae.evaluation import readouts as read
from neuro.demovae.evaluation.confound_test import partial_confound_test


def row(measure, target, metric, value, *, readout="", fit_on="", chance=np.nan, n=0) -> dict:
    return {
        "measure": measure,
        "target": target,
        "readout": readout,
        "fit_on": fit_on,
        "metric": metric,
        "value": float(value),
        "chance": chance,
        "n": n,
    }


class Judge:
    """Figures of one set of features of one fold."""

    def __init__(self, scheme, known, new, columns, who_tr, who_te, models, seed):
        self.scheme, self.known, self.new = scheme, known, new
        self.columns = [
            column
            for column in columns
            if all(varies(table[column.name], column.type) for table in (known, new))
        ]
        self.who = who_tr, who_te
        self.models, self.seed = models, seed
        site = [column for column in self.columns if column.name == "site"]
        rest = [column for column in self.columns if column.name != "site"]
        # the RBF machine costs most and matters for the site, on fresh rows
        self.targets = [
            (read.prepared(some, known, new, squares=False), kinds)
            for some, kinds in (
                (rest, ("linear",)),
                (site, models if scheme == "halves" else ("linear",)),
            )
            if some
        ]

    def __call__(self, Z, Z_new, raw, raw_new, size) -> list[dict]:
        small, new = read.isometric(Z, Z_new)
        rows = self._readouts(small, new)
        if self.scheme == "folds":
            if size:
                rows.append(row("explained", "raw edges", "r2", _explained(Z, Z_new, raw, raw_new)))
            return rows
        rows += self._sites(new)
        return rows + self._confounds(new)

    def _readouts(self, Z, Z_new):
        table = pd.concat(
            [
                read.readouts(
                    Z,
                    Z_new,
                    self.known,
                    self.new,
                    fit_on="fresh" if self.scheme == "halves" else "train",
                    groups_tr=self.who[0],
                    groups_te=self.who[1],
                    models=models,
                    random_state=self.seed,
                    null=False,
                    targets=targets,
                )
                for targets, models in self.targets
            ]
        )
        gone = {column.name for column in self.columns if column.role == "remove"}
        return [
            row(
                "left" if score.target in gone else "kept",
                score.target,
                score.metric,
                score.heldout,
                readout=score.model,
                fit_on=score.fit_on,
                chance=score.chance,
                n=score.n,
            )
            for score in table.itertuples()
        ]

    def _sites(self, Z) -> list[dict]:
        """What site and biology tell of each other, and the scale of the sites."""
        sites = [column for column in self.columns if column.name == "site"]
        if not sites:
            return []
        names = level_names(self.new["site"])
        here = names != ""
        biology = _biology(self.new, self.columns)
        rows = []
        for column in self.columns:
            if column.type != "continuous" or column.name not in ("age", "iq"):
                continue
            values = numbers(self.new[column.name])
            known = here & np.isfinite(values)
            left = values[known] - _site_means(values[known], names[known])
            score = self._fresh(Z[known], left, "continuous", known)
            rows.append(
                row(
                    "within site",
                    column.name,
                    "r2",
                    score,
                    readout="linear",
                    fit_on="fresh",
                    chance=0.0,
                    n=int(known.sum()),
                )
            )
        known = here & np.isfinite(biology).all(axis=1)
        for measure, extra in (("given biology", Z), ("biology alone", biology[:, 1:])):
            if biology.shape[1] < 2:
                continue
            score = self._fresh(
                extra[known],
                names[known].astype(str),
                "categorical",
                known,
                biology[known] if measure == "given biology" else None,
            )
            rows.append(
                row(
                    measure,
                    "site",
                    "balanced_accuracy",
                    score,
                    readout="linear",
                    fit_on="fresh",
                    chance=1 / len(set(names[known])),
                    n=int(known.sum()),
                )
            )
        size = ((Z - Z.mean(axis=0)) ** 2).sum(axis=1)
        medians = [np.median(size[names == name]) for name in sorted(set(names) - {""})]
        rows.append(
            row(
                "scale",
                "site",
                "ratio",
                max(medians) / max(min(medians), 1e-300),
                chance=1.0,
                n=len(Z),
            )
        )
        return rows

    def _fresh(self, Z, y, kind, known, partial=None) -> float:
        """Cross-validated readout inside given rows; `partial` is regressed out inside folds."""
        predicted = np.empty(len(y), dtype=float if kind == "continuous" else object)
        splits = list(read._fresh_splits(Z, y, self.who[1][known], self.seed))
        if not splits:
            return float("nan")
        for rows, target, members, new, where in splits:
            if partial is not None:
                inside = np.setdiff1d(np.arange(len(y)), where)
                slope = np.linalg.lstsq(partial[inside], Z[inside], rcond=None)[0]
                rows = Z[inside] - partial[inside] @ slope
                new = Z[where] - partial[where] @ slope
            fit: Callable = read._ridge if kind == "continuous" else read._classify
            predicted[where] = fit(rows, target, new, "linear", members)[1]
        return read.metric(y, predicted, kind)

    def _confounds(self, Z) -> list[dict]:
        """Whether predictions of the diagnosis depend on a confound beyond the diagnosis."""
        if not any(column.name == "dx" for column in self.columns):
            return []
        labelled = ~missing(self.new["dx"], "categorical")
        y = (level_names(self.new["dx"])[labelled] == "1").astype(float)
        if len(set(y)) < 2:
            return []
        score = np.full(len(y), np.nan)
        for rows, target, members, new, where in read._fresh_splits(
            Z[labelled], y, self.who[1][labelled], self.seed
        ):
            score[where] = read._ridge(rows, target, new, None, members)[1]
        tests = []
        for column in self.columns:
            if column.name == "dx":
                continue
            test = partial_confound_test(
                score, y, self.new[column.name][labelled], column.type, random_state=self.seed
            )
            tests.append(
                row(
                    "confound test",
                    column.name,
                    "p",
                    test["p"],
                    readout="linear",
                    fit_on="fresh",
                    chance=0.5,
                    n=test["n"],
                )
            )
        return tests


def _biology(table, columns) -> np.ndarray:
    """Intercept and everything known of people that is not site, motion or diagnosis."""
    blocks = [np.ones((len(table), 1))]
    for column in columns:
        if column.name in ("site", "dx", MOTION, "mean_fd") or column.role == "report":
            continue
        if column.type == "continuous":
            values = numbers(table[column.name])
            away = values - np.nanmean(values)
            blocks.append(np.column_stack([away, np.minimum(away, 0) ** 2]))
        else:
            names = level_names(table[column.name])
            levels = sorted(set(names) - {""})[1:]
            blocks.append(np.array([[name == k for k in levels] for name in names], float))
    return np.hstack(blocks)


def _site_means(values, names):
    means = {name: values[names == name].mean() for name in set(names)}
    return np.array([means[name] for name in names])


def _explained(Z, Z_new, raw, raw_new) -> float:
    """Share of the variance of new raw edges that a least-squares fit on features predicts."""
    design = np.column_stack([np.ones(len(Z)), Z])
    weights = np.linalg.lstsq(design, raw.astype(np.float64), rcond=1e-8)[0]
    guess = np.column_stack([np.ones(len(Z_new)), Z_new]) @ weights
    mean = raw.mean(axis=0, dtype=np.float64)
    return 1 - ((raw_new - guess) ** 2).sum() / ((raw_new - mean) ** 2).sum()
