"""Pairs that are missing in some bins only: exact in every mode of both models."""

import numpy as np
import pytest
from factor_fits import SMALL, least_residual, squared_residual

from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.entries import Entries, refined
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import DenseRows
from neuro.ntf.factors.rank import select_rank
from neuro.simulate.motifs import planted_tensor

MODELS = [NonNegativeCP, ConcatenatedNMF]


def gaps(shape, share=0.2, seed=0):
    """Entries that are missing at random."""
    return np.random.default_rng(seed).random(shape) >= share


def test_the_rows_of_a_mask_are_kept_once():
    mask = np.ones((6, 2, 9), bool)
    mask[2:4, 0, 3] = mask[5, 1, 8] = False
    entries = Entries.of(mask)
    assert len(entries.masks) == 3
    np.testing.assert_array_equal(entries.full(mask.shape), mask)


@pytest.mark.parametrize("model", MODELS)
def test_what_stands_in_a_gap_does_not_matter(small, model):
    values, _ = small
    mask = gaps(SMALL)
    spoiled = np.where(mask, values, np.nan)
    loud = np.where(mask, values, 1e3)
    a, b, c = (
        model(3, n_starts=2, random_state=0).fit(x, mask=mask) for x in (values, spoiled, loud)
    )
    for other in (b, c):
        np.testing.assert_array_equal(a.pairs_, other.pairs_)
        np.testing.assert_array_equal(a.time_, other.time_)


def test_a_mask_of_animals_and_frames_is_the_same_entry_by_entry(small):
    values, _ = small
    rng = np.random.default_rng(0)
    pairs, frames = rng.random(SMALL[1:]) < 0.7, rng.random(SMALL[:2]) < 0.9
    both = pairs & frames[:, :, None]
    operator = DenseRows(values, both)
    assert operator.entries is None
    np.testing.assert_array_equal(operator.pair_mask, pairs)
    plain = hals.TensorStart(SMALL, 3, np.random.default_rng(1), pairs, frames)
    entries = Entries.of(both)
    entry = hals.TensorStart(
        SMALL, 3, np.random.default_rng(1), entries.masks, frames, place=entries.place
    )
    for start in (plain, entry):
        hals.run(operator, [start], max_iter=8, tol=0)
    np.testing.assert_allclose(plain.history, entry.history, rtol=1e-5)
    np.testing.assert_allclose(plain.pairs, entry.pairs, atol=2e-3)
    np.testing.assert_allclose(plain.support(), entry.support(), atol=1e-3)


def test_the_fit_minimises_the_residual_of_what_was_observed(small):
    """Against a slow fit of the same objective by a general optimiser."""
    values = small[0][:12, :4, :15].astype(float)
    mask = gaps(values.shape, 0.3, seed=5)
    best = least_residual(values, mask, np.random.default_rng(3))
    model = NonNegativeCP(2, n_starts=20, tol=1e-9, max_iter=3000, random_state=0)
    model.fit(values.astype(np.float32), mask=mask)
    assert squared_residual(values, model, mask) / 2 == pytest.approx(best, rel=2e-3)
    assert model.error_**2 == pytest.approx(
        squared_residual(values, model, mask) / (mask * values**2).sum(), abs=1e-5
    )


def test_every_step_of_the_concatenated_model_falls_in_the_observed_residual(small):
    values, _ = small
    mask = gaps(SMALL, 0.3)
    operator = DenseRows(values, mask)
    (start,) = ConcatenatedNMF.starts(operator, 3, 1, 0)
    slow = []
    for _ in range(6):
        hals.run(operator, [start], max_iter=len(start.history) + 1, tol=0)
        fitted = (start.rows().astype(float) @ start.pairs.T).reshape(SMALL)
        slow.append(float((mask * (values - fitted) ** 2).sum()))
    np.testing.assert_allclose(start.history, slow, rtol=1e-4)
    assert (np.diff(slow) < 0).all()


