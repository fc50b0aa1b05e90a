"""Masks of the factor models: absent neurons, masked frames, pairs seen nowhere."""

import numpy as np
import pytest
from factor_fits import SMALL, factors, least_residual, squared_residual

from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import DenseRows
from neuro.simulate.motifs import planted_tensor


def exact_objective(operator, start, values, weight):
    """Squared residuals of a start in double precision."""
    fitted = start.rows().astype(float) @ start.pairs.astype(float).T
    return float((weight * (values - fitted.reshape(values.shape)) ** 2).sum())


def absent(shape_of, share, seed=0):
    """Pair mask after a share of the neurons is taken from every animal."""
    n_animals, n_neurons = shape_of
    rng = np.random.default_rng(seed)
    left, right = np.triu_indices(n_neurons, 1)
    there = np.ones((n_animals, n_neurons), bool)
    for row in there:
        row[rng.permutation(n_neurons)[: round(share * n_neurons)]] = False
    return there[:, left] & there[:, right]


def test_masked_entries_do_not_matter(small):
    """Exact, not imputation: what stands under the mask changes nothing."""
    values, _ = small
    rng = np.random.default_rng(0)
    mask, frames = rng.random(SMALL[1:]) < 0.7, rng.random(SMALL[:2]) < 0.9
    spoiled = np.where(mask & frames[:, :, None], values, 1e3 * rng.random(SMALL))
    spoiled[:, 0, ~mask[0]] = np.nan
    a, b = (
        NonNegativeCP(3, n_starts=2, random_state=0).fit(x, mask=mask, frame_mask=frames)
        for x in (values, spoiled)
    )
    np.testing.assert_allclose(a.pairs_, b.pairs_, atol=1e-6)
    np.testing.assert_allclose(a.time_, b.time_, atol=1e-6)


def test_masked_fit_minimises_the_observed_residual(small):
    """Against a slow fit of the same objective by a general optimiser."""
    values = small[0][:12, :4, :15].astype(float)
    rng = np.random.default_rng(3)
    mask = rng.random((4, 15)) < 0.7
    mask[:, 0] = True
    best = least_residual(values, mask, rng)
    model = NonNegativeCP(2, n_starts=20, tol=1e-9, max_iter=3000, random_state=0)
    model.fit(values.astype(np.float32), mask=mask)
    assert squared_residual(values, model, mask) / 2 == pytest.approx(best, rel=2e-3)


def test_a_mask_of_true_is_no_mask(small):
    values, _ = small
    plain = NonNegativeCP(4, n_starts=2, random_state=0).fit(values)
    full = NonNegativeCP(4, n_starts=2, random_state=0).fit(
        values, mask=np.ones(SMALL[1:], bool), frame_mask=np.ones(SMALL[:2], bool)
    )
    np.testing.assert_allclose(plain.reconstruct(), full.reconstruct(), atol=1e-5)
    # and through the code for masks
    operator = DenseRows(values)
    a, b = (hals.TensorStart(SMALL, 4, np.random.default_rng(0), mask) for mask in (None, True))
    b.mask = np.ones(SMALL[1:], np.float32)
    for start in (a, b):
        hals.run(operator, [start], max_iter=15, tol=0)
    np.testing.assert_allclose(a.pairs, b.pairs, rtol=1e-3, atol=1e-4)
    exact = [exact_objective(operator, start, values, 1.0) for start in (a, b)]
    assert exact[0] == pytest.approx(exact[1], rel=1e-5)


@pytest.mark.parametrize("cls", [NonNegativeCP, ConcatenatedNMF])
def test_masking_frames_is_dropping_them(small, cls):
    """Frames masked in all animals: the same motifs as a tensor without these frames."""
    values, _ = small
    frames = np.ones(SMALL[:2], bool)
    frames[[3, 17, 40]] = False
    kept = frames[:, 0]
    masked = cls(4, n_starts=1, tol=1e-8, max_iter=400, random_state=0)
    masked.fit(values, frame_mask=frames)
    dropped = cls(4, n_starts=1, tol=1e-8, max_iter=400, random_state=0).fit(values[kept])
    assert masked.error_ == pytest.approx(dropped.error_, abs=1e-5)
    _, _, agreement = compare.match([masked.pairs_], [dropped.pairs_])
    assert agreement.min() > 1 - 1e-4


def test_pairs_seen_nowhere_are_nan_in_the_motif(small):
    from neuro.ntf.communities.detect import motifs

    values, _ = small
    mask = np.ones(SMALL[1:], bool)
    mask[:, [0, 7]] = False
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values, mask=mask)
    assert list(np.flatnonzero(model.unseen_)) == [0, 7]
    left, right = np.triu_indices(16, 1)
    matrices = motifs(model)
    missing = np.isnan(matrices[:, left, right])
    assert missing[:, [0, 7]].all() and missing.sum() == 2 * 3
    np.testing.assert_array_equal(matrices, matrices.transpose(0, 2, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("share", "n_starts", "least"), [(0.3, 3, 0.99), (0.5, 5, 0.93)])
def test_absent_neurons_are_masked_and_zero_filling_fails(share, n_starts, least):
    """Acceptance 3, on 240 x 20 x 1770, noise .1, components of unequal strength.

    Filled zeros leave a pattern as strong as the motif itself, so a weak motif is given up for a
    second copy of a strong one. With six motifs of one strength nothing is given up and filling
    costs less (similarity .94 at 30 %).
    """
    values, truth = planted_tensor((240, 20, 1770), 6, 0.1, weakest=0.3)
    mask = absent((20, 60), share)
    model = NonNegativeCP(6, n_starts=n_starts, random_state=0).fit(values, mask=mask)
    assert compare.similarity(factors(model), truth) >= least
    filled = NonNegativeCP(6, n_starts=n_starts, random_state=0).fit(values * mask)
    assert compare.similarity(factors(filled), truth) < 0.80


def test_support_says_how_much_of_a_component_saw_a_pair(small):
    values, _ = small
    mask = np.ones(SMALL[1:], bool)
    mask[2:, 5] = False
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values, mask=mask)
    # unit time courses: energy lies in the animals as their squared loadings
    share = (model.animals_[:2].astype(float) ** 2).sum(axis=0)
    np.testing.assert_allclose(model.support_[5], share, atol=1e-4)
    np.testing.assert_allclose(model.support_[6], 1, atol=1e-5)


def test_score_with_masks_counts_observed_entries_only(small):
    values, _ = small
    rng = np.random.default_rng(0)
    mask, frames = rng.random(SMALL[1:]) < 0.8, rng.random(SMALL[:2]) < 0.9
    for cls in (NonNegativeCP, ConcatenatedNMF):
        model = cls(3, n_starts=2, random_state=0).fit(values, mask=mask, frame_mask=frames)
        total = (values.astype(float) ** 2 * mask * frames[:, :, None]).sum()
        explained = 1 - squared_residual(values, model, mask, frames) / total
        assert model.score(values, mask=mask, frame_mask=frames) == pytest.approx(
            explained, abs=1e-5
        )
        assert model.explained_ == pytest.approx(explained, abs=1e-4)


def test_entries_that_were_hardly_observed_stay_finite():
    """They grow without limit otherwise, and infinity times a mask of 0 spoils a whole fit."""
    from neuro.ntf.kernels import descend_grouped

    factor = np.ones((1, 2), np.float32)
    gram = np.array([[1e-30, 0.0, 1.0]])
    descend_grouped(factor, np.ones((1, 2), np.float32), gram, 2)
    assert np.isfinite(hals.pack(factor)).all() and factor[0, 1] == 1
