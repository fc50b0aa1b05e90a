"""What a restart sees, how its end becomes labels of all units, and its polish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neuro.mds.clusters.fitted import Fitted, Run
from neuro.mds.clusters.search import LEAST_SUBSAMPLE, Search, State, compact
from neuro.mds.stimuli.objective import membership, objective
from neuro.stats.ties import first_best


class Restarts(Fitted):
    """Helpers of :class:`neuro.mds.clusters.estimator.MostDiscriminativeStimuli`."""

    _space: Any
    _resolve: Callable[..., Any]

    def _subset(self, units, seed):
        least = LEAST_SUBSAMPLE * self.n_clusters_init
        n = max(round(self._resolve("subsample") * len(units)), min(least, len(units)))
        if n >= len(units):
            return units
        return np.sort(np.random.default_rng([seed, 4]).permutation(units)[:n])

    def _as_run(self, search, state):
        labels, value, stimuli = self._type(state.stimuli)
        return Run(
            search.seed,
            self._space.array(stimuli),
            labels,
            value,
            state.history,
            len(search.units),
        )

    def _type(self, stimuli):
        """Labels of all units, mean objective over the fitted ones, stimuli that have units."""
        responses = self._space.respond(stimuli)
        best = first_best(responses)
        fitted, stimuli, responses = compact(best[self.fitted_], stimuli, responses)
        labels = first_best(responses)
        labels[~np.isfinite(self.scale_)] = -1
        weights = membership(fitted, len(labels), np.flatnonzero(self.fitted_))
        value = float(objective(responses @ weights.T, self.temperature).mean())
        return labels, value, stimuli

    def _polished(self, run, log):
        """EM of the best restart on all fitted units."""
        rules = self.rules()
        if not rules.polish_iterations:
            return run
        units = np.flatnonzero(self.fitted_)
        labels, stimuli = compact(run.labels[units], self._space.tensor(run.stimuli))
        state = State(labels, stimuli, phase="polish", history=list(run.history))
        search = Search(
            self._space,
            units,
            len(self.fitted_),
            rules,
            run.seed,
            lambda _, line: log(line) if log and line else None,
            state,
        )
        (end,) = self._space.run([search.run()])
        return self._as_run(search, end)
