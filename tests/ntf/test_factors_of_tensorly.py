"""Factors to and from tensorly, its solver as a choice, and starts from a CPTensor."""

import numpy as np
import pytest
from factor_fits import SMALL, factors, squared_residual
from tensorly.cp_tensor import CPTensor, cp_to_tensor
from tensorly.decomposition import non_negative_parafac_hals

from neuro.ntf import ConcatenatedNMF, NonNegativeCP, from_cp_tensor, select_rank, to_cp_tensor
from neuro.ntf.factors import compare


def test_a_model_goes_to_tensorly_and_comes_back(small):
    values, _ = small
    model = NonNegativeCP(3, n_starts=2, random_state=0).fit(values)
    cp = to_cp_tensor(model)
    np.testing.assert_allclose(cp_to_tensor(cp), model.reconstruct(), rtol=1e-4, atol=1e-5)
    back = from_cp_tensor(cp, values)
    np.testing.assert_allclose(back.lambda_, model.lambda_, rtol=1e-6)
    for ours, theirs in zip(factors(model), factors(back)):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert back.error_ == pytest.approx(model.error_, abs=1e-5)
    np.testing.assert_array_equal(back.background_, model.background_)
    assert np.isnan(from_cp_tensor(cp).error_), "without data the error is unknown"


def test_a_strangers_factors_are_sorted_and_scaled():
    rng = np.random.default_rng(0)
    parts = [rng.random((n, 3)) for n in (12, 4, 10)]
    parts[1][:, 1] = 0
    weights = np.array([1.0, 5.0, 30.0])
    cp = CPTensor((weights, parts))
    model = from_cp_tensor((weights, parts))
    assert model.n_dropped_ == 1 and (np.diff(model.lambda_) < 0).all()
    np.testing.assert_allclose(model.reconstruct(), cp_to_tensor(cp), rtol=1e-5)
    assert not model.unseen_.any() and (model.support_ == 1).all()
    plain = from_cp_tensor((None, parts))
    np.testing.assert_allclose(
        plain.reconstruct(), cp_to_tensor(CPTensor((None, parts))), rtol=1e-5
    )


def test_the_solver_is_tensorlys(small):
    """Same start, same sweeps: what comes out is what that package gives."""
    values, _ = small
    model = NonNegativeCP(3, solver="tensorly", n_starts=2, max_iter=30, random_state=3)
    model.fit(values)
    from neuro.ntf.factors.operators import as_operator

    errors = []
    for start in NonNegativeCP.starts(as_operator(values), 3, 2, 3):
        first = CPTensor((np.ones(3), [part.astype(float) for part in start.factors()]))
        found, error = non_negative_parafac_hals(
            values.astype(np.float32).astype(float), 3, 30, init=first, tol=1e-5, return_errors=True
        )
        errors.append((float(error[-1]), found))
    np.testing.assert_allclose(model.errors_, [error for error, _ in errors], rtol=1e-6)
    best = min(errors, key=lambda item: item[0])[1]
    np.testing.assert_allclose(model.reconstruct(), cp_to_tensor(best), rtol=1e-3, atol=1e-4)
    # the figure that is reported is the residual, as for our solver
    energy = (values.astype(float) ** 2).sum()
    assert model.explained_ == pytest.approx(1 - squared_residual(values, model) / energy, abs=1e-5)
    assert model.history_[-1] == pytest.approx(squared_residual(values, model), rel=1e-3)
    ours = NonNegativeCP(3, n_starts=2, random_state=3).fit(values)
    assert model.error_ == pytest.approx(ours.error_, abs=2e-3)


@pytest.mark.parametrize("solver", ["hals", "lbfgs", "tensorly"])
def test_a_start_near_the_truth_stays_there(small, solver):
    values, truth = small
    cp = CPTensor((None, [np.asarray(part, float) for part in truth]))
    model = NonNegativeCP(len(truth[0].T), solver=solver, n_starts=1, max_iter=3, init=cp)
    model.fit(values)
    assert compare.similarity(factors(model), truth) > 0.99
    cold = NonNegativeCP(len(truth[0].T), solver=solver, n_starts=1, max_iter=3, random_state=0)
    assert model.error_ < cold.fit(values).error_
    np.testing.assert_array_equal(cp.factors[0], truth[0], "the guess itself is left alone")


def test_ranks_are_compared_with_it_too(small):
    values, _ = small
    sweep = select_rank(values, [2, 3], rule="paper", solver="tensorly", n_starts=2, n_repeats=0)
    models = [NonNegativeCP(r, solver="tensorly", n_starts=2, random_state=0) for r in (2, 3)]
    assert sweep.table["rank"].tolist() == [2, 3]
    expected = [model.fit(values).error_ for model in models]
    assert expected[1] < expected[0]
    np.testing.assert_allclose(sweep.table["error"], expected, rtol=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: parts[:2], "2 modes, expected 3"),
        (lambda parts: [parts[0], parts[1], -parts[2]], "negative or not finite values"),
        (
            lambda parts: [parts[0][1:], *parts[1:]],
            r"\(59, 8, 120\), expected \(60, 8, 120\)",
        ),
        (lambda parts: [part[:, :2] for part in parts], "init: rank 2, expected 3"),
    ],
)
def test_a_guess_that_does_not_fit_is_refused(small, change, message):
    parts = [np.ones((n, 3)) for n in SMALL]
    with pytest.raises(ValueError, match=message):
        NonNegativeCP(3, init=(None, change(parts))).fit(small[0])


def test_no_time_mode_no_cp_tensor(small):
    model = ConcatenatedNMF(2, n_starts=1, random_state=0).fit(small[0])
    with pytest.raises(ValueError, match="no time mode that animals share"):
        to_cp_tensor(model)
