"""The relaxed one-hot variable of the paper: values, gradients, conventions."""

import numpy as np
import pytest
from scipy import integrate

from neuro.hmmglm.edges import gumbel

P = np.array([0.8, 0.1, 0.1])


def corner(log_eps, favourite=0):
    eps = np.exp(log_eps)
    x = np.full(3, eps)
    x[favourite] = 1 - 2 * eps
    return x


@pytest.mark.parametrize(
    ("log_eps", "favourite", "value"), [(-20, 0, 33.3), (-10, 0, 14.2), (-20, 1, 29.0)]
)
def test_density_at_the_corners(log_eps, favourite, value):
    got = gumbel.gumbel_softmax_log_density(corner(log_eps, favourite), P, 0.2)
    assert got == pytest.approx(value, abs=0.1)


def test_density_integrates_to_one():
    """Over a two-class simplex, where the area element is dx."""
    total = integrate.quad(
        lambda x: np.exp(
            gumbel.gumbel_softmax_log_density(np.array([x, 1 - x]), np.array([0.3, 0.7]), 0.6)
        ),
        0,
        1,
        limit=400,
    )[0]
    assert total == pytest.approx(1.0, abs=2e-4)


def test_samples_follow_the_class_probabilities():
    rng = np.random.default_rng(0)
    logits = np.tile(np.log(P), (40_000, 1))
    sample = gumbel.gumbel_sample(logits, 0.2, rng)
    share = np.bincount(sample.argmax(axis=1)) / 40_000
    np.testing.assert_allclose(share, P, atol=0.01)
    np.testing.assert_allclose(sample.sum(axis=1), 1.0)


def test_gradients_equal_finite_differences():
    rng = np.random.default_rng(1)
    logits, prior = rng.normal(size=(2, 4, 3)), rng.normal(size=(4, 3))
    _, to_logits, to_prior = gumbel.density_gradients(logits, prior, 0.2)
    for place in [(0, 0, 0), (1, 3, 2), (0, 2, 1)]:
        for array, gradient, spot in ((logits, to_logits, place), (prior, to_prior, place[1:])):
            keep = array[spot]
            values = []
            for shift in (1e-6, -1e-6):
                array[spot] = keep + shift
                values.append(gumbel.density_gradients(logits, prior, 0.2)[0])
            array[spot] = keep
            assert gradient[spot] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5)


def test_gradient_through_the_softmax():
    rng = np.random.default_rng(2)
    logits, slope = rng.normal(size=3), rng.normal(size=3)
    got = gumbel.through_softmax(gumbel.softmax(logits / 0.2), slope, 0.2)
    for c in range(3):
        shift = 1e-6 * np.eye(3)[c]
        want = slope @ (
            gumbel.softmax((logits + shift) / 0.2) - gumbel.softmax((logits - shift) / 0.2)
        )
        assert got[c] == pytest.approx(want / 2e-6, rel=1e-5, abs=1e-9)


def test_class_order_and_signs():
    one_hot = np.eye(3)
    np.testing.assert_array_equal(gumbel.signed_weights(one_hot, np.full(3, 0.7)), [-0.7, 0, 0.7])
    np.testing.assert_array_equal(gumbel.hard(one_hot), [-1, 0, 1])
    assert gumbel.hard(one_hot).dtype == np.int8


def test_extreme_logits_are_halved_and_others_left_alone():
    logits = np.array([[5.0, -18.0, 0.0], [1.0, 0.0, -1.0]])
    gumbel.halve_extremes(logits)
    np.testing.assert_array_equal(logits, [[5.0, -9.0, 0.0], [1.0, 0.0, -1.0]])


def test_no_denormal_numbers():
    weights = gumbel.softmax(np.array([[0.0, -720.0, -740.0]]))
    assert ((weights == 0) | (weights > np.finfo(float).tiny)).all()


def test_adam_climbs_to_the_top():
    values = {"x": np.array([3.0, -2.0])}
    adam = gumbel.Adam(values, 0.05)
    for _ in range(600):
        adam.climb({"x": -2 * (values["x"] - 1.0)})
    np.testing.assert_allclose(values["x"], 1.0, atol=1e-2)
