"""Tangent space of covariances: packing, invariance, what is learned and from whom."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from neuro.stats.tangent import TangentSpace, pack, shrunk_correlation, unpack


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    return np.stack([shrunk_correlation(rng.normal(size=(60, 5))) for _ in range(8)])


def test_packed_matrices_come_back(stack):
    rows = pack(stack)
    assert rows.shape == (8, 15)
    np.testing.assert_array_equal(unpack(rows), stack)
    with pytest.raises(ValueError, match="14 values, no upper triangle"):
        unpack(rows[:, :14])


def test_scales_and_mixtures_of_regions_do_not_move_the_spread(stack):
    """Distances between rows stay under any invertible mixture of the regions."""

    def spread(matrices):
        space = TangentSpace(tol=1e-10).fit(pack(matrices))
        white = space.whitening_ @ matrices @ space.whitening_
        return np.array([np.sum(np.log(np.linalg.eigvalsh(item)) ** 2) for item in white])

    mixture = np.random.default_rng(1).normal(size=(5, 5))
    np.testing.assert_allclose(spread(mixture @ stack @ mixture.T), spread(stack), rtol=1e-6)


def test_one_row_alone_is_its_own_mean(stack):
    space = TangentSpace().fit(pack(stack[:1]))
    np.testing.assert_allclose(space.mean_, stack[0], atol=1e-10)
    np.testing.assert_allclose(space.transform(pack(stack[:1])), 0, atol=1e-6)


def test_rows_are_transformed_one_by_one(stack):
    space = TangentSpace().fit(pack(stack[:5]))
    together = space.transform(pack(stack))
    alone = np.concatenate([space.transform(pack(item[None])) for item in stack])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_what_is_no_covariance_is_refused(stack):
    with pytest.raises(ValueError, match="not positive definite"):
        TangentSpace().fit(pack(-stack))
    with pytest.raises(ValueError, match="TangentSpace instance is not fitted yet"):
        TangentSpace().transform(pack(stack))
    with pytest.raises(ValueError, match="X has 10 features, but TangentSpace is expecting 15"):
        TangentSpace().fit(pack(stack)).transform(pack(stack[:, :4, :4]))


def test_estimator_contract(stack):
    estimator = TangentSpace(max_iter=7)
    assert clone(estimator).get_params() == {"max_iter": 7, "tol": 1e-7}
    expected = estimator.fit_transform(pack(stack))
    again = pickle.loads(pickle.dumps(estimator)).transform(pack(stack))
    np.testing.assert_array_equal(again, expected)
