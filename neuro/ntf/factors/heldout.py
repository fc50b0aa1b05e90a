"""Cross-validation over animals: what shared time courses and motifs predict of an unseen one."""

from __future__ import annotations

import numpy as np

from neuro.ntf.factors.entries import refined
from neuro.ntf.factors.hals import MIN_SUPPORT, TensorStart, gram, pack, unpack
from neuro.stats.splits import stratified_group_folds

MIN_ANIMALS = 4
"""With fewer animals there is nothing to leave out (ours)."""
N_FOLDS = 5
_PASSES = 200


class HeldAnimals:
    """Animals that a fit does not see; a holdout as :class:`neuro.ntf.factors.hals.Holdout` is one.

    A component that describes a few animals by chance lowers the error on held-out fibres, because
    the other pairs of the same animals show when it is active. It does not lower this one.

    Parameters
    ----------
    operator : object with `animal`, `animal_energy` and `shape`
    held : array of int
        The animals that are left out.
    half : array of bool, shape (n_pairs,)
        Pairs that the loadings of a left-out animal are estimated on; the others are predicted,
        then the halves change places.
    """

    def __init__(self, operator, held, half):
        self.held, self.half, self.operator = np.asarray(held), half, operator
        self.rows = [slice(int(w), None, operator.shape[1]) for w in self.held]
        self.sq_norm = float(operator.animal_energy[self.held].sum())

    def correct_rows(self, product, factor) -> None:
        """Take the animals out of the first matrix product, in place."""
        for rows in self.rows:
            product[rows] = 0

    def correct_pairs(self, product, factor) -> None:
        """Nothing to do: loadings of 0 keep the animals out of the second product."""

    def errors(self, starts) -> np.ndarray:
        """Squared errors of several fitted starts on the animals, relative to their energies.

        Parameters
        ----------
        starts : list of TensorStart

        Returns
        -------
        ndarray of float64, shape (n_starts,)
        """
        lost, energy = np.zeros(len(starts)), 0.0
        masks = self.operator.pair_mask, self.operator.frame_mask
        motifs = [supported_pairs(start) for start in starts]
        for animal in self.held:
            values = self.operator.animal(int(animal))
            seen = np.ones(values.shape[1], bool) if masks[0] is None else masks[0][animal]
            frames = np.ones(len(values), bool) if masks[1] is None else masks[1][:, animal]
            halves = [np.flatnonzero(seen & side) for side in (self.half, ~self.half)]
            blocks = [values[:, pairs] for pairs in halves]
            rows = slice(int(animal), None, self.operator.shape[1])
            observed = [self.operator.observed(rows, pairs) for pairs in halves]
            energy += sum(float(np.vdot(block, block)) for block in blocks)
            for number, (start, motif) in enumerate(zip(starts, motifs)):
                time = start.time[frames]
                terms = [
                    (
                        np.einsum("tr,tr->r", time, (block @ motif[pairs])[frames]),
                        _square(time, motif[pairs], None if given is None else given[frames]),
                    )
                    for block, pairs, given in zip(blocks, halves, observed)
                ]
                for (target, square), (other, its_square), block in zip(
                    terms, terms[::-1], blocks[::-1]
                ):
                    load = _loadings(target, square)
                    rest = (
                        float(np.vdot(block, block)) - 2 * load @ other + load @ its_square @ load
                    )
                    lost[number] += max(0.0, rest)
        return lost / energy if energy > 0 else np.full(len(starts), np.nan)


def tied(drawn) -> np.ndarray:
    """What was drawn for the first sign of every pair (last axis), for both signs."""
    first = drawn[..., : drawn.shape[-1] // 2]
    return np.concatenate([first, first], axis=-1)


def _square(time, motif, seen=None):
    """Quadratic term of the loadings of one animal: over all entries, or over those seen."""
    if seen is None:
        return gram(time) * gram(motif)
    rows = seen.astype(np.float64) @ pack(motif.astype(np.float64))
    return unpack((rows * pack(time.astype(np.float64))).sum(axis=0))


def supported_pairs(start) -> np.ndarray:
    """Motifs of a start; entries without support are 0."""
    support = start.support()
    return start.pairs if support is None else np.where(support >= MIN_SUPPORT, start.pairs, 0)


def _loadings(target, square):
    """Least squares with loadings that are not negative."""
    from neuro.ntf.kernels import descend_shared

    load = np.zeros((1, len(target)), np.float32)
    descend_shared(load, target[None].astype(np.float32), square, _PASSES)
    return load[0].astype(np.float64)


def animal_folds(operator, ranks, n_starts, seed, family=None):
    """Starts of the cross-validation over animals.

    Parameters
    ----------
    operator : object
    ranks : list of int
    n_starts : int
        Starts per fit.
    seed : numpy.random.SeedSequence
    family : array of int, shape (n_animals,), optional
        Recordings of one animal are left out together; each is an animal by default.

    Returns
    -------
    list of dict
        One per fold: `(rank, list of TensorStart)`; empty with fewer than four animals.
    """
    n_bins, n_animals, n_pairs = operator.shape
    names, family = np.unique(
        np.arange(n_animals) if family is None else family, return_inverse=True
    )
    if len(names) < MIN_ANIMALS:
        return []
    rng = np.random.default_rng(seed)
    mask, place_of_rows = refined(operator)
    n_folds = min(N_FOLDS, len(names))
    fold_of = stratified_group_folds(family, np.zeros(n_animals), n_folds, rng)
    folds = []
    for fold in range(n_folds):
        held = np.flatnonzero(fold_of == fold)
        half = rng.random(n_pairs) < 0.5
        holdout = HeldAnimals(operator, held, tied(half) if operator.signed else half)
        frames = np.ones((n_bins, n_animals), bool)
        if operator.frame_mask is not None:
            frames &= operator.frame_mask
        frames[:, held] = False
        seeds = np.random.SeedSequence(int(rng.integers(2**31))).spawn(n_starts)
        folds.append(
            {
                rank: [
                    TensorStart(
                        operator.shape,
                        rank,
                        np.random.default_rng(child),
                        mask,
                        frames,
                        holdout,
                        place_of_rows,
                    )
                    for child in seeds
                ]
                for rank in ranks
            }
        )
    return folds


def animal_errors(folds, ranks) -> np.ndarray:
    """Relative errors on the animals that were left out.

    Parameters
    ----------
    folds : list of dict
        Fitted, from :func:`animal_folds`.
    ranks : list of int

    Returns
    -------
    ndarray of float64, shape (n_folds, n_ranks)
    """
    out = []
    for fold in folds:
        best = [min(fold[rank], key=lambda start: start.history[-1]) for rank in ranks]
        out.append(np.sqrt(best[0].holdout.errors(best)))
    return np.array(out).reshape(len(folds), len(ranks))
