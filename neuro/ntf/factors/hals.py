"""Hierarchical alternating least squares, for many starts and ranks in one pass over the data.

The columns of all starts stand side by side in one matrix product, so ten starts cost little
more than one. Entries that were not observed are left out exactly: the tensor holds 0 there and
the Gram matrices count observed entries only.
"""

from __future__ import annotations

import numpy as np

MAX_COLUMNS = 128
"""Columns of one matrix product; more would not be faster and only take memory."""


MIN_SUPPORT = 0.1
"""Motif entries with less support count as not observed (ours)."""


def pack(factor) -> np.ndarray:
    """Products of all column pairs of a factor, `(n, r)` to `(n, r (r + 1) / 2)`."""
    left, right = np.triu_indices(factor.shape[1])
    return factor[:, left] * factor[:, right]


def unpack(packed) -> np.ndarray:
    """A packed upper triangle as a full symmetric matrix of float64."""
    rank = int((np.sqrt(8 * len(packed) + 1) - 1) / 2)
    full = np.zeros((rank, rank))
    full[np.triu_indices(rank)] = packed
    return full + np.triu(full, 1).T


def gram(factor) -> np.ndarray:
    """Gram matrix in float64."""
    return (factor.T @ factor).astype(np.float64)


class Start:
    """One start of a factorisation; :class:`TensorStart` and :class:`StackedStart` are its kinds.

    Attributes
    ----------
    pairs : ndarray of float32, shape (n_pairs, rank)
    place : ndarray of int, shape (n_rows,), or None
        Which row of the mask holds for a row of the tensor; None where that is its group's.
    given : bool
        Whether it starts where somebody said, not at random.
    history : list of float
        Objective (sum of squared residuals over observed entries) after each sweep.
    """

    def __init__(self, shape, rank, rng, mask=None, holdout=None, place=None):
        self.shape, self.rank, self.holdout = shape, int(rank), holdout
        self.mask = None if mask is None else np.asarray(mask, np.float32)
        self.place = place
        self._sum = None
        if place is not None:
            from scipy.sparse import csr_array

            cells = (np.ones(len(place)), (place, np.arange(len(place))))
            self._sum = csr_array(cells, shape=(len(self.mask), len(place)))
        self.pairs = self._uniform(rng, shape[2])
        self.history: list[float] = []
        self.given = False

    def energies(self) -> np.ndarray:
        """Squared norm of every component's rows under each mask, (n_masks, rank)."""
        raise NotImplementedError("a kind of start says what its groups are")

    def support(self) -> np.ndarray | None:
        """Share of a component's energy that lies in animals where a pair was observed.

        A motif entry with little support was hardly seen while the component was active, and its
        value is arbitrary.

        Returns
        -------
        ndarray of float32, shape (n_pairs, rank), or None where everything was observed
        """
        if self.mask is None:
            return None
        energy = self.energies()
        total = energy.sum(axis=0)
        return (self.mask.T @ (energy / np.where(total > 0, total, 1))).astype(np.float32)

    def _uniform(self, rng, n) -> np.ndarray:
        return rng.random((n, self.rank)).astype(np.float32)

    def _objective(self, target, product, sq_norm) -> float:
        """Squared residuals from the second matrix product and the quadratic term."""
        cross = np.einsum("pr,pr->", target, self.pairs, dtype=np.float64)
        return float(sq_norm - 2 * cross + product)

    def _descend_pairs(self, target, packed_rows, inner, sq_norm) -> float:
        """Update the pair factors; `packed_rows` is packed per group, shape (n_groups, l)."""
        from neuro.ntf.kernels import descend_grouped, descend_shared

        if self.mask is None:
            full = unpack(packed_rows.sum(axis=0, dtype=np.float64))
            descend_shared(self.pairs, target, full, inner)
            product = float((full * gram(self.pairs)).sum())
        else:
            grams = self.mask.T @ packed_rows.astype(np.float32)
            descend_grouped(self.pairs, target, grams, inner)
            left, right = np.triu_indices(self.rank)
            twice = np.where(left == right, 1.0, 2.0)
            squares = np.einsum("pl,pl->l", grams, pack(self.pairs), dtype=np.float64)
            product = float(squares @ twice)
        return self._objective(target, product, sq_norm)

    def _pair_grams(self) -> np.ndarray:
        """Packed Gram matrix of the pair factors, per group where there is a mask."""
        if self.mask is None:
            return gram(self.pairs)[np.triu_indices(self.rank)][None]
        return (self.mask @ pack(self.pairs)).astype(np.float64)


