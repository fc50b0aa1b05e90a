"""What a fitted search tells: typing, agreement of restarts, response matrix, ladder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from neuro.base.estimator import Params
from neuro.mds.clusters.agreement import co_assignment
from neuro.mds.clusters.on_the_fly import assign
from neuro.mds.clusters.search import Rules
from neuro.mds.clusters.stability import response_matrix, stability
from neuro.mds.stimuli.objective import membership, objective
from neuro.stats.agreement import adjusted_rand


@dataclasses.dataclass
class Run:
    """One restart.

    Attributes
    ----------
    seed : int
    stimuli : ndarray, shape (K, *stim_shape)
    labels : ndarray of int, shape (n_units,)
        Every unit's best stimulus; -1 where the twin does not respond.
    objective : float
        Mean objective over the clusters of all fitted units, also those this restart did not see.
    history : list of dict
    n_seen : int
        Units that this restart was fitted on.
    """

    seed: int
    stimuli: np.ndarray
    labels: np.ndarray
    objective: float
    history: list
    n_seen: int


class Fitted(Params):
    """Methods of a fitted :class:`neuro.mds.clusters.estimator.MostDiscriminativeStimuli`."""

    _tags: ClassVar = {"input_tags.two_d_array": False}
    # What the search gives.
    rules: Callable[..., Rules]
    _runs: Callable[..., list[Run]]
    n_clusters_init: int
    temperature: float
    crop: bool
    k_ladder: Sequence[int]
    labels_: np.ndarray
    fitted_: np.ndarray
    scale_: np.ndarray
    stimuli_: np.ndarray
    responses_: np.ndarray
    restarts_: list[Run]
    n_clusters_: int
    objective_: float

    def predict(self, responses) -> np.ndarray:
        """Type cells from their responses to the stimuli.

        Parameters
        ----------
        responses : array, shape (n_repeats, K, n_cells) or (K, n_cells)

        Returns
        -------
        ndarray of int, shape (n_cells,)
            Counted from 0; :func:`neuro.mds.clusters.on_the_fly.assign` tells confidence too.
        """
        self._check_fitted("labels_")
        table = assign(self.n_clusters_, responses, self.temperature)
        return table["cluster"].to_numpy() - 1

    def score(self, twin, y=None) -> float:
        """Mean objective of the stimuli on another twin of the same units.

        Parameters
        ----------
        twin : callable
            Its responses are divided by `scale_`.
        y
            Ignored.

        Returns
        -------
        float
        """
        self._check_fitted("labels_")
        import torch

        model = twin.centred(crop=self.crop) if hasattr(twin, "centred") else twin
        with torch.no_grad():
            responses = model(torch.as_tensor(self.stimuli_)).numpy() / self.scale_
        used = self.fitted_
        weights = membership(self.labels_[used], int(used.sum()))
        return float(objective(responses[:, used] @ weights.T, self.temperature).mean())

    def stability(self) -> dict:
        """Agreement of the restarts, see :func:`neuro.mds.clusters.stability.stability`.

        Raises
        ------
        ValueError
            With fewer than two restarts.
        """
        self._check_fitted("labels_")
        used = self.fitted_
        return stability(
            [run.labels[used] for run in self.restarts_], self.n_clusters_, self.objective_
        )

    def consensus(self) -> np.ndarray:
        """Share of restarts that put two fitted units together, (n_fitted, n_fitted)."""
        self._check_fitted("labels_")
        return co_assignment([run.labels[self.fitted_] for run in self.restarts_])

    def response_matrix(self, unit_mask=None) -> np.ndarray:
        """Mean responses of clusters to stimuli, columns over their diagonal.

        Parameters
        ----------
        unit_mask : array of bool, optional
            Units that count, for example those held out.

        Returns
        -------
        ndarray, shape (K, K)
        """
        self._check_fitted("labels_")
        mask = (
            np.ones(len(self.labels_), bool) if unit_mask is None else np.asarray(unit_mask, bool)
        )
        return response_matrix(self.responses_[:, mask], self.labels_[mask])

    def ladder(self, n_restarts=4, log=None, types=None, judge=None) -> list[dict]:
        """Restarts of plain EM at each number of clusters of `k_ladder`.

        A peak of the agreement at one number is the field's sign of types.

        Parameters
        ----------
        n_restarts : int, default 4
        log : callable, optional
        types : sequence of str, optional
            Known types of the units, "" where there is none.
        judge : callable, optional
            More columns from the best run: gets its stimuli and labels, gives a dict.

        Returns
        -------
        list of dict
            n_clusters_init, n_clusters (mean), restart_ari, restart_ari_min, restart_ari_max,
            objective (best), saturation, known_type_ari (best run; NaN without types).
        """
        self._check_fitted("labels_")
        rows = []
        kept = self.n_clusters_init
        for k in self.k_ladder:
            try:
                self.n_clusters_init = int(k)
                rules = self.rules(split=False, merge=False, n_clusters_init=int(k))
                runs = self._runs(range(100, 100 + n_restarts), rules)
            finally:
                self.n_clusters_init = kept
            winner = max(runs, key=lambda run: run.objective)
            best = winner.objective
            size = float(np.mean([len(run.stimuli) for run in runs]))
            agreement = stability([run.labels[self.fitted_] for run in runs], size, best)
            rows.append(
                {
                    "n_clusters_init": int(k),
                    "n_clusters": size,
                    "restart_ari": agreement["restart_ari"],
                    "restart_ari_min": agreement["restart_ari_min"],
                    "restart_ari_max": agreement["restart_ari_max"],
                    "objective": best,
                    "saturation": agreement["saturation"],
                    "known_type_ari": _known(types, winner.labels),
                }
                | (judge(winner.stimuli, winner.labels) if judge else {})
            )
            if log:
                log(f"K0 {k}: restart ARI {agreement['restart_ari']:.3f}, J {best:.3f}")
        return rows


def _known(types, labels) -> float:
    """Agreement with known types over the units that have one."""
    if types is None:
        return float("nan")
    types = np.asarray(types, dtype=str)
    typed = (types != "") & (labels >= 0)
    return adjusted_rand(types[typed], labels[typed]) if typed.any() else float("nan")
