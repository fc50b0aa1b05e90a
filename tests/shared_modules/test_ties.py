"""Signs and choices that rounding must not decide."""

import numpy as np
import pytest

from neuro.stats.ties import TIE, facing, first_best


def test_a_direction_and_its_negative_face_the_same_way():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(30, 7))
    flipped = columns * rng.choice([-1.0, 1.0], 7)
    turned = columns * facing(columns)
    np.testing.assert_array_equal(flipped * facing(flipped), turned)
    assert (turned[np.abs(columns).argmax(axis=0), np.arange(7)] > 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_turn_a_direction_with_two_equal_entries(seed):
    noise = np.random.default_rng(seed).normal(0, 1e-13, (4, 2))
    columns = np.array([[0.1, 0.0], [-0.7, 0.5], [0.7, -0.5], [0.0, 0.5]])
    np.testing.assert_array_equal(facing(columns + noise), [-1, 1])


def test_no_direction_and_a_direction_of_zeros():
    assert facing(np.empty((0, 3))).tolist() == [1, 1, 1]
    assert facing(np.empty((5, 0))).tolist() == []
    assert facing(np.zeros((5, 2))).tolist() == [1, 1]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_of_equal_values_is_best_whatever_rounding_says(sign):
    noise = np.random.default_rng(1).normal(0, 1e-12, (20, 4))
    scores = sign * np.array([3.0, 5.0, 5.0, 4.0] if sign > 0 else [6.0, 5.0, 5.0, 7.0])
    assert {first_best(scores + row).item() for row in noise} == {1}


def test_a_difference_beyond_rounding_counts():
    assert first_best([1.0, 1 + 10 * TIE, 0.5]) == 1
    assert first_best([-1.0, -1 + 10 * TIE]) == 1


def test_best_along_the_first_axis_and_missing_values():
    table = np.array([[1.0, np.nan, -np.inf, np.nan], [2.0, 3.0, 1.0, np.nan]])
    assert first_best(table).tolist() == [1, 1, 1, 0]
    plain = np.random.default_rng(2).normal(size=(9, 50))
    np.testing.assert_array_equal(first_best(plain), plain.argmax(axis=0))
