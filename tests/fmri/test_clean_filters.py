"""Temporal filters against scipy's, and the properties that cleaning relies on."""

import numpy as np
import pytest
from scipy import signal
from scipy.interpolate import CubicSpline

from neuro.fmri.clean import filters

TR = 2.0


@pytest.mark.parametrize(
    ("low", "high", "form"),
    [(0.01, 0.08, "bandpass"), (0.01, None, "highpass"), (None, 0.08, "lowpass")],
)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_butterworth_is_filtfilt_of_an_endlessly_reflected_series(low, high, form, order):
    x = signal.detrend(np.random.default_rng(0).standard_normal((120, 3)), axis=0)
    edges = [low, high] if low and high else low or high
    sections = signal.butter(order, edges, form, fs=1 / TR, output="sos")
    extended = np.pad(x, ((1200, 1200), (0, 0)), mode="symmetric")
    expected = signal.sosfiltfilt(sections, extended, axis=0)[1200:1320]
    found = filters.filter_columns(x, TR, low=low, high=high, order=order)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_butterworth_agrees_with_sosfiltfilt_away_from_the_ends():
    x = signal.detrend(np.random.default_rng(1).standard_normal(400))
    sections = signal.butter(2, [0.01, 0.08], "bandpass", fs=1 / TR, output="sos")
    expected = signal.sosfiltfilt(sections, x)
    found = filters.filter_columns(x, TR, low=0.01, high=0.08)
    np.testing.assert_allclose(found[130:-130], expected[130:-130], atol=2e-3)


def test_operator_is_symmetric_and_never_amplifies():
    matrix = filters.filter_columns(np.eye(90), TR, low=0.01, high=0.08)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    gains = np.linalg.eigvalsh(matrix)
    assert gains.min() > -1e-12
    assert gains.max() < 1 + 1e-12


def test_reversing_time_reverses_the_result():
    x = np.random.default_rng(2).standard_normal((101, 2))
    for kind in ("butterworth", "fft"):
        forward = filters.filter_columns(x, TR, low=0.01, high=0.1, kind=kind)
        backward = filters.filter_columns(x[::-1], TR, low=0.01, high=0.1, kind=kind)
        np.testing.assert_allclose(backward[::-1], forward, atol=1e-12)


def test_stop_band_tone_disappears_and_pass_band_tone_stays():
    time = np.arange(300) * TR
    left, kept = [], []
    for seed in range(20):
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
        for frequency, shares in ((0.2, left), (0.04, kept)):
            tone = filters.detrend(np.sin(2 * np.pi * frequency * time + phase))
            out = filters.filter_columns(tone, TR, low=0.01, high=0.08)
            shares.append((out @ out) / (tone @ tone))
    assert max(left) < 0.005
    assert min(kept) > 0.95


@pytest.mark.parametrize("n", [60, 61])
def test_ideal_filter_keeps_exactly_the_frequencies_of_the_band(n):
    x = np.random.default_rng(3).standard_normal((n, 4))
    spectrum = np.fft.rfft(x, axis=0)
    out = np.fft.rfft(filters.filter_columns(x, TR, low=0.05, high=0.1, kind="fft"), axis=0)
    frequency = np.fft.rfftfreq(n, TR)
    inside = (frequency >= 0.05 - 1e-12) & (frequency <= 0.1 + 1e-12)
    np.testing.assert_allclose(out[inside], spectrum[inside], atol=1e-10)
    np.testing.assert_allclose(out[~inside], 0, atol=1e-10)


@pytest.mark.parametrize("n", [40, 41])
def test_out_of_band_columns_span_what_the_ideal_filter_removes(n):
    columns, names = filters.out_of_band_columns(n, TR, 0.05, 0.1)
    assert columns.shape == (n, len(names))
    inside = filters.filter_columns(columns, TR, low=0.05, high=0.1, kind="fft")
    np.testing.assert_allclose(inside, 0, atol=1e-10)
    total = (
        columns.shape[1]
        + 1
        + np.linalg.matrix_rank(
            filters.filter_columns(np.eye(n), TR, low=0.05, high=0.1, kind="fft")
        )
    )
    assert total == n


