"""One network across days (ours): a shared signed graph, rates and strengths of each day.

Units that were matched across days have one graph: in every state an edge is inhibitory, absent or
excitatory on all days alike, which is decided by the evidence of all days together. How strong it
is, how much each unit fires and how the states follow one another belong to the day. Units that a
day does not have are absent there and cost nothing.
"""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pandas as pd

from neuro.hmmglm.edges import gumbel
from neuro.hmmglm.edges.spike_slab import ascend
from neuro.hmmglm.em.batch import Fitted, Parameters
from neuro.hmmglm.model import OneHotHMMGLM
from neuro.hmmglm.settings import Settings
from neuro.io.problems import InputProblem

AGREED = 1e-3
"""Days have settled when no class probability changes by more than this."""

TINY = 1e-280
"""Probabilities of classes are not taken to be smaller."""


def match_units(units, table: pd.DataFrame) -> list[list[str]]:
    """Names under which the units of all days are known, from a table of matches.

    Parameters
    ----------
    units : list of sequence
        Labels of the units of every day.
    table : pandas.DataFrame
        Columns `day` (from 0), `unit` (label on that day) and `name`. Units that it does not list
        are known on their day only.

    Returns
    -------
    list of list of str

    Raises
    ------
    InputProblem
        All problems at once: columns or units that are not there, a name twice on a day.
    """
    absent = [name for name in ("day", "unit", "name") if name not in table.columns]
    if absent:
        raise InputProblem(f"table of units: no column '{absent[0]}'; expected day, unit, name")
    problems, names = [], []
    for day, labels in enumerate(units):
        labels = [str(label) for label in labels]
        rows = table[table["day"].astype(int) == day]
        matches = dict(zip(rows["unit"].astype(str), rows["name"].astype(str)))
        problems += [
            f"table of units: no unit '{label}' on day {day}"
            for label in matches
            if label not in labels
        ]
        named = [matches.get(label, f"{label} of day {day}") for label in labels]
        twice = {name for name in named if named.count(name) > 1}
        problems += [
            f"table of units: '{name}' is two units on day {day}" for name in sorted(twice)
        ]
        names.append(named)
    outside = sorted(set(table["day"].astype(int)) - set(range(len(units))))
    if outside:
        problems.append(
            f"table of units: day {outside[0]}, but there are days 0 to {len(units) - 1}"
        )
    if problems:
        raise InputProblem(problems)
    return names


def split_days(binned):
    """Sequences, masks and units of every recording of a set, for :meth:`OneHotDays.fit`.

    Parameters
    ----------
    binned : neuro.hmmglm.design.bins.Binned
        Recordings are told apart by `source`; units are matched by label.

    Returns
    -------
    days, units, masks : list
        A day has the units that were ever observed on it.
    """
    days, units, masks = [], [], []
    labels = binned.units["unit"].to_numpy()
    sources = binned.table["source"].to_numpy()
    for source in dict.fromkeys(sources):
        own = np.flatnonzero(sources == source)
        seen = [binned.seen()[k] for k in own]
        there = np.concatenate(seen).any(axis=0)
        days.append([binned.sequences[k][:, there] for k in own])
        units.append([str(label) for label in labels[there]])
        masks.append([mask[:, there] for mask in seen])
    return days, units, masks


