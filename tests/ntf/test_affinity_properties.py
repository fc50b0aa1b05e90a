"""Affinities: against slow obvious versions, and the properties every affinity must have."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from neuro.ntf.affinity.derivative import derivative_kernel, noise_level, scaled_derivatives
from neuro.ntf.affinity.pairs import KINDS, affinity, bin_mask, frame_bins, separable_parts

FS = 4.0


def smooth(n_frames=240, n_neurons=5, noise=0.02, seed=0, sd=6):
    """Smooth random traces with a little noise."""
    rng = np.random.default_rng(seed)
    x = gaussian_filter1d(rng.standard_normal((n_frames, n_neurons)), sd, axis=0)
    return x / x.std(axis=0) + noise * rng.standard_normal(x.shape)


def slow_derivatives(x, fs, smooth_s=0.75):
    """Sampled Gaussian derivative, scaled by its own 99 % quantile; no gate."""
    kernel = derivative_kernel(fs, smooth_s)
    radius = len(kernel) // 2
    out = np.zeros(x.shape)
    for i in range(x.shape[1]):
        padded = np.pad(x[:, i], radius, mode="symmetric")
        for t in range(len(x)):
            out[t, i] = padded[t : t + 2 * radius + 1] @ kernel
        out[:, i] /= np.quantile(np.abs(out[:, i]), 0.99)
    return out


def slow_differential(x, fs, floor=0.1, valid=None):
    """The definition in words, frame by frame: (n_frames, n_neurons, n_neurons)."""
    d = slow_derivatives(x, fs)
    n_frames, n = d.shape
    valid = np.ones(n_frames, bool) if valid is None else valid
    out = np.zeros((n_frames, n, n))
    for i in range(n):
        for j in range(n):
            joint = (np.abs(d[:, i]) >= floor) & (np.abs(d[:, j]) >= floor) & valid
            key = [
                (bool(joint[t]), d[t, i] > 0, d[t, j] > 0) if joint[t] else None
                for t in range(n_frames)
            ]
            first = 0
            while first < n_frames:
                last = first
                while last < n_frames and key[last] == key[first]:
                    last += 1
                if key[first] is not None:
                    a, b = np.abs(d[first:last, i]), np.abs(d[first:last, j])
                    ratio = (a * b).sum() / np.maximum(a**2, b**2).sum()
                    out[first:last, i, j] = ratio * min(1.0, a.max(), b.max())
                first = last
    return out


def binned(full, bins, valid=None):
    """Means over bins of valid frames, pairs in upper-triangle order."""
    pairs = np.triu_indices(full.shape[1], 1)
    valid = np.ones(len(full), bool) if valid is None else valid
    rows = []
    for first, last in zip(*bins):
        kept = [t for t in range(first, last) if valid[t]]
        rows.append(full[kept].mean(axis=0)[pairs] if kept else np.zeros(len(pairs[0])))
    return np.array(rows)


def test_differential_equals_the_definition():
    x = smooth()
    expected = binned(slow_differential(x, FS), frame_bins(len(x), FS, 1.0))
    got = affinity(x, FS, snr_min=0)
    assert got.dtype == np.float32
    assert expected.max() > 0.5
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_differential_ends_runs_at_masked_frames():
    x = smooth(noise=0)
    mask = np.ones(len(x), bool)
    mask[[50, 51, 120]] = False
    # masked frames are bridged by lines, which the traces must not feel here
    for k in (50, 51):
        x[k] = x[49] + (x[52] - x[49]) * (k - 49) / 3
    x[120] = (x[119] + x[121]) / 2
    d = slow_derivatives(x, FS)
    quantile = np.quantile(np.abs(d[mask]), 0.99, axis=0)
    d = d / quantile
    slow = slow_differential(x, FS, valid=mask)
    got = affinity(x, FS, snr_min=0, frame_mask=mask)
    expected = binned(slow, frame_bins(len(x), FS, 1.0), mask)
    # quantiles over all and over valid frames differ by a hair
    assert np.abs(got - expected).max() < 0.02
    spoiled = x.copy()
    spoiled[~mask] = np.nan
    np.testing.assert_allclose(affinity(spoiled, FS, snr_min=0, frame_mask=mask), got, atol=1e-6)


def test_product_and_root_equal_their_definition():
    x = smooth()
    d = np.minimum(np.abs(slow_derivatives(x, FS)), 1)
    bins = frame_bins(len(x), FS, 1.0)
    product = binned(d[:, :, None] * d[:, None, :], bins)
    root = binned(np.sqrt(d[:, :, None] * d[:, None, :]), bins)
    np.testing.assert_allclose(affinity(x, FS, "product", snr_min=0), product, atol=1e-6)
    np.testing.assert_allclose(affinity(x, FS, "root", snr_min=0), root, atol=1e-6)


@pytest.mark.parametrize("sign", ["positive", "negative", "blind"])
def test_edge_time_series_equal_their_definition(sign):
    x = smooth()
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    edge = z[:, :, None] * z[:, None, :]
    part = {"positive": np.maximum(edge, 0), "negative": np.maximum(-edge, 0), "blind": abs(edge)}
    expected = binned(part[sign], frame_bins(len(x), FS, 2.0))
    np.testing.assert_allclose(
        affinity(x, FS, "edge_ts", sign=sign, bin_s=2.0), expected, atol=1e-5
    )


def test_sliding_window_is_a_weighted_correlation():
    x = smooth(seed=3)
    got = affinity(x, FS, "sliding_window", window_s=20.0, sign="blind", bin_s=1.0)
    centre, half = 41.5, 40
    rows = np.arange(int(centre) - half, int(centre) + half + 1)
    weight = 0.5 + 0.5 * np.cos(np.pi * (rows - centre) / (half + 1))
    covariance = np.cov(x[rows].T, aweights=weight)
    sd = np.sqrt(np.diag(covariance))
    expected = np.abs(covariance / np.outer(sd, sd))[np.triu_indices(5, 1)]
    np.testing.assert_allclose(got[10], expected, atol=1e-5)


def test_phase_of_shifted_sines_is_the_cosine_of_the_shift():
    t = np.arange(400) / FS
    x = np.sin(2 * np.pi * 0.1 * t[:, None] + np.array([0.0, np.pi / 3, np.pi]))
    got = affinity(x, FS, "phase", bin_s=1.0)[20:80]
    np.testing.assert_allclose(got[:, 0], 0.5, atol=0.02)
    assert got[:, 1:].max() < 0.02
    negative = affinity(x, FS, "phase", sign="negative", bin_s=1.0)[20:80]
    np.testing.assert_allclose(negative[:, 1], 1.0, atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_not_negative_and_bounded(kind):
    got = affinity(smooth(noise=0.3), FS, kind)
    assert np.isfinite(got).all() and got.min() >= 0
    if kind not in ("edge_ts", "excess"):
        assert got.max() <= 1 + 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_permuting_neurons_permutes_pairs(kind):
    """Symmetry is part of it: a pair may come out in the other order."""
    x, order = smooth(), np.array([3, 0, 4, 1, 2])
    n = x.shape[1]

    def square(values):
        full = np.zeros((len(values), n, n))
        left, right = np.triu_indices(n, 1)
        full[:, left, right] = full[:, right, left] = values
        return full

    there = square(affinity(x, FS, kind))[:, order][:, :, order]
    np.testing.assert_allclose(square(affinity(x[:, order], FS, kind)), there, atol=1e-5)


@pytest.mark.parametrize("kind", ["differential", "product", "root"])
def test_sign_scale_and_offset_do_not_matter(kind):
    x = smooth(noise=0.1)
    plain = affinity(x, FS, kind)
    turned = x * np.array([-1.0, 1, 250.0, 1, 1e-3]) + np.array([0, 5.0, 0, -1e3, 0])
    np.testing.assert_allclose(affinity(turned, FS, kind), plain, atol=1e-5)


@pytest.mark.parametrize("kind", ["edge_ts", "sliding_window", "phase"])
def test_scale_and_offset_do_not_matter_to_signed_kinds(kind):
    x = smooth(noise=0.1)
    turned = x * np.array([3.0, 1, 250.0, 1, 1e-3]) + np.array([0, 5.0, 0, -10.0, 0])
    np.testing.assert_allclose(affinity(turned, FS, kind), affinity(x, FS, kind), atol=2e-5)


def test_identical_and_mirrored_traces_reach_one_on_active_runs():
    x = smooth(noise=0)[:, [0, 0]] * np.array([1.0, -1.0])
    d, _, _ = scaled_derivatives(x, FS, snr_min=0)
    bins = frame_bins(len(x), FS, 1.0)
    got = affinity(x, FS)[:, 0]
    active = np.array(
        [np.abs(d[a:b, 0]).min() >= 0.1 and np.ptp(np.sign(d[a:b, 0])) == 0 for a, b in zip(*bins)]
    )
    # a run that reaches its usual peak has affinity 1
    strong = active & np.array([np.abs(d[a:b, 0]).max() >= 1 for a, b in zip(*bins)])
    assert strong.sum() >= 1 and got[strong].min() >= 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_constant_traces_have_no_affinity(kind):
    x = smooth()
    x[:, 1] = 7.3
    x[:, 2] = -1e6
    pairs = np.column_stack(np.triu_indices(5, 1))
    with_constant = np.isin(pairs, [1, 2]).any(axis=1)
    assert affinity(x, FS, kind)[:, with_constant].max() == 0
    assert affinity(np.full((200, 2), 5.0), FS, kind).max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_noise_only_traces_score_below_two_percent_with_the_gate(seed):
    x = 0.3 * np.random.default_rng(seed).standard_normal((960, 20)) + 4
    assert affinity(x, FS).mean() < 0.02
    assert affinity(x, FS, snr_min=0).mean() > 0.1, "without the gate noise would count"


def test_the_gate_keeps_traces_with_a_signal():
    x = smooth(n_frames=960, n_neurons=20, noise=0.3)
    _, silent, ratio = scaled_derivatives(x, FS)
    assert not silent.any() and ratio.min() > 2
    both = np.column_stack([x, np.random.default_rng(1).standard_normal((960, 20))])
    assert list(np.flatnonzero(scaled_derivatives(both, FS)[1])) == list(range(20, 40))
    assert np.array_equal(
        scaled_derivatives(1e4 * both + 3, FS)[1], scaled_derivatives(both, FS)[1]
    )


def test_noise_level_is_that_of_the_noise():
    rng = np.random.default_rng(0)
    x = smooth(4000, 3, noise=0, sd=20) + 0.2 * rng.standard_normal((4000, 3))
    np.testing.assert_allclose(noise_level(x), 0.2, rtol=0.1)


def test_half_the_sampling_rate_gives_nearly_the_same_bins():
    t = np.arange(0, 120, 1 / 8.0)
    x = np.column_stack(
        [
            np.sin(2 * np.pi * t / 20 + k) + 0.5 * np.sin(2 * np.pi * t / 13 + 2 * k)
            for k in range(6)
        ]
    )
    for kind in ("differential", "product"):
        fine, coarse = affinity(x, 8.0, kind), affinity(x[::2], 4.0, kind)
        assert np.abs(fine - coarse).mean() < 0.05


def test_separable_parts_multiply_to_the_affinity():
    x = smooth()
    bins = frame_bins(len(x), FS, 1.0)
    for kind in ("product", "root", "edge_ts"):
        parts, _ = separable_parts(x, FS, kind)
        full = sum(part[:, :, None] * part[:, None, :] for part in parts)
        np.testing.assert_allclose(affinity(x, FS, kind), binned(full, bins), atol=1e-5)


def test_bins_do_not_drift_at_odd_rates():
    starts, stops = frame_bins(1000, 6.1, 1.0)
    assert len(starts) == 163 and (starts[1:] == stops[:-1]).all()
    np.testing.assert_allclose(starts / 6.1, np.arange(163), atol=1 / 6.1)
    kept = bin_mask(np.arange(1000) > 500, starts, stops)
    assert not kept[:80].any() and kept[83:].all()


@pytest.mark.parametrize("length", [1, 2, 4, 7, 8])
def test_a_bin_is_seen_from_half_of_its_frames_on(length):
    rng = np.random.default_rng(0)
    for n_kept in range(length + 1):
        masks = [np.arange(length) < n_kept, np.arange(length) >= length - n_kept]
        masks += [rng.permutation(masks[0]) for _ in range(5)]
        frames = np.concatenate([part for mask in masks for part in (np.ones(length), mask)])
        edges = np.arange(2 * len(masks) + 1) * length
        kept = bin_mask(frames.astype(bool), edges[:-1], edges[1:])
        assert kept[::2].all(), "whole bins between"
        assert (kept[1::2] == (n_kept >= length / 2)).all(), n_kept


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "cosine"}, "kind: got 'cosine', expected one of excess, differential, product"),
        ({"sign": "both"}, "sign: got 'both', expected one of positive, negative, blind"),
        ({"traces": np.zeros((50, 1))}, "traces: shape (50, 1), expected (n_frames, n_neurons)"),
        ({"traces": np.ones(50)}, "traces: shape (50,), expected (n_frames, n_neurons)"),
        ({"frame_mask": np.ones(3, bool)}, "frame mask: 3 values for 50 frames"),
        ({"traces": np.full((50, 2), np.nan)}, "NaN or infinite values in column 0; give a frame"),
        ({"bin_s": 60.0}, "50 frames at 4 Hz are 12.5 s, shorter than one bin of 60 s"),
        ({"bin_s": 0.1}, "bin_s: 0.1 s is shorter than one frame of 0.25 s"),
    ],
)
def test_what_cannot_be_computed_is_one_line(change, line):
    arguments = {"traces": np.zeros((50, 2)), "fs": FS} | change
    with pytest.raises(ValueError) as error:
        affinity(**arguments)
    assert line in str(error.value)
    assert "\n" not in str(error.value)
