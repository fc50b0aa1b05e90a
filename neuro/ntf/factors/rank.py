"""How many components: error, agreement of restarts, and what a fit predicts of unseen data."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from neuro.ntf.factors import compare, hals, heldout
from neuro.ntf.factors.cptensor import run_complete
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import as_operator, check_rank
from neuro.stats import splits
from neuro.stats.ties import first_best

HELD_OUT = 0.05
N_REPEATS = 5
MIN_SIMILARITY = 0.90
TIME_BLOCKS = 10
WORTH = 0.05
"""What a component must add to the held-out energy, in parts of what a component explains on
average without it (ours): less is real but is chance of a few animals, or a part of a motif."""
LAST = "it is the last of the ranks that were tried, more may be better (ntf.ranks)"
"""Said where the choice lies at the end of the sweep."""
GROWTH = 0.01
"""The paper's curve has stopped growing when a component adds less than this share (ours)."""


@dataclasses.dataclass(frozen=True)
class RankSweep:
    """Result of a rank sweep.

    Attributes
    ----------
    table : dict of str to ndarray
        Columns by name, one value per rank: `rank`, `error`, `explained`, `similarity` (mean of
        the restarts against the best one), `core_consistency` (percent), `cv_error`, `cv_se`
        (held-out fibres; standard error over the repeats), `animal_error`, `animal_se`
        (left-out animals; over the folds), `n_background`, `flattened_variance`.
    rank : int
        The chosen rank.
    reason : str
        One sentence.
    shared : int or None
        Recordings (or fibres, with fewer than four animals) of which a repeat is in training and
        test; None without a split.
    """

    table: dict
    rank: int
    reason: str
    shared: int | None = None


def select_rank(
    X,
    ranks,
    mask=None,
    rule="robust",
    *,
    frame_mask=None,
    family=None,
    concatenated=False,
    solver="hals",
    n_starts=10,
    n_repeats=N_REPEATS,
    cv_starts=2,
    max_iter=200,
    tol=1e-5,
    random_state=None,
    backend="numpy",
    device="cpu",
    log=None,
) -> RankSweep:
    """Fit a range of ranks and choose one.

    All restarts, ranks and cross-validation fits run side by side through the same matrix
    products. Two things are left out and predicted: 5 % of the fibres (a pair of an animal, all
    bins; with one animal a fibre is a pair within a tenth of the time), and, where animals share
    a clock and are four or more, whole animals, see :mod:`neuro.ntf.factors.heldout`. Fibres reward
    every component that is real in some animals; animals reward what is common to all of them.

    Parameters
    ----------
    X, mask, frame_mask
        As for :meth:`neuro.ntf.factors.models.NonNegativeCP.fit`.
    ranks : sequence of int
        Ranks that the tensor cannot hold are left out.
    rule : {"robust", "paper"}
        `robust` (default, ours): the smallest rank within one standard error of the least
        cross-validation error, or beyond which each component adds less than a twentieth of what
        one explains on average, among ranks whose restarts agree at 0.90 and more; where none
        agree, the knee of the error. The error is that on left-out animals, or on fibres where
        no animal was left out. `paper`: where the flattened normalised variance of the
        pair factor stops growing (the authors' related code; the publication states no rule).
    family : array of int, shape (n_animals,), optional
        Recordings with one number repeat each other and stay together; none do by default.
    concatenated : bool
        Whether to fit the concatenated model.
    solver : {"hals", "lbfgs", "tensorly"}
        `lbfgs` (preset `paper`) and `tensorly` know no mask, so that there is no
        cross-validation.
    n_starts : int
        Restarts per rank (10, ours).
    n_repeats : int
        Repeats of the cross-validation (5, ours); 0 leaves out nothing, animals neither.
    cv_starts : int
        Restarts per cross-validation fit (2, ours).
    max_iter, tol, random_state, backend, device
        As for the models.
    log : callable, optional
        Called with progress lines.

    Returns
    -------
    RankSweep

    Raises
    ------
    ValueError
        On an unknown rule, or when no rank fits into the tensor.
    """
    if rule not in ("robust", "paper"):
        raise ValueError(f"rule: got '{rule}', expected 'robust' or 'paper'")
    operator = as_operator(X, mask, frame_mask, backend, device)
    most = min(operator.n_rows, operator.shape[2])
    wanted = sorted({int(rank) for rank in ranks})
    ranks = [rank for rank in wanted if rank <= most]
    if not ranks:
        check_rank(wanted[0] if wanted else 0, operator.shape)
    model = ConcatenatedNMF if concatenated else NonNegativeCP
    seeds = np.random.SeedSequence(random_state).spawn(n_repeats + 1)
    fits = {rank: model.starts(operator, rank, n_starts, random_state) for rank in ranks}
    if solver != "hals" and not concatenated:
        for rank in ranks:
            run_complete(solver, operator, fits[rank], random_state, max_iter, tol)
        table = _table(operator, ranks, fits, [], tol) | _animal_columns([], ranks)
        return RankSweep(table, *(_robust if rule == "robust" else _paper)(table))
    folds = [_fold(operator, model, ranks, cv_starts, seed, family) for seed in seeds[:n_repeats]]
    unseen = []
    if n_repeats and not concatenated:
        unseen = heldout.animal_folds(operator, ranks, cv_starts, seeds[-1], family)
    queue = [start for rank in ranks for start in fits[rank]]
    queue += [start for fold in folds + unseen for starts in fold.values() for start in starts]
    # large ranks first: what converges late must not start last
    queue.sort(key=lambda start: -start.rank)
    hals.run(operator, queue, max_iter=max_iter, tol=tol, log=log)
    table = _table(operator, ranks, fits, folds, tol)
    table |= _animal_columns(unseen, ranks)
    rank, reason = (_robust if rule == "robust" else _paper)(table)
    if len(ranks) > 1 and rank == ranks[-1] < most:
        reason += "; " + LAST
    return RankSweep(table, rank, reason, _shared(folds, unseen, operator.shape, family))


