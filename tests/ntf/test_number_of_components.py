"""Number of components: what decides, what is held out, what is refused."""

import numpy as np
import pytest
from ntf_recovery import planted_stimuli

from neuro.ntf.factors import compare, hals, heldout
from neuro.ntf.factors.models import NonNegativeCP
from neuro.ntf.factors.operators import DenseRows
from neuro.ntf.factors.rank import RankSweep, _robust, knee, select_rank
from neuro.simulate.motifs import planted_tensor


def table(**columns):
    """A sweep's table with harmless columns where none are given."""
    ranks = np.arange(2, 2 + len(next(iter(columns.values()))))
    base = {"rank": ranks, "error": np.linspace(1, 0.5, len(ranks))}
    base |= {"cv_se": np.zeros(len(ranks)), "similarity": np.ones(len(ranks))}
    base |= {name: np.full(len(ranks), np.nan) for name in ("animal_error", "animal_se")}
    return base | {name: np.array(values) for name, values in columns.items()}


def test_the_rule_takes_the_smallest_rank_within_one_standard_error():
    assert _robust(table(cv_error=[0.5, 0.3, 0.25, 0.31]))[0] == 4
    assert _robust(table(cv_error=[0.5, 0.3, 0.25, 0.31], cv_se=[0.0, 0.0, 0.06, 0.0]))[0] == 3
    # ranks whose restarts disagree do not count, be they ever so good
    similarity = [1.0, 1.0, 0.5, 1.0]
    assert _robust(table(cv_error=[0.5, 0.3, 0.1, 0.31], similarity=similarity))[0] == 3
    # agreement alone is not monotone: the largest rank that agrees is not the answer
    rank, reason = _robust(table(cv_error=[0.5, 0.3, 0.1, 0.31], similarity=[0.2] * 4))
    assert rank == knee([2, 3, 4, 5], np.linspace(1, 0.5, 4)) and reason.startswith("knee")


def test_a_component_that_adds_next_to_nothing_is_not_taken():
    """Held-out energy .60, then +.01 a component: certain, and a thirtieth of the average one."""
    energy = np.array([0.60, 0.61, 0.62, 0.60])
    rank, reason = _robust(table(cv_error=np.sqrt(1 - energy)))
    assert rank == 2 and "adds less than 5% of what one explains" in reason and "rank 4" in reason
    # a twentieth of the average of two is .015: what adds more counts, at whatever rank it comes
    assert _robust(table(cv_error=np.sqrt(1 - np.array([0.60, 0.62, 0.63, 0.60]))))[0] == 3
    assert _robust(table(cv_error=np.sqrt(1 - np.array([0.60, 0.61, 0.65, 0.60]))))[0] == 4
    # a weak motif early is not hidden by many ranks that add nothing
    energy = np.array([0.60, 0.68, 0.681, 0.682, 0.683, 0.684, 0.685])
    assert _robust(table(cv_error=np.sqrt(1 - energy)))[0] == 3
    # noise alone, with a negative share of held-out energy, proves nothing
    assert _robust(table(cv_error=[1.2, 1.1, 1.05, 1.06]))[0] == 4


def test_left_out_animals_decide_where_there_are_any():
    animals = {"animal_error": [0.5, 0.3, 0.299, 0.31], "animal_se": [0.01] * 4}
    rank, reason = _robust(table(cv_error=[0.5, 0.3, 0.2, 0.1], **animals))
    assert rank == 3 and "left-out animals (rank 4)" in reason
    rank, reason = _robust(table(cv_error=[0.5, 0.3, 0.2, 0.1]))
    assert rank == 5 and "held-out fibres" in reason


def test_the_knee_is_the_farthest_point_below_the_line():
    assert knee([2, 3, 4, 5, 6], [1.0, 0.6, 0.2, 0.18, 0.16]) == 4
    assert knee([3], [0.2]) == 3


