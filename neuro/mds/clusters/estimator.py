"""Most discriminative stimuli: functional types and the stimuli that tell them apart."""

from __future__ import annotations

import hashlib

import numpy as np

from neuro.base.seeds import restart
from neuro.mds.clusters import checkpoint, grouped
from neuro.mds.clusters.restarts import Restarts
from neuro.mds.clusters.search import MAX_PASSES, MOVED, PRESETS, QUIET, Rules, Search
from neuro.mds.clusters.stability import verdict
from neuro.mds.stimuli.discrete import DiscreteSpace
from neuro.mds.stimuli.objective import Ascender
from neuro.mds.stimuli.prepare import prepare


class MostDiscriminativeStimuli(Restarts):
    """Cluster units by function; one stimulus per cluster that drives this cluster alone.

    Who belongs together is told by gaps between the units' responses
    (:func:`neuro.mds.clusters.gap.find_types`); then one M step gives every type its stimulus. The
    published search, which lets the objective decide both, runs beside it, or alone in the preset
    `paper`.

    The search is EM with hard assignment: the M step climbs the objective of every stimulus
    (:func:`neuro.mds.stimuli.objective.objective`), the E step gives every unit to the stimulus it
    responds to most. Clusters are then split as long as the objective gains enough.

    MDS never means multidimensional scaling here.

    Arguments are flat, because `set_params` and saved models name each of them.

    Parameters
    ----------
    preset : {"robust", "paper"}
        `paper` follows the publication and its released code; `robust` is what we would use.
        It sets the arguments that are None and the rule that accepts a split.
    n_clusters_init : int, default 5
        Groups of the first, random partition.
    temperature : float, default 1.6
        In response units (released code).
    norm : float or "auto"
        L2 norm of a stimulus; "auto" is the median of the training stimuli (ours).
    clip : (low, high), one such pair per channel, None, or "auto"
        Range of a stimulus; "auto" is that of the training stimuli per channel (ours).
    step : {"relative", "absolute"}, optional
        Default relative (ours) or absolute (paper).
    step_size : float, optional
        Default 0.1 of the norm (ours) or 100 times the gradient (paper).
    n_steps : int, default 50
        Steps per M step (released example).
    max_iter : int, default 10
        EM iterations (released example).
    split : bool, default True
    merge : bool, default False
        Join clusters after the splits; over-merges, see the documentation.
    n_sub : int, optional
        Groups a cluster is tried to be split into; default 2 (ours) or n_clusters_init (paper).
    eta : float, optional
        Share of log(K'/K) a split must gain, default 0.3 (ours, tuned on one planted family).
    min_size : int, optional
        Smallest cluster a split may leave, default 3 (ours).
    n_restarts : int, optional
        Default 4 (ours) or 1 (paper).
    subsample : float, optional
        Share of the units that each restart is fitted on, drawn anew; the others are typed by
        their responses, and the best restart is polished on all. Default 0.5 (ours): restarts
        that see the same units agree on a continuum more than they should. At least ten units
        per initial cluster are used. 1 in the preset `paper`.
    keep_best : bool, optional
        End an ascent with the best stimulus it has seen; default True (ours) or False (paper).
    grouping : {"features", "objective"}, optional
        Who decides which units belong together: gaps between the units' responses to training
        stimuli (ours, default), or the objective (paper).
    k_ladder : sequence of int
        Numbers of clusters at which restarts of plain EM are compared (:meth:`ladder`).
    crop : bool, default True
        Show only the receptive field of the twin's output, where that is exact.
    window : (int, int), optional
        Frames over which the trace of a video twin is averaged.
    smooth : float, default 0
        Temporal Gaussian after each step, in frames (0.5 in open-retina).
    tol : float, default 0
        Gain in ten steps below which an M step ends early.
    max_batch : int, default 256
        Stimuli per call of the twin.
    device : str, default "cpu"
    random_state : int, default 0

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_units,)
        Cluster of every unit, held-out ones included, counted from 0; -1 where the twin does
        not respond.
    stimuli_ : ndarray of float32, shape `(K, *stim_shape)`
        Deviations from `offset_`. In a discrete space the conditions' numbers (K,).
    objective_ : float
    types_ : neuro.mds.clusters.gap.Types
        With `grouping="features"`: number of types, agreement, groups at a stricter level.
    probe_ : ndarray, shape (n_stimuli, n_units)
        Responses in which gaps are sought.
    history_ : list of dict
        Of the restart that was kept: phase, objective, n_clusters, moved.
    restarts_ : list of Run
    verdict_ : str
        See :class:`neuro.mds.clusters.gap.Types`; with `grouping="objective"`
        :func:`neuro.mds.clusters.stability.verdict`, "no stable types" with one restart.
    n_clusters_ : int
    responses_ : ndarray, shape (K, n_units)
        Scaled responses to the stimuli.
    fitted_ : ndarray of bool, shape (n_units,)
    scale_, offset_, norm_, messages_ : what :func:`neuro.mds.stimuli.prepare.prepare` found

    References
    ----------
    Burg, M. F. et al. (2024). Most discriminative stimuli for functional cell type clustering.
    ICLR.
    """

    preset: str
    n_steps: int
    max_iter: int
    split: bool
    merge: bool
    tol: float

    def __init__(
        self,
        preset="robust",
        n_clusters_init=5,
        temperature=1.6,
        norm="auto",
        clip="auto",
        step=None,
        step_size=None,
        n_steps=50,
        max_iter=10,
        split=True,
        merge=False,
        n_sub=None,
        eta=None,
        min_size=None,
        n_restarts=None,
        subsample=None,
        keep_best=None,
        grouping=None,
        k_ladder=(),
        crop=True,
        window=None,
        smooth=0.0,
        tol=0.0,
        max_batch=256,
        device="cpu",
        random_state=0,
    ):
        given = locals()
        for name in self._names():
            setattr(self, name, given[name])

    def __getstate__(self):
        return {k: value for k, value in self.__dict__.items() if k not in ("_space", "_probe")}

    # Settings.

    def _resolve(self, name):
        if self.preset not in PRESETS:
            raise ValueError(f"preset: got '{self.preset}', expected one of {', '.join(PRESETS)}")
        value = getattr(self, name)
        return PRESETS[self.preset].get(name) if value is None else value

    def rules(self, **changes) -> Rules:
        """The rules of one search, presets resolved."""
        paper = self.preset == "paper"
        return Rules(
            **{
                "n_clusters_init": int(self.n_clusters_init),
                "n_sub": self._resolve("n_sub") or int(self.n_clusters_init),
                "n_steps": self.n_steps,
                "max_iter": self.max_iter,
                "split": self.split,
                "merge": self.merge,
                "any_gain": paper,
                "eta": self._resolve("eta"),
                "min_size": self._resolve("min_size"),
                "polish_steps": 100 if paper else 50,
                "polish_iterations": 0 if paper else 3,
                "tol": self.tol,
                "max_passes": None if paper else MAX_PASSES,
                "moved": 0.0 if paper else MOVED,
                "quiet": 1 if paper else QUIET,
            }
            | changes
        )

    def _make_space(self, twin, stimuli):
        if isinstance(twin, DiscreteSpace):
            twin.temperature = float(self.temperature)
            self._space, self.offset_, self.norm_ = twin, np.zeros(1, np.float32), float("nan")
            self.scale_, self.messages_ = np.ones(twin.values.shape[1]), []
            self._probe = None
            return
        ready = prepare(
            twin,
            stimuli,
            norm=self.norm,
            clip=self.clip,
            crop=self.crop,
            window=self.window,
            device=self.device,
        )
        self.scale_, self.norm_, self.offset_ = ready.scale, ready.norm, ready.offset
        self.messages_, self._probe = ready.messages, ready.probe
        self._space = Ascender(
            ready.model,
            ready.shape,
            temperature=self.temperature,
            norm=ready.norm,
            low=ready.low,
            high=ready.high,
            step=self._resolve("step"),
            step_size=self._resolve("step_size"),
            smooth=self.smooth,
            keep_best=self._resolve("keep_best"),
            max_batch=self.max_batch,
            device=self.device,
        )

    def _setup(self, twin, stimuli, unit_mask):
        if self.temperature <= 0:
            raise ValueError(f"temperature: got {self.temperature:g}, expected a number > 0")
        self._make_space(twin, stimuli)
        responds = np.isfinite(self.scale_)
        mask = np.ones(len(responds), bool) if unit_mask is None else np.asarray(unit_mask, bool)
        if mask.shape != responds.shape:
            raise ValueError(f"unit_mask: {len(mask)} values for {len(responds)} units")
        self.fitted_ = mask & responds
        n = int(self.fitted_.sum())
        if n == 0:
            raise ValueError("all units are excluded; nothing to cluster")
        if not 1 <= self.n_clusters_init <= n:
            raise ValueError(
                f"n_clusters_init: got {self.n_clusters_init}, expected 1 to {n}, the number of "
                "units that are fitted"
            )

    # Fitting.

    def fit(self, twin, y=None, *, stimuli=None, unit_mask=None, path=None, log=None):
        """Run all restarts, keep the best, judge their agreement.

        Parameters
        ----------
        twin : callable or DiscreteSpace
            `(B, *stim_shape)` float32 tensor -> (B, n_units), or traces (B, n_frames, n_units).
        y
            Ignored.
        stimuli : array, shape `(n, *stim_shape)`, optional
            Training stimuli: every unit is divided by the standard deviation of its predicted
            response over them.
        unit_mask : array of bool, shape (n_units,), optional
            Units that take part in M and E steps; the others are typed at the end.
        path : path-like, optional
            A `.npz` file from which a killed run goes on.
        log : callable, optional
            Gets one line per iteration.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For settings out of range, more initial clusters than units, or a twin whose
            responses are not finite.
        """
        runs = self.run(twin, stimuli, unit_mask, path=path, log=log)
        return self.select(runs, log=log)

    def run(self, twin, stimuli=None, unit_mask=None, *, restarts=None, path=None, log=None):
        """Run restarts side by side.

        Parameters
        ----------
        twin, stimuli, unit_mask, path, log
            As for :meth:`fit`.
        restarts : sequence of int, optional
            Numbers of the restarts; default all, from 0.

        Returns
        -------
        list of Run
        """
        self._setup(twin, stimuli, unit_mask)
        restarts = range(self._resolve("n_restarts")) if restarts is None else restarts
        return self._runs(list(restarts), self.rules(), path, log)

    def _runs(self, restarts, rules, path=None, log=None):
        units = np.flatnonzero(self.fitted_)
        seeds = [restart(self.random_state, number) for number in restarts]
        key = hashlib.sha256(repr((self.get_params(), rules, units.tolist())).encode()).hexdigest()
        saved = checkpoint.read(path, key, self._space.tensor) if path else {}
        states: dict = {}

        def notify(seed):
            def seen(state, line):
                states[seed] = state
                if log and line:
                    log(line)
                if path:
                    checkpoint.write(path, states, key, _plain)

            return seen

        searches = []
        for seed in seeds:
            seen = self._subset(units, seed)
            searches.append(
                Search(
                    self._space,
                    seen,
                    len(self.fitted_),
                    rules,
                    seed,
                    notify(seed),
                    saved.get(seed),
                )
            )
        ends = self._space.run([search.run() for search in searches])
        return [self._as_run(search, end) for search, end in zip(searches, ends)]

    def select(self, runs, log=None, twin=None, stimuli=None, unit_mask=None):
        """Keep the restart with the highest objective and judge how well all agree.

        Parameters
        ----------
        runs : list of Run
        log : callable, optional
        twin, stimuli, unit_mask
            As for :meth:`fit`; needed when the runs come from elsewhere.

        Returns
        -------
        self
        """
        if twin is not None:
            self._setup(twin, stimuli, unit_mask)
        best = max(runs, key=lambda run: run.objective)
        if self._resolve("grouping") == "features":
            model = grouped.fit(
                self._space,
                self._probe,
                self.fitted_,
                np.isfinite(self.scale_),
                self.n_steps,
                self.random_state,
            )
            for name, value in model.items():
                setattr(self, name, value)
            self.restarts_, self.history_ = list(runs), list(best.history)
            self.kept_ = runs.index(best)
            return self
        self.restarts_, history, final = list(runs), list(best.history), best
        if best.n_seen < self.fitted_.sum():
            final = self._polished(best, log)
            history = final.history
        self.labels_, self.stimuli_, self.history_ = final.labels, final.stimuli, history
        self.objective_, self.n_clusters_ = final.objective, len(final.stimuli)
        self.probe_ = grouped.probe(self._space, self._probe, self.random_state)
        self.responses_ = self._space.respond(self._space.tensor(self.stimuli_))
        self.kept_ = runs.index(best)
        ari = self.stability()["restart_ari"] if len(runs) > 1 else float("nan")
        self.verdict_ = verdict(
            self.n_clusters_, ari, float(np.exp(self.objective_)) / len(final.stimuli)
        )
        return self


def _plain(stimuli) -> np.ndarray:
    """Stimuli as an array of their own precision."""
    return stimuli.detach().cpu().numpy() if hasattr(stimuli, "detach") else np.asarray(stimuli)