def _shared(folds, unseen, shape, family):
    """Repeats on both sides of the splits, from what was held out."""
    _, n_animals, n_pairs = shape
    family = np.arange(n_animals) if family is None else np.asarray(family)
    if unseen:
        fold_of = np.empty(n_animals, int)
        for number, fold in enumerate(unseen):
            fold_of[next(iter(fold.values()))[0].holdout.held] = number
        return splits.shared_over_folds(family, fold_of)
    if not folds or n_animals == 1:
        # one animal: stretches of time and pairs, each once
        return 0 if folds else None
    fibre = (family[:, None] * n_pairs + np.arange(n_pairs)).ravel()
    counts = []
    for fold in folds:
        held = np.zeros((n_animals, n_pairs), bool)
        for row, pairs in zip(held, next(iter(fold.values()))[0].holdout.pairs):
            row[pairs] = True
        counts.append(splits.shared_groups(fibre, ~held.ravel(), held.ravel()))
    return max(counts)


def _fold(operator, model, ranks, n_starts, seed, family=None):
    """Starts of one repeat of the cross-validation, by rank."""
    rng = np.random.default_rng(seed)
    n_bins, n_animals, n_pairs = operator.shape
    options = {}
    if n_animals > 1:
        groups = model.groups(operator)
        observed = operator.pair_mask
        if observed is None:
            observed = np.ones((n_animals, n_pairs), bool)
    else:
        # one animal: stretches of time take the place of animals, rows have factors of their own
        model = ConcatenatedNMF
        edges = np.linspace(0, n_bins, min(TIME_BLOCKS, n_bins) + 1).astype(int)
        groups = [slice(a, b) for a, b in itertools.pairwise(edges)]
        observed = np.ones((len(groups), n_pairs), bool)
        if operator.pair_mask is not None:
            observed = np.repeat(operator.pair_mask, len(groups), axis=0)
        options = {"groups": groups}
    held = _draw(rng, observed, family if n_animals > 1 else None, operator.signed)
    holdout = hals.Holdout(operator, groups, held)
    state = int(rng.integers(2**31))
    return {
        rank: model.starts(
            operator, rank, n_starts, state, holdout=holdout, mask=observed & ~held, **options
        )
        for rank in ranks
    }


def _draw(rng, observed, family=None, signed=False):
    """A random 5 % of the observed fibres, never the last one of a pair, repeats together.

    Both signs of a pair are held out together: one tells where the other is 0.
    """
    held = observed & (rng.random(observed.shape) < HELD_OUT)
    if signed:
        held = heldout.tied(held) & observed
    if family is not None:
        _, first, number = np.unique(family, return_index=True, return_inverse=True)
        held = observed & held[first][number]
    bare = held.sum(axis=0) == observed.sum(axis=0)
    held[:, bare] = False
    if not held.any():
        candidates = np.argwhere(observed & (observed.sum(axis=0) > 1))
        if len(candidates):
            held[tuple(candidates[rng.integers(len(candidates))])] = True
    return held


