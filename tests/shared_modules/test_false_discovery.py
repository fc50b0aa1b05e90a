"""Adjusted p values: by hand, against scipy, and what does not count."""

import numpy as np
import pytest
from scipy import stats

from neuro.stats.false_discovery import adjusted_p


def test_by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5])
    np.testing.assert_allclose(adjusted_p(p), [0.04, 4 * 0.04 / 3, np.nan, 4 * 0.04 / 3, 0.5])


@pytest.mark.parametrize("seed", range(3))
def test_equals_scipys(seed):
    p = np.random.default_rng(seed).random(200) ** 2
    p[:5] = p[5:10]
    np.testing.assert_allclose(adjusted_p(p), stats.false_discovery_control(p), rtol=1e-12)


def test_order_and_shape_do_not_matter():
    rng = np.random.default_rng(3)
    p = rng.random((6, 5))
    place = rng.permutation(p.size)
    found = adjusted_p(p)
    assert found.shape == p.shape
    np.testing.assert_array_equal(adjusted_p(p.ravel()[place]), found.ravel()[place])


def test_nothing_and_nothing_known():
    assert adjusted_p([]).shape == (0,)
    assert np.isnan(adjusted_p([np.nan, np.nan])).all()
    assert not (adjusted_p(np.full(5, 0.9)) <= 0.05).any()
