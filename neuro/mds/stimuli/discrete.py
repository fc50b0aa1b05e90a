"""Stimulus sets without pixels: the best stimulus of a cluster is one of the conditions."""

from __future__ import annotations

import numpy as np

from neuro.mds.stimuli.objective import Result, _Running
from neuro.stats.ties import first_best


class DiscreteSpace:
    """Exact M step over recorded conditions; takes the place of an ascender.

    Parameters
    ----------
    responses : array, shape (n_conditions, n_units)
        Mean response of every unit to every condition.
    temperature : float

    Raises
    ------
    ValueError
        When a response is not finite or there is one condition only.
    """

    def __init__(self, responses, temperature=1.6):
        self.values = np.asarray(responses, np.float64)
        if self.values.ndim != 2 or len(self.values) < 2:
            raise ValueError(
                f"conditions: responses of shape {self.values.shape}, expected (n_conditions >= 2, "
                "n_units)"
            )
        if not np.isfinite(self.values).all():
            raise ValueError("conditions: a mean response is not finite; every unit needs a repeat")
        self.temperature = float(temperature)

    def noise(self, n, seed):
        """Random conditions; the M step does not depend on them."""
        return np.random.default_rng(seed).integers(0, len(self.values), n)

    def array(self, stimuli) -> np.ndarray:
        """Conditions as numbers."""
        return np.asarray(stimuli, np.int64)

    def tensor(self, values):
        """Conditions as numbers."""
        return np.asarray(values, np.int64)

    def respond(self, stimuli) -> np.ndarray:
        """Responses of all units to conditions, (n_stimuli, n_units)."""
        return self.values[np.asarray(stimuli)]

    def best(self, weights) -> tuple[np.ndarray, np.ndarray]:
        """Condition with the highest value for every cluster, and the values.

        Parameters
        ----------
        weights : array, shape (K, n_units)

        Returns
        -------
        conditions : ndarray of int, shape (K,)
            Ties go to the first condition.
        values : ndarray, shape (K,)
        """
        scaled = self.values @ weights.T / self.temperature
        top = scaled.max(axis=1, keepdims=True)
        total = top + np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
        values = scaled - total + np.log(len(weights))
        return first_best(values), values.max(axis=0)

    def run(self, searches) -> list:
        """Drive searches to their end, see :meth:`neuro.mds.stimuli.objective.Ascender.run`."""
        running = [_Running(search) for search in searches]
        for task in running:
            while task.ask is not None:
                answers = []
                for _, weights in task.ask.problems:
                    conditions, values = self.best(weights)
                    answers.append(
                        Result(conditions, self.respond(conditions), float(values.mean()))
                    )
                task.advance(answers)
        return [task.result for task in running]


def condition_means(responses, condition, rows=None) -> tuple[np.ndarray, np.ndarray]:
    """Mean response per condition, z-scored per unit over the conditions.

    Parameters
    ----------
    responses : array, shape (n_trials, n_units)
        NaN marks a repeat that a unit lacks.
    condition : array, shape (n_trials,)
    rows : array of bool, optional
        Trials that are used.

    Returns
    -------
    means : ndarray, shape (n_conditions, n_units)
        A unit with equal means is zero throughout.
    names : ndarray
    """
    rows = np.ones(len(responses), bool) if rows is None else np.asarray(rows)
    names = np.unique(condition)
    means = np.stack([_mean(responses[rows & (condition == name)]) for name in names])
    spread = means.std(axis=0)
    return (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1.0), names


def _mean(values):
    """Mean over the trials that a unit has; NaN where it has none."""
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def repeat_number(condition) -> np.ndarray:
    """How many trials of the same condition came before each trial."""
    condition, numbers = np.asarray(condition), np.zeros(len(condition), int)
    for name in np.unique(condition):
        rows = np.flatnonzero(condition == name)
        numbers[rows] = np.arange(len(rows))
    return numbers