@pytest.mark.parametrize("model", MODELS)
def test_missing_at_random_costs_no_error(model):
    """A fifth of the entries missing: planted motifs, and the missing values, come out as well."""
    values, truth = planted_tensor((80, 6, 190), 3, 0.1)
    mask = gaps(values.shape, 0.2, seed=2)
    whole = model(3, n_starts=3, random_state=0).fit(values)
    part = model(3, n_starts=3, random_state=0).fit(values, mask=mask)
    _, _, agreement = compare.match([part.pairs_], [truth[2]])
    assert agreement.min() > 0.98
    errors = [
        float((~mask * (values - fit.reconstruct()) ** 2).sum() / (~mask * values**2).sum())
        for fit in (whole, part)
    ]
    assert errors[1] < 1.1 * errors[0]


@pytest.mark.parametrize("model", MODELS)
def test_score_counts_observed_entries_only(small, model):
    values, _ = small
    mask = gaps(SMALL)
    fitted = model(3, n_starts=2, random_state=0).fit(values, mask=mask)
    explained = (
        1 - squared_residual(values, fitted, mask) / (mask * values.astype(float) ** 2).sum()
    )
    assert fitted.score(values, mask=mask) == pytest.approx(explained, abs=1e-5)
    assert fitted.explained_ == pytest.approx(explained, abs=1e-4)


def test_support_is_the_energy_of_the_rows_in_which_a_pair_was_seen(small):
    values, _ = small
    mask = np.ones(SMALL, bool)
    mask[:30, :, 5] = False
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values, mask=mask)
    share = (model.time_[30:].astype(float) ** 2).sum(axis=0)
    np.testing.assert_allclose(model.support_[5], share, atol=1e-4)
    np.testing.assert_allclose(model.support_[6], 1, atol=1e-5)


def test_held_out_fibres_do_not_count_where_they_were_not_observed(small):
    values, _ = small
    mask = gaps(SMALL, 0.4)
    operator = DenseRows(values, mask)
    held = np.zeros(SMALL[1:], bool)
    held[2, :7] = True
    groups = NonNegativeCP.groups(operator)
    holdout = hals.Holdout(operator, groups, held)
    starts = NonNegativeCP.starts(operator, 3, 1, 0, holdout, ~held)
    masks, place = refined(operator, ~held)
    np.testing.assert_array_equal(masks[place].reshape(SMALL), mask & ~np.broadcast_to(held, SMALL))
    hals.run(operator, starts, max_iter=20)
    fitted = (starts[0].rows().astype(float) @ starts[0].pairs.T).reshape(SMALL)
    out = mask & held
    wrong = (out * (values - fitted) ** 2).sum() / (out * values.astype(float) ** 2).sum()
    assert starts[0].holdout.error(starts[0]) == pytest.approx(np.sqrt(wrong), rel=1e-4)


def test_the_sweep_finds_the_same_rank_with_gaps():
    """Clipped noise has a mean, whose component is next to nothing: 3 for 3 planted ones."""
    values, _ = planted_tensor((50, 6, 120), 3, 0.1)
    mask = gaps(values.shape, 0.15, seed=4)
    given = {"n_starts": 4, "n_repeats": 2, "random_state": 0}
    sweep = select_rank(values, range(1, 6), mask=mask, **given)
    assert sweep.rank == select_rank(values, range(1, 6), **given).rank == 3
    assert np.isfinite(sweep.table["animal_error"]).all()
    assert np.isnan(sweep.table["core_consistency"]).all()


def test_loadings_of_a_left_out_animal_use_what_was_observed(small):
    """Gaps of zeros in the left-out animals must not look like absence of a component."""
    values, _ = small
    mask = gaps(SMALL, 0.3, seed=1)
    found = [
        select_rank(x, [3], mask=m, n_starts=2, n_repeats=1, random_state=0).table["animal_error"][
            0
        ]
        for x, m in ((values, None), (values, mask), (values * mask, None))
    ]
    assert found[1] < 1.15 * found[0] < found[2]


@pytest.mark.parametrize("solver", ["lbfgs", "tensorly"])
def test_solvers_without_masks_refuse_gaps(small, solver):
    with pytest.raises(ValueError, match="no mask"):
        NonNegativeCP(2, solver=solver, n_starts=1).fit(small[0], mask=gaps(SMALL))


def test_a_mask_of_another_shape_is_refused(small):
    with pytest.raises(ValueError, match="pair mask: shape"):
        NonNegativeCP(2).fit(small[0], mask=np.ones((2, 2, 2), bool))