class TensorStart(Start):
    """One start of the three-way model.

    Parameters
    ----------
    shape : tuple of int
        (n_bins, n_animals, n_pairs).
    rank : int
    rng : numpy.random.Generator
    mask : array of bool, shape (n_animals, n_pairs) or (n_masks, n_pairs), optional
    frame_mask : array of bool, shape (n_bins, n_animals), optional
    holdout : Holdout, optional
        Fibres left out; `mask` must be False there already.
    place : array of int, shape (n_bins * n_animals,), optional
        Which mask each row has; by default that of its animal.
    """

    def __init__(self, shape, rank, rng, mask=None, frame_mask=None, holdout=None, place=None):
        super().__init__(shape, rank, rng, mask, holdout, place)
        self.time, self.animals = (self._uniform(rng, n) for n in shape[:2])
        self.frames = None if frame_mask is None else np.asarray(frame_mask, np.float64)

    def begin(self, factors) -> TensorStart:
        """Take over factors, mode by mode."""
        self.time, self.animals, self.pairs = (np.array(one, np.float32) for one in factors)
        self.given = True
        return self

    def update_rows(self, product, inner) -> None:
        """Update time and animal factors from the first matrix product, (n_rows, rank)."""
        from neuro.ntf.kernels import descend_grouped, descend_shared

        n_bins, n_animals, _ = self.shape
        cube = product.reshape(n_bins, n_animals, self.rank)
        if self.place is not None:
            self._update_by_entry(cube, inner)
            return
        pairs = np.broadcast_to(self._pair_grams(), (n_animals, self.rank * (self.rank + 1) // 2))
        target = np.einsum("twr,wr->tr", cube, self.animals)
        weighted = pack(self.animals.astype(np.float64)) * pairs
        if self.frames is None:
            descend_shared(self.time, target, unpack(weighted.sum(axis=0)), inner)
        else:
            descend_grouped(self.time, target, self.frames @ weighted, inner)
        target = np.einsum("twr,tr->wr", cube, self.time)
        descend_grouped(self.animals, target, self._time_grams() * pairs, inner)
        self._unit_norms()

    def _update_by_entry(self, cube, inner):
        """The same where every row may have a mask of its own."""
        from neuro.ntf.kernels import descend_grouped

        grams = self._pair_grams()[self.place].reshape(*cube.shape[:2], -1)
        if self.frames is not None:
            grams *= self.frames[:, :, None]
        target = np.einsum("twr,wr->tr", cube, self.animals)
        packed = pack(self.animals.astype(np.float64))
        descend_grouped(self.time, target, np.einsum("twl,wl->tl", grams, packed), inner)
        target = np.einsum("twr,tr->wr", cube, self.time)
        packed = pack(self.time.astype(np.float64))
        descend_grouped(self.animals, target, np.einsum("twl,tl->wl", grams, packed), inner)
        self._unit_norms()

    def _unit_norms(self):
        """Time and animal factors of norm 1; the motifs carry the size."""
        for factor in (self.time, self.animals):
            norm = np.linalg.norm(factor, axis=0)
            factor /= np.where(norm > 0, norm, 1)
            self.pairs *= norm

    def _row_grams(self):
        """Packed products of the rows, summed over the rows of each mask."""
        time, animals = (pack(one.astype(np.float64)) for one in (self.time, self.animals))
        rows = time[:, None] * animals
        if self.frames is not None:
            rows *= self.frames[:, :, None]
        return self._sum @ rows.reshape(-1, rows.shape[2])

    def _time_grams(self) -> np.ndarray:
        """Packed Gram matrices of the time factors, one per animal."""
        if self.frames is None:
            packed = gram(self.time)[np.triu_indices(self.rank)]
            return np.broadcast_to(packed, (self.shape[1], len(packed)))
        return self.frames.T @ pack(self.time.astype(np.float64))

    def factors(self):
        """Factors mode by mode."""
        return self.time, self.animals, self.pairs

    def energies(self) -> np.ndarray:
        """Squared norm of every component's rows under each mask, (n_masks, rank)."""
        diagonal = np.flatnonzero(np.equal(*np.triu_indices(self.rank)))
        if self.place is not None:
            return self._row_grams()[:, diagonal]
        return self.animals.astype(np.float64) ** 2 * self._time_grams()[:, diagonal]

    def rows(self) -> np.ndarray:
        """Products of time and animal factors, (n_rows, rank)."""
        product = self.time[:, None] * self.animals
        return product.reshape(-1, self.rank)

    def update_pairs(self, target, inner, sq_norm) -> float:
        """Update the pair factors from the second matrix product; returns the objective."""
        if self.place is not None:
            return self._descend_pairs(target, self._row_grams(), inner, sq_norm)
        packed = pack(self.animals.astype(np.float64)) * self._time_grams()
        return self._descend_pairs(target, packed, inner, sq_norm)


class StackedStart(Start):
    """One start of the concatenated model: a row factor for every bin of every animal.

    Parameters
    ----------
    shape, rank, rng, holdout
        As for :class:`TensorStart`.
    groups : list of slice
        Rows of each group; a group is an animal, or a stretch of time where there is one animal.
    mask : array of bool, shape (n_groups, n_pairs) or (n_masks, n_pairs), optional
    place : array of int, shape (n_bins * n_animals,), optional
        Which mask each row has; by default that of its group.
    """

    def __init__(self, shape, rank, rng, groups, mask=None, holdout=None, place=None):
        super().__init__(shape, rank, rng, mask, holdout, place)
        self.groups = groups
        self.time = self._uniform(rng, shape[0] * shape[1])

    def update_rows(self, product, inner) -> None:
        """Update the row factors from the first matrix product, (n_rows, rank)."""
        from neuro.ntf.kernels import descend_grouped, descend_shared

        grams = self._pair_grams()
        if self.place is not None:
            descend_grouped(self.time, product, grams[self.place], inner)
        elif self.mask is None:
            descend_shared(self.time, product, unpack(grams[0]), inner)
        else:
            for rows, packed in zip(self.groups, grams):
                block = np.ascontiguousarray(self.time[rows])
                descend_shared(block, np.ascontiguousarray(product[rows]), unpack(packed), inner)
                self.time[rows] = block
        norm = np.linalg.norm(self.time, axis=0)
        self.time /= np.where(norm > 0, norm, 1)
        self.pairs *= norm

    def factors(self):
        """Factors mode by mode."""
        return self.time, self.pairs

    def energies(self) -> np.ndarray:
        """Squared norm of every component's rows under each mask, (n_masks, rank)."""
        if self.place is not None:
            return self._sum @ self.time.astype(np.float64) ** 2
        return np.array([(self.time[rows].astype(np.float64) ** 2).sum(0) for rows in self.groups])

    def rows(self) -> np.ndarray:
        """The row factors, (n_rows, rank)."""
        return self.time

    def update_pairs(self, target, inner, sq_norm) -> float:
        """Update the pair factors from the second matrix product; returns the objective."""
        upper = np.triu_indices(self.rank)
        if self.place is not None:
            packed = self._sum @ pack(self.time.astype(np.float64))
        elif self.mask is None:
            packed = gram(self.time)[upper][None]
        else:
            packed = np.array([gram(self.time[rows])[upper] for rows in self.groups])
        return self._descend_pairs(target, packed, inner, sq_norm)


class Holdout:
    """Fibres (all bins of a pair in a group of rows) that a fit does not see.

    Parameters
    ----------
    operator : object with `gather` and `observed`
    groups : list of slice
        Rows of each group.
    held : array of bool, shape (n_groups, n_pairs)
        True where the fibre is held out.
    """

    def __init__(self, operator, groups, held):
        self.groups = groups
        self.pairs = [np.flatnonzero(row) for row in held]
        self.values = [operator.gather(rows, pairs) for rows, pairs in zip(groups, self.pairs)]
        self.seen = [operator.observed(rows, pairs) for rows, pairs in zip(groups, self.pairs)]
        self.sq_norm = float(sum((block.astype(np.float64) ** 2).sum() for block in self.values))

    def correct_rows(self, product, factor) -> None:
        """Take the held-out fibres out of the first matrix product, in place."""
        for rows, pairs, values in zip(self.groups, self.pairs, self.values):
            product[rows] -= values @ factor[pairs]

    def correct_pairs(self, product, factor) -> None:
        """Take the held-out fibres out of the second matrix product, in place."""
        for rows, pairs, values in zip(self.groups, self.pairs, self.values):
            product[pairs] -= values.T @ factor[rows]

    def error(self, start) -> float:
        """Relative error of a fitted start on what it did not see.

        Motif entries without support predict 0: the fit knows nothing of them.
        """
        rows, motif = start.rows(), start.pairs
        support = start.support()
        if support is not None:
            motif = np.where(support >= MIN_SUPPORT, motif, 0)
        total = 0.0
        for group, pairs, values, seen in zip(self.groups, self.pairs, self.values, self.seen):
            residual = values - rows[group] @ motif[pairs].T
            if seen is not None:
                residual *= seen
            total += float((residual.astype(np.float64) ** 2).sum())
        return float(np.sqrt(total / self.sq_norm)) if self.sq_norm > 0 else np.nan


def run(operator, starts, *, max_iter=200, tol=1e-5, inner=2, max_columns=MAX_COLUMNS, log=None):
    """Sweep all starts until each has converged.

    Parameters
    ----------
    operator : object
        With `dot`, `tdot`, `n_rows` and `sq_norm`, see :mod:`neuro.ntf.factors.operators`.
    starts : list of Start
        Changed in place; their ranks may differ.
    max_iter : int
        Sweeps at most (200).
    tol : float
        A start is done when its objective falls by less than this share (1e-5). With that the
        sweep at which it ends may differ by a few between processors, the factors by about 3e-3.
    inner : int
        Passes of coordinate descent per mode and sweep (2).
    max_columns : int
    log : callable, optional
        Called with a line now and then.
    """
    queue, active = list(starts), []
    n_done = 0
    while queue or active:
        columns = sum(start.rank for start in active)
        while queue and (not active or columns + queue[0].rank <= max_columns):
            active.append(queue.pop(0))
            columns += active[-1].rank
        _sweep(operator, active, inner)
        left = [start for start in active if not _converged(start.history, tol, max_iter)]
        before, n_done = n_done, n_done + len(active) - len(left)
        # a line per tenth of the work
        if log and 10 * n_done // len(starts) > 10 * before // len(starts):
            log(f"{n_done} of {len(starts)} starts converged")
        active = left


def _sweep(operator, active, inner):
    ends = np.cumsum([start.rank for start in active])
    parts = [slice(end - start.rank, end) for start, end in zip(active, ends)]
    product = operator.dot(np.concatenate([start.pairs for start in active], axis=1))
    rows = np.empty((operator.n_rows, ends[-1]), np.float32)
    for start, block in zip(active, parts):
        own = np.ascontiguousarray(product[:, block])
        if start.holdout:
            start.holdout.correct_rows(own, start.pairs)
        start.update_rows(own, inner)
        rows[:, block] = start.rows()
    product = operator.tdot(rows)
    for start, block in zip(active, parts):
        own = np.ascontiguousarray(product[:, block])
        seen = operator.sq_norm
        if start.holdout:
            start.holdout.correct_pairs(own, rows[:, block])
            seen -= start.holdout.sq_norm
        start.history.append(start.update_pairs(own, inner, seen))


def _converged(history, tol, max_iter) -> bool:
    if len(history) >= max_iter:
        return True
    return len(history) > 1 and history[-2] - history[-1] <= tol * abs(history[-2])
