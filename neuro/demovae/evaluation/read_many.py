"""One column and many permutations of it, read out of features together."""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.demovae.evaluation.readouts import compact
from neuro.stats.ridge import RidgePath
from neuro.stats.splits import sorted_folds

PENALTIES = np.logspace(-4, 3, 8)
"""In units of the total variance of the features (ours)."""
INNER = 3


@dataclasses.dataclass(frozen=True)
class Targets:
    """A column and its permutations.

    Attributes
    ----------
    name : str
    kind : {'number', 'classes'}
    classes : list of str
    values : ndarray, shape (n_people, 1 + n_permutations)
        Numbers or codes of classes, the true ones first; NaN where missing.
    """

    name: str
    kind: str
    classes: list
    values: np.ndarray

    @classmethod
    def permuted(cls, phenotype, cells, n_permutations: int, rng) -> Targets:
        """Values exchanged among the people of a cell who have one."""
        values = np.repeat(phenotype.values[:, None], 1 + n_permutations, axis=1)
        known = np.isfinite(phenotype.values)
        for cell in np.unique(cells):
            rows = np.flatnonzero(known & (cells == cell))
            for number in range(1, 1 + n_permutations):
                values[rows, number] = phenotype.values[rng.permutation(rows)]
        return cls(phenotype.name, phenotype.kind, phenotype.classes, values)

    def columns(self, people) -> np.ndarray:
        """What is regressed, shape (n, n_indicators, 1 + n_permutations): one indicator of two
        classes, one per class of more, numbers as they are."""
        values = self.values[people]
        if self.kind == "number":
            return values[:, None]
        codes = [1] if len(self.classes) == 2 else range(len(self.classes))
        return np.stack([(values == code).astype(float) for code in codes], axis=1)


def read_many(Z, person, fit, test, fold, targets: Targets) -> np.ndarray:
    """Predictions of held-out rows by ridge regression, the penalty chosen for each column.

    Parameters
    ----------
    Z : array, shape (n_rows, n_features)
    person : array of int, shape (n_rows,)
    fit, test : array of int
        Rows that may be learned from, and rows that are predicted.
    fold : array of int, shape (n_people,)
        A row is predicted from rows of people of other folds.
    targets : Targets

    Returns
    -------
    ndarray, shape (n_test, n_indicators, 1 + n_permutations)
        Of indicators without the share of the class among the training rows.
    """
    out = np.full((len(test), *targets.columns(person[test]).shape[1:]), np.nan)
    for held_out in np.unique(fold[person[test]]):
        learn = fit[fold[person[fit]] != held_out]
        where = np.flatnonzero(fold[person[test]] == held_out)
        Y = targets.columns(person[learn])
        shape = Y.shape[1:]
        guess = _ridge(Z[learn], Y.reshape(len(learn), -1), Z[test[where]], person[learn])
        out[where] = guess.reshape(len(where), *shape)
        if targets.kind == "classes":
            # a fold with more of a class leaves fewer to learn from: its mean points the other way
            out[where] -= Y.mean(axis=0)
    return out


def _ridge(Z, Y, Z_new, groups):
    """Predictions of every column; all penalties and columns share the decompositions."""
    Z, Z_new = compact(Z, Z_new)
    penalties = PENALTIES * max((Z**2).mean(), 1e-12) * Z.shape[1] * len(Z)
    fold = sorted_folds(np.zeros(len(Z)), INNER, groups)
    errors = np.zeros((len(penalties), Y.shape[1]))
    for inner in range(INNER):
        inside, out = fold != inner, fold == inner
        path = RidgePath(Z[inside], Y[inside])
        scores, left = path.project(Z[out]), Y[out] - path.y_mean
        for number, penalty in enumerate(inside.mean() * penalties):
            errors[number] += ((scores @ path.weights(penalty) - left) ** 2).sum(axis=0)
    best = penalties[errors.argmin(axis=0)]
    path = RidgePath(Z, Y)
    return path.project(Z_new) @ path.weights(best) + path.y_mean


def score(targets: Targets, people, guess) -> np.ndarray:
    """R2, or area under the curve, of the true values and of every permutation.

    Parameters
    ----------
    targets : Targets
    people : array of int, shape (n,)
        Person of each prediction.
    guess : array, shape (n, n_indicators, 1 + n_permutations)

    Returns
    -------
    ndarray, shape (1 + n_permutations,)
    """
    truth = targets.columns(people)
    if targets.kind == "number":
        truth, guess = truth[:, 0], guess[:, 0]
        total = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
        wrong = ((truth - guess) ** 2).sum(axis=0)
        return np.where(total > 0, 1 - wrong / np.where(total > 0, total, 1), np.nan)
    from scipy.stats import rankdata

    ranks = rankdata(np.round(guess, 9), axis=0)
    n = truth.sum(axis=0)
    other = len(people) - n
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = ((ranks * truth).sum(axis=0) - n * (n + 1) / 2) / (n * other)
    known = np.isfinite(areas)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, areas, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
