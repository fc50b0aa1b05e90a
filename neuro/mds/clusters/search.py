"""The search for clusters: EM from a random partition, then splits, then a polish.

A search is a generator: it yields what it wants optimised and receives stimuli, responses and
objective. So many restarts run side by side in one batch (:mod:`neuro.mds.stimuli.objective`), and
the code of one search stays as plain as the method.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from neuro.mds.stimuli.objective import Ask, membership, objective
from neuro.stats.ties import first_best

MOVED = 0.001
"""Preset `robust`: EM stops below this share of units that changed cluster."""
MAX_PASSES = 10
QUIET = 10
NOISE_STEPS = 20
SUB_ITERATIONS = 50
N_EVALUATIONS = 3
GAIN = 1e-4
"""Least gain of a candidate that does not add a cluster."""
PRESETS = {
    "robust": {
        "step": "relative",
        "step_size": 0.1,
        "n_sub": 2,
        "eta": 0.3,
        "min_size": 3,
        "n_restarts": 4,
        "subsample": 0.5,
        "keep_best": True,
        "grouping": "features",
    },
    "paper": {
        "step": "absolute",
        "step_size": 100.0,
        "n_sub": None,
        "eta": 0.0,
        "min_size": 1,
        "n_restarts": 1,
        "subsample": 1.0,
        "keep_best": False,
        "grouping": "objective",
    },
}
"""Values of the arguments that are None."""
LEAST_SUBSAMPLE = 10
"""Units per initial cluster that a restart has at least, where there are so many."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """Everything that decides a search, apart from the ascent itself.

    Attributes
    ----------
    n_clusters_init, n_sub : int
        Groups of the first partition, and of a cluster that is tried for a split.
    n_steps, max_iter : int
        Steps per M step, EM iterations.
    split, merge : bool
    any_gain : bool
        Accept every gain of the objective (preset `paper`).
    eta : float
        Share of log(K'/K) that a split must gain.
    min_size : int
        Smallest cluster a split may leave.
    polish_steps, polish_iterations : int
        `polish_iterations` 0 leaves the labels as they are.
    tol : float
        Gain in ten steps below which an M step ends early; 0 never.
    max_passes : int or None
        Passes of splits at most; None goes on until a pass accepts nothing (released code).
    moved : float
        EM stops below this share of units that changed cluster; 0 when none did (released code).
    quiet : int
        E steps without a change that end the EM inside a split; 1 in the released code.
    """

    n_clusters_init: int = 5
    n_sub: int = 2
    n_steps: int = 50
    max_iter: int = 10
    split: bool = True
    merge: bool = False
    any_gain: bool = False
    eta: float = 0.3
    min_size: int = 3
    polish_steps: int = 50
    polish_iterations: int = 3
    tol: float = 0.0
    max_passes: int | None = MAX_PASSES
    moved: float = MOVED
    quiet: int = QUIET


@dataclasses.dataclass
class State:
    """Where a search stands; enough to go on from.

    Attributes
    ----------
    labels : ndarray of int, shape (n_fitted,)
    stimuli : tensor or None
    objective : float
    phase : {"em", "split", "polish", "done"}
    step : int
        Iteration of EM, or pass of splits.
    draws : int
        How often fresh noise was drawn.
    history : list of dict
    """

    labels: np.ndarray
    stimuli: object = None
    objective: float = float("nan")
    phase: str = "em"
    step: int = 0
    draws: int = 0
    history: list = dataclasses.field(default_factory=list)


def equal_partition(n, k, rng) -> np.ndarray:
    """Random groups of n units whose sizes differ by one at most."""
    labels = np.arange(n) % k
    rng.shuffle(labels)
    return labels


def compact(labels, *others):
    """Drop empty clusters: labels 0 to K-1 in the old order, and the rows of the others."""
    kept, labels = np.unique(labels, return_inverse=True)
    return (labels, *(None if other is None else other[kept] for other in others))


class Search:
    """One restart.

    Parameters
    ----------
    ascender : Ascender or DiscreteSpace
    units : array of int
        Columns of the twin's responses that take part; the others are held out.
    n_units : int
        Columns in all.
    rules : Rules
    seed : int
    notify : callable, optional
        Called with (state, line) after every iteration.
    state : State, optional
        To go on from.
    """

    def __init__(self, ascender, units, n_units, rules, seed, notify=None, state=None):
        self.space, self.units, self.n_units = ascender, np.asarray(units), n_units
        self.rules, self.seed, self.notify = rules, int(seed), notify or (lambda *_: None)
        if state is None:
            rng = np.random.default_rng([self.seed, 0])
            k = rules.n_clusters_init
            state = State(equal_partition(len(self.units), k, rng))
        self.state = state

    def run(self):
        """Generator of wishes; returns the final :class:`State`."""
        state, rules = self.state, self.rules
        if state.phase == "em":
            yield from self._em(rules.max_iter, rules.n_steps)
            self._enter("split" if rules.split else "polish" if rules.merge else "done")
        while state.phase == "split":
            accepted = 0
            most = np.inf if rules.max_passes is None else rules.max_passes
            if state.step < most and len(state.stimuli) > 0:
                accepted = yield from self._split_pass()
                state.step += 1
            if not accepted or state.step >= most:
                if rules.merge:
                    yield from self._merge_pass()
                self._enter("polish")
        if state.phase == "polish":
            yield from self._polish()
            self._enter("done")
        return state

    def _enter(self, phase):
        self.state.phase, self.state.step = phase, 0
        self.notify(self.state, "")

    # One wish and its answer.

    def _weights(self, labels, units=None):
        return membership(labels, self.n_units, self.units if units is None else units)

    def _fresh(self, k):
        """Fresh noise: another draw each time."""
        self.state.draws += 1
        return self.space.noise(k, [self.seed, 1, self.state.draws])

    def _from_noise(self, labels):
        """All stimuli anew from noise; the best of the evaluations that the rules ask for."""
        weights = self._weights(labels)
        k = len(weights)
        if self.rules.any_gain:
            starts = [self._fresh(k)]
        else:
            starts = [self.space.noise(k, [self.seed, 2, e]) for e in range(N_EVALUATIONS)]
        answers = yield Ask([(start, weights) for start in starts], NOISE_STEPS)
        return max(answers, key=lambda answer: answer.objective)

    def _best(self, responses, units=None):
        """E step: the stimulus that each unit responds to most; ties to the lowest index."""
        return first_best(responses[:, self.units if units is None else units])

    def _value(self, responses, labels):
        means = responses @ self._weights(labels).T
        return float(objective(means, self.space.temperature).mean())

    # EM.

    def _em(self, max_iter, n_steps):
        state = self.state
        if state.stimuli is None:
            state.stimuli = self._fresh(int(state.labels.max()) + 1)
        while state.step < max_iter:
            ask = Ask([(state.stimuli, self._weights(state.labels))], n_steps, self.rules.tol)
            (answer,) = yield ask
            labels = self._best(answer.responses)
            # Counted before empty clusters go: their numbers mean the same here.
            moved = int((labels != state.labels).sum())
            state.labels, state.stimuli, responses = compact(
                labels, answer.stimuli, answer.responses
            )
            state.objective = self._value(responses, state.labels)
            state.step += 1
            self._record("em", moved)
            if len(responses) == 1 or moved < self.rules.moved * len(labels) or moved == 0:
                break

    def _record(self, what, moved):
        state = self.state
        sizes = np.bincount(state.labels).tolist()
        entry = {
            "phase": what,
            "objective": state.objective,
            "n_clusters": len(sizes),
            "moved": int(moved),
        }
        state.history.append(entry)
        self.notify(
            state,
            f"run {self.seed}: {what} {len(state.history)}: J {state.objective:.4f}, "
            f"K {len(sizes)}, {moved} moved, sizes {' '.join(map(str, sorted(sizes)[::-1]))}",
        )

    # Splits.

    def _split_pass(self):
        """Try every cluster once; returns how many candidates were accepted."""
        state, accepted = self.state, 0
        before = None
        tried, cluster = 0, 0
        n_clusters = len(state.stimuli)
        while tried < n_clusters and cluster < len(state.stimuli):
            if before is None or self.rules.any_gain:
                before = yield from self._from_noise(state.labels)
            members = np.flatnonzero(state.labels == cluster)
            candidate = yield from self._candidate(cluster, members)
            tried += 1
            if candidate is None or not self._accept(before.objective, state.labels, candidate):
                # Nothing was changed, so nothing needs to be restored.
                cluster += 1
                continue
            old = state.labels
            after, state.labels = candidate
            state.stimuli, state.objective = after.stimuli, after.objective
            before, accepted = after, accepted + 1
            self._record("split", int((old != state.labels).sum()))
            # The parts of this cluster wait for the next pass.
            cluster += 1
        if not accepted:
            self._record("split", 0)
        return accepted

    def _candidate(self, cluster, members):
        """Labels and stimuli after a split of one cluster, or None where it does not split."""
        parts = yield from self._subdivide(cluster, members)
        if parts is None:
            return None
        labels = self.state.labels.copy()
        fresh = int(labels.max()) + 1
        # The first part keeps the number of the cluster, the others come at the end.
        labels[members] = np.where(parts == 0, cluster, fresh + parts - 1)
        answer = yield from self._from_noise(labels)
        labels, _ = compact(self._best(answer.responses), answer.stimuli)
        if labels.max() == 0 and self.state.labels.max() == 0:
            return None
        after = yield from self._from_noise(labels)
        return after, labels

    def _subdivide(self, cluster, members):
        """EM among the units of one cluster, one step per E step; None for a single part."""
        k = min(self.rules.n_sub, len(members))
        if k < 2 or (not self.rules.any_gain and len(members) < 2 * self.rules.min_size):
            return None
        draw = [self.seed, 3, self.state.draws, cluster, len(self.state.history)]
        rng = np.random.default_rng(draw)
        labels, units = equal_partition(len(members), k, rng), self.units[members]
        stimuli = self.space.noise(k, [*draw, 1])
        still = 0
        for _ in range(SUB_ITERATIONS):
            (answer,) = yield Ask([(stimuli, self._weights(labels, units))], 1)
            new = self._best(answer.responses, units)
            # Small steps move few units at a time; several quiet ones in a row are the end.
            still = still + 1 if np.array_equal(new, labels) else 0
            labels, stimuli = compact(new, answer.stimuli)
            if labels.max() == 0:
                return None
            if still >= self.rules.quiet:
                break
        return labels

    def _accept(self, before, old, candidate):
        after, labels = candidate
        gain = after.objective - before
        if self.rules.any_gain:
            return gain > 0
        k_old, k_new = int(old.max()) + 1, int(labels.max()) + 1
        # A cluster that was tiny before does not forbid the split of another.
        least = min(self.rules.min_size, np.bincount(old).min())
        if np.bincount(labels).min() < least:
            return False
        if k_new <= k_old:
            return gain > GAIN
        return gain >= self.rules.eta * np.log(k_new / k_old)

    def _merge_pass(self):
        """Join the pair of clusters that costs least, as long as it costs less than a split."""
        state = self.state
        while (k := int(state.labels.max()) + 1) > 1:
            before = yield from self._from_noise(state.labels)
            best = None
            for a in range(k):
                for b in range(a):
                    labels, _ = compact(np.where(state.labels == a, b, state.labels), None)
                    after = yield from self._from_noise(labels)
                    if best is None or after.objective > best[0].objective:
                        best = after, labels
            after, labels = best
            if before.objective - after.objective >= self.rules.eta * np.log(k / (k - 1)):
                return
            moved = int((labels != state.labels).sum())
            state.labels, state.stimuli, state.objective = labels, after.stimuli, after.objective
            self._record("merge", moved)

    def _polish(self):
        rules, state = self.rules, self.state
        if rules.polish_iterations:
            yield from self._em(rules.polish_iterations, rules.polish_steps)
            return
        ask = Ask([(state.stimuli, self._weights(state.labels))], rules.polish_steps)
        (answer,) = yield ask
        state.stimuli, state.objective = answer.stimuli, answer.objective
        self._record("polish", 0)
