"""The two factor models: three-way for a shared time axis, concatenated where there is none."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from neuro.base.estimator import Params
from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.cptensor import SOLVERS, cp_factors, run_complete
from neuro.ntf.factors.entries import refined
from neuro.ntf.factors.operators import as_operator, check_rank, supported, unseen
from neuro.stats.ties import first_best


class _FactorModel(Params):
    """What both models share."""

    _tags: ClassVar = {
        "input_tags.two_d_array": False,
        "input_tags.three_d_array": True,
        "input_tags.positive_only": True,
    }
    rank: int
    n_starts: int
    max_iter: int
    tol: float
    inner: int
    backend: str
    device: str
    n_threads: int | None
    random_state: int | None
    pairs_: np.ndarray

    @staticmethod
    def starts(operator, rank, n_starts, random_state, holdout=None, mask=None):
        """Fresh starts; each model has its own kind."""
        raise NotImplementedError("a model says what its starts are")

    def rows_(self) -> np.ndarray:
        """Weighted row factors, (n_bins * n_animals, n_components)."""
        raise NotImplementedError("a model says what its rows are")

    def _store(self, best, operator):
        raise NotImplementedError("a model says what it keeps of its best start")

    def fit(self, X, y=None, *, mask=None, frame_mask=None):
        """Factorise.

        Parameters
        ----------
        X : array or PairTensor or SeparableTensor, shape (n_bins, n_animals, n_pairs)
            Not negative. A memory map is streamed.
        y : ignored
        mask : array of bool, optional
            False where a pair was not observed, shape (n_animals, n_pairs), or
            (n_bins, n_animals, n_pairs) where it was missing for a while; taken from a
            :class:`PairTensor`.
        frame_mask : array of bool, shape (n_bins, n_animals), optional
            False where a bin holds nothing; taken from a :class:`PairTensor`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On negative or missing values, a rank that is larger than the tensor allows, or an
            animal without observed entries.
        """
        from threadpoolctl import threadpool_limits

        operator = as_operator(X, mask, frame_mask, self.backend, self.device)
        check_rank(self.rank, operator.shape)
        starts = self._begin(operator)
        with threadpool_limits(self.n_threads):
            self._descend(operator, starts)
        return self._finish(operator, starts)

    def _begin(self, operator):
        return self.starts(operator, self.rank, self.n_starts, self.random_state)

    def _descend(self, operator, starts):
        hals.run(operator, starts, max_iter=self.max_iter, tol=self.tol, inner=self.inner)

    def _finish(self, operator, starts):
        objective = np.array([start.history[-1] for start in starts])
        # a fit is known to the tolerance that ended it: the first of those that agree is kept
        best = starts[first_best(1 - objective / operator.sq_norm, self.tol)]
        self.errors_ = np.sqrt(np.maximum(objective, 0) / operator.sq_norm)
        self.similarity_ = np.array(
            [compare.similarity(best.factors(), s.factors()) for s in starts]
        )
        self.signed_ = bool(operator.signed)
        self.n_iter_ = np.array([len(start.history) for start in starts])
        self.history_ = np.array(best.history)
        self.shape_ = operator.shape
        self._store(best, operator)
        return self

    @property
    def error_(self) -> float:
        """Relative error of the best start."""
        return float(self.errors_.min())

    @property
    def explained_(self) -> float:
        """Explained energy of the best start: 1 minus the squared relative error."""
        return 1.0 - self.error_**2

    def score(self, X, y=None, *, mask=None, frame_mask=None) -> float:
        """Explained energy of the model on the observed entries of a tensor of the same shape."""
        self._check_fitted("pairs_")
        operator = as_operator(X, mask, frame_mask, "numpy", "cpu")
        total = operator.sq_norm
        rows = self.rows_().astype(np.float32)
        cross = float(np.einsum("pr,pr->", operator.tdot(rows), self.pairs_, dtype=np.float64))
        return 1.0 - (total - 2 * cross + self._energy(rows, operator)) / total

    def _energy(self, rows, operator) -> float:
        """Sum of squares of the model over the observed entries."""
        n_animals = operator.shape[1]
        mask = np.ones((n_animals, 1)) if operator.pair_mask is None else operator.pair_mask
        pairs = hals.pack(np.asarray(self.pairs_, np.float64))
        left, right = np.triu_indices(self.pairs_.shape[1])
        twice = np.where(left == right, 1.0, 2.0)
        total = 0.0
        if operator.entries is not None:
            # rows that were not observed at all have a mask of zeros
            grams = (operator.entries.masks @ pairs)[operator.entries.place]
            return float(np.einsum("nl,nl,l->", hals.pack(rows.astype(np.float64)), grams, twice))
        for w in range(n_animals):
            block = rows[w::n_animals]
            if operator.frame_mask is not None:
                block = block[operator.frame_mask[:, w]]
            seen = pairs.sum(axis=0) if operator.pair_mask is None else mask[w] @ pairs
            total += float((hals.gram(block)[left, right] * seen) @ twice)
        return total

    def reconstruct(self) -> np.ndarray:
        """The model as a tensor of float32, shape (n_bins, n_animals, n_pairs)."""
        self._check_fitted("pairs_")
        return (self.rows_().astype(np.float32) @ self.pairs_.T).reshape(self.shape_)


class NonNegativeCP(_FactorModel):
    """Non-negative three-way decomposition: time x animal x pair.

    The tensor is approximated by a sum of outer products of a time course, animal loadings and
    a motif, all not negative, by weighted least squares on what was observed.

    Parameters
    ----------
    rank : int
        Number of components.
    solver : {"hals", "lbfgs", "tensorly"}
        `hals` (default): coordinate descent, all starts in one pass, exact masks. `lbfgs`: all
        factors jointly in double precision, complete tensors only (preset `paper`; the
        publication names no solver, this is the one of the authors' related code). `tensorly`:
        that package's HALS from the same random starts, complete tensors only.
    n_starts : int
        Random starts (10, ours; the authors' related code uses 30 and more).
    max_iter : int
        Sweeps (200) or L-BFGS iterations.
    tol : float
        Relative change of the objective that ends a start (1e-5, ours); for `tensorly` the
        absolute change of the relative error. `lbfgs` has its own.
    inner : int
        Coordinate descent passes per mode (2, ours).
    backend : {"numpy", "torch"}
        Where the large products are computed.
    device : str
        Torch device, only with `torch`.
    n_threads : int or None
        Threads of the matrix products (1); None leaves them to the caller.
    random_state : int or None
    init : tensorly.cp_tensor.CPTensor or tuple (weights, factors), optional
        Where the first start begins, modes time, animals, pairs; the others are random.

    Attributes
    ----------
    time_ : ndarray of float32, shape (n_bins, n_components)
    animals_ : ndarray of float32, shape (n_animals, n_components)
    pairs_ : ndarray of float32, shape (n_pairs, n_components)
        All of unit norm. Twice as many rows where `signed_`: both signs of every pair.
    lambda_ : ndarray of float64, shape (n_components,)
        Weights, falling.
    errors_ : ndarray of float64, shape (n_starts,)
        Relative errors.
    similarity_ : ndarray of float64, shape (n_starts,)
        Agreement of each start with the best one, see :func:`neuro.ntf.factors.compare.similarity`.
    n_dropped_ : int
        Components that ended at weight 0 and were dropped.
    unseen_ : ndarray of bool, shape (n_pairs,)
        Pairs observed in no animal; their motif entries mean nothing.
    support_ : ndarray of float32, shape (n_pairs, n_components)
        Share of a component's energy that lies in animals in which the pair was observed.
    participation_ : ndarray of float64, shape (n_components,)
    background_ : ndarray of bool, shape (n_components,)
        Near constant over time and animals.
    history_ : ndarray of float64
        Objective of the best start after each sweep.

    References
    ----------
    Dyballa et al. 2024, Learning dynamic representations of the functional connectome in
    neurobiological networks, ICLR. Cichocki and Phan 2009, IEICE Trans. E92-A:708 (HALS).
    """

    kind = "tensor"

    def __init__(
        self,
        rank,
        solver="hals",
        n_starts=10,
        max_iter=200,
        tol=1e-5,
        inner=2,
        backend="numpy",
        device="cpu",
        n_threads=1,
        random_state=None,
        init=None,
    ):
        self.rank = rank
        self.solver = solver
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.inner = inner
        self.backend = backend
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state
        self.init = init

    @staticmethod
    def starts(operator, rank, n_starts, random_state, holdout=None, mask=None):
        """Fresh starts; each has its own stream, so their number does not change them."""
        mask, place = refined(operator, mask)
        return [
            hals.TensorStart(
                operator.shape,
                rank,
                np.random.default_rng(seed),
                mask,
                operator.frame_mask,
                holdout,
                place,
            )
            for seed in np.random.SeedSequence(random_state).spawn(n_starts)
        ]

    @staticmethod
    def groups(operator):
        """Rows of each animal."""
        return [slice(w, None, operator.shape[1]) for w in range(operator.shape[1])]

    def fit(self, X, y=None, *, mask=None, frame_mask=None):
        """See the class; only `solver="hals"` takes masks.

        Raises
        ------
        ValueError
            When the solver is unknown, or arguments do not fit the data.
        """
        if self.solver not in SOLVERS:
            listed = "', '".join(SOLVERS[:-1])
            raise ValueError(f"solver: got '{self.solver}', expected '{listed}' or '{SOLVERS[-1]}'")
        if self.solver != "hals":
            X = as_operator(X, mask, frame_mask, "numpy", "cpu")
        return super().fit(X, y, mask=mask, frame_mask=frame_mask)

    def _begin(self, operator):
        starts = super()._begin(operator)
        if self.init is not None:
            factors = cp_factors(self.init, operator.shape)
            if factors[0].shape[1] != self.rank:
                raise ValueError(f"init: rank {factors[0].shape[1]}, expected {self.rank}")
            starts[0].begin(factors)
        return starts

    def _descend(self, operator, starts):
        if self.solver == "hals":
            return super()._descend(operator, starts)
        return run_complete(
            self.solver, operator, starts, self.random_state, self.max_iter, self.tol
        )

    def _store(self, best, operator):
        time, animals, pairs = (factor.astype(np.float64) for factor in best.factors())
        norms = [np.linalg.norm(factor, axis=0) for factor in (time, animals, pairs)]
        weight = np.prod(norms, axis=0)
        order = np.argsort(-weight, kind="stable")
        order = order[weight[order] > 0]
        self.n_dropped_ = int(len(weight) - len(order))
        self.lambda_ = weight[order]
        self.time_, self.animals_, self.pairs_ = (
            (factor[:, order] / norm[order]).astype(np.float32)
            for factor, norm in zip((time, animals, pairs), norms)
        )
        self.unseen_ = unseen(operator)
        self.support_ = supported(best, operator, order)
        self.participation_ = compare.participation(self.animals_)
        self.background_ = compare.is_background(self.time_, self.animals_)

    def rows_(self) -> np.ndarray:
        """Weighted products of time and animal factors, (n_bins * n_animals, n_components)."""
        rows = (self.time_[:, None] * self.animals_).reshape(-1, len(self.lambda_))
        return rows * self.lambda_


class ConcatenatedNMF(_FactorModel):
    """Motifs shared by all animals, with a time course of their own in each.

    For recordings without a common clock: the bins of all animals are stacked, and only the
    motifs are shared. With one animal it is plain non-negative matrix factorisation.

    Parameters
    ----------
    rank, n_starts, max_iter, tol, inner, backend, device, n_threads, random_state
        As for :class:`NonNegativeCP`.

    Attributes
    ----------
    time_ : ndarray of float32, shape (n_bins, n_animals, n_components)
        Unit norm within each animal; 0 where a bin is masked.
    animals_ : ndarray of float32, shape (n_animals, n_components)
        Norms of the time blocks, as columns of unit norm.

    All others are those of :class:`NonNegativeCP`.
    """

    kind = "concatenated"

    def __init__(
        self,
        rank,
        n_starts=10,
        max_iter=200,
        tol=1e-5,
        inner=2,
        backend="numpy",
        device="cpu",
        n_threads=1,
        random_state=None,
    ):
        self.rank = rank
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.inner = inner
        self.backend = backend
        self.device = device
        self.n_threads = n_threads
        self.random_state = random_state

    @staticmethod
    def starts(operator, rank, n_starts, random_state, holdout=None, mask=None, groups=None):
        """Fresh starts; each has its own stream, so their number does not change them."""
        groups = ConcatenatedNMF.groups(operator) if groups is None else groups
        mask, place = refined(operator, mask, groups)
        return [
            hals.StackedStart(
                operator.shape, rank, np.random.default_rng(seed), groups, mask, holdout, place
            )
            for seed in np.random.SeedSequence(random_state).spawn(n_starts)
        ]

    groups = NonNegativeCP.groups

    def _store(self, best, operator):
        n_bins, n_animals, _ = operator.shape
        rows, pairs = (factor.astype(np.float64) for factor in best.factors())
        cube = rows.reshape(n_bins, n_animals, -1)
        loads, pair_norm = np.linalg.norm(cube, axis=0), np.linalg.norm(pairs, axis=0)
        weight = np.linalg.norm(loads, axis=0) * pair_norm
        order = np.argsort(-weight, kind="stable")
        order = order[weight[order] > 0]
        self.n_dropped_ = int(len(weight) - len(order))
        self.lambda_ = weight[order]
        loads, cube = loads[:, order], cube[:, :, order]
        self.pairs_ = (pairs[:, order] / pair_norm[order]).astype(np.float32)
        self.time_ = (cube / np.where(loads > 0, loads, 1)).astype(np.float32)
        self.animals_ = (loads / np.linalg.norm(loads, axis=0)).astype(np.float32)
        self.unseen_ = unseen(operator)
        self.support_ = supported(best, operator, order)
        self.participation_ = compare.participation(self.animals_)
        seen = self.time_.reshape(n_bins * n_animals, -1)
        if operator.frame_mask is not None:
            seen = seen[operator.frame_mask.ravel()]
        self.background_ = compare.is_background(seen, self.animals_)

    def rows_(self) -> np.ndarray:
        """Weighted time courses of all animals, (n_bins * n_animals, n_components)."""
        rows = self.time_ * self.animals_
        return rows.reshape(-1, len(self.lambda_)) * self.lambda_