def _table(operator, ranks, fits, folds, tol):
    rows = []
    for rank in ranks:
        starts = fits[rank]
        objective = np.array([start.history[-1] for start in starts])
        best = starts[first_best(1 - objective / operator.sq_norm, tol)]
        agreement = [
            compare.similarity(best.factors(), start.factors())
            for start in starts
            if start is not best
        ]
        held = [min(fold[rank], key=lambda start: start.history[-1]) for fold in folds]
        cv = np.array([start.holdout.error(start) for start in held])
        factors = best.factors()
        core = np.nan
        if not operator.incomplete and len(factors) == 3 and operator.shape[1] > 1:
            core = compare.core_consistency(operator, *factors)
        time = factors[0] if len(factors) == 3 else factors[0].reshape(operator.n_rows, -1)
        modes = factors[:2] if len(factors) == 3 else (time,)
        explained = 1 - max(objective.min(), 0) / operator.sq_norm
        rows.append(
            {
                "rank": rank,
                "error": np.sqrt(1 - explained),
                "explained": explained,
                "similarity": np.mean(agreement) if agreement else np.nan,
                "core_consistency": core,
                "cv_error": cv.mean() if len(cv) else np.nan,
                "cv_se": cv.std(ddof=1) / np.sqrt(len(cv)) if len(cv) > 1 else np.nan,
                "n_background": int(compare.is_background(*modes).sum()),
                "flattened_variance": compare.flattened_variance(factors[-1]),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _animal_columns(folds, ranks):
    """Mean and standard error over the folds of the error on left-out animals."""
    errors = heldout.animal_errors(folds, ranks)
    if not len(errors):
        return {name: np.full(len(ranks), np.nan) for name in ("animal_error", "animal_se")}
    se = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    return {"animal_error": errors.mean(axis=0), "animal_se": se}


def _robust(table):
    ranks, what, name = table["rank"], "left-out animals", "animal"
    if np.isnan(table["animal_error"]).any():
        what, name = "held-out fibres", "cv"
    cv, se = table[f"{name}_error"], np.nan_to_num(table[f"{name}_se"])
    similarity = np.where(np.isnan(table["similarity"]), 1.0, table["similarity"])
    stable = similarity >= MIN_SIMILARITY
    if not stable.any() or np.isnan(cv).all():
        rank = knee(ranks, table["error"])
        return rank, f"knee of the error; no rank has restarts that agree at {MIN_SIMILARITY:g}"
    where = np.where(stable, cv, np.inf)
    least = int(where.argmin())
    agree = f"among ranks whose restarts agree at {MIN_SIMILARITY:g}"
    within = stable & (cv <= cv[least] + se[least])
    by_error = int(ranks[within][0])
    reached = np.flatnonzero(stable[: least + 1])
    enough = _enough(ranks[reached], 1 - cv[reached] ** 2)
    rank = int(ranks[reached[within[reached] | enough][0]])
    if rank < by_error:
        return rank, (
            f"each component beyond adds less than {WORTH:.0%} of what one explains on average of "
            f"{what} (least error: rank {ranks[least]}), {agree}"
        )
    return rank, (
        f"smallest rank within one standard error of the least error on {what} (rank "
        f"{ranks[least]}), {agree}"
    )


def _enough(ranks, energy) -> np.ndarray:
    """Ranks beyond which no larger one adds what is worth its components."""
    out = np.zeros(len(ranks), bool)
    for k, (rank, own) in enumerate(zip(ranks, energy)):
        needed = WORTH * own / rank * (ranks[k + 1 :] - rank)
        out[k] = own > 0 and bool((energy[k + 1 :] - own < needed).all())
    return out


def _paper(table):
    ranks, curve = table["rank"], table["flattened_variance"]
    grown = np.diff(curve) / np.maximum(curve[:-1], 1e-12)
    stop = np.flatnonzero(grown < GROWTH)
    rank = int(ranks[stop[0]] if len(stop) else ranks[-1])
    return rank, "where the flattened variance of the pair factor stops growing"


def knee(ranks, error) -> int:
    """Rank whose error lies farthest below the line from the first to the last rank.

    Parameters
    ----------
    ranks : array of int
    error : array of float

    Returns
    -------
    int
    """
    ranks, error = np.asarray(ranks), np.asarray(error, float)
    if len(ranks) < 3:
        return int(ranks[int(error.argmin())])
    x = (ranks - ranks[0]) / (ranks[-1] - ranks[0])
    span = error[0] - error[-1]
    y = (error - error[-1]) / span if span > 0 else np.zeros(len(error))
    return int(ranks[int((1 - x - y).argmax())])