@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=pytest.mark.slow) if k > 1 else k for k in range(6)]
)
def test_the_planted_rank_is_chosen(seed):
    """Acceptance 5: six, or seven with the component of the noise's mean."""
    values, _ = planted_tensor((60, 8, 200), 6, 0.3, random_state=seed)
    sweep = select_rank(values, range(4, 9), n_starts=4, random_state=seed)
    assert isinstance(sweep, RankSweep) and sweep.rank in (6, 7)
    row = list(sweep.table["rank"]).index(sweep.rank)
    assert sweep.rank - sweep.table["n_background"][row] == 6
    assert (np.diff(sweep.table["error"]) < 1e-4).all()


@pytest.mark.parametrize(
    ("affinity", "n_conditions", "seed"),
    [("excess", 2, 0), ("differential", 3, 0)]
    + [
        pytest.param(kind, n, s, marks=pytest.mark.slow)
        for kind in ("excess", "differential")
        for n in (2, 3, 4)
        for s in range(1, 7)
    ],
)
def test_the_number_of_planted_epochs_is_chosen(affinity, n_conditions, seed):
    """One motif per stimulus. Communities also rise and fall within an epoch, in every animal at
    other times; what a few animals share of that by chance is no motif of all of them."""
    tensor = planted_stimuli(n_conditions, seed, affinity)
    sweep = select_rank(tensor, range(2, 7), n_starts=4, n_repeats=1, random_state=seed)
    assert sweep.rank == n_conditions, sweep.reason


def test_left_out_animals_are_not_seen_and_predicted_by_half_their_pairs():
    from scipy.optimize import nnls

    values, _ = planted_tensor((30, 6, 40), 3, 0.1, random_state=2)
    rng = np.random.default_rng(0)
    mask, frames = rng.random((6, 40)) < 0.8, rng.random((30, 6)) < 0.9
    operator = DenseRows(values, mask, frames)
    folds = heldout.animal_folds(operator, [3], 2, np.random.SeedSequence(1))
    assert sorted(np.concatenate([fold[3][0].holdout.held for fold in folds])) == list(range(6))
    fold = folds[0][3]
    holdout = fold[0].holdout
    hals.run(operator, fold, max_iter=30, tol=0)
    spoiled = values.copy()
    spoiled[:, holdout.held] = 50
    other = DenseRows(spoiled, mask, frames)
    again = heldout.animal_folds(other, [3], 2, np.random.SeedSequence(1))[0][3]
    hals.run(other, again, max_iter=30, tol=0)
    np.testing.assert_allclose(again[0].pairs, fold[0].pairs, rtol=1e-3, atol=1e-4)
    assert not fold[0].animals[holdout.held].any()
    # the error straight from its definition
    start, lost, energy = fold[0], 0.0, 0.0
    motif = heldout.supported_pairs(start).astype(float)
    for w in holdout.held:
        here = values[frames[:, w], w].astype(float)
        design = start.time[frames[:, w], None].astype(float) * motif
        for fit, test in ((holdout.half, ~holdout.half), (~holdout.half, holdout.half)):
            fit, test = fit & mask[w], test & mask[w]
            load, _ = nnls(design[:, fit].reshape(-1, 3), here[:, fit].ravel())
            lost += ((here[:, test] - design[:, test] @ load) ** 2).sum()
            energy += (here[:, test] ** 2).sum()
    assert holdout.errors([start])[0] == pytest.approx(lost / energy, rel=1e-3)


def test_a_sweep_is_the_same_under_a_seed_and_as_single_fits():
    values, _ = planted_tensor((40, 6, 90), 3, 0.2, random_state=1)
    options = {"n_starts": 3, "n_repeats": 2, "random_state": 4}
    a, b = (select_rank(values, [2, 3, 4], **options) for _ in range(2))
    for name in a.table:
        assert np.array_equal(a.table[name], b.table[name], equal_nan=True)
    for rank, error in zip(a.table["rank"], a.table["error"]):
        alone = NonNegativeCP(int(rank), n_starts=3, random_state=4).fit(values)
        assert alone.error_ == pytest.approx(error, rel=1e-4)


