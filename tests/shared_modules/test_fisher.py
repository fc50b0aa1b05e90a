"""Fisher's z stays finite and is the inverse of the hyperbolic tangent elsewhere."""

import numpy as np

from neuro.stats import fisher_z


def test_z_is_the_inverse_of_tanh_and_finite_at_one():
    r = np.linspace(-0.999, 0.999, 101)
    np.testing.assert_allclose(np.tanh(fisher_z(r)), r, atol=1e-12)
    ends = fisher_z(np.array([-1.0, 1.0, 1.0 + 1e-12, np.nan]))
    np.testing.assert_allclose(ends[:3], [-8.4056, 8.4056, 8.4056], atol=1e-3)
    assert np.isnan(ends[3])
