"""Correlation beyond chance: exact, calibrated where nothing interacts, blind to activity."""

import dataclasses

import numpy as np
import pytest

from neuro.io.recordings.reader import Recording
from neuro.ntf import files
from neuro.ntf.affinity import excess as excess_module
from neuro.ntf.affinity import fill
from neuro.ntf.affinity.excess import excess, prepared
from neuro.ntf.affinity.pairs import affinity
from neuro.ntf.affinity.tensor import build_tensor
from neuro.ntf.communities.surrogates import shifted
from neuro.ntf.factors.models import ConcatenatedNMF
from neuro.simulate.pair_cases import EMPTY, FS, pair_case


def traces(n_frames=400, n_neurons=6, seed=0):
    return pair_case("independent", n_neurons, n_frames, rng=np.random.default_rng(seed))


def slow(x, fs, lags, width, centres, signal="derivative", common=True):
    """Pair by pair, window by window, with numpy's own correlation."""
    import pandas as pd

    x, seen = prepared(x, fs, signal, 0.75)
    x = np.where(seen, x, np.nan)
    n = x.shape[1]
    out = np.full((len(centres), n, n), np.nan)
    for i in range(n):
        for j in range(i):
            spreads, differences = [], []
            for centre in centres:
                first = int(min(max(0, round(centre - width / 2)), len(x) - width))

                def r(a, b, lag, first=first):
                    if not 0 <= first + lag <= len(x) - width:
                        return np.nan
                    left = pd.Series(x[first : first + width, a])
                    right = pd.Series(x[first + lag : first + lag + width, b])
                    if (left.notna() & right.notna()).sum() < width / 2:
                        return np.nan
                    return left.corr(right)

                moved = [
                    r(*pair, s * lag) for lag in lags for s in (1, -1) for pair in ((i, j), (j, i))
                ]
                moved = [one for one in moved if np.isfinite(one)]
                now = r(i, j, 0)
                enough = len(moved) > 1
                differences.append(now - np.mean(moved) if enough else np.nan)
                if enough and np.isfinite(now):
                    spreads.append(np.var(moved, ddof=1))
            s = np.sqrt(np.mean(spreads) * (1 + 0.5 / len(lags)))
            out[:, j, i] = np.array(differences) / s
    left, right = np.triu_indices(n, 1)
    out = out[:, left, right]
    if common:
        out = out - np.nanmean(out, axis=1, keepdims=True)
    return out


CENTRES = np.arange(40.0, 360.0, 40.0)


@pytest.mark.parametrize("signal", ["derivative", "level"])
@pytest.mark.parametrize("common", [True, False])
def test_every_value_is_that_of_a_slow_version(signal, common):
    x = traces()
    got = excess(x, FS, signal=signal, centres=CENTRES, common=common)
    want = slow(x, FS, [20, 40, 60, 80], 80, CENTRES, signal, common)
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_gaps_of_some_neurons_are_exact_too():
    x = traces()
    x[50:130, 1] = np.nan
    x[100:120, 4] = np.nan
    got = excess(x, FS, centres=CENTRES, common=False)
    want = slow(x, FS, [20, 40, 60, 80], 80, CENTRES, common=False)
    assert np.isnan(want).any()
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, atol=2e-4)


def test_a_gap_of_one_neuron_changes_no_other_pair():
    x = traces(n_neurons=5)
    whole = excess(x, FS, common=False)
    x[100:250, 2] = np.nan
    gappy = excess(x, FS, common=False)
    left, right = np.triu_indices(5, 1)
    others = (left != 2) & (right != 2)
    np.testing.assert_array_equal(whole[:, others], gappy[:, others])
    assert np.isnan(gappy[:, ~others]).any() and not np.isnan(gappy[:, ~others]).all()


def test_scale_offset_and_order_of_neurons_do_not_matter():
    x = traces()
    want = excess(x, FS)
    np.testing.assert_allclose(
        excess(x * [1, 100, 1e-3, 5, 1, 1] + [0, 1e3, 0, -4, 7, 1], FS), want, atol=2e-3
    )
    order = np.array([3, 0, 5, 1, 4, 2])
    left, right = np.triu_indices(6, 1)
    full = np.zeros((len(want), 6, 6))
    full[:, left, right] = full[:, right, left] = want
    np.testing.assert_allclose(
        excess(x[:, order], FS), full[:, order][:, :, order][:, left, right], atol=2e-3
    )


def test_constant_traces_have_no_affinity():
    x = traces()
    x[:, 3] = 7.0
    z = excess(x, FS)
    left, right = np.triu_indices(6, 1)
    assert not z[:, (left == 3) | (right == 3)].any()
    assert np.isfinite(z).all()


def false_positives(kind, common, seeds):
    share = []
    for seed in seeds:
        x = pair_case(kind, rng=np.random.default_rng(seed))
        z = excess(x, FS, centres=np.arange(40.0, 761.0, 80.0), common=common)
        share.append((np.abs(z.mean(axis=0) * np.sqrt(len(z))) > 1.96).mean())
    return float(np.mean(share))


@pytest.mark.parametrize("kind", EMPTY)
def test_where_nothing_interacts_pairs_are_called_at_their_rate(kind):
    """Windows that do not overlap; eight recordings of 190 pairs."""
    assert false_positives(kind, True, range(8)) <= (0.10 if kind == "burst" else 0.08)


def test_common_bursts_look_like_interaction_until_the_common_part_is_off():
    assert false_positives("burst", False, range(8)) > 0.15