@dataclasses.dataclass(eq=False)
class OneHotDays(Settings):
    """One-hot switching GLM of several days with a shared signed graph.

    Parameters
    ----------
    n_rounds : int, default 8
        How often the days hear of each other; fewer where the classes settle before.
    n_states, link, n_starts, ...
        Of the model of a day, as of :class:`neuro.hmmglm.model.OneHotHMMGLM`; `model` 'onehot',
        solver 'cavi', one kernel per source, no covariates.

    Attributes
    ----------
    models_ : list of OneHotHMMGLM
        The fitted model of every day, of the day's units.
    pooled_ : OneHotHMMGLM
        One model of all days, with the same rates and strengths, from which the days begin; it
        keeps their states matched.
    names_ : list
        Units of all days.
    places_ : list of ndarray of int
        Which of them each day has.
    edge_posterior_ : ndarray, shape (K, N, N, 3)
        Classes of the shared graph; NaN for pairs that were never recorded together.
    adjacency_ : ndarray of int8, shape (K, N, N)
    n_rounds_ : int
    """

    n_rounds: int = 8

    def of_a_day(self) -> OneHotHMMGLM:
        """The model of a day, unfitted."""
        given = self.get_params()
        return OneHotHMMGLM(**{name: given[name] for name in given if name != "n_rounds"})

    def fit(self, days, y=None, *, units=None, masks=None, dt: float = 1.0) -> OneHotDays:
        """Fit all days.

        Parameters
        ----------
        days : list of list of ndarray, shape (T_i, N_d)
            Sequences of counts of every day.
        y
            Ignored.
        units : list of sequence, optional
            Names of the units of every day, see :func:`match_units`; all days have the same units
            in the same order by default.
        masks : list of list of ndarray, optional
            As for :meth:`neuro.hmmglm.model.OneHotHMMGLM.fit`, by day.
        dt : float, default 1.0
            Bin width (s).

        Returns
        -------
        OneHotDays

        Raises
        ------
        InputProblem
            Days with other numbers of units and no names; fewer than two units in common.
        ValueError
            When a setting is wrong, or asks for another model, solver or basis.
        """
        own = self.resolved()
        if (own["model"], own["solver"], own["n_basis"]) != ("onehot", "cavi", 1):
            raise ValueError("OneHotDays: needs model 'onehot', solver 'cavi' and n_basis 1")
        units = self._labels(days, units)
        masks = masks or [[np.ones(np.shape(counts), bool) for counts in day] for day in days]
        self.names_ = list(dict.fromkeys(name for day in units for name in day))
        columns = {name: number for number, name in enumerate(self.names_)}
        self.places_ = [np.array([columns[name] for name in day]) for day in units]
        wide = [self.widen(day, mask, at) for day, mask, at in zip(days, masks, self.places_)]
        self.pooled_ = self.of_a_day().fit(
            [counts for sequences, _ in wide for counts in sequences],
            mask=[mask for _, seen in wide for mask in seen],
            dt=dt,
        )
        models = [self.of_a_day() for _ in days]
        raw = [model.problem(day, mask, dt=dt) for model, day, mask in zip(models, days, masks)]
        penalty = self.pooled_.warm_penalties_["onehot"]
        problems = [penalty.of(problem) for problem in raw]
        fits = self._rounds(problems, [self._warm(p, at) for p, at in zip(problems, self.places_)])
        for fit in fits:
            fit.penalty = penalty
        seed = self.pooled_.starts_[0]["seed"]
        self.models_ = [
            _keeping_order(model.adopt(problem, [(fit, False)], [seed]), fit)
            for model, problem, fit in zip(models, problems, fits)
        ]
        return self

    def _labels(self, days, units):
        if units is None:
            widths = {np.shape(day[0])[1] for day in days}
            if len(widths) > 1:
                raise InputProblem(
                    f"hmmglm: days with {' and '.join(map(str, sorted(widths)))} units; name them"
                )
            return [list(range(max(widths))) for _ in days]
        for number, (day, names) in enumerate(zip(days, units)):
            if np.shape(day[0])[1] != len(names):
                raise InputProblem(
                    f"hmmglm: day {number} has {np.shape(day[0])[1]} units and {len(names)} names"
                )
        joint = pd.Series([name for names in units for name in names]).value_counts()
        if len(units) > 1 and (joint > 1).sum() < 2:
            raise InputProblem("hmmglm: the days have fewer than 2 units in common; match them")
        return units

    def widen(self, sequences, masks, at):
        """A day with a column for every unit of all days; those it lacks were not observed."""
        wide, seen = [], []
        for sequence, mask in zip(sequences, masks):
            counts = np.zeros((len(sequence), len(self.names_)))
            observed = np.zeros(counts.shape, bool)
            mask = np.asarray(mask, bool)
            counts[:, at] = np.nan_to_num(sequence)
            observed[:, at] = (mask if mask.ndim == 2 else mask[:, None]) & ~np.isnan(sequence)
            wide.append(counts.astype(int))
            seen.append(observed)
        return wide, seen

    def _warm(self, problem, at) -> Fitted:
        """Where a day begins: at the pooled model's parameters of its units."""
        theta = self.pooled_.theta_
        columns = np.r_[0, 1 + at]
        own = Parameters(
            np.ascontiguousarray(theta[:, at][:, :, columns]),
            self.pooled_.transitions_.copy(),
            self.pooled_.noise_,
        )
        n_states = len(theta)
        gamma = np.full((problem.design.n_bins, n_states), 1.0 / n_states)
        return Fitted(own, [], 0.0, gamma, 0, "max_iter")

    def _rounds(self, problems, warm) -> list[Fitted]:
        """Days in turn, each with what the others say about the classes of its edges."""
        n, k = len(self.names_), len(self.pooled_.theta_)
        evidence = np.zeros((len(problems), k, n, n, 3))
        observed = np.zeros((len(problems), n, n), bool)
        fits, before = list(warm), np.full((k, n, n, 3), np.inf)
        for round_ in range(1, self.n_rounds + 1):
            for day, (problem, at) in enumerate(zip(problems, self.places_)):
                pairs = np.ix_(np.arange(k), at, at)
                others = (evidence.sum(axis=0) - evidence[day])[pairs]
                fits[day] = ascend(problem, fits[day], self.alpha, beside=others)
                q, prior = fits[day].edges.q, fits[day].edges.prior
                own = np.log(np.maximum(q, TINY)) - np.log(np.maximum(prior, TINY)) - others
                # only differences between classes mean anything
                evidence[day][pairs] = np.nan_to_num(own - own[..., 1:2])
                observed[day][np.ix_(at, at)] = True
            classes = self._classes(evidence, fits)
            moved = np.abs(classes - before).max()
            before, self.n_rounds_ = classes, round_
            if moved < AGREED or len(problems) == 1:
                break
        together = np.asarray(observed.any(axis=0))
        self.edge_posterior_ = np.where(together[None, ..., None], before, np.nan)
        self.adjacency_ = (np.argmax(before, axis=-1) - gumbel.NONE).astype(np.int8)
        self.adjacency_[:, ~together] = 0
        return fits

    def _classes(self, evidence, fits):
        """Class probabilities of the shared graph from the evidence of all days."""
        n = len(self.names_)
        total, count = np.zeros((n, n, 3)), np.zeros((n, n, 1))
        for fit, at in zip(fits, self.places_):
            total[np.ix_(at, at)] += fit.edges.prior
            count[np.ix_(at, at)] += 1
        prior = np.where(count > 0, total / np.maximum(count, 1), 1 / 3)
        return gumbel.softmax(np.log(np.maximum(prior, TINY)) + evidence.sum(axis=0))

    def score(self, days, y=None, *, masks=None) -> float:
        """Marginal log-likelihood per bin over all days; `y` is ignored."""
        self._check_fitted("models_")
        masks = masks or [None] * len(days)
        per_day = [m.log_likelihood(day, mask) for m, day, mask in zip(self.models_, days, masks)]
        return float(sum(log_z.sum() for log_z, _ in per_day) / sum(n for _, n in per_day))

    def predict(self, days, masks=None) -> list:
        """Most probable states of the sequences of every day; numbered alike on all days."""
        self._check_fitted("models_")
        masks = masks or [None] * len(days)
        return [m.predict(day, mask) for m, day, mask in zip(self.models_, days, masks)]