def test_interpolation_reproduces_scipys_natural_spline_and_repeats_the_ends():
    rng = np.random.default_rng(4)
    keep = rng.random(50) > 0.4
    keep[[0, 1, 48, 49]] = False
    y = rng.standard_normal((int(keep.sum()), 3))
    knots = np.flatnonzero(keep)
    found = filters.interpolation_matrix(keep) @ y
    inner = np.arange(knots[0], knots[-1] + 1)
    expected = CubicSpline(knots, y, bc_type="natural")(inner)
    np.testing.assert_allclose(found[inner], expected, atol=1e-10)
    np.testing.assert_array_equal(found[: knots[0]], np.broadcast_to(y[0], (knots[0], 3)))
    np.testing.assert_array_equal(found[knots[-1] :], np.broadcast_to(y[-1], (50 - knots[-1], 3)))
    np.testing.assert_array_equal(found[keep], y)


@pytest.mark.parametrize("n_kept", [1, 2, 3])
def test_interpolation_from_very_few_points(n_kept):
    keep = np.zeros(7, dtype=bool)
    keep[[1, 4, 5][:n_kept]] = True
    matrix = filters.interpolation_matrix(keep)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)


def test_interpolation_of_nothing_says_so():
    with pytest.raises(ValueError, match="no time point is kept"):
        filters.interpolation_matrix(np.zeros(4, dtype=bool))


def test_detrend_matches_least_squares():
    x = np.random.default_rng(5).standard_normal((33, 2)) + np.arange(33)[:, None] * [3.0, -1.0]
    np.testing.assert_allclose(filters.detrend(x), signal.detrend(x, axis=0), atol=1e-10)
    np.testing.assert_allclose(filters.detrend(x, linear=False), x - x.mean(0), atol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "tr", "words"),
    [
        (0.08, 0.01, 2.0, "expected 0 <= low < high"),
        (0.01, 0.3, 2.0, "Nyquist"),
        (0.01, 0.08, 0.0, "seconds"),
        (0.01, 0.08, None, "seconds"),
    ],
)
def test_bad_bands_are_refused_in_one_line(low, high, tr, words):
    with pytest.raises(ValueError, match=words) as caught:
        filters.check_band(low, high, tr)
    assert "\n" not in str(caught.value)


def test_open_band_changes_nothing():
    x = np.random.default_rng(6).standard_normal((20, 2))
    np.testing.assert_array_equal(filters.filter_columns(x, TR, low=0, high=None), x)
    assert filters.band_fraction(0.0, 0.25, TR) == 1.0
    assert filters.band_fraction(0.01, 0.08, TR) == pytest.approx(0.28)


def test_planted_signals_in_the_band_come_back_better_than_from_filtfilt():
    """172 volumes, 12 tones between the edges of the band, white noise of the same size."""
    rng, n, tr, band = np.random.default_rng(0), 500, 2.0, (0.01, 0.08)
    time = np.arange(172)[:, None] * tr
    wave = [rng.uniform(low, high, (12, n)) for low, high in (band, (0, 2 * np.pi))]
    size = rng.standard_normal((12, n))
    tones = sum(a * np.sin(2 * np.pi * f * time + p) for f, p, a in zip(*wave, size))
    x = tones / tones.std(axis=0) + rng.standard_normal(tones.shape)
    x -= x.mean(axis=0)
    sections = signal.butter(2, band, btype="band", fs=1 / tr, output="sos")

    def recovered(found):
        return np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, tones.T)])

    ours = filters.filter_columns(x, tr, low=band[0], high=band[1])
    assert recovered(ours) > recovered(signal.sosfiltfilt(sections, x, axis=0)) + 0.02
