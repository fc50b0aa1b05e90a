"""Spike history: causal, and never across a border."""

import numpy as np
import pytest

from neuro.hmmglm.baselines import poisson
from neuro.hmmglm.design.history import (
    after_gap,
    exponential_basis,
    history,
    make_basis,
    make_design,
    raised_cosine_basis,
)


def test_a_gap_of_one_sequence_costs_no_bin_of_the_next():
    counts = [np.ones((6, 2)), np.ones((5, 2)), np.ones((4, 2))]
    masks = [np.ones(len(one), bool) for one in counts]
    masks[1][-1] = False
    _, usable, starts, seen = poisson.joined(counts, masks, 3)
    assert starts.tolist() == [0, 6, 11, 15]
    assert np.flatnonzero(~usable).tolist() == [10]
    assert np.flatnonzero(~seen.any(axis=1)).tolist() == [10]


def test_the_basis_of_the_paper():
    basis = exponential_basis()[:, 0]
    np.testing.assert_allclose(basis, [0.6364, 0.2341, 0.0861, 0.0317, 0.0117], atol=5e-5)
    assert basis.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("n_basis", [1, 3, 6])
def test_raised_cosines_have_unit_sum_and_order(n_basis):
    basis = raised_cosine_basis(12, n_basis)
    assert basis.shape == (12, n_basis)
    np.testing.assert_allclose(basis.sum(axis=0), 1.0)
    assert (basis >= 0).all()
    assert (np.diff(np.arange(12) @ basis) > 0).all()


def test_equals_the_definition_bin_by_bin():
    rng = np.random.default_rng(0)
    counts, basis = rng.poisson(1.0, size=(40, 3)), rng.uniform(size=(4, 2))
    got = history(counts, basis, [0, 15]).reshape(40, 3, 2)
    for t in range(40):
        first = 15 if t >= 15 else 0
        want = np.zeros((3, 2))
        for lag in range(1, 5):
            if t - lag >= first:
                want += counts[t - lag][:, None] * basis[lag - 1]
        np.testing.assert_allclose(got[t], want)


@pytest.mark.parametrize("n_bins", [1, 2, 3])
def test_a_sequence_shorter_than_the_filter_has_what_it_has(n_bins):
    counts = np.arange(1.0, n_bins + 1)[:, None]
    past = history(counts, np.ones(5))[:, 0]
    assert past.tolist() == [0.0, 1.0, 3.0][:n_bins]


def test_the_present_bin_never_enters():
    counts = np.zeros((10, 2))
    counts[4, 0] = 1
    past = history(counts, exponential_basis(3))
    assert (past[:5] == 0).all() and past[5, 0] > past[6, 0] > past[7, 0] > 0
    assert (past[8:] == 0).all() and (past[:, 1] == 0).all()


def test_bins_after_a_gap_are_not_usable():
    observed = np.ones(20, bool)
    observed[6] = False
    usable = after_gap(observed, 3, [0, 10])
    assert np.flatnonzero(~usable).tolist() == [6, 7, 8, 9]
    observed[9] = False
    # the gap at the end of a sequence does not reach into the next one
    assert after_gap(observed, 3, [0, 10])[10:].all()


def test_nan_and_mask_mean_the_same():
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.5, size=(30, 3)).astype(float)
    for place, mask in ((np.s_[11, 1], np.ones((30, 3), bool)), (np.s_[11], np.ones(30, bool))):
        holed = counts.copy()
        holed[place] = np.nan
        mask[place] = False
        a = make_design([holed], exponential_basis())
        b = make_design([counts], exponential_basis(), [mask])
        np.testing.assert_array_equal(a.usable, b.usable)
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.counts, b.counts)


def test_one_missing_value_costs_itself_and_is_the_mean_of_the_past():
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.5, size=(30, 3)).astype(float)
    counts[11, 1] = np.nan
    basis = exponential_basis()
    design = make_design([counts], basis, dtype=np.float64)
    assert design.usable.all() and design.n_entries == 89
    assert design.n_observed.tolist() == [30, 29, 30]
    mean = np.nanmean(counts[:, 1])
    assert design.means[1] == pytest.approx(mean)
    filled = counts.copy()
    filled[11, 1] = mean
    want = make_design([filled], basis, dtype=np.float64)
    np.testing.assert_allclose(design.x, want.x)
    # what a model knows of the unit comes from its training data, not from what it predicts
    given = make_design([counts], basis, means=np.array([0, 9.0, 0]), dtype=np.float64)
    assert given.x[12, 2] - want.x[12, 2] == pytest.approx((9 - mean) * basis[0, 0])


def test_a_bin_without_any_value_is_a_gap():
    counts = np.ones((20, 2))
    counts[8] = np.nan
    design = make_design([counts], exponential_basis(3))
    assert np.flatnonzero(~design.usable).tolist() == [8, 9, 10, 11] and design.seen is None


def test_products_are_those_of_all_pairs():
    rng = np.random.default_rng(2)
    design = make_design([rng.poisson(1.0, size=(50, 4))], exponential_basis())
    rows, columns = np.triu_indices(5)
    want = design.x[10:30][:, rows] * design.x[10:30][:, columns]
    np.testing.assert_array_equal(design.products(10, 30), want)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cosine", 5, 1.0, 1), "basis: got 'cosine'"),
        (("exponential", 5, 1.0, 2), "n_basis: got 2"),
        (("raised_cosine", 3, 1.0, 4), "expected 1 to n_history"),
        (("exponential", 0, 1.0, 1), "n_history: got 0"),
    ],
)
def test_impossible_bases_are_one_line(arguments, words):
    with pytest.raises(ValueError, match=words):
        make_basis(*arguments)