def test_partners_are_found_whatever_their_activity():
    """Today's differential affinity ranks pairs by how often their traces move."""
    rng = np.random.default_rng(3)
    x = pair_case("cliques", 24, 2000, n_cliques=1, amplitude=0.4, rng=rng)
    # busy bystanders, quiet members
    events = (rng.random((2000, 16)) < 0.15) * rng.gamma(2, 1, (2000, 16))
    from scipy.signal import lfilter

    x[:, 8:] += lfilter([1.0], [1.0, -np.exp(-1 / 6)], events, axis=0)
    left, right = np.triu_indices(24, 1)
    inside = (left < 8) & (right < 8)

    def auroc(value):
        ranks = value.argsort().argsort()
        n = inside.sum()
        return (ranks[inside].sum() - n * (n - 1) / 2) / (n * (~inside).sum())

    assert auroc(excess(x, FS).mean(axis=0)) > 0.97
    assert auroc(affinity(x, FS, "differential").mean(axis=0)) < 0.6


def recordings(gap=True):
    items = []
    for k in range(3):
        x = pair_case("cliques", 24, 600, rng=np.random.default_rng(k)).astype(np.float32)
        if gap and k == 1:
            x[200:400, 5] = np.nan
        items.append(Recording(f"w{k}", x, FS, [f"N{i:02d}" for i in range(24)], None, ""))
    return items


OPTIONS = {"kind": "excess", "bin_s": 10.0, "window_s": 20.0}


def test_a_neuron_with_gaps_stays_and_its_pairs_are_masked_in_their_bins(tmp_path):
    tensor = build_tensor(recordings(), **OPTIONS)
    whole = build_tensor(recordings(gap=False), **OPTIONS)
    assert len(tensor.names) == 24 and not tensor.unobserved and tensor.pair_mask.all()
    left, right = np.triu_indices(24, 1)
    touched = (left == 5) | (right == 5)
    assert tensor.observed[:, [0, 2]].all() and tensor.observed[:, 1, ~touched].all()
    lost = ~tensor.observed[:, 1, touched].any(axis=1)
    # bins of which at most half a window is left
    assert lost.nonzero()[0].tolist() == [5, 6, 7, 8, 9]
    np.testing.assert_array_equal(tensor.values[:, [0, 2]], whole.values[:, [0, 2]])
    assert whole.observed is None
    path = tmp_path / "axes.npz"
    files.write_axes(path, tensor)
    np.testing.assert_array_equal(files.read_axes(path).observed, tensor.observed)
    files.write_axes(path, whole)
    assert files.read_axes(path).observed is None
    a, b = (ConcatenatedNMF(3, n_starts=3, random_state=0).fit(one) for one in (tensor, whole))
    assert abs(a.error_ - b.error_) < 0.01


def test_other_kinds_still_leave_the_neuron_out():
    items = recordings()
    items[1].traces[:400, 5] = np.nan
    tensor = build_tensor(items, kind="differential", bin_s=10.0)
    assert list(tensor.unobserved["w1"]) == ["N05"]


@pytest.mark.parametrize("sign", ["positive", "negative", "blind"])
def test_signs_are_parts_of_the_same_value(sign):
    x = traces()
    z = excess(x, FS, centres=CENTRES)
    want = {"positive": np.maximum(z, 0), "negative": np.maximum(-z, 0), "blind": np.abs(z)}[sign]
    bins = (CENTRES - 20).astype(int), (CENTRES + 20).astype(int)
    np.testing.assert_array_equal(affinity(x, FS, "excess", sign=sign, bins=bins), want)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": "both"}, "signal: got 'both'"),
        ({"window_s": 96.0}, "too short for windows of 96 s and lags of 5 s"),
        ({"lags_s": ()}, "lags_s: got"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        excess(traces(), FS, **change)


def test_a_drifting_surrogate_has_no_step_and_gaps_stay():
    item = recordings()[1]
    x = item.traces.copy()
    x[:, 0] += np.linspace(0, 500, len(x))
    item = dataclasses.replace(item, traces=x)
    made = shifted(item, np.random.default_rng(0)).traces
    assert np.abs(np.diff(made[:, 0])).max() < 20
    np.testing.assert_array_equal(np.isnan(made), np.isnan(x))


@pytest.mark.parametrize("sign", ["positive", "blind", "signed", "split"])
@pytest.mark.parametrize("gaps", [False, True])
def test_a_tensor_in_a_file_is_that_in_memory(sign, gaps, tmp_path, monkeypatch):
    """Blocks of a bin or two, and no block at all; with gaps also what was observed."""
    items = recordings()
    if not gaps:
        items = [dataclasses.replace(item, traces=np.nan_to_num(item.traces)) for item in items]
    options = {"kind": "excess", "sign": sign, "window_s": 20.0, "bin_s": 10.0}
    whole = build_tensor(items, **options)
    monkeypatch.setattr(fill, "BLOCK_BYTES", 700)
    monkeypatch.setattr(excess_module, "KEPT", 2)
    streamed = build_tensor(items, out=tmp_path / "tensor.npy", **options)
    assert isinstance(streamed.values, np.memmap)
    np.testing.assert_array_equal(whole.values, streamed.values)
    np.testing.assert_array_equal(whole.pair_mask, streamed.pair_mask)
    assert (whole.observed is None) == (streamed.observed is None) == (not gaps)
    if gaps:
        np.testing.assert_array_equal(whole.observed, streamed.observed)
    assert [path.name for path in tmp_path.iterdir()] == ["tensor.npy"]
