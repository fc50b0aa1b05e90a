"""Slice timing on a known wave, and refusals in one line."""

import numpy as np
import pytest

from neuro.fmri.raw.slice_timing import (
    check_slice_times,
    reference_time,
    shift_matrix,
    shift_slices,
    slice_axis,
)

TR, N = 2.0, 150
TIMES = np.array([0.0, 1.0, 0.2, 1.2, 0.4, 1.4, 0.6, 1.6])


def wave(seconds):
    return 900 + 10 * np.sin(2 * np.pi * 0.05 * seconds + 0.7) + 0.2 * seconds


def sampled(times, axis=2):
    """A series whose slices along `axis` were sampled at `times` within each volume."""
    volume_start = np.arange(N) * TR
    slices = np.stack([wave(volume_start + t) for t in times])
    shape = [3, 4, 5]
    shape[axis] = len(times)
    view = [1, 1, 1, N]
    view[axis] = len(times)
    return np.broadcast_to(slices.reshape(view), (*shape, N)).astype(np.float32)


def error(data, at):
    expected = wave(np.arange(N) * TR + at)
    inner = slice(3, -3)
    return np.sqrt(((data - expected)[..., inner] ** 2).mean()) / 10


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_wave_is_recovered_at_the_reference_time(axis):
    data = sampled(TIMES, axis)
    assert error(data, 0.8) > 0.1
    assert error(shift_slices(data, TR, TIMES, axis), 0.8) < 0.01
    assert error(shift_slices(data, TR, TIMES, axis, reference=0.0), 0.0) < 0.01
    assert error(shift_slices(data, TR, TIMES, axis, reference="middle"), 0.4) < 0.01


def test_a_trailing_minus_reverses_the_slices():
    data = sampled(TIMES[::-1])
    assert error(shift_slices(data, TR, TIMES, "k-"), 0.8) < 0.01
    assert error(shift_slices(data, TR, TIMES, reverse=True), 0.8) < 0.01
    assert error(shift_slices(data, TR, TIMES, "k"), 0.8) > 0.1
    assert slice_axis(None) == (2, False)
    assert slice_axis("j-") == (1, True)
    # "middle" is the middle slice of the image, whichever way the times are listed.
    assert error(shift_slices(data, TR, TIMES, "k-", reference="middle"), 1.2) < 0.01


def test_slices_taken_together_are_legal():
    times = np.tile(TIMES[:4], 2)
    assert error(shift_slices(sampled(times), TR, times), 0.6) < 0.01


def test_a_line_is_shifted_exactly_and_a_constant_stays():
    matrix = shift_matrix(20, 0.3)
    np.testing.assert_allclose(matrix @ np.arange(20.0), np.arange(20) + 0.3, atol=1e-10)
    np.testing.assert_allclose(matrix @ np.full(20, 7.0), 7, atol=1e-10)
    np.testing.assert_array_equal(shift_matrix(20, 0.0), np.eye(20))


def test_slices_at_the_reference_stay_bit_for_bit():
    data = sampled(np.zeros(5)) + np.random.default_rng(0).normal(size=(3, 4, 5, N)).astype("f4")
    np.testing.assert_array_equal(shift_slices(data, TR, np.zeros(5)), data)


def test_whole_samples_move_the_series_along():
    x = np.random.default_rng(1).standard_normal(60).cumsum()
    moved = shift_matrix(60, 1.0) @ x
    np.testing.assert_allclose(moved[:-1], x[1:], atol=1e-9)


def test_reference_between_first_and_last_slice():
    assert reference_time([0.5, 1.5, 1.0]) == 1.0
    assert reference_time([0.5, 1.5, 1.0], 0.25) == 0.75
    assert reference_time([0.5, 1.5, 1.0], "middle") == 1.5
    for wrong in ("first", 1.5):
        with pytest.raises(ValueError, match="expected 'middle' or a share"):
            reference_time([0.0, 1.0], wrong)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (TIMES * 1000, "milliseconds"),
        (TIMES + 1.0, "exceeds the repetition time 2 s$"),
        (TIMES[:5], "5 times for 8 slices"),
        (TIMES - 0.1, "numbers >= 0"),
    ],
)
def test_bad_times_are_one_line(times, words):
    with pytest.raises(ValueError, match=words) as caught:
        check_slice_times(times, TR, 8)
    assert "\n" not in str(caught.value)


def test_other_bad_input():
    with pytest.raises(ValueError, match="expected i, j or k"):
        slice_axis("z")
    with pytest.raises(ValueError, match="at least 3"):
        shift_slices(np.zeros((2, 2, 8, 2), dtype=np.float32), TR, TIMES)
