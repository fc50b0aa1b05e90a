"""Readouts that are fitted once on real connectomes and then judge the decoded ones."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from neuro.demovae.coding.demographics import ContinuousTerm
from neuro.demovae.coding.schema import level_names, numbers

RIDGE_ALPHA, LOGISTIC_C, LOGISTIC_STEPS, ROWS = 100.0, 100.0, 100, 100
"""Released package: Ridge(alpha=100), LogisticRegression(C=100, max_iter=100), 100 rows a step."""


@dataclasses.dataclass(frozen=True)
class Readout:
    """A frozen linear readout of one column.

    Attributes
    ----------
    name : str
    levels : list of str
        Empty for a continuous column.
    weights : ndarray of float32, shape (k, n_levels or 1)
    intercept : ndarray of float32, shape (n_levels or 1,)
    """

    name: str
    levels: list[str]
    weights: np.ndarray
    intercept: np.ndarray


def fit_readouts(P, demographics, coder) -> list[Readout]:
    """Fit ridge and logistic readouts on coordinates of real training rows.

    Ridge and L2-penalised logistic weights lie in the span of the centred rows, so a fit on
    coordinates equals one on edges. Two levels share one decision value with opposite signs.

    Parameters
    ----------
    P : array, shape (n_rows, k)
    demographics : pandas.DataFrame
    coder : DemographicCoder

    Returns
    -------
    list of Readout
        Continuous columns are read in the unit that the decoder is told.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    P = np.asarray(P, dtype=np.float64)
    readouts = []
    for name, term in coder.terms_.items():
        rows = coder.spread(name, demographics[name])
        if isinstance(term, ContinuousTerm):
            target = term.transform(numbers(demographics[name])[rows])[:, 0]
            model = Ridge(alpha=RIDGE_ALPHA).fit(P[rows], target)
            weights, intercept = model.coef_[:, None], np.array([model.intercept_])
            levels = []
        else:
            hot = term.indicators(level_names(demographics[name]))
            rows &= hot.sum(axis=1) > 0
            level = hot[rows].argmax(axis=1)
            with warnings.catch_warnings():
                # the package stops after 100 steps whether they suffice or not
                warnings.simplefilter("ignore", ConvergenceWarning)
                model = LogisticRegression(C=LOGISTIC_C, max_iter=LOGISTIC_STEPS)
                model.fit(P[rows], level)
            weights, intercept = model.coef_.T, model.intercept_
            if weights.shape[1] == 1:
                weights = np.column_stack([-weights, weights])
                intercept = np.concatenate([-intercept, intercept])
            levels = term.levels_
        readouts.append(
            Readout(name, levels, weights.astype(np.float32), intercept.astype(np.float32))
        )
    return readouts


def in_edges(readouts, space) -> list[Readout]:
    """The same readouts for edges instead of the coordinates of `space`."""
    shift = space.mean @ space.axes
    return [
        dataclasses.replace(
            readout,
            weights=space.axes @ readout.weights,
            intercept=readout.intercept - shift @ readout.weights,
        )
        for readout in readouts
    ]


class Requests:
    """Demographics to decode at each step, and what the readouts should find in them.

    Parameters
    ----------
    coder : DemographicCoder
    demographics : pandas.DataFrame
        Training rows.
    D : array, shape (n_rows, n_coded)
        The same rows, coded.
    draw : {'rows', 'package', 'shared'}
        'rows' repeats whole training rows (robust). 'package' draws every number from a normal
        distribution per row and one level that all rows share; 'shared' draws one training value
        per column for all rows (the paper's notebooks).
    n_rows : int
    """

    def __init__(self, coder, demographics, D, draw, n_rows=ROWS):
        self.coder, self.D, self.draw, self.n_rows = coder, np.asarray(D, np.float32), draw, n_rows
        self.targets, self.values = {}, {}
        for name, term in coder.terms_.items():
            if isinstance(term, ContinuousTerm):
                values = numbers(demographics[name])
                values = np.where(np.isfinite(values), values, term.mean_)
                self.values[name] = values
                self.targets[name] = term.transform(values)[:, :1].astype(np.float32)
            else:
                hot = term.indicators(level_names(demographics[name]))
                # a missing level asks for nothing in particular: the most frequent one
                hot[hot.sum(axis=1) == 0, int(term.frequency_.argmax())] = 1
                self.targets[name] = (2 * hot - 1).astype(np.float32)

    def __call__(self, rng) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Coded demographics (n_rows, n_coded) and targets by column, for one step."""
        n = len(self.D)
        if self.draw == "rows":
            rows = rng.integers(n, size=self.n_rows)
            return self.D[rows], {name: value[rows] for name, value in self.targets.items()}
        told, wanted = np.empty((self.n_rows, self.D.shape[1]), np.float32), {}
        for name, where in self.coder.fields().items():
            term, row = self.coder.terms_[name], int(rng.integers(n))
            if self.draw == "package" and isinstance(term, ContinuousTerm):
                values = rng.normal(term.mean_, term.sd_, self.n_rows)
                coded = term.transform(values).astype(np.float32)
                told[:, where], wanted[name] = coded, coded[:, :1]
            else:
                # a level is drawn, not a row, so that rare levels are asked for as often
                if not isinstance(term, ContinuousTerm):
                    level = int(rng.integers(len(term.levels_)))
                    hits = np.flatnonzero(self.targets[name][:, level] > 0)
                    row = int(hits[0]) if len(hits) else row
                told[:, where] = self.D[row, where]
                wanted[name] = np.repeat(self.targets[name][row : row + 1], self.n_rows, axis=0)
        return told, wanted