def test_held_out_fibres_are_not_seen():
    values, _ = planted_tensor((30, 5, 40), 3, 0.1, random_state=2)
    rng = np.random.default_rng(0)
    held = rng.random((5, 40)) < 0.1
    spoiled = np.where(held, 50.0, values).astype(np.float32)
    found = []
    for x in (values, spoiled):
        operator = DenseRows(x)
        holdout = hals.Holdout(operator, NonNegativeCP.groups(operator), held)
        start = hals.TensorStart(x.shape, 3, np.random.default_rng(1), ~held, holdout=holdout)
        hals.run(operator, [start], max_iter=20, tol=0)
        found.append((start, holdout))
    np.testing.assert_allclose(found[0][0].pairs, found[1][0].pairs, rtol=1e-2, atol=1e-3)
    start, holdout = found[0]
    fitted = (start.rows() @ start.pairs.T).reshape(values.shape)
    residual = (values - fitted)[:, held]
    expected = np.sqrt((residual**2).sum() / (values[:, held] ** 2).sum())
    assert holdout.error(start) == pytest.approx(expected, rel=1e-3)


def test_one_animal_is_validated_by_blocks_of_time():
    values, _ = planted_tensor((120, 1, 90), 3, 0.1, random_state=1)
    sweep = select_rank(values, range(1, 7), concatenated=True, n_starts=5, random_state=0)
    assert np.isfinite(sweep.table["cv_error"]).all()
    assert sweep.rank in (3, 4)


def test_the_paper_rule_follows_the_variance_of_the_motifs():
    values, _ = planted_tensor((40, 6, 90), 3, 0.1, random_state=1)
    sweep = select_rank(values, [1, 2, 3, 4, 5], rule="paper", n_starts=3, random_state=0)
    assert sweep.rank in (3, 4) and "stops growing" in sweep.reason
    equal = np.repeat(np.random.default_rng(0).random((50, 1)), 3, axis=1)
    assert compare.flattened_variance(equal) == pytest.approx(1, abs=1e-9)
    assert compare.flattened_variance(np.eye(50)[:, :3]) == pytest.approx(3, abs=0.2)


def test_core_consistency_is_that_of_tensorly_like_projection():
    """100 for the planted number, far below for too many; against a slow core."""
    values, _ = planted_tensor((30, 8, 60), 3, 0.02, random_state=0)
    operator = DenseRows(values)
    got = {}
    for rank in (3, 5):
        model = NonNegativeCP(rank, n_starts=3, tol=1e-8, max_iter=500, random_state=0).fit(values)
        time, animals, pairs = model.time_, model.animals_, model.pairs_ * model.lambda_
        got[rank] = compare.core_consistency(operator, time, animals, pairs)
        inverse = [np.linalg.pinv(x.astype(float)) for x in (time, animals, pairs)]
        core = np.einsum("twp,at,bw,cp->abc", values, *inverse, optimize=True)
        ideal = np.zeros(core.shape)
        n = len(core)
        ideal[np.arange(n), np.arange(n), np.arange(n)] = 1
        slow = 100 * (1 - ((core - ideal) ** 2).sum() / n)
        assert got[rank] == pytest.approx(slow, rel=1e-2, abs=0.5)
    assert got[3] > 95 > got[5]


def test_bad_ranks_are_one_line():
    values = np.ones((5, 1, 6), np.float32)
    with pytest.raises(ValueError, match=r"rank 50 > min\(bins x animals, pairs\) = 5"):
        select_rank(values, [50])
    with pytest.raises(ValueError, match="rule: got 'best', expected 'robust' or 'paper'"):
        select_rank(values, [2], rule="best")
