"""The two factor models: objective, components, bad input; tensorly is the oracle."""

import pickle

import numpy as np
import pytest
from factor_fits import SMALL, factors, squared_residual

from neuro.ntf.factors import compare, hals
from neuro.ntf.factors.models import ConcatenatedNMF, NonNegativeCP
from neuro.ntf.factors.operators import DenseRows, as_operator
from neuro.simulate.motifs import planted_tensor


def test_reconstruction_is_the_sum_of_outer_products(small):
    values, _ = small
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values)
    slow = np.zeros(SMALL)
    for r in range(3):
        outer = np.outer(model.time_[:, r], model.animals_[:, r])[:, :, None]
        slow += model.lambda_[r] * outer * model.pairs_[:, r]
    np.testing.assert_allclose(model.reconstruct(), slow, rtol=1e-4, atol=1e-5)
    for factor in factors(model):
        assert factor.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1, atol=1e-5)
    assert (np.diff(model.lambda_) <= 0).all()


def test_error_and_score_are_those_of_the_residual(small):
    values, _ = small
    for model in (NonNegativeCP(3, random_state=0), ConcatenatedNMF(3, random_state=0)):
        model.n_starts = 2
        model.fit(values)
        explained = 1 - squared_residual(values, model) / (values.astype(float) ** 2).sum()
        assert model.explained_ == pytest.approx(explained, abs=1e-5)
        assert model.score(values) == pytest.approx(explained, abs=1e-5)


def test_a_sweep_is_exact_coordinate_descent():
    """One pass over rows with one Gram matrix against the textbook formula."""
    from neuro.ntf.kernels import descend_grouped, descend_shared

    rng = np.random.default_rng(0)
    base = rng.random((30, 4))
    gram, target = base.T @ base, rng.random((7, 4)).astype(np.float32)
    start = rng.random((7, 4)).astype(np.float32)
    slow = start.astype(float)
    for row in range(7):
        for _ in range(2):
            for r in range(4):
                rest = sum(gram[r, s] * slow[row, s] for s in range(4) if s != r)
                slow[row, r] = max(0.0, (target[row, r] - rest) / gram[r, r])
    shared = start.copy()
    descend_shared(shared, target, gram, 2)
    np.testing.assert_allclose(shared, slow, atol=1e-5)
    grouped = start.copy()
    packed = np.repeat(gram[np.triu_indices(4)][None], 7, axis=0)
    descend_grouped(grouped, target, packed, 2)
    np.testing.assert_allclose(grouped, slow, atol=1e-5)


def test_it_finds_what_tensorly_finds(small):
    from tensorly.cp_tensor import cp_to_tensor
    from tensorly.decomposition import non_negative_parafac_hals

    values, truth = small
    model = NonNegativeCP(4, n_starts=5, random_state=0).fit(values)
    found = non_negative_parafac_hals(
        values.astype(float), 4, init="random", random_state=0, n_iter_max=300
    )
    residual = values - cp_to_tensor(found)
    peer = np.linalg.norm(residual) / np.linalg.norm(values)
    assert model.error_ <= peer + 1e-3
    assert compare.similarity(factors(model), found.factors) > 0.99
    assert compare.similarity(factors(model), truth) > 0.98


def test_one_animal_is_matrix_factorisation(small):
    from sklearn.decomposition import NMF

    values = small[0][:, :1]
    model = ConcatenatedNMF(3, n_starts=5, tol=1e-7, max_iter=500, random_state=0).fit(values)
    peer = NMF(3, init="random", random_state=0, max_iter=2000, tol=1e-7)
    peer.fit(values[:, 0].astype(float))
    own = model.error_ * np.linalg.norm(values)
    assert own <= peer.reconstruction_err_ * (1 + 1e-3)
    assert NonNegativeCP(3, n_starts=5, random_state=0).fit(values).error_ == pytest.approx(
        model.error_, abs=2e-3
    )


def exact_objective(operator, start, values, weight):
    """Squared residuals of a start in double precision."""
    fitted = start.rows().astype(float) @ start.pairs.astype(float).T
    return float((weight * (values - fitted.reshape(values.shape)) ** 2).sum())


@pytest.mark.parametrize("cls", [NonNegativeCP, ConcatenatedNMF])
@pytest.mark.parametrize("masked", [False, True])
def test_the_objective_never_rises(small, cls, masked):
    values, _ = small
    rng = np.random.default_rng(0)
    mask = rng.random(SMALL[1:]) < 0.7 if masked else None
    frames = rng.random(SMALL[:2]) < 0.9 if masked else None
    operator = DenseRows(values, mask, frames)
    weight = np.ones(SMALL)
    if masked:
        weight = weight * mask * frames[:, :, None]
    for start in cls.starts(operator, 6, 3, 0):
        exact = []
        for _ in range(40):
            hals._sweep(operator, [start], 2)
            exact.append(exact_objective(operator, start, values, weight))
        assert (np.diff(exact) / exact[:-1]).max() <= 1e-6
        # what the sweeps report is the same, rounded to single precision of the energy
        np.testing.assert_allclose(start.history, exact, atol=1e-6 * operator.sq_norm)