def _keeping_order(model, fit):
    """States as the pooled model numbers them, so that they are the same on all days."""
    back = np.argsort(model.order_)
    for name in ("theta_", "occupancy_", "basis_posterior_"):
        setattr(model, name, getattr(model, name)[back])
    model.transitions_ = fit.parameters.transitions
    model.order_ = np.arange(len(back))
    model.expose()
    return model


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Held-out bits per spike of every day, one row per model.

    Attributes
    ----------
    table : pandas.DataFrame
        `day`, `shared` (graph of all days), `separate` (each day alone), `pooled` (one model of
        all days), `spikes`.
    """

    table: pd.DataFrame

    def gain(self, over: str = "separate") -> float:
        """Mean gain of the shared graph in bits per spike, weighted by spikes."""
        rows = self.table
        return float(np.average(rows["shared"] - rows[over], weights=rows["spikes"]))


def compare_days(estimator, train, test, units=None, *, train_masks=None, test_masks=None, dt=1.0):
    """What a shared graph predicts of held-out sequences, beside separate fits and a pooled one.

    Parameters
    ----------
    estimator : OneHotDays
    train, test : list of list of ndarray
        Sequences of every day.
    units : list of sequence, optional
    train_masks, test_masks : list of list of ndarray, optional
    dt : float, default 1.0

    Returns
    -------
    Comparison
        Bits per spike over constant rates of the day's training data; the separate fits choose
        their penalties inside their own day, the shared ones inside all days.
    """
    joint = copy.deepcopy(estimator).fit(train, units=units, masks=train_masks, dt=dt)
    test_masks = test_masks or [[np.ones(counts.shape, bool) for counts in day] for day in test]
    rows = []
    for number, (day, mask) in enumerate(zip(test, test_masks)):
        own_mask = None if train_masks is None else train_masks[number]
        alone = estimator.of_a_day().fit(train[number], mask=own_mask, dt=dt)
        at, rates = joint.places_[number], alone.rates_
        wide, seen = joint.widen(day, mask, at)
        # the pooled model predicts units that the day has; the others were not observed
        flat = np.ones(len(joint.names_))
        flat[at] = rates
        pooled = joint.pooled_.bits_per_spike(wide, flat, mask=seen)
        rows.append(
            {
                "day": number,
                "shared": joint.models_[number].bits_per_spike(day, rates, mask=mask),
                "separate": alone.bits_per_spike(day, rates, mask=mask),
                "pooled": pooled,
                "spikes": int(sum(np.nansum(counts) for counts in day)),
            }
        )
    return Comparison(pd.DataFrame(rows))