@pytest.mark.slow
def test_the_planted_tensor_is_recovered_at_full_size():
    """Acceptance: similarity >= .98, error <= tensorly + .001, no rise."""
    from tensorly.decomposition import non_negative_parafac_hals

    values, truth = planted_tensor()
    model = NonNegativeCP(6, n_starts=1, random_state=0).fit(values)
    _, errors = non_negative_parafac_hals(
        values, 6, init="random", random_state=0, return_errors=True
    )
    assert compare.similarity(factors(model), truth) >= 0.98
    assert model.error_ <= float(errors[-1]) + 1e-3
    assert (np.diff(model.history_) / model.history_[:-1]).max() <= 1e-6


def test_a_motif_of_two_blocks_keeps_its_rank(middle):
    """Acceptance 4; with neurons in two modes a motif would be of rank 1, error .67."""
    from neuro.ntf.communities.detect import motifs

    values, truth, _ = middle
    model = NonNegativeCP(6, n_starts=3, random_state=0).fit(values)
    assert model.error_ < 0.12
    assert compare.similarity(factors(model), truth) > 0.98
    for matrix in motifs(model).astype(float):
        singular = np.linalg.svd(matrix, compute_uv=False)
        assert singular[1] > 0.5 * singular[0], "two blocks of one size have two large values"


def test_components_without_weight_are_dropped_and_counted():
    values = np.ones((10, 3, 15), np.float32)
    model = NonNegativeCP(4, n_starts=2, tol=1e-9, max_iter=500, random_state=0).fit(values)
    assert len(model.lambda_) + model.n_dropped_ == 4
    assert model.error_ < 1e-3


def test_concatenated_time_courses_are_the_animals_own(small):
    values, _ = small
    model = ConcatenatedNMF(3, n_starts=2, random_state=0).fit(values)
    assert model.time_.shape == (60, 8, 3)
    np.testing.assert_allclose(np.linalg.norm(model.time_, axis=0), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(model.animals_, axis=0), 1, atol=1e-5)
    # it has more freedom than the shared clock
    assert model.error_ < NonNegativeCP(3, n_starts=2, random_state=0).fit(values).error_


def test_the_mean_of_noise_becomes_a_background_component():
    from neuro.ntf.factors.compare import is_background, participation

    values, _ = planted_tensor((120, 10, 400), 3, noise=0.6, random_state=2)
    model = NonNegativeCP(4, n_starts=5, random_state=0).fit(values)
    assert model.background_.sum() == 1
    constant = np.ones((50, 1))
    peaked = np.eye(50)[:, :1]
    both = np.hstack([constant, peaked])
    assert list(is_background(both, both)) == [True, False]
    np.testing.assert_allclose(participation(both), [50, 1])


@pytest.mark.parametrize("cls", [NonNegativeCP, ConcatenatedNMF])
def test_estimators_can_be_cloned_and_pickled(small, cls):
    from sklearn.base import clone

    values, _ = small
    model = cls(3, n_starts=2, random_state=0)
    copy = clone(model)
    assert copy.get_params() == model.get_params() and copy is not model
    with pytest.raises(ValueError, match="is not fitted yet; call fit first"):
        model.reconstruct()
    with pytest.raises(ValueError, match="no parameter 'ranks'"):
        model.set_params(ranks=3)
    model.fit(values)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.reconstruct(), model.reconstruct())


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda x: -x, "X has 57600 negative values (min -"),
        (
            lambda x: np.where(x > x.mean(), np.nan, x),
            "NaN or infinite values; mask what was",
        ),
        (lambda x: 0 * x, "X is 0 wherever it was observed; there is nothing to factorise"),
        (lambda x: x[:, 0], "X: shape (60, 120), expected (n_bins, n_animals, n_pairs)"),
    ],
)
def test_a_bad_tensor_is_refused_in_one_line(small, make, line):
    with pytest.raises(ValueError) as error:
        NonNegativeCP(3).fit(make(small[0]))
    assert line in str(error.value) and "\n" not in str(error.value)


def test_negative_values_name_the_way_out():
    values = np.ones((4, 3, 3), np.float32)
    values[0, 0] = -0.3
    with pytest.raises(ValueError) as error:
        NonNegativeCP(1).fit(values)
    assert str(error.value) == "X has 3 negative values (min -0.3); choose sign_blind or split"


def test_bad_arguments_are_refused_in_one_line(small):
    values, _ = small
    with pytest.raises(ValueError, match=r"rank 500 > min\(bins x animals, pairs\) = 120"):
        NonNegativeCP(500).fit(values)
    with pytest.raises(ValueError, match="rank: got 0, expected a whole number >= 1"):
        NonNegativeCP(0).fit(values)
    with pytest.raises(ValueError, match="got 'mu', expected 'hals', 'lbfgs' or 'tensorly'"):
        NonNegativeCP(2, solver="mu").fit(values)
    for solver in ("lbfgs", "tensorly"):
        with pytest.raises(ValueError, match=f"solver '{solver}' has no mask"):
            mask = np.ones(SMALL[1:], bool)
            mask[0, 0] = False
            NonNegativeCP(2, solver=solver).fit(values, mask=mask)
    with pytest.raises(ValueError, match="mask: animal 3 has no observed pair; leave it out"):
        mask = np.ones(SMALL[1:], bool)
        mask[3] = False
        NonNegativeCP(2).fit(values, mask=mask)
    with pytest.raises(ValueError, match="backend: got 'jax', expected 'numpy' or 'torch'"):
        as_operator(values, backend="jax")
    with pytest.raises(ValueError, match=r"pair mask: shape \(3, 3\), expected \(8, 120\)"):
        DenseRows(values, np.zeros((3, 3), bool))
